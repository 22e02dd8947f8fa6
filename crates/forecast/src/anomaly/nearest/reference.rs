//! A bounded set of normal rows and the distance of a row to its nearest ones, in two scalings at once.

/// Neighbours averaged: one is nervous, ten blur small modes.
pub(super) const NEIGHBOURS: usize = 5;

/// Rows in single precision, one after another.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Reference {
    columns: usize,
    capacity: usize,
    next: usize,
    rows: Vec<f32>,
}

/// Squared distances to the nearest rows, ascending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nearest {
    distances: [f32; NEIGHBOURS],
    rows: [u32; NEIGHBOURS],
    /// No row farther than this can be among the nearest.
    bound: f32,
}

impl Nearest {
    pub(super) const fn none() -> Self {
        Self { distances: [f32::MAX; NEIGHBOURS], rows: [0; NEIGHBOURS], bound: f32::MAX }
    }

    fn worst(&self) -> f32 {
        self.distances[NEIGHBOURS - 1]
    }

    fn insert(&mut self, distance: f32, row: u32) {
        let mut at = NEIGHBOURS - 1;
        while at > 0 && self.distances[at - 1] > distance {
            self.distances[at] = self.distances[at - 1];
            self.rows[at] = self.rows[at - 1];
            at -= 1;
        }
        self.distances[at] = distance;
        self.rows[at] = row;
        self.bound = self.bound.min(self.worst());
    }

    /// Rows found, to begin the next search with: neighbours in time are neighbours in distance.
    pub(super) fn rows(&self) -> [u32; NEIGHBOURS] {
        self.rows
    }

    /// Mean distance to the nearest rows; `None` when there are too few.
    pub(super) fn mean(&self) -> Option<f64> {
        let known = self.worst() < f32::MAX;
        known.then(|| self.distances.iter().map(|&d| f64::from(d).sqrt()).sum::<f64>() / NEIGHBOURS as f64)
    }
}

impl Reference {
    pub(super) fn new(columns: usize, capacity: usize) -> Self {
        Self { columns, capacity, next: 0, rows: Vec::new() }
    }

    /// Adds a row; the oldest makes room when the set is full.
    pub(super) fn add(&mut self, row: &[f32]) {
        if self.rows.len() < self.capacity * self.columns {
            self.rows.extend_from_slice(row);
            return;
        }
        let from = self.next * self.columns;
        if let Some(place) = self.rows.get_mut(from..from + self.columns) {
            place.copy_from_slice(row);
            self.next = (self.next + 1) % self.capacity;
        }
    }

    /// Bounds the search by the distances to five rows guessed to be near (that the bound is not exceeded by the fifth
    /// nearest holds for any five different rows).
    pub(super) fn bound(
        &self,
        row: &[f32],
        weights: &[f32],
        guesses: &[[u32; NEIGHBOURS]; 2],
        found: [&mut Nearest; 2],
    ) {
        let [plain, weighted] = found;
        let farthest = |guess: &[u32; NEIGHBOURS], weights: Option<&[f32]>| {
            let distinct = (1..NEIGHBOURS).all(|i| !guess[..i].contains(&guess[i]));
            let one = |&g: &u32| {
                let from = g as usize * self.columns;
                let Some(other) = self.rows.get(from..from + self.columns) else { return f32::MAX };
                let square = |i: usize| (row[i] - other[i]).powi(2) * weights.map_or(1.0, |w| w[i]);
                (0..self.columns).map(square).sum()
            };
            if distinct { guess.iter().map(one).fold(0.0, f32::max) } else { f32::MAX }
        };
        // Sums in another order differ in the last digits.
        plain.bound = plain.bound.min(farthest(&guesses[0], None) * 1.0001);
        weighted.bound = weighted.bound.min(farthest(&guesses[1], Some(weights)) * 1.0001);
    }

