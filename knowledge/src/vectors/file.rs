//! The file of vectors: a header, and rows of one length, each with its own check sum.
//!
//! ```text
//! "animavec"  version u32  numbers of a row u32  length u32  space, as text  check sum u32
//! key u128  scale f32  number i8 …  check sum u32                                   (a row)
//! ```
//!
//! All in little endian. Rows are only ever added to it, so one that was being written when the process
//! was killed is the last one and is noticed; everything else is written beside it and takes its place.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
};

use super::{Key, LONGEST};

const MAGIC: &[u8; 8] = b"animavec";

/// Goes up whenever files of before cannot be read any more.
const VERSION: u32 = 1;

/// Longer names of a space are none.
const LONGEST_NAME: usize = 64 * 1024;

/// What the rows of a file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// The name of their space.
    pub(super) space: String,
    /// How many numbers each has.
    pub(super) dimension: usize,
}

impl Header {
    fn bytes(&self) -> io::Result<Vec<u8>> {
        let number = |number: usize| u32::try_from(number).map_err(io::Error::other);
        let mut bytes = MAGIC.to_vec();
        for number in [VERSION, number(self.dimension)?, number(self.space.len())?] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.space.as_bytes());
        let sum = crc32fast::hash(&bytes);
        bytes.extend(sum.to_le_bytes());
        Ok(bytes)
    }

    /// `None` where it is none of this version, or damaged.
    fn read(reader: &mut impl Read) -> io::Result<Option<Self>> {
        let mut start = [0; 20];
        if !fill(reader, &mut start)? {
            return Ok(None);
        }
        let number = |at: usize| start.get(at..).and_then(number_of);
        let (Some(version), Some(dimension), Some(length)) = (number(8), number(12), number(16))
        else {
            return Ok(None);
        };
        let is_ours = start.starts_with(MAGIC) && version == VERSION;
        let (dimension, length) = (to_size(dimension), to_size(length));
        if !is_ours || !(1..=LONGEST).contains(&dimension) || length > LONGEST_NAME {
            return Ok(None);
        }
        let mut rest = vec![0; length + 4];
        if !fill(reader, &mut rest)? {
            return Ok(None);
        }
        let (name, sum) = rest.split_at(length);
        let found = crc32fast::hash(&[&start, name].concat());
        let space = String::from_utf8(name.to_vec()).ok();
        Ok(space.filter(|_| number_of(sum) == Some(found)).map(|space| Self { space, dimension }))
    }
}

/// A row.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Record {
    pub(super) key: Key,
    /// What its numbers are to be multiplied with.
    pub(super) scale: f32,
    pub(super) numbers: Vec<i8>,
}

impl Record {
    fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(self.numbers.len() + 24);
        bytes.extend(self.key.to_le_bytes());
        bytes.extend(self.scale.to_le_bytes());
        bytes.extend(self.numbers.iter().map(|number| number.cast_unsigned()));
        let sum = crc32fast::hash(&bytes);
        bytes.extend(sum.to_le_bytes());
        writer.write_all(&bytes)
    }

    /// Reads a row into this one; `false` when it is damaged.
    fn parse(&mut self, bytes: &[u8]) -> bool {
        let Some((content, sum)) = bytes.split_last_chunk::<4>() else { return false };
        let Some((key, rest)) = content.split_first_chunk::<16>() else { return false };
        let Some((scale, numbers)) = rest.split_first_chunk::<4>() else { return false };
        self.key = Key::from_le_bytes(*key);
        self.scale = f32::from_le_bytes(*scale);
        self.numbers.clear();
        self.numbers.extend(numbers.iter().map(|byte| byte.cast_signed()));
        u32::from_le_bytes(*sum) == crc32fast::hash(content)
    }
}

/// A file being read, row by row.
pub(super) struct Contents {
    pub(super) header: Header,
    reader: BufReader<File>,
    /// Bytes of rows that are left.
    left: u64,
    /// Rows that were damaged, the piece of one at the end included.
    pub(super) damaged: usize,
    row: Vec<u8>,
}

impl Contents {
    /// Opens a file; `None` when it is not there, or cannot be understood.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let Some(header) = Header::read(&mut reader)? else { return Ok(None) };
        let left = length.saturating_sub(reader.stream_position()?);
        let row = vec![0; header.dimension + 24];
        Ok(Some(Self { header, reader, left, damaged: 0, row }))
    }

    /// How many rows are left at most.
    pub(super) fn rows(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX) / self.row.len().max(1)
    }

    /// Reads the next row that is whole into `record`; `false` after the last one.
    pub(super) fn next(&mut self, record: &mut Record) -> io::Result<bool> {
        let size = self.row.len() as u64;
        while self.left >= size {
            if !fill(&mut self.reader, &mut self.row)? {
                // It became shorter while it was read.
                self.left = 0;
                break;
            }
            self.left -= size;
            if record.parse(&self.row) {
                return Ok(true);
            }
            self.damaged += 1;
        }
        if self.left > 0 {
            self.damaged += 1;
            self.left = 0;
        }
        Ok(false)
    }
}

