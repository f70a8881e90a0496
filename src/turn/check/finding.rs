//! What is known of a sentence, from whichever layer, and how it is told.

use anima_check::{Judged, Layer, Reason, ReasonCode, Repaired, Status};

use super::{
    super::{CheckAction, Correction, Span, Verdict, VerdictLayer, VerdictStatus, filter::Words},
    Failure,
};

/// What is known of a sentence.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) status: VerdictStatus,
    pub(super) layer: Option<VerdictLayer>,
    /// Reason codes beside those of `places`.
    notes: Vec<String>,
    /// What the comparison of words found, with the bytes of the trimmed sentence.
    pub(super) places: Vec<Reason>,
    pub(super) sources: Vec<String>,
    score: Option<f64>,
    pub(super) correction: Option<Correction>,
    /// Who proved the correction, and by which passage.
    proof: Option<(VerdictLayer, String)>,
}

impl Found {
    /// Nobody looked.
    pub(super) fn unchecked(reason: &str) -> Self {
        Self { notes: vec![reason.to_owned()], ..Self::default() }
    }

    /// What the comparison of words says. Without knowledge, what it cannot find says nothing.
    pub(super) fn lexical(verdict: anima_check::Verdict, grounded: bool) -> Self {
        if !grounded && matches!(verdict.status, Status::Unsupported | Status::Uncertain) {
            return Self::unchecked("no_evidence");
        }
        let notes = verdict.not_checkable.map(name_of).into_iter().collect();
        let layer = match verdict.layer {
            Layer::Triage => VerdictLayer::Triage,
            Layer::Lexical | Layer::Judge => VerdictLayer::Lexical,
        };
        Self {
            status: told(verdict.status),
            layer: Some(layer),
            notes,
            places: verdict.reasons,
            sources: verdict.sources,
            score: verdict.probability,
            correction: verdict.suggestion.map(|text| Correction {
                text,
                proved: false,
                quote: None,
            }),
            proof: None,
        }
    }

    /// The same with what a judge says of it. One that proves nothing changes nothing.
    pub(super) fn judged(self, judged: Judged) -> Self {
        let note =
            |found: Self| if found.places.is_empty() { found.noting("judge") } else { found };
        let sources = judged.source.clone().into_iter().collect();
        let found =
            Self { status: told(judged.status), layer: Some(VerdictLayer::Judge), ..self.clone() };
        match judged.status {
            Status::Supported => {
                Self { notes: Vec::new(), places: Vec::new(), sources, correction: None, ..found }
            }
            Status::Contradicted => {
                let proof = judged.source.filter(|_| judged.correction.is_some());
                let quote = judged.quote;
                let proved = judged.correction.map(|text| Correction { text, proved: true, quote });
                let correction = proved.or(found.correction.clone());
                let proof = proof.map(|source| (VerdictLayer::Judge, source));
                note(Self { sources, correction, proof, ..found })
            }
            Status::Unsupported => note(Self { sources: Vec::new(), ..found }),
            Status::Uncertain | Status::NotCheckable | Status::Unchecked => {
                self.noting("judge_unproved")
            }
        }
    }

    /// The same with a proved correction.
    pub(super) fn repaired(self, repaired: Repaired) -> Self {
        let Repaired { text, quote, source } = repaired;
        let correction = Some(Correction { text, proved: true, quote: Some(quote) });
        Self { correction, proof: Some((VerdictLayer::Repair, source)), ..self }
    }

    /// The same when those who should have looked could not. What was found stands; what was left
    /// open to them was not looked at.
    pub(super) fn without(self, role: &str, failure: Failure) -> Self {
        let found = self.noting(&format!("{role}_{}", failure.name()));
        match found.status {
            VerdictStatus::Uncertain => {
                Self { status: VerdictStatus::Unchecked, layer: None, ..found }
            }
            _ => found,
        }
    }

    /// The same with how far further answers agree. It is no evidence, and supports nothing.
    pub(super) fn compared(self, agreement: f64, consistent: bool) -> Self {
        let (layer, score) = (Some(VerdictLayer::Samples), Some(1.0 - agreement));
        let found = Self { layer, score, ..self };
        if consistent {
            found.noting("consistent")
        } else {
            Self { status: VerdictStatus::Uncertain, ..found }.noting("inconsistent")
        }
    }

    pub(super) fn noting(mut self, note: &str) -> Self {
        self.notes.push(note.to_owned());
        self
    }

    /// Whether it speaks against the sentence.
    pub(super) fn is_against(&self) -> bool {
        matches!(self.status, VerdictStatus::Unsupported | VerdictStatus::Contradicted)
    }

