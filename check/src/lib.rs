//! The hallucination check as a library: whether the evidence bears out what a sentence says.
//!
//! Nothing here waits or asks anybody. A caller indexes what is known once a turn, has each sentence
//! checked in microseconds, and, where the check is not sure, asks a judge with the prompt that is
//! made here and has its answer read here.
//!
//! | module | is |
//! |---|---|
//! | [`Evidence`] | what is known in a turn, indexed |
//! | [`triage()`] | L0: whether a sentence can be true or false at all |
//! | [`Lexical`] | L1: a sentence against the evidence, with reasons and places |
//! | [`judge_prompt`], [`read_judgement`] | L2: what a judge is asked, and what of its answer is believed |
//! | [`repair_prompt`], [`read_repair`] | L4: what a model that repairs is asked, and what of it is believed |
//! | [`decide`] | what is done about a verdict |
//! | [`logistic`], [`measure`] | training |
//!
//! ```
//! use anima_check::{Evidence, Lexical, Passage, Sentence, Status};
//!
//! let text = "The tea museum opened in 1987. It has 12 rooms.".to_owned();
//! let evidence = Evidence::index([Passage { source_id: "leaflet".to_owned(), text }]);
//! let lexical = Lexical::shipped()?;
//! let asked = "When did it open?";
//! let verdict = lexical.check(&Sentence::spoken("The tea museum opened in 1987.", asked), &evidence);
//! assert_eq!(verdict.status, Status::Supported);
//! let verdict = lexical.check(&Sentence::spoken("The tea museum opened in 1997.", asked), &evidence);
//! assert_eq!(verdict.status, Status::Contradicted);
//! assert_eq!(verdict.suggestion.as_deref(), Some("The tea museum opened in 1987."));
//! # Ok::<(), anima_check::WeightsError>(())
//! ```

mod alignment;
mod evidence;
mod examine;
mod features;
mod findings;
mod hash;
mod judge;
mod laid;
mod lexical;
mod lexicon;
pub mod logistic;
mod manner;
mod parsed;
mod policy;
mod proof;
mod quantity;
mod question;
mod quote;
mod repair;
mod sentences;
mod span;
mod stranger;
mod tokens;
mod triage;
mod verdict;
mod vocabulary;
mod weights;

pub use self::{
    evidence::{Evidence, Passage},
    judge::{Claim, JudgeError, JudgePrompt, Judged, judge_prompt, read_judgement},
    lexical::{Lexical, Measured, Sentence, measure, measure_span},
    policy::{
        Action, Language, Policy, Preset, Situation, corrected, decide, doubt, hedge, withheld,
    },
    question::asks_directly,
    quote::find_quote,
    repair::{Repaired, read_repair, repair_prompt},
    sentences::sentences,
    triage::{NotCheckable, Triage, triage},
    verdict::{Layer, Reason, ReasonCode, Status, Verdict},
    vocabulary::{Naming, Word, words},
    weights::{Form, Profile, Weights, WeightsError},
};