/// A file that rows are added to.
pub(super) struct Rows {
    writer: BufWriter<File>,
}

impl Rows {
    /// Begins a file anew with those rows of the one before that are `kept`; it takes its place once it
    /// is whole.
    pub(super) fn replace(path: &Path, header: &Header, kept: &HashSet<Key>) -> io::Result<Self> {
        let beside = beside(path);
        let mut writer = BufWriter::with_capacity(1 << 18, File::create(&beside)?);
        writer.write_all(&header.bytes()?)?;
        let before = Contents::open(path)?.filter(|before| before.header == *header);
        if let Some(mut before) = before.filter(|_| !kept.is_empty()) {
            let mut record = Record::default();
            while before.next(&mut record)? {
                if kept.contains(&record.key) {
                    record.write(&mut writer)?;
                }
            }
        }
        writer.flush()?;
        writer.get_ref().sync_all()?;
        fs::rename(&beside, path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self { writer })
    }

    /// Goes on with a file that is whole.
    pub(super) fn append(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Self { writer: BufWriter::with_capacity(1 << 18, file) })
    }

    pub(super) fn add(&mut self, record: &Record) -> io::Result<()> {
        record.write(&mut self.writer)
    }

    /// Hands what was added to the system, where it outlives this process.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// The same, and waits until it is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.writer.get_ref().sync_data()
    }
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// Fills `bytes`; `false` when there are not so many.
fn fill(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn number_of(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn to_size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { space: "vectors model".to_owned(), dimension: 3 }
    }

    fn record(key: Key) -> Record {
        Record { key, scale: 0.5, numbers: vec![1, -127, 0] }
    }

    fn read(path: &Path) -> Option<(Vec<Key>, usize)> {
        let mut contents = Contents::open(path).unwrap()?;
        let (mut keys, mut found) = (Vec::new(), Record::default());
        while contents.next(&mut found).unwrap() {
            assert_eq!(found, record(found.key));
            keys.push(found.key);
        }
        Some((keys, contents.damaged))
    }

    /// A file of three rows, and its bytes.
    fn written(folder: &tempfile::TempDir) -> (PathBuf, Vec<u8>) {
        let path = folder.path().join("vectors");
        let mut rows = Rows::replace(&path, &header(), &HashSet::new()).unwrap();
        rows.add(&record(1)).unwrap();
        rows.sync().unwrap();
        let mut rows = Rows::append(&path).unwrap();
        for key in [2, Key::MAX] {
            rows.add(&record(key)).unwrap();
        }
        rows.sync().unwrap();
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    }

    #[test]
    fn rows_are_added_kept_and_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = written(&folder);
        assert_eq!(read(&path), Some((vec![1, 2, Key::MAX], 0)));
        Rows::replace(&path, &header(), &HashSet::from([2])).unwrap();
        assert_eq!(read(&path), Some((vec![2], 0)));
        // Rows of another space are none of these.
        let other = Header { dimension: 4, ..header() };
        Rows::replace(&path, &other, &HashSet::from([2])).unwrap();
        assert_eq!(read(&path), Some((vec![], 0)));
        assert!(!beside(&path).exists());
    }

    #[test]
    fn a_file_cut_anywhere_loses_what_is_behind_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = written(&folder);
        let row = 3 + 24;
        let start = bytes.len() - 3 * row;
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            let expected = (length >= start).then(|| {
                let whole = (length - start) / row;
                let torn = usize::from((length - start) % row > 0);
                ([1, 2, Key::MAX][..whole].to_vec(), torn)
            });
            assert_eq!(read(&path), expected, "{length}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&path), None);
    }

    #[test]
    fn a_byte_that_is_wrong_anywhere_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bytes) = written(&folder);
        let row = 3 + 24;
        let start = bytes.len() - 3 * row;
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0x10;
            fs::write(&path, &broken).unwrap();
            let found = read(&path);
            if at < start {
                assert_eq!(found, None, "{at}");
            } else {
                let mut left = vec![1, 2, Key::MAX];
                left.remove((at - start) / row);
                assert_eq!(found, Some((left, 1)), "{at}");
            }
        }
    }
}
