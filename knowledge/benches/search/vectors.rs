//! How long a search by words and vectors takes, and whether it finds what comparing all would.

use std::{
    error::Error,
    fs,
    io::Write as _,
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

use anima_knowledge::{Embedder, Library, Near, Space, Vectors, Wanted, update_vectors};

use crate::{Dice, keeps_to_the_bar, milliseconds, spread};

/// Searches of which it is looked whether they find the same as comparing all does.
const COMPARED: usize = 200;
const SEARCHES: usize = 2_000;

/// As many directions as the meanings of texts have, about; the rest of a vector is noise.
const MEANINGS: usize = 40;

/// A model that gives texts vectors which are spread as those of real models are: they have much in
/// common, and differ in far fewer directions than they have numbers.
struct Model {
    common: Vec<f32>,
    meanings: Vec<Vec<f32>>,
    dice: Dice,
    /// What it made.
    made: Vec<Vec<f32>>,
}

impl Model {
    fn new(dimension: usize) -> Self {
        let mut dice = Dice(0xA5A5_0001 + dimension as u64);
        let mut direction = || length_one(numbers(&mut dice, dimension));
        let common = direction();
        let meanings = (0..MEANINGS).map(|_| direction()).collect();
        Self { common, meanings, dice, made: Vec::new() }
    }

    fn vector(&mut self) -> Vec<f32> {
        let mut vector: Vec<f32> = self.common.iter().map(|number| number * 0.7).collect();
        let shares = length_one(numbers(&mut self.dice, MEANINGS));
        let noise = length_one(numbers(&mut self.dice, vector.len()));
        for (share, meaning) in shares.iter().zip(&self.meanings) {
            for (number, part) in vector.iter_mut().zip(meaning) {
                *number += share * part;
            }
        }
        for (number, part) in vector.iter_mut().zip(noise) {
            *number += 0.4 * part;
        }
        length_one(vector)
    }
}

impl Embedder for Model {
    fn batch(&self) -> usize {
        64
    }

    fn embed(
        &mut self,
        texts: Vec<String>,
    ) -> Result<Vec<Option<Vec<f32>>>, Box<dyn Error + Send + Sync>> {
        let made: Vec<_> = texts.iter().map(|_| self.vector()).collect();
        self.made.extend(made.iter().cloned());
        Ok(made.into_iter().map(Some).collect())
    }
}

/// Numbers that come near to a bell curve.
fn numbers(dice: &mut Dice, count: usize) -> Vec<f32> {
    let mut even = || (dice.next() % 65_536) as f32 / 32_768.0 - 1.0;
    (0..count).map(|_| even() + even() + even()).collect()
}

fn length_one(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    for number in &mut vector {
        *number /= length;
    }
    vector
}

/// Makes vectors of all passages and searches them.
pub(crate) fn measure(
    index: &Path,
    library: &Library,
    dimension: usize,
    dice: &mut Dice,
    said: &dyn Fn(&mut Dice, usize) -> String,
) {
    let mut model = Model::new(dimension);
    let space =
        Space { embedder: "bench".to_owned(), model: dimension.to_string(), prefix: String::new() };
    let mut go_on = |_| ControlFlow::Continue(());
    let summary = update_vectors(index, &space, &mut model, usize::MAX, &mut go_on).unwrap();
    let began = Instant::now();
    let vectors = Vectors::open(index, &space).unwrap().unwrap();
    let opened = began.elapsed();
    let (mut times, mut alone) = (Vec::new(), Vec::new());
    let wanted = Wanted::default();
    let deep = Wanted { passages: wanted.passages * 3, ..wanted };
    for number in 0..SEARCHES {
        let (said, question) = (said(dice, number), model.vector());
        let began = Instant::now();
        let found = library.search(&said, &deep).unwrap();
        let by_vector = Instant::now();
        let near = vectors.nearest(&question, deep.passages, 0.3).unwrap();
        alone.push(by_vector.elapsed());
        library.fuse(found, &near, wanted.passages).unwrap();
        times.push(began.elapsed());
    }
    let (same, exact) = compare(&vectors, &mut model);
    let bytes = fs::metadata(index.join("vectors")).unwrap().len();
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{} vectors of {dimension} numbers: opened in {:.0} ms, {} MB on disk\n\
         {SEARCHES} searches by words and vectors: {}\n\
         the vectors alone: {}\n\
         {:.1} % of the ten nearest are found; comparing all as f32 takes {:.1} ms",
        summary.embedded,
        milliseconds(opened),
        bytes / 1_000_000,
        spread(&mut times),
        spread(&mut alone),
        same * 100.0,
        milliseconds(exact),
    )
    .unwrap();
    keeps_to_the_bar(&times);
}

/// The share of the ten nearest that are found, and how long it takes to compare all.
fn compare(vectors: &Vectors, model: &mut Model) -> (f64, Duration) {
    let (mut same, mut took) = (0, Duration::ZERO);
    for _ in 0..COMPARED {
        let question = model.vector();
        let began = Instant::now();
        let mut all: Vec<f32> = model.made.iter().map(|row| dot(row, &question)).collect();
        took += began.elapsed();
        all.sort_unstable_by(|one, other| other.total_cmp(one));
        // Rows are told apart by their similarity, which is a little off.
        let bar = all[9] - 0.002;
        let near: Vec<Near> = vectors.nearest(&question, 10, -1.0).unwrap();
        same += near.iter().filter(|near| near.similarity >= bar).count();
    }
    (same as f64 / (COMPARED * 10) as f64, took / COMPARED as u32)
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 32];
    for (one, other) in one.chunks_exact(32).zip(other.chunks_exact(32)) {
        for (sum, (a, b)) in sums.iter_mut().zip(one.iter().zip(other)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}
