//! An executor of your own, run through the conformance suite: one that keeps the contract, and one that does not.
//!
//! `cargo run --example connect_hypervisor --features conformance`

use std::collections::BTreeMap;
use std::convert::Infallible;
use vm_ecosystem::model::conformance::{self, Scenario};
use vm_ecosystem::prelude::*;

const HOSTS: [&str; 2] = ["h1", "h2"];

/// Two hosts that do everything at once, in memory.
#[derive(Default)]
struct Lab {
    running: BTreeMap<(ReplicaId, HostId), ReplicaReport>,
    epoch: Epoch,
    // What a real executor keeps on disk, where the actions are carried out.
    ends: BTreeMap<ActionId, ActionOutcome>,
    forgetful: bool,
    news: Vec<HypervisorEvent>,
}

impl Lab {
    fn seen(&self, replica: &ReplicaId, host: &HostId) -> (ReplicaState, Version) {
        let it = self.running.get(&(replica.clone(), host.clone()));
        it.map_or_else(|| (ReplicaState::Stopped, Version::default()), |it| (it.state, it.version.clone()))
    }

    /// Carries out an order; `Err` = refused at the door.
    fn carry_out(&mut self, request: &ActionRequest) -> Result<ActionOutcome, String> {
        if !self.capabilities().has(request.kind.capability()) {
            return Err(format!("the lab cannot {}", request.kind.verb()));
        }
        let known = |host: &HostId| {
            HOSTS.contains(&host.as_str()).then_some(()).ok_or_else(|| format!("there is no host {host}"))
        };
        match &request.kind {
            ActionKind::Start { replica, host, version, resources } => {
                known(host)?;
                if request.expected.is_some_and(|expected| expected != self.seen(replica, host).0) {
                    return Err(format!("{replica} is not in the expected state"));
                }
                if resources.memory.get() > 1 << 34 {
                    return Ok(ActionOutcome::Failed { reason: "no room".into() });
                }
                let report = ReplicaReport {
                    replica: replica.clone(),
                    host: host.clone(),
                    state: ReplicaState::Running,
                    version: version.clone(),
                    resources: resources.clone(),
                };
                self.running.insert((replica.clone(), host.clone()), report);
                Ok(ActionOutcome::DONE)
            }
            ActionKind::Stop { replica, host } => {
                known(host)?;
                self.running.remove(&(replica.clone(), host.clone()));
                Ok(ActionOutcome::DONE)
            }
            ActionKind::Probe { replica, host } => {
                known(host)?;
                let (state, version) = self.seen(replica, host);
                Ok(ActionOutcome::Seen { state, version })
            }
            other => Err(format!("the lab cannot {}", other.verb())),
        }
    }
}

impl Hypervisor for Lab {
    type Error = Infallible;

    fn capabilities(&self) -> Capabilities {
        [Capability::Lifecycle].into_iter().collect()
    }

    fn submit(&mut self, request: &ActionRequest) -> Result<(), SubmitError<Infallible>> {
        let rejected = |reason| Err(SubmitError::Rejected { reason });
        if request.epoch < self.epoch {
            return rejected(format!("epoch {} is over", request.epoch));
        }
        self.epoch = request.epoch;
        let outcome = match self.ends.get(&request.id) {
            Some(outcome) if !self.forgetful => outcome.clone(),
            _ => match self.carry_out(request) {
                Ok(outcome) => outcome,
                Err(reason) => return rejected(reason),
            },
        };
        self.ends.insert(request.id, outcome.clone());
        self.news.push(HypervisorEvent::Finished { action: request.id, outcome });
        Ok(())
    }

    fn poll(&mut self, _: Timestamp) -> Result<Vec<HypervisorEvent>, Infallible> {
        Ok(std::mem::take(&mut self.news))
    }

    fn inventory(&mut self) -> Result<Inventory, Infallible> {
        let hosts = HOSTS.map(|name| (HostId::new(name).expect("a name"), HostHealth::Alive)).to_vec();
        Ok(Inventory { hosts, replicas: self.running.values().cloned().collect(), policies: Vec::new() })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hosts = HOSTS.into_iter().map(HostId::new).collect::<Result<_, _>>()?;
    let scenario = Scenario::new(hosts, ComponentId::new("probe")?);
    let mut now = Timestamp::from_unix_ms(0);
    let mut judge = |mut lab: Lab| {
        conformance::hypervisor(&mut lab, &scenario, |wait| {
            now = now.saturating_add(wait);
            now
        })
    };
    let sound = judge(Lab::default());
    println!("an executor that keeps the contract\n{sound}");
    let forgetful = judge(Lab { forgetful: true, ..Lab::default() });
    println!("one that forgets the numbers of actions\n{forgetful}");
    assert!(sound.passed());
    assert!(!forgetful.passed());
    Ok(())
}
