//! The vectors of an index brought up to date with its passages: only those that have none are made.

use std::{collections::HashSet, error::Error, fs, io, ops::ControlFlow, path::Path};

use tantivy::DocAddress;

use super::{
    Anew, Key, LONGEST, Space, VectorError, VectorProgress, VectorSummary,
    file::{Contents, Header, Record, Rows},
    numbers::{Question, cosine, row},
    path, refused,
};
use crate::library::{Keyed, Library};

/// So many batches are written before it is waited until they are on the disk.
const SYNC: usize = 64;

/// A passage whose vector is less like the one that is kept of it was made by another model.
const SAME: f32 = 0.9;

/// Whoever turns texts into vectors. It may take its time: it has its own deadlines.
pub trait Embedder {
    /// How many texts it is given at a time.
    fn batch(&self) -> usize;

    /// The vectors of some texts, in their order; `None` for a text that it does not take, such as one
    /// that is too long.
    ///
    /// # Errors
    /// When it makes none at present, which ends the update.
    fn embed(
        &mut self,
        texts: Vec<String>,
    ) -> Result<Vec<Option<Vec<f32>>>, Box<dyn Error + Send + Sync>>;
}

/// Brings the vectors of an index up to date with its passages. Vectors of passages that are as they
/// were are kept; all of them are made anew when they are of another space, or when the first passage
/// has another vector now than before. At most so many `most_bytes` of memory are filled with them.
///
/// # Errors
/// When there is no index, another update is running, the embedder fails, or a file cannot be read or
/// written. What was made until then is kept, and the next update goes on from there.
pub fn update_vectors(
    index: &Path,
    space: &Space,
    embedder: &mut dyn Embedder,
    most_bytes: usize,
    watch: &mut dyn FnMut(VectorProgress) -> ControlFlow<()>,
) -> Result<VectorSummary, VectorError> {
    let library =
        Library::open(index).map_err(|_| VectorError::Missing(index.display().to_string()))?;
    let _lock = lock(index)?;
    let keyed = library.keyed().map_err(|error| VectorError::Index(Box::new(error)))?;
    let mut update = Update::begin(index, space, &keyed, most_bytes)?;
    update.forget()?;
    update.try_out(embedder, watch)?;
    if let Some(why) = update.summary.anew.filter(|_| !update.summary.stopped) {
        update.summary.stopped = watch(VectorProgress::Anew(why)).is_break();
    }
    if update.summary.stopped {
        return Ok(update.summary);
    }
    update.settle()?;
    update.make(embedder, watch)
}

/// An update under way.
struct Update<'a> {
    index: &'a Path,
    space: &'a Space,
    keyed: &'a Keyed,
    most_bytes: usize,
    summary: VectorSummary,
    /// What the file's rows are; `None` where there are none yet.
    header: Option<Header>,
    known: HashSet<Key>,
    /// The row that the embedder is tried out with.
    first: Option<Record>,
    /// Whether the file has rows that are not to stay.
    unclean: bool,
    /// `None` until the first row is written.
    rows: Option<Rows>,
}

impl<'a> Update<'a> {
    /// Reads what is there.
    fn begin(
        index: &'a Path,
        space: &'a Space,
        keyed: &'a Keyed,
        most_bytes: usize,
    ) -> Result<Self, VectorError> {
        let mut update = Self {
            index,
            space,
            keyed,
            most_bytes,
            summary: VectorSummary::default(),
            header: None,
            known: HashSet::new(),
            first: None,
            unclean: false,
            rows: None,
        };
        update.read().map_err(|error| refused(index, error))?;
        Ok(update)
    }

    fn read(&mut self) -> io::Result<()> {
        let path = path(self.index);
        let Some(mut contents) = Contents::open(&path)? else {
            self.summary.anew = path.exists().then_some(Anew::Damaged);
            return Ok(());
        };
        if contents.header.space != self.space.name() {
            self.summary.anew = Some(Anew::OtherSpace);
            return Ok(());
        }
        let mut record = Record::default();
        while contents.next(&mut record)? {
            self.known.insert(record.key);
        }
        self.summary.damaged = contents.damaged;
        self.unclean = contents.damaged > 0;
        self.header = Some(contents.header);
        Ok(())
    }