    /// Squared distances of a row to the nearest rows, plain and with weighted columns. A row is dropped as soon as both
    /// sums exceed the bounds, which spares most of the columns of most of the rows.
    pub(super) fn search(&self, row: &[f32], weights: &[f32], plain: &mut Nearest, weighted: &mut Nearest) {
        for (index, other) in self.rows.chunks_exact(self.columns).enumerate() {
            let Some((p, w)) = distances(row, other, weights, plain.bound, weighted.bound) else { continue };
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            if p < plain.worst() {
                plain.insert(p, index);
            }
            if w < weighted.worst() {
                weighted.insert(w, index);
            }
        }
    }
}

/// Both squared distances; `None` when both exceed their bounds.
fn distances(row: &[f32], other: &[f32], weights: &[f32], most_p: f32, most_w: f32) -> Option<(f32, f32)> {
    const CHUNK: usize = 8;
    let (mut sum_p, mut sum_w) = (0.0_f32, 0.0_f32);
    let (a, b, c) = (row.chunks_exact(CHUNK), other.chunks_exact(CHUNK), weights.chunks_exact(CHUNK));
    let rest = (a.remainder(), b.remainder(), c.remainder());
    for ((a, b), c) in a.zip(b).zip(c) {
        let (mut p, mut w) = ([0.0_f32; CHUNK], [0.0_f32; CHUNK]);
        for i in 0..CHUNK {
            let d = a[i] - b[i];
            p[i] = d * d;
            w[i] = p[i] * c[i];
        }
        sum_p += ((p[0] + p[4]) + (p[1] + p[5])) + ((p[2] + p[6]) + (p[3] + p[7]));
        sum_w += ((w[0] + w[4]) + (w[1] + w[5])) + ((w[2] + w[6]) + (w[3] + w[7]));
        if sum_p > most_p && sum_w > most_w {
            return None;
        }
    }
    for i in 0..rest.0.len() {
        let d = rest.0[i] - rest.1[i];
        sum_p += d * d;
        sum_w += d * d * rest.2[i];
    }
    Some((sum_p, sum_w))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    #[test]
    fn nearest_rows_equal_a_full_sort() {
        let mut rng = Pcg::new(5);
        for columns in [1, 7, 8, 19, 38] {
            #[expect(clippy::cast_possible_truncation, reason = "test data")]
            let mut draw = || (0..columns).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
            let weights: Vec<f32> = draw().iter().map(|w| w * w).collect();
            let rows: Vec<Vec<f32>> = (0..200).map(|_| draw()).collect();
            let mut set = Reference::new(columns, 150);
            rows.iter().for_each(|r| set.add(r));
            let query = draw();
            let (mut plain, mut weighted) = (Nearest::none(), Nearest::none());
            set.search(&query, &weights, &mut plain, &mut weighted);
            let direct = |weights: &[f32]| {
                let one = |r: &Vec<f32>| {
                    let square = |i: usize| f64::from((query[i] - r[i]).powi(2) * weights[i]);
                    (0..columns).map(square).sum::<f64>().sqrt()
                };
                let mut all: Vec<f64> = rows[50..].iter().map(one).collect();
                all.sort_by(f64::total_cmp);
                all[..NEIGHBOURS].iter().sum::<f64>() / NEIGHBOURS as f64
            };
            assert!((plain.mean().unwrap() - direct(&vec![1.0; columns])).abs() < 1e-5);
            assert!((weighted.mean().unwrap() - direct(&weights)).abs() < 1e-5);
        }
    }

    #[test]
    fn too_few_rows_have_no_distance() {
        let mut set = Reference::new(2, 10);
        (0..4_u8).for_each(|i| set.add(&[f32::from(i), 0.0]));
        let (mut plain, mut weighted) = (Nearest::none(), Nearest::none());
        set.search(&[0.0, 0.0], &[1.0, 1.0], &mut plain, &mut weighted);
        assert!(plain.mean().is_none());
    }
}