    /// A correction that may be spoken.
    pub(super) fn proved(&self) -> Option<&Correction> {
        self.correction.as_ref().filter(|correction| correction.proved)
    }

    /// The verdict on a correction that is spoken as a sentence of its own.
    pub(super) fn of_correction(&self) -> Self {
        let (layer, sources) = match &self.proof {
            Some((layer, source)) => (Some(*layer), vec![source.clone()]),
            None => (None, Vec::new()),
        };
        let status = VerdictStatus::Supported;
        Self { status, layer, sources, notes: vec!["correction".to_owned()], ..Self::default() }
    }

    /// The status as policies know it.
    pub(super) fn for_policy(&self) -> Status {
        match self.status {
            VerdictStatus::Supported => Status::Supported,
            VerdictStatus::Unsupported => Status::Unsupported,
            VerdictStatus::Contradicted => Status::Contradicted,
            VerdictStatus::Uncertain => Status::Uncertain,
            VerdictStatus::NotCheckable => Status::NotCheckable,
            VerdictStatus::Unchecked => Status::Unchecked,
        }
    }

    /// The verdict as it is told. `sentence` is what the model gave; it begins `offset` characters
    /// into the released text, if it is there at all.
    pub(super) fn verdict(
        &self,
        index: u32,
        sentence: &str,
        offset: Option<usize>,
        action: CheckAction,
    ) -> Verdict {
        let mut reasons: Vec<String> = Vec::new();
        for code in self.places.iter().map(|place| code(place.code)).chain(self.notes.clone()) {
            if !reasons.contains(&code) {
                reasons.push(code);
            }
        }
        let spans = offset.map_or_else(Vec::new, |offset| {
            self.places.iter().filter_map(|place| span(place, sentence.trim(), offset)).collect()
        });
        Verdict {
            sentence: Some(index),
            status: self.status,
            reasons,
            spans,
            sources: self.sources.clone(),
            score: self.score.map(|score| (score * 1000.0).round() / 1000.0),
            correction: self.correction.clone(),
            layer: self.layer,
            action,
            latency_us: 0,
        }
    }
}

/// A verdict in which the words that the persona does not say are masked. What it repeats of the evidence,
/// or of a judge, did not come through the filter of the answer.
pub(super) fn masked(mut verdict: Verdict, words: Option<&Words>) -> Verdict {
    let Some(words) = words else { return verdict };
    let mask = |text: &mut String| *text = words.mask(text);
    for span in &mut verdict.spans {
        mask(&mut span.value);
        span.nearest.as_mut().map(mask);
    }
    if let Some(correction) = &mut verdict.correction {
        mask(&mut correction.text);
        correction.quote.as_mut().map(mask);
    }
    verdict
}

fn told(status: Status) -> VerdictStatus {
    match status {
        Status::Supported => VerdictStatus::Supported,
        Status::Unsupported => VerdictStatus::Unsupported,
        Status::Contradicted => VerdictStatus::Contradicted,
        Status::Uncertain => VerdictStatus::Uncertain,
        Status::NotCheckable => VerdictStatus::NotCheckable,
        Status::Unchecked => VerdictStatus::Unchecked,
    }
}

fn span(place: &Reason, sentence: &str, offset: usize) -> Option<Span> {
    let before = sentence.get(..place.span.start)?.chars().count();
    let inside = sentence.get(place.span.clone())?.chars().count();
    let start = offset + before;
    Some(Span {
        start: u32::try_from(start).ok()?,
        end: u32::try_from(start + inside).ok()?,
        reason: code(place.code),
        value: place.value.clone(),
        nearest: place.nearest.clone(),
    })
}

fn code(code: ReasonCode) -> String {
    let name = match code {
        ReasonCode::UnsupportedNumber => "unsupported_number",
        ReasonCode::MisplacedNumber => "misplaced_number",
        ReasonCode::UnsupportedDate => "unsupported_date",
        ReasonCode::UnsupportedUnit => "unsupported_unit",
        ReasonCode::UnsupportedName => "unsupported_name",
        ReasonCode::NegationFlip => "negation_flip",
        ReasonCode::Antonym => "antonym",
        ReasonCode::LowCoverage => "low_coverage",
    };
    name.to_owned()
}

fn name_of(why: anima_check::NotCheckable) -> String {
    let name = match why {
        anima_check::NotCheckable::Empty => "no_words",
        anima_check::NotCheckable::Greeting => "greeting",
        anima_check::NotCheckable::Question => "question",
        anima_check::NotCheckable::Opinion => "opinion",
        anima_check::NotCheckable::Refusal => "refusal",
        anima_check::NotCheckable::Acknowledgement => "acknowledgement",
    };
    name.to_owned()
}
