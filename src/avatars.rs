//! What avatars need beside the words: sound that lasts as long as speech does, servers that make it, and
//! those that speak no protocol of ours and are driven from here.

pub mod livetalking;
pub mod speech;
pub mod wave;

use std::time::Duration;

use wave::Wave;

/// Longest silence that is made for one sentence.
pub const LONGEST: Duration = Duration::from_secs(30);

/// How long it takes to say a text aloud, about: somewhat more than four Chinese characters or fifteen
/// letters in a second, and a breath.
pub fn spoken_length(text: &str) -> Duration {
    let letters = text.chars().map(|letter| match letter {
        letter if letter.is_whitespace() => 30,
        '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}' | '\u{20000}'..='\u{3ffff}' => 220,
        letter if letter.is_alphanumeric() => 65,
        _ => 100,
    });
    (Duration::from_millis(300) + Duration::from_millis(letters.sum())).min(LONGEST)
}

/// A silence that takes as long as saying the text would.
pub fn silence(text: &str) -> Wave {
    Wave::silent(spoken_length(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_texts_take_longer_and_none_takes_for_ever() {
        let seconds = |text: &str| spoken_length(text).as_secs_f64();
        assert!(
            (1.0..2.5).contains(&seconds("先深呼吸，把大事")),
            "{}",
            seconds("先深呼吸，把大事")
        );
        assert!((1.0..3.0).contains(&seconds("Take a deep breath first.")));
        assert!(seconds("") > 0.0);
        assert!(seconds("好。") < seconds("好的，没有问题。"));
        assert_eq!(spoken_length(&"长".repeat(10_000)), LONGEST);
    }
}
