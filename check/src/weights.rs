//! The weights that ship, and their file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{features, logistic::Logistic, span};

/// What kind of text is judged. Each has weights of its own, since each fails in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A sentence of a conversation. What a service asks for.
    Spoken,
    /// A short answer to a plain English question, best copied from the evidence.
    SpanEn,
    /// The same in Chinese.
    SpanZh,
    /// A text of its own words, as a summary is: only what is at odds with the evidence counts.
    Statement,
    /// A word or two within a sentence.
    Keyword,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 5] =
        [Self::Spoken, Self::SpanEn, Self::SpanZh, Self::Statement, Self::Keyword];

    /// The names of the features that weigh for this form.
    pub fn features(self) -> &'static [&'static str] {
        match self {
            Self::Spoken | Self::SpanEn | Self::SpanZh => features::NAMES,
            Self::Statement => features::CONFLICTS,
            Self::Keyword => span::NAMES,
        }
    }
}

/// The weights of one form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Below this probability a sentence is supported.
    pub low: f64,
    /// Above this probability it is unsupported; between the two somebody else should look.
    pub high: f64,
    /// Where one threshold has to decide: the best balanced accuracy on the training sets.
    pub threshold: f64,
    /// The log-odds of a sentence whose features are all zero.
    pub bias: f64,
    /// The weight of each feature, by its name.
    pub weights: BTreeMap<String, f64>,
}

/// The file of weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// The sets that they were trained on.
    pub trained_on: Vec<String>,
    /// Fingerprints of some of the rows that they were trained on, by which the same rows are known
    /// again under any name.
    #[serde(default)]
    pub seen: Vec<String>,
    /// The weights of each form.
    pub profiles: BTreeMap<Form, Profile>,
}

/// Why a file of weights is none.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// It is no JSON, or has other fields.
    #[error("the weights are not readable")]
    Unreadable(#[from] serde_json::Error),
    /// A form is missing.
    #[error("the weights have no profile for {0:?}")]
    NoProfile(Form),
    /// A feature is missing, or one is there that nobody computes.
    #[error("the weights for {form:?} do not fit this version: {name} is missing or unknown")]
    Features {
        /// The form.
        form: Form,
        /// The feature.
        name: String,
    },
}

/// Weights in the order of the features.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) threshold: f64,
    pub(crate) model: Logistic,
}

impl Profile {
    /// A profile from a fitted model.
    pub fn new(form: Form, model: &Logistic, [low, threshold, high]: [f64; 3]) -> Self {
        let names = form.features().iter().map(|name| (*name).to_owned());
        let weights = names.zip(model.weights.iter().copied()).collect();
        Self { low, high, threshold, bias: model.bias, weights }
    }

    fn ready(&self, form: Form) -> Result<Ready, WeightsError> {
        let names = form.features();
        let odd = |name: &str| WeightsError::Features { form, name: name.to_owned() };
        if let Some(unknown) = self.weights.keys().find(|name| !names.contains(&name.as_str())) {
            return Err(odd(unknown));
        }
        let weights = names
            .iter()
            .map(|name| self.weights.get(*name).copied().ok_or_else(|| odd(name)))
            .collect::<Result<_, _>>()?;
        let model = Logistic { bias: self.bias, weights };
        Ok(Ready { low: self.low, high: self.high, threshold: self.threshold, model })
    }
}

impl Weights {
    /// Reads a file of weights.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(json: &str) -> Result<Self, WeightsError> {
        Ok(serde_json::from_str(json)?)
    }

    pub(crate) fn ready(&self) -> Result<BTreeMap<Form, Ready>, WeightsError> {
        Form::ALL
            .into_iter()
            .map(|form| {
                let profile = self.profiles.get(&form).ok_or(WeightsError::NoProfile(form))?;
                Ok((form, profile.ready(form)?))
            })
            .collect()
    }
}
