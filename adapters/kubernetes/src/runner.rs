//! Carries a plan out, a bounded number of requests at a time.

use crate::client::{Client, built};
use crate::read::{deployment, stateful};
use crate::{KubeError, Plan, Step, Workload, WorkloadKind};
use ecosystem_core::{ComponentId, Timestamp};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use kube_core::Request;
use kube_core::params::GetParams;
use serde_json::Value;
use std::time::Duration;

/// How patient a runner is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RunnerSettings {
    /// Pause after the first refusal that may pass, if the server names none; doubles each time. 1 s.
    pub pause: Duration,
    /// Longest pause. 60 s.
    pub pause_max: Duration,
    /// For one step, with everything it waits for. 30 min.
    pub step_within: Duration,
}

impl Default for RunnerSettings {
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(1),
            pause_max: Duration::from_secs(60),
            step_within: Duration::from_secs(1_800),
        }
    }
}

/// How far a step is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StepState {
    /// Not begun.
    Waiting,
    /// Not taken, as far as is known: a disruption budget forbids it for now (status 429), or the server was not to be had. It is
    /// asked for again; every step may be asked for twice.
    Held {
        /// When it is tried again.
        until: Timestamp,
        /// How often it was tried.
        attempts: u32,
        /// Why.
        reason: KubeError,
    },
    /// Taken; its effect is waited for.
    Begun,
    /// It has its effect.
    Done,
    /// It was refused, or had no effect in time; nothing after it is begun.
    Failed {
        /// Why.
        reason: String,
    },
}

/// How far a plan is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// Something is under way.
    Working,
    /// Everything that could be begun is held; nothing to do before then.
    Held {
        /// The earliest next attempt.
        until: Timestamp,
    },
    /// All steps have their effect.
    Done,
    /// A step failed.
    Failed {
        /// Its place in the plan.
        step: usize,
        /// Why.
        reason: String,
    },
}

#[derive(Clone, Debug)]
struct Under {
    state: StepState,
    since: Option<Timestamp>,
    /// Generation of the workload that the step made.
    generation: i64,
}

/// A plan that is being carried out. Without a clock of its own: each call of [`step`](Self::step) is told the time, asks the
/// server at most once or twice a step and returns.
#[derive(Clone, Debug)]
pub struct Runner {
    plan: Plan,
    settings: RunnerSettings,
    under: Vec<Under>,
}

impl Runner {
    /// Nothing is begun yet.
    pub fn new(plan: Plan, settings: RunnerSettings) -> Self {
        let one = Under { state: StepState::Waiting, since: None, generation: 0 };
        let under = vec![one; plan.steps.len()];
        Self { plan, settings, under }
    }

    /// The plan.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How far each step is.
    pub fn states(&self) -> impl ExactSizeIterator<Item = (&Step, &StepState)> {
        self.plan.steps.iter().zip(self.under.iter().map(|it| &it.state))
    }

    /// The steps that may be under way: the first that has not ended, and if it is an eviction those that follow it.
    fn front(&self) -> std::ops::Range<usize> {
        let first = self.under.iter().position(|it| it.state != StepState::Done).unwrap_or(self.under.len());
        let evictions =
            self.plan.steps[first..].iter().take_while(|it| matches!(it, Step::Evict { .. })).count();
        first..(first + evictions.max(1)).min(self.under.len())
    }

    /// Goes on as far as it can be gone at this moment.
    pub fn step(&mut self, client: &Client, now: Timestamp) -> Progress {
        for index in self.front() {
            let before = self.under[index].state.clone();
            let since = *self.under[index].since.get_or_insert(now);
            let after = match &before {
                StepState::Waiting => self.begin(client, index, now, 0),
                StepState::Held { until, attempts, .. } if *until <= now => {
                    self.begin(client, index, now, *attempts)
                }
                StepState::Begun => self.look(client, index),
                other => other.clone(),
            };
            let waited = Duration::from_millis(now.as_unix_ms().saturating_sub(since.as_unix_ms()));
            let late = waited >= self.settings.step_within;
            self.under[index].state = match after {
                StepState::Held { reason, .. } if late => {
                    StepState::Failed { reason: format!("not within {} s: {reason}", waited.as_secs()) }
                }
                StepState::Begun if late => StepState::Failed {
                    reason: format!("taken, but without effect within {} s", waited.as_secs()),
                },
                state => state,
            };
        }
        self.progress()
    }

