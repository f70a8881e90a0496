//! What a model says when it declines, kept short.

/// Most characters that are kept.
const LONGEST: usize = 300;

/// A refusal that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Refusal(String);

impl Refusal {
    /// Adds a piece, as far as there is room.
    pub(crate) fn push(&mut self, piece: &str) {
        let left = LONGEST.saturating_sub(self.0.chars().count());
        self.0.extend(piece.chars().take(left));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}
