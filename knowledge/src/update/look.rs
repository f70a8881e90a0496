//! A file looked at: the same as before, read anew, or not to be read.

use crate::{
    cut::{Cut, cut},
    folder::File,
    manifest::{Known, Stamp, hash_of},
    pair::Pair,
    read::{self, Kind, ReadError},
};

/// What a look at a file came to.
pub(super) enum Found {
    /// It is as it was; its stamp may be another one.
    Same(Known),
    /// It is new or different.
    Read { stamp: Stamp, hash: String, passages: Vec<Cut>, pairs: Vec<Pair>, notes: Vec<String> },
    /// It cannot be read.
    Unreadable { stamp: Stamp, hash: String, why: String },
}

/// A stamp of a file that is not there any more.
const NO_STAMP: Stamp = Stamp { bytes: 0, written_ns: 0 };

/// Looks at a file, which is read only when its stamp is another one than what is `known` or stamps
/// say nothing, and cut only when its content is another one.
pub(super) fn look(file: &File, known: Option<&Known>, trusts_stamps: bool) -> Found {
    let stamp = match Stamp::of(&file.path) {
        Ok(stamp) => stamp,
        Err(error) => return unreadable(NO_STAMP, String::new(), &error.into()),
    };
    if let Some(known) = known.filter(|known| trusts_stamps && known.stamp == stamp) {
        return Found::Same(known.clone());
    }
    let bytes = match read::bytes(&file.path) {
        Ok(bytes) => bytes,
        Err(error) => return unreadable(stamp, String::new(), &error),
    };
    let hash = hash_of(&bytes);
    if let Some(known) = known.filter(|known| known.hash == hash) {
        return Found::Same(Known { stamp, ..known.clone() });
    }
    let Some(kind) = Kind::of(&file.path) else {
        return unreadable(stamp, hash, &ReadError::NoText);
    };
    match read::read(kind, &bytes) {
        Ok(content) => Found::Read {
            stamp,
            hash,
            passages: cut(&content.blocks),
            pairs: content.pairs,
            notes: content.notes,
        },
        Err(error) => unreadable(stamp, hash, &error),
    }
}

fn unreadable(stamp: Stamp, hash: String, error: &ReadError) -> Found {
    Found::Unreadable { stamp, hash, why: error.to_string() }
}
