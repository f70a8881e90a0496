//! Answers of a given form: after each token, which ones may come next.
//!
//! The engine has this built in, and it is not used: it draws first and asks then, ends at a token
//! that many models do not have, and takes a cancelled answer for a broken one. The same library
//! is asked before a token is drawn.

use std::sync::Arc;

use anima_provider::{Output, ProviderError};
use mistralrs::llguidance::{
    Matcher, ParserFactory,
    api::TopLevelGrammar,
    token_bytes_from_tokenizer_json,
    toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie},
};
use serde_json::{Value, json};
use tokenizers::Tokenizer;
use tokio::task::spawn_blocking;

use crate::inspect::EndTokens;

/// Makes the forms of one model's answers.
#[derive(Clone)]
pub(crate) struct Forms(Arc<ParserFactory>);

impl Forms {
    /// Learns the model's tokens; takes as long as reading the tokenizer does.
    ///
    /// # Errors
    /// A line that says why this tokenizer has no bytes.
    pub(crate) fn new(tokenizer: &Tokenizer, ends: &EndTokens) -> Result<Self, String> {
        let json = tokenizer.to_string(false).map_err(|error| error.to_string())?;
        let json: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
        let bytes = token_bytes_from_tokenizer_json(&json).map_err(|error| error.to_string())?;
        let count = u32::try_from(bytes.len()).map_err(|error| error.to_string())?;
        if let Some(end) = ends.all.iter().find(|end| **end >= count) {
            return Err(format!("end token {end} is not in the vocabulary"));
        }
        let tokens = TokTrie::from(&TokRxInfo::new(count, ends.first), &bytes);
        let tokens = tokens.with_eos_tokens(&ends.all);
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(tokens));
        let mut factory =
            ParserFactory::new_simple(&environment).map_err(|error| error.to_string())?;
        factory.quiet();
        Ok(Self(Arc::new(factory)))
    }

    /// The form that `output` asks for; `None` where any text will do.
    ///
    /// # Errors
    /// `InvalidRequest` when there is no such form.
    pub(crate) async fn form(&self, output: Output) -> Result<Option<Form>, ProviderError> {
        let (what, grammar) = match output {
            Output::Text => return Ok(None),
            Output::JsonObject => {
                ("JSON", TopLevelGrammar::from_json_schema(on_one_line(json!({"type": "object"}))))
            }
            Output::JsonSchema(schema) => {
                ("the JSON schema", TopLevelGrammar::from_json_schema(on_one_line(schema.schema)))
            }
            Output::Regex(expression) => {
                ("the regular expression", TopLevelGrammar::from_regex(&expression))
            }
        };
        let wrong = |problem: String| ProviderError::InvalidRequest {
            message: format!("{what} cannot be used: {}", problem.replace('\n', " ").trim()),
        };
        let forms = self.clone();
        // A large schema takes its time, and a task that waits must not hold up the others.
        let parser = spawn_blocking(move || forms.0.create_parser(grammar)).await;
        let parser = parser.map_err(|panic| wrong(panic.to_string()))?;
        let matcher = Matcher::new(parser);
        match matcher.get_error() {
            Some(problem) => Err(wrong(problem)),
            None => Ok(Some(Form { matcher, seen: None })),
        }
    }
}

/// Asks for JSON on one line, so that no answer is lost in white space.
fn on_one_line(mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        let spaces = json!({"whitespace_flexible": false, "item_separator": ",[ ]?", "key_separator": ":[ ]?"});
        schema.insert("x-guidance".to_owned(), spaces);
    }
    schema
}

/// The form of one answer, and how far the answer has come in it.
#[derive(Clone)]
pub(crate) struct Form {
    matcher: Matcher,
    /// How many tokens of prompt and answer it knows of.
    seen: Option<usize>,
}

impl Form {
    /// The tokens that may come after `context`, prompt and answer so far. Only end tokens once
    /// the form is complete.
    ///
    /// # Errors
    /// A line that says why the form cannot be kept any longer: it is too complex.
    pub(crate) fn next(&mut self, context: &[u32]) -> Result<SimpleVob, String> {
        // What was there before the first call is the prompt.
        let drawn = context.get(self.seen.unwrap_or(context.len())..).unwrap_or_default();
        self.seen = Some(context.len());
        for token in drawn {
            if !self.matcher.is_stopped() {
                self.matcher.consume_token(*token).map_err(|error| error.to_string())?;
            }
        }
        self.matcher.compute_mask_or_eos().map_err(|error| error.to_string())
    }
}
