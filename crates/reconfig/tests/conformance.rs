//! The simulator keeps the contract of `Hypervisor`, and executors that break it are caught.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::common;

use common::{hid, infrastructure, shop, spread};
use ecosystem_core::conformance::{Report, Scenario, Verdict, hypervisor};
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Capabilities, ComponentId, Hypervisor,
    HypervisorEvent, Inventory, SubmitError, Timestamp,
};
use ecosystem_reconfig::sim::{SimError, SimSettings, Simulator};
use std::time::Duration;

fn simulator(settings: SimSettings) -> Simulator {
    Simulator::new(&shop(), &infrastructure(6), &spread(), settings)
}

fn scenario() -> Scenario {
    let mut scenario =
        Scenario::new(vec![hid("h1"), hid("h2"), hid("h3")], ComponentId::new("newcomer").unwrap());
    scenario.step = Duration::from_secs(1);
    scenario.fence = Some(hid("h3"));
    scenario
}

fn judge(mut executor: impl Hypervisor) -> Report {
    let mut now = Timestamp::default();
    hypervisor(&mut executor, &scenario(), |wait| {
        now = now.saturating_add(wait);
        now
    })
}

#[test]
fn the_simulator_keeps_the_contract() {
    let report = judge(simulator(SimSettings::default()));
    assert!(report.passed(), "{report}");
    assert!(report.checks.iter().all(|check| check.verdict == Verdict::Passed), "{report}");
}

#[test]
fn doubled_and_late_answers_keep_the_contract() {
    let mut settings = SimSettings::default();
    (settings.doubled_permille, settings.late_permille) = (500, 300);
    settings.late_max = Duration::from_secs(20);
    let report = judge(simulator(settings));
    assert!(report.passed(), "{report}");
}

/// The simulator with one part of the contract broken.
struct Broken {
    inner: Simulator,
    how: Breach,
    next: u64,
    waiting: Vec<ActionRequest>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Breach {
    ForgetsNumbers,
    IgnoresEpochs,
    IgnoresExpectations,
    ClaimsSuccess,
    HidesWhatRuns,
    InventsAnswers,
    LosesAnswers,
    KeepsStartsWaiting,
}

impl Hypervisor for Broken {
    type Error = SimError;

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn submit(&mut self, request: &ActionRequest) -> Result<(), SubmitError<SimError>> {
        let mut request = request.clone();
        match self.how {
            Breach::ForgetsNumbers => {
                self.next += 1;
                request.id = ActionId(1_000 + self.next);
            }
            Breach::IgnoresEpochs => request.epoch.0 = 1_000,
            Breach::IgnoresExpectations => request.expected = None,
            // Taken, and begun with a later poll, whatever happens in between.
            Breach::KeepsStartsWaiting if matches!(request.kind, ActionKind::Start { .. }) => {
                self.waiting.push(request);
                return Ok(());
            }
            _ => {}
        }
        self.inner.submit(&request)
    }

    fn poll(&mut self, now: Timestamp) -> Result<Vec<HypervisorEvent>, SimError> {
        let mut events = self.inner.poll(now)?;
        self.next += u64::from(self.how == Breach::KeepsStartsWaiting);
        if self.next.is_multiple_of(40) {
            for request in self.waiting.drain(..) {
                if let Err(SubmitError::Rejected { reason }) = self.inner.submit(&request) {
                    let outcome = ActionOutcome::Failed { reason: reason.into() };
                    events.push(HypervisorEvent::Finished { action: request.id, outcome });
                }
            }
        }
        for event in &mut events {
            if let HypervisorEvent::Finished { outcome, .. } = event
                && self.how == Breach::ClaimsSuccess
            {
                *outcome = ActionOutcome::DONE;
            }
        }
        if self.how == Breach::InventsAnswers {
            events.push(HypervisorEvent::Finished { action: ActionId(77_777), outcome: ActionOutcome::DONE });
        }
        if self.how == Breach::LosesAnswers {
            events.retain(|event| !matches!(event, HypervisorEvent::Finished { .. }));
        }
        Ok(events)
    }

    fn inventory(&mut self) -> Result<Inventory, SimError> {
        let mut inventory = self.inner.inventory()?;
        if self.how == Breach::HidesWhatRuns {
            inventory.replicas.clear();
        }
        Ok(inventory)
    }
}

#[test]
fn every_breach_of_the_contract_is_caught() {
    let breaches = [
        (Breach::ForgetsNumbers, "a start that is done runs"),
        (Breach::IgnoresEpochs, "a lower epoch"),
        (Breach::IgnoresExpectations, "what is not in the expected state"),
        (Breach::ClaimsSuccess, "a probe tells"),
        (Breach::HidesWhatRuns, "a start that is done runs"),
        (Breach::InventsAnswers, "nothing is said"),
        (Breach::LosesAnswers, "stopping what does not run"),
        (Breach::KeepsStartsWaiting, "a stop that is done ends the starts"),
    ];
    for (how, rule) in breaches {
        let report =
            judge(Broken { inner: simulator(SimSettings::default()), how, next: 0, waiting: Vec::new() });
        assert!(
            report.failures().any(|check| check.rule.starts_with(rule)),
            "expected `{rule}…` to fail\n{report}"
        );
    }
}

#[test]
fn what_an_executor_says_it_cannot_do_is_left_out_or_must_be_refused() {
    struct Plain(Simulator);
    impl Hypervisor for Plain {
        type Error = SimError;
        fn capabilities(&self) -> Capabilities {
            [ecosystem_core::Capability::Lifecycle].into_iter().collect()
        }
        fn submit(&mut self, request: &ActionRequest) -> Result<(), SubmitError<SimError>> {
            if !self.capabilities().has(request.kind.capability()) {
                return Err(SubmitError::Rejected { reason: format!("cannot {}", request.kind.verb()) });
            }
            self.0.submit(request)
        }
        fn poll(&mut self, now: Timestamp) -> Result<Vec<HypervisorEvent>, SimError> {
            self.0.poll(now)
        }
        fn inventory(&mut self) -> Result<Inventory, SimError> {
            self.0.inventory()
        }
    }
    let report = judge(Plain(simulator(SimSettings::default())));
    assert!(report.passed(), "{report}");
    let left_out = report.checks.iter().filter(|check| matches!(check.verdict, Verdict::Skipped(_))).count();
    assert_eq!(left_out, 5, "{report}");
    assert!(!ActionKind::Fence { host: hid("h1") }.to_string().is_empty());
}
