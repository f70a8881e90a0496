//! Writes the merged weights, file by file and a few megabytes at a time.

use std::{
    cmp::Reverse,
    collections::HashMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    rc::Rc,
};

use super::{
    adapter::Located,
    numbers::{Product, decode, encode, transpose},
    plan::{Planned, Shard, Update},
};
use crate::{
    ConvertError, Progress,
    files::{link_or_copy, part},
    safetensors::header,
    tensor::Dtype,
};

/// So many bytes of a tensor are worked on at once, or one row of it.
const BLOCK_BYTES: usize = 8 << 20;

/// Files that are read from, each opened once.
#[derive(Default)]
struct Sources(HashMap<Rc<Path>, File>);

impl Sources {
    /// Hands the bytes of a tensor to `write`.
    fn copy(
        &mut self,
        located: &Located,
        write: impl FnMut(&[u8]) -> Result<(), ConvertError>,
    ) -> Result<(), ConvertError> {
        let path = &located.file;
        let file = match self.0.remove(path) {
            Some(file) => file,
            None => File::open(path).map_err(ConvertError::file(path))?,
        };
        let file = self.0.entry(Rc::clone(path)).or_insert(file);
        located.stored.copy(file, write, ConvertError::file(path))
    }

    /// All numbers of a tensor.
    fn read(&mut self, located: &Located) -> Result<Vec<f32>, ConvertError> {
        let mut bytes = Vec::new();
        self.copy(located, |more| {
            bytes.extend_from_slice(more);
            Ok(())
        })?;
        Ok(decode(located.stored.tensor.dtype, &bytes))
    }
}

/// Writes `shards` into the folder `to`.
pub(crate) fn write(
    shards: &[Shard],
    to: &Path,
    observe: &mut dyn FnMut(Progress),
) -> Result<(), ConvertError> {
    let mut sources = Sources::default();
    for shard in shards {
        observe(Progress::File(&shard.name));
        let path = to.join(&shard.name);
        if let Some(same) = &shard.same_as {
            link_or_copy(same, &path)?;
            observe(Progress::Advanced(shard.bytes()));
        } else {
            write_shard(shard, &path, &mut sources, observe)?;
        }
    }
    Ok(())
}

fn write_shard(
    shard: &Shard,
    to: &Path,
    sources: &mut Sources,
    observe: &mut dyn FnMut(Progress),
) -> Result<(), ConvertError> {
    // Large formats first, so that each is aligned; and else as they lie in their files.
    let mut tensors: Vec<&Planned> = shard.tensors.iter().collect();
    tensors.sort_by_key(|planned| {
        let source = &planned.source;
        (Reverse(planned.tensor.dtype.bytes()), Rc::clone(&source.file), source.stored.position)
    });
    let part = part(to);
    let target = File::create(&part).map_err(ConvertError::file(&part))?;
    let mut target = BufWriter::with_capacity(1 << 20, target);
    let header = header(tensors.iter().map(|planned| &planned.tensor));
    target.write_all(&header).map_err(ConvertError::file(&part))?;
    for planned in tensors {
        let mut rows = Rows::new(planned, sources)?;
        let mut write = |bytes: &[u8]| {
            target.write_all(bytes).map_err(ConvertError::file(&part))?;
            observe(Progress::Advanced(bytes.len() as u64));
            Ok(())
        };
        sources.copy(&planned.source, |bytes| rows.push(bytes, &mut write))?;
        rows.finish(&mut write)?;
    }
    let target =
        target.into_inner().map_err(|error| ConvertError::file(&part)(error.into_error()))?;
    target.sync_all().map_err(ConvertError::file(&part))?;
    fs::rename(&part, to).map_err(ConvertError::file(to))
}

/// A tensor that goes by: its rows are gathered, changed and passed on.
struct Rows<'a> {
    planned: &'a Planned,
    product: Option<Product>,
    from: Dtype,
    /// Bytes of a row as it comes in.
    width: usize,
    gathered: Vec<u8>,
    /// How many rows were passed on.
    passed: usize,
}

impl<'a> Rows<'a> {
    fn new(planned: &'a Planned, sources: &mut Sources) -> Result<Self, ConvertError> {
        let product = planned.update.as_ref().map(|update| product(update, sources)).transpose()?;
        let from = planned.source.stored.tensor.dtype;
        let columns = product.as_ref().map_or(1, |product| product.columns);
        let width = columns * size(from.bytes());
        Ok(Self { planned, product, from, width, gathered: Vec::new(), passed: 0 })
    }

    /// Takes more bytes; what makes whole rows is passed on once there is enough of it.
    fn push(
        &mut self,
        bytes: &[u8],
        write: &mut impl FnMut(&[u8]) -> Result<(), ConvertError>,
    ) -> Result<(), ConvertError> {
        if self.product.is_none() && self.from == self.planned.tensor.dtype {
            return write(bytes);
        }
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() < BLOCK_BYTES.max(self.width) {
            return Ok(());
        }
        self.finish(write)
    }

    /// Passes on the whole rows that were gathered.
    fn finish(
        &mut self,
        write: &mut impl FnMut(&[u8]) -> Result<(), ConvertError>,
    ) -> Result<(), ConvertError> {
        let rows = self.gathered.len() / self.width.max(1);
        let rest = self.gathered.split_off(rows * self.width);
        let mut values = decode(self.from, &self.gathered);
        self.gathered = rest;
        let was_finite = values.iter().all(|value| value.is_finite());
        if let Some(product) = &self.product {
            product.add_to(&mut values, self.passed);
        }
        self.passed += rows;
        let dtype = self.planned.tensor.dtype;
        let bytes = encode(dtype, &values);
        if was_finite && decode(dtype, &bytes).iter().any(|value| !value.is_finite()) {
            let problem = format!(
                "tensor {}: with the adapter its numbers are larger than {} can hold",
                self.planned.tensor.name,
                dtype.name()
            );
            return Err(ConvertError::malformed(&*self.planned.source.file, problem));
        }
        write(&bytes)
    }
}

/// The factors of an update, so turned that the left one has a row for each row of the tensor.
fn product(update: &Update, sources: &mut Sources) -> Result<Product, ConvertError> {
    let (down, up) = (&update.factors.down, &update.factors.up);
    let (downwards, upwards) = (sources.read(down)?, sources.read(up)?);
    let rank = size(update.rank);
    let (left, right) = if update.by_input {
        (transpose(&downwards, rank), transpose(&upwards, upwards.len() / rank))
    } else {
        (upwards, downwards)
    };
    #[expect(clippy::cast_possible_truncation, reason = "the sum is made in single precision")]
    let scale = update.scale as f32;
    Ok(Product { columns: right.len() / rank, left, right, rank, scale })
}

/// A length of something that is in memory.
fn size(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
