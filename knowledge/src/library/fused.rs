//! What was found by words and what was found by vectors, as one list.

use super::{Found, Library, LibraryError, Passage, keyed::by_key};
use crate::vectors::Near;

/// How little the first places of a list count more than the next ones: the constant that Cormack,
/// Clarke and Büttcher found to do well, whatever was searched.
const FLATNESS: f32 = 60.0;

impl Library {
    /// What was found, with the passages that are near to what was said, as one list of at most `most`:
    /// a passage is as good as its places in both lists together (*Reciprocal rank fusion outperforms
    /// Condorcet and individual rank learning methods*, SIGIR 2009). Of two that are equally good the
    /// one that was found by its words comes first. A fixed answer stays as it is.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn fuse(&self, found: Found, near: &[Near], most: usize) -> Result<Found, LibraryError> {
        let searcher = self.reader.searcher();
        let mut passages = found.passages.into_iter();
        let mut scored: Vec<(f32, Passage)> =
            (1..).zip(&mut passages).map(|(place, passage)| (worth(place), passage)).collect();
        let mut place = 0;
        for Near { key, similarity } in near {
            // One that has just been taken out of the index takes no place.
            let Some(address) = by_key(&searcher, self.fields.key, *key)? else { continue };
            place += 1;
            let passage = self.passage(&searcher, address, 0.0)?;
            let known = scored.iter_mut().find(|(_, known)| known.text == passage.text);
            if let Some((score, known)) = known {
                *score += worth(place);
                known.similarity = Some(*similarity);
            } else {
                let similarity = Some(*similarity);
                scored.push((worth(place), Passage { similarity, ..passage }));
            }
        }
        scored.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let passages = scored.into_iter().map(|(_, passage)| passage).take(most).collect();
        Ok(Found { passages, direct_answer: found.direct_answer })
    }
}

/// What a place in a list is worth, from 1 on.
fn worth(place: u16) -> f32 {
    1.0 / (FLATNESS + f32::from(place))
}
