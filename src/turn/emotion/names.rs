//! What models call the emotions.

use super::Emotion;

/// The names, lower case, by emotion; the first is the emotion's own tag.
const NAMES: [(Emotion, &[&str]); 10] = [
    (Emotion::Neutral, &["neutral", "normal", "none", "default", "中性", "平常", "正常", "无表情"]),
    (
        Emotion::Joy,
        &[
            "joy",
            "happy",
            "happiness",
            "joyful",
            "smile",
            "smiling",
            "smirk",
            "grin",
            "laugh",
            "laughing",
            "excited",
            "excitement",
            "cheerful",
            "glad",
            "delighted",
            "fun",
            "amused",
            "love",
            "loving",
            "encouraging",
            "高兴",
            "开心",
            "微笑",
            "喜悦",
            "快乐",
            "笑",
            "大笑",
            "愉快",
            "欢快",
            "兴奋",
            "激动",
            "欣喜",
            "鼓励",
            "热情",
            "喜欢",
            "爱",
        ],
    ),
    (
        Emotion::Calm,
        &[
            "calm", "relaxed", "gentle", "soothing", "peaceful", "serene", "tender", "平静",
            "温柔", "冷静", "放松", "安慰", "轻松", "温和", "安心",
        ],
    ),
    (
        Emotion::Sad,
        &[
            "sad",
            "sadness",
            "sorrow",
            "unhappy",
            "depressed",
            "crying",
            "cry",
            "sympathetic",
            "悲伤",
            "难过",
            "伤心",
            "忧伤",
            "沮丧",
            "失落",
            "哭",
            "同情",
            "遗憾",
        ],
    ),
    (
        Emotion::Surprise,
        &[
            "surprise",
            "surprised",
            "astonished",
            "amazed",
            "shocked",
            "惊讶",
            "吃惊",
            "惊喜",
            "震惊",
            "意外",
            "惊奇",
        ],
    ),
    (
        Emotion::Sorry,
        &[
            "sorry",
            "apologetic",
            "apology",
            "awkward",
            "embarrassed",
            "guilty",
            "抱歉",
            "道歉",
            "歉意",
            "愧疚",
            "内疚",
            "尴尬",
            "不好意思",
        ],
    ),
    (
        Emotion::Curious,
        &[
            "curious",
            "curiosity",
            "think",
            "thinking",
            "thoughtful",
            "question",
            "interested",
            "confused",
            "puzzled",
            "好奇",
            "疑惑",
            "思考",
            "困惑",
            "疑问",
            "感兴趣",
            "沉思",
        ],
    ),
    (Emotion::Proud, &["proud", "pride", "confident", "smug", "自豪", "得意", "骄傲", "自信"]),
    (
        Emotion::Anger,
        &[
            "anger",
            "angry",
            "annoyed",
            "mad",
            "furious",
            "disgust",
            "disgusted",
            "生气",
            "愤怒",
            "恼怒",
            "恼火",
            "不满",
            "厌恶",
        ],
    ),
    (
        Emotion::Fear,
        &[
            "fear", "afraid", "scared", "fearful", "worried", "anxious", "nervous", "害怕", "担心",
            "恐惧", "担忧", "紧张", "焦虑", "惊恐",
        ],
    ),
];

impl Emotion {
    /// The emotion of a name in English or Chinese, in any case: `joy`, `Happy`, `开心`.
    ///
    /// Names that models use for something near are taken, too: `awkward` is [`Sorry`](Self::Sorry).
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase();
        NAMES.iter().find(|(_, names)| names.contains(&name.as_str())).map(|(emotion, _)| *emotion)
    }

    /// The name under which an emotion goes over the wire: `joy`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Joy => "joy",
            Self::Calm => "calm",
            Self::Sad => "sad",
            Self::Surprise => "surprise",
            Self::Sorry => "sorry",
            Self::Curious => "curious",
            Self::Proud => "proud",
            Self::Anger => "anger",
            Self::Fear => "fear",
        }
    }
}

/// Whether a name can begin like this; `start` is lower case.
pub(super) fn begins(start: &str) -> bool {
    NAMES.iter().any(|(_, names)| names.iter().any(|name| name.starts_with(start)))
}
