//! The peak of demand until what is ordered now is up.

use super::lines::Lines;
use crate::{
    auto::{Candidate, FittedCandidate},
    error::{FitError, UpdateError, check_update, check_values},
    ets::AutoEts,
    forecast::{Forecast, MAX_HORIZON},
    lagged::LagRegression,
    model::Fitted,
    naive::SeasonalNaive,
    smoothing::SeasonalSmoothing,
    transform::{Transform, Transformed},
    typical::SeasonalMedian,
};

/// Most past errors that a quantile rests on.
const MEMORY: usize = 1000;

/// Settings of bounds on demand for a predictive scaler.
///
/// Every step, several forecasters (last value, last season, seasonal median, lag regression, smoothing) say how high demand
/// will be at most within the next `lead` steps. Each forecast plus a quantile of its own past errors is a *line* (one-sided
/// conformal prediction); errors are taken as they are, relative to the forecast, and relative to the recent size of errors,
/// so that lines differ in what they think of busy hours. Lines are averaged with weights that fall steeply with their
/// recent pinball loss: a load that follows no season is bounded by its last value and a margin, as a reactive scaler would do,
/// one with a season ahead of time. The level of the quantiles follows the violations: it rises after more than are allowed and
/// falls after fewer.
///
/// A fit costs what the forecasters cost plus a back-test over the last part of the data (milliseconds for a week of five
/// minutes), an update some tens of microseconds.
///
/// # References
/// Vovk, Gammerman & Shafer (2005), Algorithmic Learning in a Random World; Gibbs & Candès (2021), Adaptive conformal inference
/// under distribution shift; Koenker & Bassett (1978), Regression quantiles; Cesa-Bianchi & Lugosi (2006), Prediction,
/// Learning, and Games.
///
/// # Example
/// ```
/// use ecosystem_forecast::demand::PeakAhead;
/// // Half-hourly load that doubles every morning; a new machine takes one step to come up.
/// let load: Vec<f64> = (0..48 * 8).map(|t| if t % 48 >= 16 { 200.0 } else { 100.0 } + f64::from(t * 7 % 5)).collect();
/// let mut scaler = PeakAhead::new(&[48], 2, &[0.95])?.fit(&load[..48 * 7 + 15])?;
/// assert!(scaler.bounds()[0] > 195.0);                       // ordered half an hour before it is needed
/// scaler.update(load[48 * 7 + 15])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PeakAhead {
    seasons: Vec<usize>,
    lead: usize,
    rates: Vec<f64>,
}

/// Fitted bounds that follow the load.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedPeakAhead {
    lead: usize,
    rates: Vec<f64>,
    members: Vec<FittedCandidate>,
    last: f64,
    lines: Lines,
}

impl PeakAhead {
    /// `seasons` in steps; `lead`, the steps from an order until the step after it takes effect (start-up time, rounded up,
    /// plus one); `rates`, shares of steps whose peak must lie below the bound, each between 0.5 and 1 (exclusive).
    pub fn new(seasons: &[usize], lead: usize, rates: &[f64]) -> Result<Self, FitError> {
        if !(1..=MAX_HORIZON).contains(&lead) {
            return Err(FitError::Setting {
                name: "lead",
                value: lead as f64,
                expected: "1 to 50,000 steps",
            });
        }
        if rates.is_empty() {
            return Err(FitError::Setting { name: "rates", value: 0.0, expected: "at least one rate" });
        }
        if let Some(&value) = rates.iter().find(|r| !(**r > 0.5 && **r < 1.0)) {
            return Err(FitError::Setting { name: "rate", value, expected: "between 0.5 and 1" });
        }
        Ok(Self { seasons: seasons.to_vec(), lead, rates: rates.to_vec() })
    }

