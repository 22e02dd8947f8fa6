//! Hypervolume: how much of a box a set of points dominates.

/// Volume of what lies above at least one point and below the reference in every objective (all minimised). Points that
/// are not below the reference count as nothing.
///
/// Sliced by the last objective (While et al. 2006): O(points² · objectives) for two, one more power for each further.
pub(crate) fn hypervolume(points: &[Vec<i64>], reference: &[i64]) -> f64 {
    let inside = |point: &&Vec<i64>| {
        point.len() == reference.len() && point.iter().zip(reference).all(|(value, limit)| value < limit)
    };
    let points: Vec<&[i64]> = points.iter().filter(inside).map(Vec::as_slice).collect();
    volume(points, reference)
}

fn volume(mut points: Vec<&[i64]>, reference: &[i64]) -> f64 {
    let Some((&limit, rest)) = reference.split_last() else { return 0.0 };
    let last = rest.len();
    if rest.is_empty() {
        return points.iter().map(|point| limit - point[0]).max().unwrap_or(0) as f64;
    }
    points.sort_by_key(|point| point[last]);
    let mut sum = 0.0;
    for (number, point) in points.iter().enumerate() {
        let depth = points.get(number + 1).map_or(limit, |next| next[last]) - point[last];
        if depth > 0 {
            sum += depth as f64 * volume(points[..=number].to_vec(), rest);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn volumes_of_small_sets_are_as_drawn_on_paper() {
        assert_eq!(hypervolume(&[vec![1, 2], vec![2, 1]], &[3, 3]) as i64, 3);
        assert_eq!(hypervolume(&[vec![1, 1], vec![2, 2], vec![5, 0]], &[3, 3]) as i64, 4);
        assert_eq!(hypervolume(&[vec![0, 0, 0], vec![1, 1, 1]], &[2, 3, 4]) as i64, 24);
        assert_eq!(hypervolume(&[], &[3, 3]) as i64, 0);
    }

    proptest! {
        #[test]
        fn the_volume_is_the_number_of_cells_that_are_dominated(
            points in prop::collection::vec(prop::collection::vec(0_i64..6, 3), 0..8),
        ) {
            let mut cells = 0;
            for cell in 0..216 {
                let at = [cell / 36, cell / 6 % 6, cell % 6];
                cells += i64::from(points.iter().any(|point| point.iter().zip(&at).all(|(p, a)| p <= a)));
            }
            prop_assert_eq!(hypervolume(&points, &[6, 6, 6]) as i64, cells);
        }
    }
}
