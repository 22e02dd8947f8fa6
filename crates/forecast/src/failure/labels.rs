//! What a model that warns ahead has to learn.

/// Whether a failure is near at a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "near, far, or not to be asked")]
pub enum Label {
    /// A failure begins within the horizon.
    Near,
    /// None does.
    Far,
    /// Too late to warn, inside a failure, in recovery, or the data end before the horizon does: not to be learnt from.
    Skip,
}

/// Labels of `steps` steps for failures given as half-open ranges of steps: near when one begins `from` to `to` steps later.
/// Steps from which one begins sooner than `from`, steps inside one and `recovery` steps after one are skipped; so are the last
/// `to` steps, whose future is not known, unless a failure in the data makes them near.
///
/// # Example
/// ```
/// use ecosystem_forecast::failure::{Label, horizon_labels};
/// let labels = horizon_labels(100, &[(60, 62)], 15, 30, 5);
/// assert_eq!((labels[29], labels[30], labels[45], labels[46]), (Label::Far, Label::Near, Label::Near, Label::Skip));
/// assert_eq!((labels[66], labels[67], labels[69], labels[70]), (Label::Skip, Label::Far, Label::Far, Label::Skip));
/// ```
pub fn horizon_labels(
    steps: usize,
    failures: &[(usize, usize)],
    from: usize,
    to: usize,
    recovery: usize,
) -> Vec<Label> {
    let known = steps.saturating_sub(to);
    let mut labels: Vec<Label> =
        (0..steps).map(|t| if t < known { Label::Far } else { Label::Skip }).collect();
    let mut mark = |a: usize, b: usize, label: Label| {
        labels.iter_mut().take(b.min(steps)).skip(a).for_each(|l| *l = label);
    };
    for &(begin, _) in failures {
        mark(begin.saturating_sub(to), (begin + 1).saturating_sub(from), Label::Near);
    }
    // What is too late for one failure is too late, even where the next one is near.
    for &(begin, end) in failures {
        let late = (begin + 1).saturating_sub(from);
        mark(late, end.max(begin).saturating_add(recovery), Label::Skip);
    }
    labels
}
