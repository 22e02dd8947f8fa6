//! Where to cut a series so that the cost of the parts is least.

/// Exact optimum of Σ cost(from, to) over all cuts into parts of at least `shortest` values (PELT). `slack` is the most that
/// cutting a part in two can add to its cost: a start that is worse than another by more than that never becomes best again.
///
/// Killick, Fearnhead & Eckley (2012), Optimal detection of changepoints with a linear computational cost, JASA 107. O(n) where
/// changes are frequent, O(n²) where there are none.
pub(super) fn optimal(
    n: usize,
    shortest: usize,
    slack: f64,
    cost: impl Fn(usize, usize) -> f64,
) -> Vec<usize> {
    let mut best = vec![f64::INFINITY; n + 1];
    best[0] = 0.0;
    let mut previous = vec![0_usize; n + 1];
    // Starts with the end from which on they cannot be best; a part behind the cut must be long enough, hence the delay.
    let mut open: Vec<(usize, usize)> = vec![(0, usize::MAX)];
    let mut costs = Vec::new();
    for end in shortest..=n {
        costs.clear();
        costs.extend(
            open.iter().map(
                |&(s, _)| {
                    if end - s >= shortest { best[s] + cost(s, end) } else { f64::INFINITY }
                },
            ),
        );
        let (mut value, mut at) = (f64::INFINITY, 0);
        for (&(s, _), &c) in open.iter().zip(&costs) {
            if c < value {
                (value, at) = (c, s);
            }
        }
        (best[end], previous[end]) = (value, at);
        for ((_, until), &c) in open.iter_mut().zip(&costs) {
            if *until == usize::MAX && c.is_finite() && c > value + slack {
                *until = end + shortest;
            }
        }
        open.retain(|&(_, until)| until > end);
        if end + 1 >= 2 * shortest {
            open.push((end + 1 - shortest, usize::MAX));
        }
    }
    let mut points = Vec::new();
    let mut end = previous[n];
    while end > 0 {
        points.push(end);
        end = previous[end];
    }
    points.reverse();
    points
}

/// Binary segmentation: the cut that helps most, then the same within both parts, while it helps. Not optimal, O(n log n)
/// where cuts are even. Scott & Knott (1974), Biometrics 30.
pub(super) fn binary(n: usize, shortest: usize, cost: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let (mut points, mut open) = (Vec::new(), vec![(0, n)]);
    while let Some((from, to)) = open.pop() {
        if to - from < 2 * shortest {
            continue;
        }
        let mut best = (cost(from, to), 0);
        for at in from + shortest..=to - shortest {
            let split = cost(from, at) + cost(at, to);
            if split < best.0 {
                best = (split, at);
            }
        }
        if best.1 > 0 {
            points.push(best.1);
            open.extend([(from, best.1), (best.1, to)]);
        }
    }
    points.sort_unstable();
    points
}
