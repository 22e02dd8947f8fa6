//! The stacked failure model as bytes: docs/failure-prediction.md has the format.

use super::{
    Calibration,
    stacked::{Fitted, FittedFailureModel, Ranks},
};
use crate::{
    codec::{Reader, Writer},
    tree::{MAGIC, ModelError},
};

/// Kind of the stacked model among those made of trees.
const STACKED: u8 = 3;

impl FittedFailureModel {
    /// The model as bytes, without [`held_out`](Self::held_out), which belongs to the training rows. Equal models give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new(MAGIC, STACKED);
        w.model(&self.members.boosting);
        w.model(&self.members.forest);
        w.isolation_of_kind(&self.members.isolation);
        self.ranks.iter().for_each(|ranks| pairs(&mut w, &ranks.points));
        self.weights.iter().for_each(|weight| w.f64(*weight));
        match &self.calibration {
            Calibration::Isotonic { points } => {
                w.u8(0);
                pairs(&mut w, points);
            }
            Calibration::Platt { slope, offset } => {
                w.u8(1);
                w.f64(*slope);
                w.f64(*offset);
            }
        }
        w.finish()
    }

    /// A model from bytes of any origin: everything is checked, memory stays within a small multiple of the input. It answers with
    /// the bits of the one that was stored; its [`held_out`](Self::held_out) is empty.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (mut r, kind) = Reader::new(MAGIC, bytes)?;
        if kind != STACKED {
            return Err(ModelError::Kind { found: kind, expected: STACKED });
        }
        let (boosting, forest, isolation) = (r.model()?, r.model()?, r.isolation_of_kind()?);
        if forest.features() != boosting.features() || isolation.features() != boosting.features() {
            return Err(ModelError::Field { name: "features" });
        }
        let members = Fitted { boosting, forest, isolation };
        let mut ranks = || Ok::<_, ModelError>(Ranks { points: rising(&mut r, "ranks")? });
        let ranks = [ranks()?, ranks()?, ranks()?];
        let mut weight = || r.within("weights", 0.0, 1.0);
        let weights = [weight()?, weight()?, weight()?];
        if (weights.iter().sum::<f64>() - 1.0).abs() > 1e-9 {
            return Err(ModelError::Field { name: "weights" });
        }
        let calibration = match r.u8()? {
            0 => Calibration::Isotonic { points: rising(&mut r, "calibration")? },
            1 => Calibration::Platt { slope: r.f64("slope")?, offset: r.f64("offset")? },
            _ => return Err(ModelError::Field { name: "calibration" }),
        };
        r.finish()?;
        Ok(Self { members, ranks, weights, calibration, held_out: Vec::new() })
    }
}

fn pairs(w: &mut Writer, points: &[(f64, f64)]) {
    w.u32(points.len());
    for (at, share) in points {
        w.f64(*at);
        w.f64(*share);
    }
}

/// Corners of a map that rises from 0 to 1 at most: at least one, at places that are all different.
fn rising(r: &mut Reader<'_>, name: &'static str) -> Result<Vec<(f64, f64)>, ModelError> {
    let count = r.count(16)?;
    let points =
        (0..count).map(|_| Ok((r.f64(name)?, r.within(name, 0.0, 1.0)?))).collect::<Result<Vec<_>, _>>()?;
    if points.is_empty() || points.windows(2).any(|pair| pair[0].0 >= pair[1].0 || pair[0].1 > pair[1].1) {
        return Err(ModelError::Field { name });
    }
    Ok(points)
}
