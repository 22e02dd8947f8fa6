//! Load along dependency edges.

/// An edge from a caller to a callee.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "plain data made by hosts in bulk")]
pub struct FanOut {
    /// Index of the caller.
    pub caller: usize,
    /// Index of the callee.
    pub callee: usize,
    /// Calls to the callee per call of the caller, at least 0.
    pub calls: f64,
    /// Steps until the calls arrive (0 for synchronous calls, more for queues).
    pub delay: usize,
}

/// Why load could not be propagated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PropagateError {
    /// An edge names a component that does not exist.
    #[error("edge {edge} names component {component}: expected an index below {components}")]
    Unknown {
        /// Position of the edge.
        edge: usize,
        /// Index it names.
        component: usize,
        /// Number of components.
        components: usize,
    },
    /// A fan-out is negative or not finite.
    #[error("edge {edge} makes {calls} calls per call: expected a finite number of at least 0")]
    Calls {
        /// Position of the edge.
        edge: usize,
        /// The fan-out given.
        calls: f64,
    },
    /// External load is not a rectangle of finite numbers.
    #[error("load of component {component} is not {steps} finite numbers")]
    Load {
        /// Index of the component.
        component: usize,
        /// Steps expected.
        steps: usize,
    },
    /// Calls go round in a circle without delay, so that load would be infinite or undefined.
    #[error("components {components:?} call each other in a circle without delay")]
    Cycle {
        /// The components on or behind the circle.
        components: Vec<usize>,
    },
}

/// Total load of every component: what comes from outside plus what its callers cause.
///
/// `external[c][t]` is the load on component `c` in step `t` from outside the application. Circles are allowed when at least
/// one edge of each has a delay. Cost: O((components + edges) · steps).
///
/// # Example
/// ```
/// use ecosystem_forecast::demand::{FanOut, propagate};
/// let edges = [FanOut { caller: 0, callee: 1, calls: 3.0, delay: 0 }, FanOut { caller: 1, callee: 2, calls: 0.5, delay: 1 }];
/// let load = propagate(&edges, &[vec![10.0, 20.0], vec![0.0, 0.0], vec![1.0, 1.0]])?;
/// assert_eq!(load, [vec![10.0, 20.0], vec![30.0, 60.0], vec![1.0, 16.0]]);
/// # Ok::<(), ecosystem_forecast::demand::PropagateError>(())
/// ```
pub fn propagate(edges: &[FanOut], external: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, PropagateError> {
    let components = external.len();
    let steps = external.first().map_or(0, Vec::len);
    check(edges, external, steps)?;
    let order = order(edges, components)?;
    let mut outgoing: Vec<Vec<&FanOut>> = vec![Vec::new(); components];
    edges.iter().for_each(|e| outgoing[e.caller].push(e));
    let mut load = external.to_vec();
    for t in 0..steps {
        for &c in &order {
            let own = load[c][t];
            for edge in &outgoing[c] {
                if let Some(slot) = load[edge.callee].get_mut(t.saturating_add(edge.delay)) {
                    *slot += own * edge.calls;
                }
            }
        }
    }
    Ok(load)
}

fn check(edges: &[FanOut], external: &[Vec<f64>], steps: usize) -> Result<(), PropagateError> {
    let components = external.len();
    for (edge, e) in edges.iter().enumerate() {
        for component in [e.caller, e.callee] {
            if component >= components {
                return Err(PropagateError::Unknown { edge, component, components });
            }
        }
        if !(e.calls >= 0.0 && e.calls.is_finite()) {
            return Err(PropagateError::Calls { edge, calls: e.calls });
        }
    }
    for (component, load) in external.iter().enumerate() {
        if load.len() != steps || load.iter().any(|v| !v.is_finite()) {
            return Err(PropagateError::Load { component, steps });
        }
    }
    Ok(())
}

/// Callers before callees over the edges without delay (Kahn 1962), smallest index first.
fn order(edges: &[FanOut], components: usize) -> Result<Vec<usize>, PropagateError> {
    let mut waiting = vec![0_usize; components];
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); components];
    for e in edges.iter().filter(|e| e.delay == 0) {
        waiting[e.callee] += 1;
        next[e.caller].push(e.callee);
    }
    let mut order: Vec<usize> = (0..components).filter(|&c| waiting[c] == 0).collect();
    let mut at = 0;
    while at < order.len() {
        for &callee in &next[order[at]] {
            waiting[callee] -= 1;
            if waiting[callee] == 0 {
                order.push(callee);
            }
        }
        at += 1;
    }
    if order.len() == components {
        return Ok(order);
    }
    Err(PropagateError::Cycle { components: (0..components).filter(|&c| waiting[c] > 0).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_need_a_delay() {
        let edge = |caller, callee, delay| FanOut { caller, callee, calls: 0.5, delay };
        let outside = vec![vec![8.0, 0.0, 0.0], vec![0.0; 3]];
        let error = propagate(&[edge(0, 1, 0), edge(1, 0, 0)], &outside).unwrap_err();
        assert_eq!(error, PropagateError::Cycle { components: vec![0, 1] });
        let load = propagate(&[edge(0, 1, 0), edge(1, 0, 1)], &outside).unwrap();
        assert_eq!(load, [vec![8.0, 2.0, 0.5], vec![4.0, 1.0, 0.25]]);
    }

    #[test]
    fn bad_edges_are_named() {
        let edge = FanOut { caller: 0, callee: 3, calls: 1.0, delay: 0 };
        assert!(matches!(propagate(&[edge], &[vec![]]), Err(PropagateError::Unknown { component: 3, .. })));
        let edge = FanOut { callee: 0, calls: f64::NAN, ..edge };
        assert!(matches!(propagate(&[edge], &[vec![]]), Err(PropagateError::Calls { edge: 0, .. })));
    }
}
