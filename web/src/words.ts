/** What the page says, in Chinese and English. */
import { preferences } from "./preferences.js";

const WORDS = {
  tagline: ["数字人的大脑", "The brain of a digital human"],
  conversations: ["会话", "Conversations"],
  noConversations: ["还没有会话", "No conversations yet"],
  showConversations: ["显示会话列表", "Show conversations"],
  hideConversations: ["关闭会话列表", "Hide conversations"],
  rename: ["重命名", "Rename"],
  newName: ["新的名称", "New name"],
  delete: ["删除", "Delete"],
  really: ["确认删除", "Really delete"],
  untitled: ["新会话", "New conversation"],
  digitalHuman: ["数字人", "Digital human"],
  transcript: ["对话记录", "Transcript"],
  placeholder: ["说点什么…", "Say something …"],
  yourWords: ["您要说的话", "Your words"],
  send: ["发送", "Send"],
  interrupt: ["打断", "Interrupt"],
  again: ["重新回答", "Answer again"],
  fresh: ["新话题", "New topic"],
  parameters: ["生成参数", "Generation"],
  settings: ["设置", "Settings"],
  close: ["关闭", "Close"],
  microphone: ["语音输入", "Speak"],
  microphoneOff: ["停止语音输入", "Stop listening"],
  who: ["谁来回答", "Who answers"],
  provider: ["模型", "Model"],
  persona: ["角色", "Persona"],
  temperature: ["温度", "Temperature"],
  temperatureHint: ["越低越稳定，越高越多样", "Lower is steadier, higher is more varied"],
  topP: ["核采样 top_p", "top_p"],
  topPHint: ["只在最可能的词里选", "Choose among the likeliest words only"],
  turns: ["上文轮次", "Earlier exchanges"],
  turnsHint: ["模型能看到的前几轮对话", "How many the model is shown"],
  byPersona: ["按角色", "As the persona has it"],
  reset: ["恢复默认", "Defaults"],
  voice: ["声音", "Voice"],
  sound: ["朗读回答", "Speak answers aloud"],
  soundOn: ["开启朗读", "Speak answers aloud"],
  soundOff: ["静音", "Mute"],
  automatic: ["自动", "Automatic"],
  noVoices: ["此浏览器没有可用的语音，按阅读速度显示", "This browser has no voices; captions follow reading speed"],
  rate: ["语速", "Pace"],
  access: ["访问", "Access"],
  key: ["API 密钥", "API key"],
  keyHint: ["只在此标签页中保留", "Kept for this tab only"],
  keyNeeded: ["此服务需要 API 密钥", "This service wants an API key"],
  interface: ["界面", "Interface"],
  language: ["界面语言", "Language"],
  theme: ["外观", "Appearance"],
  light: ["浅色", "Light"],
  dark: ["深色", "Dark"],
  connecting: ["正在连接…", "Connecting …"],
  open: ["已连接", "Connected"],
  waiting: ["连接断开，正在重连…", "Connection lost, reconnecting …"],
  elsewhere: ["此会话已在别处打开", "This conversation was opened elsewhere"],
  takeOver: ["在这里继续", "Continue here"],
  restarting: ["服务正在重启，稍后自动恢复", "The service restarts and will be back"],
  idle: ["在这里", "Here for you"],
  listening: ["在听", "Listening"],
  thinking: ["在想", "Thinking"],
  speaking: ["在说", "Speaking"],
  away: ["离开了一会儿", "Away for a moment"],
  queued: ["排队中，前面还有 {n} 个", "Waiting, {n} before you"],
  interrupted: ["已打断", "Interrupted"],
  unheard: ["没有听到的部分", "Not heard"],
  length: ["到达长度上限", "Reached its length limit"],
  filtered: ["已过滤", "Filtered"],
  failed: ["没有答成", "No answer"],
  incomplete: ["没有答完：服务中断了", "Unfinished: the service ended"],
  retry: ["重试", "Try again"],
  notKept: ["存储不可用，这一轮没有保存", "The store is away: this turn is not kept"],
  you: ["您", "You"],
  firstSentence: ["首句 {n} ms", "first sentence {n} ms"],
  total: ["共 {n} ms", "{n} ms in all"],
  tokens: ["{n} 词元", "{n} tokens"],
  greeting: ["你好，我是{name}。", "Hello, I am {name}."],
  greetingHint: ["想聊什么都可以，也可以随时打断我。", "Ask me anything, and cut in whenever you like."],
  supported: ["有依据", "Supported"],
  unsupported: ["依据不足", "Unsupported"],
  contradicted: ["与依据矛盾", "Contradicted"],
  uncertain: ["不确定", "Uncertain"],
  notCheckable: ["无需核查", "Nothing to check"],
  unchecked: ["未核查", "Unchecked"],
  wholeAnswer: ["整个回答", "The whole answer"],
  sources: ["来源", "Sources"],
  correction: ["更正", "Correction"],
  reasons: ["原因", "Reasons"],
  score: ["不符的可能", "Likely wrong"],
  microphoneDenied: ["麦克风没有授权", "The microphone is not allowed"],
  microphoneFailed: ["语音识别不可用", "Speech recognition is not available"],
  requestFailed: ["没有成功：{message}", "That did not work: {message}"],
  switched: ["从下一轮起由 {provider}（{persona}）回答", "{provider} ({persona}) answers from the next turn on"],
  emotion_neutral: ["平静", "Neutral"],
  emotion_joy: ["开心", "Joyful"],
  emotion_calm: ["安宁", "Calm"],
  emotion_sad: ["难过", "Sad"],
  emotion_surprise: ["惊讶", "Surprised"],
  emotion_sorry: ["抱歉", "Sorry"],
  emotion_curious: ["好奇", "Curious"],
  emotion_proud: ["自豪", "Proud"],
  emotion_anger: ["生气", "Angry"],
  emotion_fear: ["害怕", "Afraid"],
} as const satisfies Record<string, readonly [chinese: string, english: string]>;

/** The keys of all words. */
export type Word = keyof typeof WORDS;

/** Whatever shows words, in the order in which it was made. */
const readers: (() => void)[] = [];

/** A text in the person's language; `{name}` stands for what is given under that name. */
export function word(key: Word, values: Record<string, string | number> = {}): string {
  const text = WORDS[key][preferences.language === "zh" ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** Shows something now, and again whenever the language changes. */
export function inWords(show: () => void): void {
  readers.push(show);
  show();
}

/** An element's text in the person's language. */
export function labelled<E extends HTMLElement>(element: E, key: Word): E {
  inWords(() => { element.textContent = word(key); });
  return element;
}

/** An element's name for those who do not see it, and as a hint for those who do. */
export function named<E extends HTMLElement>(element: E, key: Word): E {
  inWords(() => {
    element.setAttribute("aria-label", word(key));
    element.title = word(key);
  });
  return element;
}

/** Shows everything in the language that is chosen now. */
export function speakLanguage(): void {
  document.documentElement.lang = preferences.language === "zh" ? "zh-CN" : "en";
  for (const show of readers) show();
}
