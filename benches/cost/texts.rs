//! What is said: long answers in both languages, in pieces of about a token.

/// An answer and how it comes.
pub(crate) struct Answer {
    pub(crate) language: &'static str,
    /// What the person asks.
    pub(crate) question: &'static str,
    text: &'static str,
    /// Characters of a piece: what tokenizers of today make of the language.
    pub(crate) characters: usize,
}

/// The answers.
pub(crate) const ANSWERS: [Answer; 2] = [
    Answer {
        language: "Chinese",
        question: "如何应对压力",
        text: "[calm]先停下来，慢慢呼吸几次，让身体知道现在是安全的。[joy]然后把大事拆成小步，今天只做第一步；\
               做完了，就在纸上划掉它。压力大的时候，人容易把3.5分的事看成10分，所以找个朋友聊聊很有用，\
               听听别人怎么看。睡眠也很重要：每天尽量在同一个时间上床，睡前半小时不看手机。",
        characters: 2,
    },
    Answer {
        language: "English",
        question: "How do I deal with stress?",
        text: "[calm] First stop for a moment and take a few slow breaths, so that your body knows it is safe. \
               [joy] Then cut the big thing into small steps, and do only the first one today; when it is done, \
               cross it out on paper. Under stress we take a matter of 3.5 points for one of 10, so talk to a \
               friend, e.g. on a walk, and listen to how Dr. Smith or anybody else would see it. Sleep matters, \
               too: go to bed at the same time every day, without a phone for the last half hour. ",
        characters: 4,
    },
];

impl Answer {
    /// The text so often that it makes hundreds of tokens.
    pub(crate) fn long(&self) -> String {
        self.text.repeat(6)
    }

    /// The long text in pieces.
    pub(crate) fn pieces(&self) -> Vec<String> {
        let characters: Vec<char> = self.long().chars().collect();
        characters.chunks(self.characters).map(|piece| piece.iter().collect()).collect()
    }
}
