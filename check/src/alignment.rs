//! Where in the evidence a text could come from, and whether its parts belong together there.

use std::ops::Range;

use crate::{
    evidence::Evidence,
    hash::{KeySet, join},
    parsed::{Parsed, Unit},
    tokens::Token,
};

/// How many units on each side make the surroundings of a unit.
const WINDOW: usize = 4;

/// A text laid beside the evidence.
#[derive(Debug)]
pub(crate) struct Alignment<'a> {
    evidence: &'a Evidence,
    units: &'a [Unit],
    /// Which sentences each unit occurs in: one row of bits for a unit.
    rows: Vec<u64>,
    width: usize,
    /// How much each unit says.
    pub(crate) weights: Vec<f64>,
    /// Whether the evidence has the unit.
    pub(crate) covered: Vec<bool>,
    /// The weight of the text's units in each sentence.
    pub(crate) scores: Vec<f64>,
    /// The weight of all units.
    pub(crate) total: f64,
    /// The sentence that has most.
    pub(crate) best: Option<usize>,
}

impl<'a> Alignment<'a> {
    /// Lays a text beside the evidence.
    pub(crate) fn new(parsed: &'a Parsed, evidence: &'a Evidence) -> Self {
        let units = parsed.units.as_slice();
        let width = evidence.lines.len().div_ceil(64);
        let mut rows = vec![0; width * units.len()];
        let mut scores = vec![0.0; evidence.lines.len()];
        let mut weights = Vec::with_capacity(units.len());
        let mut covered = Vec::with_capacity(units.len());
        for (at, unit) in units.iter().enumerate() {
            let lines = evidence.lines_with(unit.key);
            let weight = evidence.weight(unit.key);
            for line in lines.iter().map(|line| *line as usize) {
                rows[at * width + line / 64] |= 1 << (line % 64);
                scores[line] += weight;
            }
            weights.push(weight);
            covered.push(!lines.is_empty());
        }
        let total = weights.iter().sum();
        let best = scores
            .iter()
            .enumerate()
            .filter(|(_, score)| **score > 0.0)
            .max_by(|(one, a), (other, b)| a.total_cmp(b).then(other.cmp(one)))
            .map(|(line, _)| line);
        Self { evidence, units, rows, width, weights, covered, scores, total, best }
    }

    /// Whether a sentence has a unit of the text.
    fn has(&self, unit: usize, line: usize) -> bool {
        self.rows[unit * self.width + line / 64] >> (line % 64) & 1 == 1
    }

    fn row(&self, unit: usize) -> &[u64] {
        &self.rows[unit * self.width..(unit + 1) * self.width]
    }

    /// The units around one.
    fn around(&self, unit: usize) -> Range<usize> {
        unit.saturating_sub(WINDOW)..(unit + WINDOW + 1).min(self.units.len())
    }

    /// How well the surroundings of a unit fit one of `lines`: the greatest share of their weight,
    /// with the sentence.
    pub(crate) fn fit(&self, unit: usize, lines: &[u32]) -> (f64, Option<usize>) {
        let around = || self.around(unit).filter(|other| self.apart(unit, *other));
        let all: f64 = around().map(|other| self.weights[other]).sum();
        if all <= 0.0 {
            return (0.0, None);
        }
        let mut best = (0.0, None);
        for line in lines.iter().map(|line| *line as usize) {
            let there: f64 = around()
                .filter(|other| self.has(*other, line))
                .map(|other| self.weights[other])
                .sum();
            if there / all > best.0 {
                best = (there / all, Some(line));
            }
        }
        best
    }