    fn progress(&self) -> Progress {
        let failed = self.under.iter().enumerate().find_map(|(step, it)| match &it.state {
            StepState::Failed { reason } => Some(Progress::Failed { step, reason: reason.clone() }),
            _ => None,
        });
        if let Some(failed) = failed {
            return failed;
        }
        let front = &self.under[self.front()];
        if front.is_empty() {
            return Progress::Done;
        }
        let held = front.iter().filter(|it| it.state != StepState::Done).map(|it| match &it.state {
            StepState::Held { until, .. } => Some(*until),
            _ => None,
        });
        // One that is not held is worked at.
        match held.collect::<Option<Vec<Timestamp>>>().and_then(|all| all.into_iter().min()) {
            Some(until) => Progress::Held { until },
            None => Progress::Working,
        }
    }

    fn begin(&mut self, client: &Client, index: usize, now: Timestamp, attempts: u32) -> StepState {
        let step = self.plan.steps[index].clone();
        let answer = step.request(client.settings()).and_then(|request| client.send::<Value>(request));
        match (&step, answer) {
            (Step::Cordon { .. } | Step::Uncordon { .. }, Ok(_)) => StepState::Done,
            (Step::Confine { .. }, Ok(made)) => {
                self.under[index].generation = made["metadata"]["generation"].as_i64().unwrap_or_default();
                StepState::Begun
            }
            (Step::Scale { .. } | Step::Evict { .. }, Ok(_)) => StepState::Begun,
            // Gone by itself, or another of the same name by now.
            (Step::Evict { .. }, Err(e)) if matches!(e.status(), Some(404 | 409)) => StepState::Done,
            (_, Err(e)) if e.may_pass() => {
                let own = self.settings.pause.saturating_mul(1_u32.checked_shl(attempts).unwrap_or(u32::MAX));
                let told = match &e {
                    KubeError::Refused { retry_after: Some(seconds), .. } => {
                        Duration::from_secs(u64::from(*seconds))
                    }
                    _ => own,
                };
                let until = now.saturating_add(told.min(self.settings.pause_max));
                StepState::Held { until, attempts: attempts.saturating_add(1), reason: e }
            }
            (_, Err(e)) => StepState::Failed { reason: e.to_string() },
        }
    }

    /// Whether the effect is there. A server that is silent for a while is asked again.
    fn look(&self, client: &Client, index: usize) -> StepState {
        let seen = match &self.plan.steps[index] {
            Step::Evict { namespace, pod, uid, .. } => gone(client, namespace, pod, uid),
            Step::Confine { workload, kind, .. } => {
                let generation = self.under[index].generation;
                workload_now(client, *kind, workload).map(|it| it.settled && it.generation >= generation)
            }
            Step::Scale { workload, kind, replicas } => {
                workload_now(client, *kind, workload).map(|it| it.settled && it.replicas == *replicas)
            }
            Step::Cordon { .. } | Step::Uncordon { .. } => Ok(true),
        };
        match seen {
            Ok(true) => StepState::Done,
            Ok(false) => StepState::Begun,
            Err(e) if e.may_pass() => StepState::Begun,
            Err(e) => StepState::Failed { reason: e.to_string() },
        }
    }
}

fn gone(client: &Client, namespace: &str, pod: &str, uid: &str) -> Result<bool, KubeError> {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let request = Request::new(path).get(pod, &GetParams::default()).map_err(|e| built(pod, &e))?;
    match client.send::<Pod>(request) {
        Ok(it) => Ok(it.metadata.uid.as_deref() != Some(uid)),
        Err(e) if e.status() == Some(404) => Ok(true),
        Err(e) => Err(e),
    }
}

fn workload_now(client: &Client, kind: WorkloadKind, name: &ComponentId) -> Result<Workload, KubeError> {
    let path = Request::new(kind.path(&client.settings().namespace));
    let request = path.get(name.as_str(), &GetParams::default()).map_err(|e| built(name.as_str(), &e))?;
    match kind {
        WorkloadKind::Deployment => client.send::<Deployment>(request).map(|it| deployment(&it)),
        WorkloadKind::StatefulSet => client.send::<StatefulSet>(request).map(|it| stateful(&it)),
    }
}
