//! Both documents as one page. It needs no script and asks for nothing else.

use std::fmt::Write;

use serde_json::Value;

/// The page's style sheet, of which the policy of the page knows the sum.
pub(super) const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem;color:#1c1c1e;background:#fff}\
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid #ddd}\
details{border:1px solid #ddd;border-radius:.4rem;margin:.4rem 0;padding:.3rem .7rem}\
summary{cursor:pointer}summary b{display:inline-block;min-width:4.5rem;font:600 .8rem ui-monospace,monospace}\
code,pre{font:.85rem ui-monospace,monospace}pre{overflow-x:auto;background:#f6f6f8;padding:.7rem;border-radius:.4rem}\
a{color:#0b57d0}nav a{margin-right:1rem}\
@media(prefers-color-scheme:dark){body{color:#eee;background:#161618}pre{background:#222226}\
details,h2{border-color:#3a3a3e}a{color:#8ab4f8}}";

/// The methods of a path, in the order in which they are shown.
const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// The page.
pub(super) fn page(openapi: &Value, asyncapi: &Value) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Anima: the wire</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\
         <h1>Anima {}: the wire</h1><p>For machines: <a href=\"/openapi.json\">/openapi.json</a>, \
         <a href=\"/asyncapi.json\">/asyncapi.json</a>.</p>",
        escaped(openapi["info"]["version"].as_str().unwrap_or_default())
    );
    http(&mut page, openapi);
    socket(&mut page, asyncapi);
    let mut shown: Vec<(&String, &Value)> = Vec::new();
    for document in [openapi, asyncapi] {
        let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
        for (name, schema) in schemas {
            if shown.iter().all(|(known, _)| *known != name) {
                shown.push((name, schema));
            }
        }
    }
    shown.sort_by_key(|(name, _)| *name);
    page.push_str("<h2>Shapes</h2>");
    for (name, schema) in shown {
        let name = escaped(name);
        // Writing to a text cannot fail.
        let _ = write!(
            page,
            "<details id=\"{name}\"><summary>{name}</summary>{}</details>",
            pre(schema)
        );
    }
    page.push_str("</body></html>\n");
    page
}

fn http(page: &mut String, openapi: &Value) {
    let mut group = "";
    let paths = openapi["paths"].as_object().into_iter().flatten();
    for (path, methods) in paths {
        for method in METHODS {
            let Some(operation) = methods.get(method) else { continue };
            let tag = operation["tags"][0].as_str().unwrap_or_default();
            if tag != group {
                group = tag;
                let _ = write!(page, "<h2>{}</h2>", escaped(tag));
            }
            let summary = escaped(operation["summary"].as_str().unwrap_or_default());
            let _ = write!(
                page,
                "<details><summary><b>{}</b> <code>{}</code> {summary}</summary>",
                method.to_uppercase(),
                escaped(path)
            );
            for (title, part) in [
                ("Parameters", &operation["parameters"]),
                ("Body", &operation["requestBody"]["content"]),
                ("Answers", &operation["responses"]),
            ] {
                if !part.is_null() {
                    let _ = write!(page, "<p>{title}{}</p>{}", links(part), pre(part));
                }
            }
            page.push_str("</details>");
        }
    }
}

fn socket(page: &mut String, asyncapi: &Value) {
    let messages = asyncapi["channels"]["socket"]["messages"].as_object().into_iter().flatten();
    let messages: Vec<_> = messages.collect();
    for (title, end) in [
        ("The native WebSocket, /ws: what a client sends", "_received"),
        ("The native WebSocket, /ws: what the service sends", "_sent"),
    ] {
        let _ = write!(page, "<h2>{title}</h2>");
        for (_, message) in messages.iter().filter(|(name, _)| name.ends_with(end)) {
            let name = escaped(message["name"].as_str().unwrap_or_default());
            let summary = escaped(message["summary"].as_str().unwrap_or_default());
            let payload = &message["payload"];
            let _ = write!(
                page,
                "<details><summary><code>{name}</code> {summary}</summary><p>Frame{}</p>{}</details>",
                links(payload),
                pre(payload)
            );
        }
    }
}

/// Links to the shapes that a part refers to.
fn links(part: &Value) -> String {
    let mut names = Vec::new();
    references(part, &mut names);
    names.dedup();
    let link = |name: &&str| {
        let name = escaped(name);
        format!(" · <a href=\"#{name}\">{name}</a>")
    };
    names.iter().map(link).collect()
}

fn references<'part>(part: &'part Value, names: &mut Vec<&'part str>) {
    match part {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str().filter(|_| key == "$ref") {
                    Some(reference) => names.extend(reference.rsplit('/').next()),
                    None => references(value, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, names)),
        _ => {}
    }
}

fn pre(value: &Value) -> String {
    format!("<pre>{}</pre>", escaped(&format!("{value:#}")))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