    /// Two units share no token.
    fn apart(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.units[one], &self.units[other]);
        one.end <= other.start || other.end <= one.start
    }

    /// For each unit that the evidence has: the share of its covered neighbours that occur beside
    /// it in some sentence of the evidence. Things of the evidence that were put together anew are low.
    pub(crate) fn cohesion(&self) -> Vec<f64> {
        let mut shares = Vec::new();
        for unit in (0..self.units.len()).filter(|unit| self.covered[*unit]) {
            let (mut all, mut together) = (0.0, 0.0);
            for other in self.around(unit) {
                if !self.covered[other] || !self.apart(unit, other) {
                    continue;
                }
                all += self.weights[other];
                if self.row(unit).iter().zip(self.row(other)).any(|(a, b)| a & b != 0) {
                    together += self.weights[other];
                }
            }
            if all > 0.0 {
                shares.push(together / all);
            }
        }
        shares
    }

    /// The share of the units' weight in the best sentence, and in the best two that are adjacent.
    pub(crate) fn shares(&self) -> (f64, f64) {
        let Some(best) = self.best.filter(|_| self.total > 0.0) else { return (0.0, 0.0) };
        let mut pair = self.scores[best];
        for first in 0..self.scores.len().saturating_sub(1) {
            if self.scores[first] + self.scores[first + 1] <= pair {
                continue;
            }
            let either = |unit: &usize| self.has(*unit, first) || self.has(*unit, first + 1);
            let both: f64 =
                (0..self.units.len()).filter(either).map(|unit| self.weights[unit]).sum();
            pair = pair.max(both);
        }
        (self.scores[best] / self.total, pair / self.total)
    }

    /// The share of the best sentence's tokens that the text does not have.
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
    pub(crate) fn unused(&self, tokens: &[Token]) -> f64 {
        let Some(best) = self.best.and_then(|best| self.evidence.lines.get(best)) else {
            return 1.0;
        };
        let line = &self.evidence.keys[best.first..best.last];
        let said: KeySet = tokens.iter().map(|token| token.key).collect();
        let unused = line.iter().filter(|key| !said.contains(key)).count();
        unused as f64 / line.len().max(1) as f64
    }

    /// The share of the tokens that occur in the best sentence in this order.
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
    pub(crate) fn in_order(&self, tokens: &[Token]) -> f64 {
        let Some(best) = self.best.and_then(|best| self.evidence.lines.get(best)) else {
            return 0.0;
        };
        let line = &self.evidence.keys[best.first..best.last];
        let mut row = vec![0_u16; line.len() + 1];
        for token in tokens {
            let mut diagonal = 0;
            for (at, key) in line.iter().enumerate() {
                let above = row[at + 1];
                row[at + 1] = if *key == token.key { diagonal + 1 } else { above.max(row[at]) };
                diagonal = above;
            }
        }
        f64::from(row.last().copied().unwrap_or(0)) / (tokens.len().max(1) as f64)
    }
}

/// The longest run of tokens that the evidence has, too.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// How many tokens.
    pub(crate) length: usize,
    /// Where it ends in the evidence: indices of last tokens.
    pub(crate) ends: Vec<usize>,
}

/// Finds the longest run.
pub(crate) fn longest_run(tokens: &[Token], evidence: &Evidence) -> Run {
    let mut run = Run::default();
    let mut before: Vec<(u32, usize)> = Vec::new();
    let mut now = Vec::new();
    for token in tokens {
        now.clear();
        let positions = evidence.positions.get(&token.key).map_or(&[][..], Vec::as_slice);
        let mut earlier = before.iter().peekable();
        for position in positions {
            while earlier.next_if(|(at, _)| at + 1 < *position).is_some() {}
            let length = match earlier.peek() {
                Some((at, length)) if at + 1 == *position => length + 1,
                _ => 1,
            };
            now.push((*position, length));
            if length > run.length {
                run.length = length;
                run.ends.clear();
            }
            if length == run.length {
                run.ends.push(*position as usize);
            }
        }
        std::mem::swap(&mut before, &mut now);
    }
    run
}

/// The shares of adjacent pairs and triples of tokens that the evidence lacks.
#[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
pub(crate) fn missing_rows(tokens: &[Token], evidence: &Evidence) -> (f64, f64) {
    let share = |missing: usize, all: usize| missing as f64 / all.max(1) as f64;
    let pairs = tokens
        .windows(2)
        .filter(|pair| !evidence.pairs.contains(&join(pair[0].key, pair[1].key)))
        .count();
    let triples = tokens
        .windows(3)
        .filter(|row| !evidence.triples.contains(&join(join(row[0].key, row[1].key), row[2].key)))
        .count();
    (share(pairs, tokens.len().saturating_sub(1)), share(triples, tokens.len().saturating_sub(2)))
}
