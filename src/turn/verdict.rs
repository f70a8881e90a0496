//! What the check says of a sentence, as it is told and kept.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the check says of a sentence. Each sentence of an answer that came to its end has one.
///
/// What was kept by older versions has a status and reasons alone, and is read as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// The sentence it is about; `None` means the whole answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<u32>,
    /// What was found of the sentence as the model gave it.
    pub status: VerdictStatus,
    /// Reason codes: what speaks against it, or why nobody could say.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// The places in the released text that the reasons are about.
    #[serde(default)]
    pub spans: Vec<Span>,
    /// The passages that bear it out, or say otherwise.
    #[serde(default)]
    pub sources: Vec<String>,
    /// How likely it is not borne out, from 0 to 1, as far as the comparison of words can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The sentence as the evidence has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Correction>,
    /// Who decided; `None` where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<VerdictLayer>,
    /// What was done about it.
    #[serde(default)]
    pub action: CheckAction,
    /// From the whole sentence to its verdict, in microseconds.
    #[serde(default)]
    pub latency_us: u64,
}

impl Verdict {
    /// The verdict on a sentence that nobody looked at, and why.
    pub fn unchecked(sentence: u32, reason: &str) -> Self {
        Self { sentence: Some(sentence), reasons: vec![reason.to_owned()], ..Self::default() }
    }
}

/// The outcomes of the check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictStatus {
    /// The evidence says so.
    Supported,
    /// The evidence does not say so.
    Unsupported,
    /// The evidence says otherwise.
    Contradicted,
    /// It could not be decided.
    Uncertain,
    /// Nothing in it can be true or false: a greeting, a question.
    NotCheckable,
    /// Nobody looked.
    #[default]
    Unchecked,
}

impl VerdictStatus {
    /// Its name in metrics and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Unsupported => "unsupported",
            Self::Contradicted => "contradicted",
            Self::Uncertain => "uncertain",
            Self::NotCheckable => "not_checkable",
            Self::Unchecked => "unchecked",
        }
    }
}

/// Who gave a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictLayer {
    /// Whether there is something to check at all.
    Triage,
    /// The comparison of words with the evidence.
    Lexical,
    /// A model that was asked, and proved it with a quote.
    Judge,
    /// Further answers to the same question.
    Samples,
    /// The model that repairs, whose sentence was proved with a quote.
    Repair,
}

impl VerdictLayer {
    /// Its name in metrics and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Lexical => "lexical",
            Self::Judge => "judge",
            Self::Samples => "samples",
            Self::Repair => "repair",
        }
    }
}

/// What was done about a verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckAction {
    /// The sentence was said as the model gave it.
    #[default]
    None,
    /// It was said after a caution; in a row of such sentences the first one has it.
    Hedge,
    /// A proved correction was said instead.
    Replace,
    /// It was not said; the first one of a row is stood in for, the others are empty.
    Withhold,
    /// It was said, and a proved correction after it.
    CorrectAfter,
}

/// A place in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Span {
    /// The first character, counted from 0 in Unicode code points.
    pub start: u32,
    /// The character after the last one.
    pub end: u32,
    /// The reason code that it belongs to.
    pub reason: String,
    /// The words there.
    pub value: String,
    /// What the evidence has instead, where it has something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

/// A sentence as the evidence has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Correction {
    /// The sentence.
    pub text: String,
    /// Whether a quote from the evidence proves it. What is not proved is to be shown, and is never
    /// spoken.
    pub proved: bool,
    /// The quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_older_versions_kept_is_still_read() {
        let old = json!({ "sentence": 3, "status": "unchecked", "reasons": ["no_evidence"] });
        let verdict: Verdict = serde_json::from_value(old).unwrap();
        assert_eq!(verdict, Verdict::unchecked(3, "no_evidence"));
        let whole: Verdict = serde_json::from_value(json!({ "status": "supported" })).unwrap();
        assert_eq!((whole.sentence, whole.status), (None, VerdictStatus::Supported));
    }

    #[test]
    fn names_are_those_of_the_wire() {
        use VerdictLayer::{Judge, Lexical, Repair, Samples, Triage};
        use VerdictStatus::{
            Contradicted, NotCheckable, Supported, Uncertain, Unchecked, Unsupported,
        };
        for status in [Supported, Unsupported, Contradicted, Uncertain, NotCheckable, Unchecked] {
            assert_eq!(json!(status), status.name());
        }
        for layer in [Triage, Lexical, Judge, Samples, Repair] {
            assert_eq!(json!(layer), layer.name());
        }
    }
}
