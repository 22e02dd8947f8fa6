//! Events of known kind and size in series that carry none: what they look like, and where they begin.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rows from shares of a series")]

/// What happens to a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One row 6 σ away.
    Spike,
    /// From here on 4 σ away; it must be noticed within a day.
    Shift,
    /// A ramp that reaches 6 σ after a day and ends there.
    Leak,
    /// A day whose deviations from the usual have four times the variance.
    Variance,
    /// Two hours without any change.
    Flat,
    /// A day with the habit of half a day later.
    Season,
}

pub(crate) const KINDS: [Kind; 6] =
    [Kind::Spike, Kind::Shift, Kind::Leak, Kind::Variance, Kind::Flat, Kind::Season];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Shift => "shift",
            Self::Leak => "leak",
            Self::Variance => "variance",
            Self::Flat => "flat",
            Self::Season => "season",
        }
    }

    /// Rows an event lasts.
    pub(crate) fn rows(self, day: usize) -> usize {
        match self {
            Self::Spike => 1,
            Self::Flat => (day / 12).max(1),
            _ => day,
        }
    }
}

/// A series with what is usual in it.
pub(crate) struct Base {
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
    /// Rows of a day.
    pub(crate) day: usize,
    /// Rows that carry a label: no event is put there and no alarm is judged.
    pub(crate) labelled: Vec<bool>,
    /// Habit of the day, by row of the day.
    pub(crate) habit: Vec<f64>,
    /// Level (median of a day) plus habit.
    pub(crate) usual: Vec<f64>,
    /// Robust scale of the values around the usual ones.
    pub(crate) sigma: f64,
}

/// Median of what is not missing; NaN for nothing.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut known: Vec<f64> = values.filter(|v| !v.is_nan()).collect();
    known.sort_by(f64::total_cmp);
    match known.len() {
        0 => f64::NAN,
        n => f64::midpoint(known[n / 2], known[(n - 1) / 2]),
    }
}

impl Base {
    /// Level by a centred median over a day, habit by the medians of the rows of the day, scale by 1.4826 · MAD of the rest
    /// (where that is zero 1.2533 · mean absolute deviation). `None` when nothing ever changes or there are less than three days.
    pub(crate) fn new(name: String, values: Vec<f64>, day: usize, labelled: Vec<bool>) -> Option<Self> {
        if day < 12 || values.len() < 3 * day {
            return None;
        }
        let n = values.len();
        // A median for every hour, straight lines between: a day's median hardly moves within an hour.
        let step = (day / 24).max(1);
        let knots: Vec<f64> = (0..=n / step)
            .map(|k| {
                let (from, to) = ((k * step).saturating_sub(day / 2), (k * step + day / 2).min(n));
                median(values[from..to].iter().copied())
            })
            .collect();
        let level: Vec<f64> = (0..n)
            .map(|i| {
                let (k, share) = (i / step, (i % step) as f64 / step as f64);
                let next = knots.get(k + 1).copied().unwrap_or(knots[k]);
                knots[k] + share * (next - knots[k])
            })
            .collect();
        let habit: Vec<f64> = (0..day)
            .map(|phase| median((phase..n).step_by(day).map(|i| values[i] - level[i])))
            .map(|h| if h.is_nan() { 0.0 } else { h })
            .collect();
        let usual: Vec<f64> = (0..n).map(|i| level[i] + habit[i % day]).collect();
        let rest = || (0..n).map(|i| values[i] - usual[i]).filter(|r| !r.is_nan());
        let center = median(rest());
        let mut sigma = 1.4826 * median(rest().map(|r| (r - center).abs()));
        if sigma.is_nan() || sigma <= 0.0 {
            sigma = 1.2533 * rest().map(|r| (r - center).abs()).sum::<f64>() / rest().count().max(1) as f64;
        }
        (sigma > 0.0 && sigma.is_finite()).then_some(Self {
            name,
            values,
            day,
            labelled,
            habit,
            usual,
            sigma,
        })
    }

    /// The series with an event that begins at `start`; `up` is its direction where it has one.
    pub(crate) fn inject(&self, kind: Kind, start: usize, up: bool) -> Vec<f64> {
        let mut values = self.values.clone();
        let end = (start + kind.rows(self.day)).min(values.len());
        let sign = if up { 1.0 } else { -1.0 };
        let frozen = self.values[..=start].iter().rev().copied().find(|v| !v.is_nan()).unwrap_or(0.0);
        match kind {
            Kind::Spike => values[start] += 6.0 * sign * self.sigma,
            Kind::Shift => values[start..].iter_mut().for_each(|v| *v += 4.0 * sign * self.sigma),
            Kind::Leak => {
                let rows = (end - start) as f64;
                (start..end).for_each(|i| values[i] += 6.0 * self.sigma * (i - start + 1) as f64 / rows);
            }
            Kind::Variance => {
                (start..end).for_each(|i| values[i] = self.usual[i] + 2.0 * (values[i] - self.usual[i]));
            }
            Kind::Flat => values[start..end].iter_mut().filter(|v| !v.is_nan()).for_each(|v| *v = frozen),
            Kind::Season => (start..end).for_each(|i| {
                values[i] += self.habit[(i + self.day / 2) % self.day] - self.habit[i % self.day];
            }),
        }
        values
    }

    /// How much of an event can be seen at all: its mean size in σ for a season, what is frozen away for a flat line.
    pub(crate) fn habit_in_sigmas(&self) -> f64 {
        let half = self.day / 2;
        let change = |i: usize| (self.habit[(i + half) % self.day] - self.habit[i]).abs();
        (0..self.day).map(change).sum::<f64>() / self.day as f64 / self.sigma
    }
}

/// A generator for placements (`SplitMix64`; Steele, Lea & Flood 2014).
pub(crate) struct Places(pub(crate) u64);

impl Places {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * n as u128) >> 64) as usize
    }

    /// Numbers below `n` in random order.
    pub(crate) fn shuffled(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        (1..n).rev().for_each(|i| order.swap(i, self.below(i + 1)));
        order
    }
}
