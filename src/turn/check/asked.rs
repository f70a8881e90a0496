//! What the check asks of others, and what comes back. It asks nobody itself.

use anima_check::{Claim, JudgePrompt};

/// Who may help with the answers of one provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Help {
    /// A judge.
    pub judge: bool,
    /// A model that repairs.
    pub repair: bool,
    /// Further answers to the same question.
    pub samples: bool,
}

/// Something that the pipeline is to do for the check. Each has exactly one [`Reply`], in any order.
#[derive(Debug)]
pub enum Effect {
    /// Ask the judge about these sentences.
    Judge {
        /// Which call of the turn it is.
        call: usize,
        /// What is asked.
        prompt: JudgePrompt,
        /// About how many sentences.
        claims: usize,
    },
    /// Have a sentence mended.
    Repair {
        /// Which one, as the check counts.
        sentence: usize,
        /// What is asked.
        prompt: JudgePrompt,
    },
    /// Ask the person's question several times more.
    Sample,
}

/// What came of an [`Effect`].
#[derive(Debug)]
pub enum Reply {
    /// Of [`Effect::Judge`].
    Judge {
        /// Which call of the turn it was.
        call: usize,
        /// The judge's words.
        answer: Result<String, Failure>,
    },
    /// Of [`Effect::Repair`].
    Repair {
        /// Which sentence was to be mended.
        sentence: usize,
        /// The model's words.
        answer: Result<String, Failure>,
    },
    /// Of [`Effect::Sample`]: as many answers as came.
    Sample(Result<Vec<String>, Failure>),
}

/// Why nothing came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Nothing came in time.
    Timeout,
    /// It is down, at its limit or busy, or it broke off.
    Unavailable,
    /// It declined to answer.
    Refused,
    /// What it said is not what was asked for.
    Malformed,
    /// It said nothing, or nothing about this.
    Silent,
    /// The turn was given up before it came.
    GivenUp,
}

impl Failure {
    /// Its name in reasons and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::Silent => "silent",
            Self::GivenUp => "given_up",
        }
    }
}

/// A call of the judge that was made.
#[derive(Debug)]
pub(super) struct Call {
    /// The sentences, numbered as the check counts.
    pub(super) claims: Vec<Claim>,
    pub(super) open: bool,
}