    /// Learns from past demand (NaN where it is not known): the forecasters twice, on the first part for a back-test over the
    /// rest, then on everything.
    pub fn fit(&self, values: &[f64]) -> Result<FittedPeakAhead, FitError> {
        check_values(values, 8)?;
        let n = values.len();
        let start = n - (n / 2).min(MEMORY);
        let candidates = self.candidates(start, values);
        let tried = candidates.len();
        let (settings, members): (Vec<Candidate>, Vec<FittedCandidate>) =
            candidates.into_iter().filter_map(|c| c.fit(&values[..start]).ok().map(|f| (c, f))).unzip();
        if members.is_empty() {
            return Err(FitError::NoCandidate { tried });
        }
        let floor = 0.05
            * crate::stats::mean_observed(&values.iter().map(|v| v.abs()).collect::<Vec<_>>()).unwrap_or(0.0);
        let mut out = FittedPeakAhead {
            lead: self.lead,
            rates: self.rates.clone(),
            lines: Lines::new(members.len(), self.lead, MEMORY, &self.rates, floor),
            members,
            last: values[..start].iter().rev().copied().find(|v| !v.is_nan()).unwrap_or(0.0),
        };
        out.look_ahead();
        for &value in &values[start..] {
            out.take(value);
        }
        for (member, candidate) in out.members.iter_mut().zip(&settings) {
            if let Ok(anew) = candidate.fit(values) {
                *member = anew;
            }
        }
        out.lines.withdraw();
        out.look_ahead();
        Ok(out)
    }

    /// Forecasters for this many values.
    fn candidates(&self, len: usize, values: &[f64]) -> Vec<Candidate> {
        let mut seasons: Vec<usize> =
            self.seasons.iter().copied().filter(|&m| m >= 2 && 2 * m <= len).collect();
        seasons.sort_unstable();
        seasons.dedup();
        let mut all = vec![Candidate::Naive(SeasonalNaive::new(1)), Candidate::Ets(AutoEts::default())];
        all.push(Candidate::Lags(LagRegression::new(&seasons).with_averages()));
        if values.iter().all(|v| v.is_nan() || *v > 0.0) {
            all.push(Candidate::LogLags(Transformed::new(Transform::Log, LagRegression::new(&seasons))));
        }
        for &m in &seasons {
            all.push(Candidate::Naive(SeasonalNaive::new(m)));
        }
        if let Some(&m) = seasons.first() {
            all.push(Candidate::Median(SeasonalMedian::new(m, (len / m).min(7)).with_neighbours(m / 48)));
            all.push(Candidate::Smoothing(SeasonalSmoothing::new(&seasons)));
        }
        all
    }
}

impl FittedPeakAhead {
    /// One bound per rate, in the order asked: demand of the next [`lead`](Self::lead) steps stays below it with about that
    /// probability.
    pub fn bounds(&self) -> &[f64] {
        self.lines.bounds()
    }

    /// The rates of the bounds.
    pub fn rates(&self) -> &[f64] {
        &self.rates
    }

    /// Steps that the bounds look ahead.
    pub const fn lead(&self) -> usize {
        self.lead
    }

