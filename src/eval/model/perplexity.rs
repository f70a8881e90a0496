//! How likely texts are to a model.

use std::{fmt, fs, path::Path};

use anima_provider::{ProviderError, Scorer};
use anyhow::Context;
use serde::Serialize;

use super::super::statistics::figure;

/// Most characters that are scored at once, fewer where the model takes less; what comes after begins
/// anew, without what was before.
const WINDOW: usize = 2000;

/// How likely a text is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextPerplexity {
    /// The file.
    pub file: String,
    /// Its characters.
    pub characters: usize,
    /// The pieces that it was scored in.
    pub pieces: usize,
    /// Tokens that have a likelihood: all but the first of each piece.
    pub tokens: usize,
    /// The exponential of the mean negative logarithm of a token's probability.
    pub perplexity: f64,
    /// Bits for each character, which models with other tokens can be compared by.
    pub bits_per_character: f64,
}

impl fmt::Display for TextPerplexity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, characters, pieces, tokens, perplexity, bits_per_character } = self;
        write!(
            formatter,
            "perplexity of {file}: {perplexity:.3} for a token, {bits_per_character:.3} bits for a character \
             ({characters} characters, {tokens} tokens, {pieces} pieces)"
        )
    }
}

/// Scores a file.
///
/// # Errors
/// When it cannot be read, is blank, or the provider fails.
pub(super) async fn perplexity(scorer: &dyn Scorer, file: &Path) -> anyhow::Result<TextPerplexity> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let mut waiting = pieces(text.trim());
    waiting.reverse();
    let (mut pieces, mut tokens, mut sum, mut characters) = (0, 0, 0.0, 0);
    while let Some(piece) = waiting.pop() {
        let likelihoods = match scorer.score(&piece).await {
            // It is more than the model takes at once.
            Err(ProviderError::ContextOverflow { .. }) if piece.chars().nth(1).is_some() => {
                let (first, second) = halves(&piece);
                waiting.extend([second.to_owned(), first.to_owned()]);
                continue;
            }
            likelihoods => likelihoods.with_context(|| format!("cannot score {name}"))?,
        };
        pieces += 1;
        tokens += likelihoods.len();
        sum += likelihoods.iter().sum::<f64>();
        characters += piece.chars().count();
    }
    anyhow::ensure!(tokens > 0, "{name} has too few words to have a perplexity");
    Ok(TextPerplexity {
        file: name,
        characters,
        pieces,
        tokens,
        perplexity: (-sum / figure(tokens)).exp(),
        bits_per_character: -sum / std::f64::consts::LN_2 / figure(characters),
    })
}

/// A text of two characters or more, cut in the middle.
fn halves(text: &str) -> (&str, &str) {
    let middle = text.chars().count() / 2;
    text.split_at(text.char_indices().nth(middle).map_or(text.len(), |(index, _)| index))
}

/// A text in pieces of at most [`WINDOW`] characters, cut behind lines where that can be.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut length = 0;
    for line in text.split_inclusive('\n') {
        let count = line.chars().count();
        if length + count > WINDOW && length > 0 {
            pieces.push(std::mem::take(&mut piece));
            length = 0;
        }
        for character in line.chars() {
            if length == WINDOW {
                pieces.push(std::mem::take(&mut piece));
                length = 0;
            }
            piece.push(character);
            length += 1;
        }
    }
    if !piece.trim().is_empty() {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    /// Gives every character but the first of a text a probability of a quarter, and takes so many.
    struct Quarter(usize);

    #[async_trait]
    impl Scorer for Quarter {
        async fn score(&self, text: &str) -> Result<Vec<f64>, ProviderError> {
            match text.chars().count() {
                count if count > self.0 => Err(ProviderError::ContextOverflow {
                    prompt_tokens: count,
                    context_length: self.0,
                }),
                _ => Ok(text.chars().skip(1).map(|_| 0.25_f64.ln()).collect()),
            }
        }
    }

    #[tokio::test]
    async fn a_text_of_quarters_has_a_perplexity_of_four() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("text.txt");
        fs::write(&file, "长".repeat(2001) + "\n").unwrap();
        let found = perplexity(&Quarter(5000), &file).await.unwrap();
        assert!((found.perplexity - 4.0).abs() < 1e-9, "{found:?}");
        assert_eq!((found.characters, found.pieces, found.tokens), (2001, 2, 1999));
        assert!((found.bits_per_character - 2.0 * 1999.0 / 2001.0).abs() < 1e-9, "{found:?}");
        fs::write(&file, " \n").unwrap();
        assert!(perplexity(&Quarter(5000), &file).await.is_err());
    }

    #[tokio::test]
    async fn what_the_model_does_not_take_at_once_is_cut_in_halves() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("text.txt");
        fs::write(&file, "长".repeat(1001)).unwrap();
        let found = perplexity(&Quarter(400), &file).await.unwrap();
        assert_eq!((found.characters, found.pieces, found.tokens), (1001, 4, 997));
        assert_eq!(halves("一二三"), ("一", "二三"));
        // A single character that is too much is no reason to go on for ever.
        assert!(perplexity(&Quarter(0), &file).await.is_err());
    }

    #[test]
    fn pieces_joined_are_the_text_and_end_with_lines() {
        let text = format!("{}\n{}\n{}", "a".repeat(1500), "b".repeat(1000), "c".repeat(4100));
        let pieces = pieces(&text);
        assert_eq!(pieces.concat(), text);
        let lengths: Vec<_> = pieces.iter().map(|piece| piece.chars().count()).collect();
        assert_eq!(lengths, [1501, 1001, 2000, 2000, 100]);
    }
}
