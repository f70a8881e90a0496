//! A disk that loses power.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

/// A disk in memory. What was written and not synced is lost, or some of it is, when it crashes.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    state: Arc<Mutex<State>>,
    /// Held by a test to keep a sync from ending.
    gate: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    /// As it is seen.
    now: Vec<u8>,
    /// As it was synced last.
    synced: Vec<u8>,
    /// What was done since.
    unsynced: Vec<Change>,
    syncs: usize,
    /// How many more writes and syncs are done before the power fails.
    left: Option<usize>,
    full: bool,
}

#[derive(Debug)]
enum Change {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Length(length) => image.resize(*length, 0),
            Self::Bytes(at, bytes) => {
                let end = at + bytes.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The disk as a database's storage.
    pub(super) fn mount(&self) -> Mount {
        Mount(self.clone())
    }

    /// How often something was made durable.
    pub(super) fn syncs(&self) -> usize {
        self.state().syncs
    }

    /// Lets no sync end until the guard is dropped.
    pub(super) fn hold(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap()
    }

    /// Lets every write fail, or succeed again.
    pub(super) fn fill(&self, full: bool) {
        self.state().full = full;
    }

    /// Lets the power fail after so many more writes and syncs.
    pub(super) fn fail_after(&self, writes: usize) {
        self.state().left = Some(writes);
    }

    /// Brings the power back. Of what was not synced, that remains of which `kept` says so.
    pub(super) fn restart(&self, mut kept: impl FnMut() -> bool) {
        let mut state = self.state();
        let mut image = std::mem::take(&mut state.synced);
        for change in state.unsynced.drain(..).collect::<Vec<_>>() {
            if kept() {
                change.apply(&mut image);
            }
        }
        state.now.clone_from(&image);
        state.synced = image;
        state.left = None;
    }
}

impl State {
    fn power(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => Err(io::Error::other("the power has failed")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        self.power()?;
        if self.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        change.apply(&mut self.now);
        self.unsynced.push(change);
        Ok(())
    }
}

/// A [`Disk`] in use.
#[derive(Debug)]
pub(super) struct Mount(Disk);

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for Mount {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.state().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.state();
        let bytes = state.now.get(index(offset)..index(offset) + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.state().change(Change::Length(index(len)))
    }

    fn sync_data(&self) -> io::Result<()> {
        drop(self.0.hold());
        let mut state = self.0.state();
        state.power()?;
        let State { unsynced, synced, .. } = &mut *state;
        unsynced.drain(..).for_each(|change| change.apply(synced));
        state.syncs += 1;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.state().change(Change::Bytes(index(offset), data.to_vec()))
    }
}