    /// Takes the demand of the next step (NaN if it is not known) and moves the bounds.
    pub fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        self.take(value);
        Ok(())
    }

    fn take(&mut self, value: f64) {
        self.lines.observe(value);
        if !value.is_nan() {
            self.last = value;
        }
        for member in &mut self.members {
            // A member that cannot take the value (a logarithm met zero) carries on as if it were missing.
            if member.update(value).is_err() {
                // NaN is what every member takes.
                let _missing = member.update(f64::NAN);
            }
        }
        self.look_ahead();
    }

    fn look_ahead(&mut self) {
        let (lead, last) = (self.lead, self.last);
        let mut buffer = Forecast::default();
        let mut peak = |member: &FittedCandidate| match member.predict_into(lead, &[], &mut buffer) {
            Ok(()) => buffer.point.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Err(_) => last,
        };
        let forecasts: Vec<f64> = self.members.iter().map(&mut peak).collect();
        self.lines.expect(forecasts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    /// Load with a daily jump and noise that grows with it.
    fn seasonal(days: usize) -> Vec<f64> {
        let mut rng = Pcg::new(11);
        (0..days * 48)
            .map(|t| {
                let busy: f64 = if (16..36).contains(&(t % 48)) { 300.0 } else { 100.0 };
                busy * (1.0 + 0.05 * rng.normal())
            })
            .collect()
    }

    /// Share of steps whose peak until `lead` lay below the bound, and mean distance of the bound above that peak.
    fn judged(settings: &PeakAhead, values: &[f64], first: usize) -> Vec<(f64, f64)> {
        let mut scaler = settings.fit(&values[..first]).unwrap();
        let mut sums = vec![(0.0, 0.0); settings.rates.len()];
        let mut count = 0.0;
        for now in first..values.len() - settings.lead {
            let peak = values[now..now + settings.lead].iter().copied().fold(0.0, f64::max);
            for (sum, bound) in sums.iter_mut().zip(scaler.bounds()) {
                sum.0 += f64::from(u8::from(peak <= *bound));
                sum.1 += bound - peak;
            }
            count += 1.0;
            scaler.update(values[now]).unwrap();
        }
        sums.into_iter().map(|(below, above)| (below / count, above / count)).collect()
    }

    #[test]
    fn bounds_hold_at_about_their_rates_and_know_the_season() {
        let values = seasonal(21);
        let own = judged(&PeakAhead::new(&[48], 3, &[0.8, 0.9, 0.97]).unwrap(), &values, 48 * 14);
        for ((below, _), rate) in own.iter().zip([0.8, 0.9, 0.97]) {
            assert!((below - rate).abs() < 0.05, "{below} instead of {rate}");
        }
        // Without the season the jump of every morning is a surprise, or capacity that stands by all night.
        let blind = judged(&PeakAhead::new(&[], 3, &[0.97]).unwrap(), &values, 48 * 14);
        assert!(own[2].1 < 0.6 * blind[0].1, "{} against {}", own[2].1, blind[0].1);
    }

    #[test]
    fn a_load_without_a_season_is_bounded_by_its_last_values() {
        let mut rng = Pcg::new(5);
        let mut level = 500.0;
        let walk: Vec<f64> = (0..2000)
            .map(|_| {
                level += rng.normal();
                level
            })
            .collect();
        let own = judged(&PeakAhead::new(&[48], 2, &[0.9]).unwrap(), &walk, 1000);
        assert!((own[0].0 - 0.9).abs() < 0.04 && own[0].1 < 3.0, "{own:?}");
    }

    #[test]
    fn violations_come_back_to_the_rate_after_the_load_has_changed_for_good() {
        let mut rng = Pcg::new(8);
        let values: Vec<f64> =
            (0..3000).map(|t| 100.0 + if t < 1000 { 1.0 } else { 15.0 } * rng.normal()).collect();
        let own = judged(&PeakAhead::new(&[], 1, &[0.9]).unwrap(), &values, 1000);
        assert!((own[0].0 - 0.9).abs() < 0.03, "{own:?}");
    }

    #[test]
    fn hostile_loads_give_finite_bounds_at_or_above_what_repeats() {
        let mut gaps = seasonal(8);
        gaps.iter_mut().step_by(7).for_each(|v| *v = f64::NAN);
        let loads: [Vec<f64>; 5] =
            [vec![5.0; 300], vec![0.0; 300], gaps, [1e99, -1e99].repeat(100), vec![1e-300; 64]];
        for load in loads {
            let mut scaler = PeakAhead::new(&[48, 7], 4, &[0.6, 0.99]).unwrap().fit(&load).unwrap();
            for value in [f64::NAN, load[0], 0.0, 1e50] {
                scaler.update(value).unwrap();
                assert!(scaler.bounds().iter().all(|b| b.is_finite()), "{:?}", scaler.bounds());
            }
            assert!(scaler.update(f64::INFINITY).is_err());
        }
        let flat = PeakAhead::new(&[24], 2, &[0.9]).unwrap().fit(&[5.0; 300]).unwrap();
        assert!((flat.bounds()[0] - 5.0).abs() < 1e-9, "{:?}", flat.bounds());
    }

    #[test]
    fn settings_out_of_range_are_named() {
        for (lead, rates) in
            [(0, vec![0.9]), (1, vec![]), (1, vec![0.4]), (1, vec![1.0]), (1, vec![f64::NAN])]
        {
            assert!(matches!(PeakAhead::new(&[], lead, &rates), Err(FitError::Setting { .. })));
        }
        assert!(matches!(
            PeakAhead::new(&[], 1, &[0.9]).unwrap().fit(&[1.0; 5]),
            Err(FitError::TooShort { needed: 8, found: 5 })
        ));
    }
}