    /// Counts the vectors of passages that are gone, and finds the one to try the embedder out with.
    fn forget(&mut self) -> Result<(), VectorError> {
        let passages = &self.keyed.passages;
        let there: HashSet<Key> = passages.iter().map(|(key, _)| *key).collect();
        let before = self.known.len();
        self.known.retain(|key| there.contains(key));
        self.summary.removed = before - self.known.len();
        self.unclean |= self.summary.removed > 0;
        let kept = |(key, _): &&(Key, DocAddress)| self.known.contains(key);
        let Some((key, _)) = passages.iter().find(kept) else { return Ok(()) };
        self.first = self.find(*key).map_err(|error| refused(self.index, error))?;
        Ok(())
    }

    fn find(&self, key: Key) -> io::Result<Option<Record>> {
        let Some(mut contents) = Contents::open(&path(self.index))? else { return Ok(None) };
        let mut record = Record::default();
        while contents.next(&mut record)? {
            if record.key == key {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Looks whether the embedder still makes the vectors that it made. Where it makes none at present
    /// and none is missing, that is taken for granted.
    fn try_out(
        &mut self,
        embedder: &mut dyn Embedder,
        watch: &mut dyn FnMut(VectorProgress) -> ControlFlow<()>,
    ) -> Result<(), VectorError> {
        let Some(first) = self.first.take() else { return Ok(()) };
        let passages = &self.keyed.passages;
        let Some((_, address)) = passages.iter().find(|(key, _)| *key == first.key) else {
            return Ok(());
        };
        let text = self.text(*address)?;
        let made = match embedder.embed(vec![text]) {
            Ok(made) => made,
            Err(_) if self.known.len() == passages.len() => return Ok(()),
            Err(_) if watch(VectorProgress::Failed).is_break() => {
                self.summary.stopped = true;
                return Ok(());
            }
            Err(error) => return Err(VectorError::Embedder(error)),
        };
        let Some(made) = made.into_iter().next().flatten() else { return Ok(()) };
        let alike = Question::of(&made).map(|made| cosine(&first.numbers, first.scale, &made));
        let why = if made.len() != first.numbers.len() {
            Anew::OtherLength
        } else if alike.is_none_or(|alike| alike < SAME) {
            Anew::OtherModel
        } else {
            return Ok(());
        };
        self.summary.anew = Some(why);
        self.summary.removed = 0;
        self.known.clear();
        self.header = None;
        Ok(())
    }

    /// Takes out of the file what is not to stay.
    fn settle(&mut self) -> Result<(), VectorError> {
        self.summary.kept = self.known.len();
        let Some(header) = self.header.as_ref().filter(|_| self.unclean) else { return Ok(()) };
        let rows = Rows::replace(&path(self.index), header, &self.known);
        self.rows = Some(rows.map_err(|error| refused(self.index, error))?);
        Ok(())
    }

    /// Makes the vectors that are missing, as far as there is room.
    fn make(
        mut self,
        embedder: &mut dyn Embedder,
        watch: &mut dyn FnMut(VectorProgress) -> ControlFlow<()>,
    ) -> Result<VectorSummary, VectorError> {
        let missing = self.keyed.passages.iter().filter(|(key, _)| !self.known.contains(key));
        let missing: Vec<(Key, DocAddress)> = missing.copied().collect();
        let mut told = watch(VectorProgress::Found { missing: missing.len() });
        let mut left = missing.as_slice();
        let mut unsynced = 0;
        while !left.is_empty() {
            if told.is_break() {
                self.summary.stopped = true;
                break;
            }
            let size = embedder.batch().max(1).min(self.room()).min(left.len());
            let (batch, rest) = left.split_at(size);
            if batch.is_empty() {
                self.summary.left_out = rest.len();
                break;
            }
            left = rest;
            let texts: Result<Vec<_>, _> =
                batch.iter().map(|(_, address)| self.text(*address)).collect();
            let made = match embedder.embed(texts?) {
                Ok(made) => made,
                Err(_) if watch(VectorProgress::Failed).is_break() => {
                    self.summary.stopped = true;
                    break;
                }
                Err(error) => {
                    self.sync()?;
                    return Err(VectorError::Embedder(error));
                }
            };
            self.keep(batch, &made)?;
            unsynced += 1;
            if unsynced == SYNC {
                self.sync()?;
                unsynced = 0;
            }
            told = watch(VectorProgress::Embedded { passages: size });
        }
        self.sync()?;
        self.summary.dimension = self.header.map_or(0, |header| header.dimension);
        Ok(self.summary)
    }

    /// For how many more there is room in memory: a byte for each number, a bit for the sign of each once
    /// they are turned, and what belongs to the row.
    fn room(&self) -> usize {
        let Some(header) = &self.header else { return usize::MAX };
        let size = header.dimension + header.dimension.next_power_of_two().max(64) / 8 + 20;
        (self.most_bytes / size).saturating_sub(self.summary.vectors())
    }

    /// Adds the vectors of some passages to the file.
    fn keep(
        &mut self,
        batch: &[(Key, DocAddress)],
        made: &[Option<Vec<f32>>],
    ) -> Result<(), VectorError> {
        if made.len() != batch.len() {
            let message = format!("{} vectors for {} texts", made.len(), batch.len());
            return Err(VectorError::Odd(message));
        }
        for ((key, _), vector) in batch.iter().zip(made) {
            let Some(vector) = vector else {
                self.summary.refused += 1;
                continue;
            };
            self.open(vector.len())?;
            // A vector without a direction is like none.
            let Some((scale, numbers)) = row(vector) else {
                self.summary.refused += 1;
                continue;
            };
            let record = Record { key: *key, scale, numbers };
            if let Some(rows) = &mut self.rows {
                rows.add(&record).map_err(|error| refused(self.index, error))?;
            }
            self.summary.embedded += 1;
        }
        let flushed = self.rows.as_mut().map_or(Ok(()), Rows::flush);
        flushed.map_err(|error| refused(self.index, error))
    }

    /// Opens the file for rows of so many numbers.
    fn open(&mut self, dimension: usize) -> Result<(), VectorError> {
        if let Some(header) = &self.header {
            if header.dimension != dimension {
                let known = header.dimension;
                let message = format!("vectors of {dimension} numbers after others of {known}");
                return Err(VectorError::Odd(message));
            }
            if self.rows.is_none() {
                let rows = Rows::append(&path(self.index));
                self.rows = Some(rows.map_err(|error| refused(self.index, error))?);
            }
            return Ok(());
        }
        if !(1..=LONGEST).contains(&dimension) {
            return Err(VectorError::Odd(format!("a vector of {dimension} numbers")));
        }
        let header = Header { space: self.space.name(), dimension };
        let rows = Rows::replace(&path(self.index), &header, &HashSet::new());
        self.rows = Some(rows.map_err(|error| refused(self.index, error))?);
        self.header = Some(header);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), VectorError> {
        let synced = self.rows.as_mut().map_or(Ok(()), Rows::sync);
        synced.map_err(|error| refused(self.index, error))
    }

    /// What a vector is made of.
    fn text(&self, address: DocAddress) -> Result<String, VectorError> {
        let text = self.keyed.text(address);
        let text = text.map_err(|error| VectorError::Index(Box::new(error)))?;
        Ok(format!("{}{text}", self.space.prefix))
    }
}

/// Takes the one place of whoever makes the vectors of an index; it is given back when the file is
/// closed.
fn lock(index: &Path) -> Result<fs::File, VectorError> {
    let path = index.join("vectors.lock");
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|error| refused(index, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(VectorError::Busy(index.display().to_string())),
        Err(fs::TryLockError::Error(error)) => Err(refused(index, error)),
    }
}
