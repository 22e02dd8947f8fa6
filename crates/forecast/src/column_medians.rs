//! Medians of many short columns at once, by a sorting network over lanes.
//!
//! A seasonal median asks for one median per phase of the season, each of few values. Selecting one at a time is all branches
//! that nobody can predict; a network does the same exchanges for every column, so several columns go side by side.
//!
//! Knuth (1998), The Art of Computer Programming 3, section 5.2.2, algorithm M (merge exchange, for any number of rows).

use crate::stats::median_in_place;

/// Columns side by side.
const LANES: usize = 8;
/// Above this many rows selection one by one is faster.
const MOST_ROWS: usize = 64;

/// Exchanges that sort so many rows.
fn network(rows: usize) -> Vec<(usize, usize)> {
    let mut exchanges = Vec::new();
    if rows < 2 {
        return exchanges;
    }
    let top = rows.next_power_of_two() / 2;
    let mut p = top;
    while p > 0 {
        let (mut q, mut r, mut d) = (top, 0, p);
        loop {
            exchanges.extend((0..rows - d).filter(|i| i & p == r).map(|i| (i, i + d)));
            if q == p {
                break;
            }
            (d, q, r) = (q - p, q / 2, p);
        }
        p /= 2;
    }
    exchanges
}

/// Median of each of `columns` columns, NaN left out; a column without values takes `otherwise()`.
///
/// `row(r, c)` tells where the value of row `r` and column `c` lies in `values`; it must grow by one with `c` except where it
/// wraps around the end of `values`.
pub(crate) fn column_medians(
    values: &[f64],
    (rows, columns): (usize, usize),
    row: impl Fn(usize, usize) -> usize,
    otherwise: impl Fn() -> f64,
) -> Vec<f64> {
    let mut out = Vec::with_capacity(columns);
    let mut column = Vec::with_capacity(rows);
    let mut single = |c: usize| {
        column.clear();
        column.extend((0..rows).map(|r| values[row(r, c)]).filter(|v| !v.is_nan()));
        if column.is_empty() { otherwise() } else { median_in_place(&mut column) }
    };
    if rows > MOST_ROWS || columns < LANES || rows == 0 {
        out.extend((0..columns).map(single));
        return out;
    }
    let exchanges = network(rows);
    let mut lanes = vec![[0.0_f64; LANES]; rows];
    for start in (0..columns).step_by(LANES) {
        // The last block reaches back, so that it is full too.
        let from = start.min(columns - LANES);
        let mut total = 0.0;
        for (r, lane) in lanes.iter_mut().enumerate() {
            let at = row(r, from);
            match values.get(at..at + LANES) {
                Some(block) => lane.copy_from_slice(block),
                None => (0..LANES).for_each(|k| lane[k] = values[row(r, from + k)]),
            }
            total += lane.iter().sum::<f64>();
        }
        if total.is_nan() {
            out.extend((start..(from + LANES)).map(&mut single));
            continue;
        }
        for &(i, j) in &exchanges {
            let (a, b) = (lanes[i], lanes[j]);
            for k in 0..LANES {
                lanes[i][k] = if a[k] < b[k] { a[k] } else { b[k] };
                lanes[j][k] = if a[k] < b[k] { b[k] } else { a[k] };
            }
        }
        let (low, high) = (lanes[(rows - 1) / 2], lanes[rows / 2]);
        out.extend((start - from..LANES).map(|k| f64::midpoint(low[k], high[k])));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    #[test]
    fn networks_sort_every_order_of_zeros_and_ones() {
        // The zero-one principle: a network that sorts these sorts everything.
        for rows in 0..=12_usize {
            let exchanges = network(rows);
            for pattern in 0..1_u32 << rows {
                let mut bits: Vec<u32> = (0..rows).map(|i| pattern >> i & 1).collect();
                for &(i, j) in &exchanges {
                    if bits[i] > bits[j] {
                        bits.swap(i, j);
                    }
                }
                assert!(bits.is_sorted(), "{rows} rows, {pattern:b}");
            }
        }
    }

    #[test]
    fn medians_equal_those_of_one_column_at_a_time() {
        let mut rng = Pcg::new(5);
        for (rows, columns, missing) in
            [(1, 8, 0.0), (7, 24, 0.0), (25, 29, 0.0), (6, 50, 0.1), (64, 9, 0.02)]
        {
            let values: Vec<f64> = (0..rows * columns)
                .map(|_| if rng.uniform() < missing { f64::NAN } else { (rng.normal() * 4.0).round() })
                .collect();
            let at = |r: usize, c: usize| (r * columns + c + 3) % values.len();
            let found = column_medians(&values, (rows, columns), at, || -99.0);
            for (c, median) in found.iter().enumerate() {
                let mut column: Vec<f64> =
                    (0..rows).map(|r| values[at(r, c)]).filter(|v| !v.is_nan()).collect();
                let expected = if column.is_empty() { -99.0 } else { median_in_place(&mut column) };
                assert!(
                    (median - expected).abs() < 1e-12,
                    "{rows}x{columns}, column {c}: {median} {expected}"
                );
            }
            assert_eq!(found.len(), columns);
        }
    }
}
