//! Fitted members of the family as bytes: docs/forecast-models.md has the format.

use super::{EtsError, EtsSeason, EtsSpec, EtsState, EtsTrend, EtsWeights, FittedEts};
use crate::{
    codec::{Reader, Writer},
    tree::ModelError,
};

const ERRORS: [EtsError; 2] = [EtsError::Additive, EtsError::Multiplicative];
const TRENDS: [EtsTrend; 5] = [
    EtsTrend::None,
    EtsTrend::Additive,
    EtsTrend::AdditiveDamped,
    EtsTrend::Multiplicative,
    EtsTrend::MultiplicativeDamped,
];
const SEASONS: [EtsSeason; 3] = [EtsSeason::None, EtsSeason::Additive, EtsSeason::Multiplicative];

impl FittedEts {
    pub(crate) fn write(&self, w: &mut Writer) {
        let spec = &self.spec;
        w.u8(spec.error as u8);
        w.u8(spec.trend as u8);
        w.u8(spec.season as u8);
        let weights = &self.weights;
        w.all(&[weights.alpha, weights.beta, weights.gamma, weights.phi]);
        for state in [&self.state, &self.initial] {
            w.f64(state.level);
            w.f64(state.trend);
            w.numbers(&state.season);
        }
        w.u32(self.next);
        w.all(&[self.variance, self.log_likelihood, self.aicc]);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ModelError> {
        let (error, trend) = (r.choice("error", &ERRORS)?, r.choice("trend", &TRENDS)?);
        let season = r.choice("season", &SEASONS)?;
        let mut weight = |name| r.within(name, 0.0, 1.0);
        let (alpha, beta, gamma, phi) = (weight("alpha")?, weight("beta")?, weight("gamma")?, weight("phi")?);
        let (state, initial) = (state(r)?, state(r)?);
        let period = state.season.len();
        let fits = if season == EtsSeason::None { period == 0 } else { period >= 2 };
        if !fits || initial.season.len() != period {
            return Err(ModelError::Field { name: "season" });
        }
        let next = r.position("phase", period.max(1))?;
        Ok(Self {
            spec: EtsSpec::new(error, trend, season, period),
            weights: EtsWeights { alpha, beta, gamma, phi },
            state,
            initial,
            next,
            variance: r.positive("variance")?,
            log_likelihood: r.known("log likelihood")?,
            aicc: r.known("criterion")?,
        })
    }
}

fn state(r: &mut Reader<'_>) -> Result<EtsState, ModelError> {
    Ok(EtsState { level: r.f64("level")?, trend: r.f64("trend")?, season: r.numbers("season")? })
}
