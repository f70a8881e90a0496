//! The playbook that the service answers from, and what its answers have to be.

use crate::dice::Dice;

/// Every answer, by a word of its question. A `probe` may come joined with a question before it, to
/// which nothing was heard.
pub(crate) const PLAYBOOK: &str = r#"
[[answers]]
asks = ["probe"]
says = "shown {shown} end {said}"

[[answers]]
asks = ["quick"]
says = "好的，这是对{said}的回答。"

[[answers]]
asks = ["slow"]
says = "好的，你说的是{said}。我听见了，而且记住了。我们接着聊吧。"
characters = 4
first_ms = 5
every_ms = 8

[[answers]]
asks = ["long"]
says = "让我想一想{said}。第一，要慢慢来。第二，不要着急。第三，多问几个人。第四，睡一觉再说。最后，别忘了吃饭。"
characters = 3
first_ms = 20
every_ms = 15

[[answers]]
asks = ["paced"]
says = "请等一等{said}。现在好了。"
first_ms = 400

[[answers]]
asks = ["stuck"]
says = "这个问题{said}需要很久。我一个字一个字地说。你可以先去喝茶。回来的时候我也许说完了。也许还没有。"
characters = 1
every_ms = 50
"#;

/// The kinds of question, and the parts of a playbook's line around the question's words.
const ANSWERS: [(&str, &str, &str); 5] = [
    ("paced", "请等一等", "。现在好了。"),
    ("quick", "好的，这是对", "的回答。"),
    ("slow", "好的，你说的是", "。我听见了，而且记住了。我们接着聊吧。"),
    (
        "long",
        "让我想一想",
        "。第一，要慢慢来。第二，不要着急。第三，多问几个人。第四，睡一觉再说。最后，别忘了吃饭。",
    ),
    (
        "stuck",
        "这个问题",
        "需要很久。我一个字一个字地说。你可以先去喝茶。回来的时候我也许说完了。也许还没有。",
    ),
];

/// The whole answer to a question of [`question`].
pub(crate) fn answer(said: &str) -> String {
    let (_, before, after) = ANSWERS
        .iter()
        .find(|(kind, ..)| said.starts_with(kind))
        .unwrap_or_else(|| panic!("no answer to {said}"));
    format!("{before}{said}{after}")
}

/// A question that no other one is equal to.
pub(crate) fn question(kind: &str, number: usize) -> String {
    format!("{kind}问{number}")
}

/// A kind of question that is answered within a second.
pub(crate) fn kind(dice: &mut Dice) -> &'static str {
    dice.pick(&["quick", "slow", "slow", "long"])
}
