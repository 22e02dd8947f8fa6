//! The contract, rule by rule. Each check starts and ends with an empty stage.

use super::Verdict;
use super::stage::{Checked, Ending, Stage, ensure, failed};
use crate::hypervisor::{ActionKind, ActionOutcome, Capability, Hypervisor, MigrationMode, ReplicaState};
use crate::id::{ActionId, Epoch, HostId};
use crate::time::Timestamp;
use std::time::Duration;

type Rule<'a, H, W> = (&'static str, fn(&mut Stage<'a, H, W>) -> Checked);

/// Every rule, in the order in which they are tried.
pub(super) fn all<'a, H: Hypervisor, W: FnMut(Duration) -> Timestamp>() -> Vec<Rule<'a, H, W>> {
    vec![
        ("the inventory lists the hosts and nothing that does not run", empty),
        ("a start that is done runs where it was asked for, and the inventory says so", start),
        ("the same number twice has the effect of once", twice),
        ("a number that has ended has no effect again, and its answer can be had again", again),
        ("a second start of what runs makes no second instance", second_start),
        ("an answer waits for a late poll", late),
        ("stopping what does not run is done", stop_nothing),
        ("a stop that is done ends the starts that were handed in before it", stop_ends_starts),
        ("a probe tells what runs and what does not", probe),
        ("a host that does not exist starts nothing and says so", unknown_host),
        ("a replica that does not run cannot be moved, changed or kept", unknown_replica),
        ("what is larger than the host does not start", too_large),
        ("a lower epoch is refused at the door, without effect", old_epoch),
        ("what is not in the expected state is refused, without effect", pre_state),
        ("a move ends on the target only, and never shows two", migrate),
        ("a move to the same or an unknown host leaves the replica where it is", bad_target),
        ("an abort of something unknown fails, of a move leaves one instance", abort),
        ("a resize shows in the inventory", resize),
        ("what the executor cannot do it refuses", honest),
        ("nothing is said about actions that nobody asked for", nothing_strange),
        ("a fenced host runs nothing", fence),
    ]
}

fn empty<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    stage.needs(Capability::Lifecycle)?;
    stage.pass(stage.scenario.step)?;
    let inventory = stage.inventory()?;
    for host in &stage.scenario.hosts {
        ensure(inventory.hosts.iter().any(|(id, _)| id == host), || format!("host {host} is missing"))?;
    }
    let ours = inventory.replicas.iter().find(|it| it.replica.component() == &stage.scenario.component);
    ensure(ours.is_none(), || format!("something runs before the first start: {ours:?}"))
}

fn start<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let host = stage.host(0)?;
    stage.must(stage.start(0, &host))?;
    stage.expect_on(0, Some(&host))?;
    let found = stage.found(0)?;
    let it = &found[0];
    ensure(it.version == stage.scenario.version, || format!("it runs version {}", it.version))?;
    let asked = &stage.scenario.resources;
    let same = it.resources.cpu == asked.cpu && it.resources.memory == asked.memory;
    ensure(same, || format!("it has {}, expected {asked}", it.resources))?;
    stage.must(stage.stop(0, &host))?;
    stage.expect_on(0, None)
}

fn twice<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let host = stage.host(0)?;
    let request = stage.request(stage.start(0, &host));
    for _ in 0..2 {
        if let Some(reason) = stage.submit(&request)? {
            return failed(format!("the same number was refused: {reason}"));
        }
    }
    let ending = stage.await_end(request.id, |_| Ok(()))?;
    ensure(ending.is_done(), || format!("ended as {ending:?}"))?;
    stage.expect_on(0, Some(&host))?;
    stage.must(stage.stop(0, &host))?;
    stage.expect_on(0, None)
}

fn again<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let host = stage.host(0)?;
    let request = stage.request(stage.start(0, &host));
    let first = stage.carry_out(&request)?;
    ensure(first.is_done(), || format!("ended as {first:?}"))?;
    stage.must(stage.stop(0, &host))?;
    stage.forget(request.id);
    let second = stage.carry_out(&request)?;
    ensure(second == first, || format!("answered {second:?} the second time, expected {first:?}"))?;
    stage.pass(stage.scenario.step * 10)?;
    stage.expect_on(0, None)
}

fn second_start<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let host = stage.host(0)?;
    stage.must(stage.start(0, &host))?;
    let ending = stage.order(stage.start(0, &host))?;
    ensure(ending.is_done() || ending.is_refusal(), || format!("ended as {ending:?}"))?;
    stage.expect_on(0, Some(&host))?;
    stage.must(stage.stop(0, &host))?;
    stage.expect_on(0, None)
}

fn late<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let host = stage.host(0)?;
    let start = stage.request(stage.start(0, &host));
    if let Some(reason) = stage.submit(&start)? {
        return failed(format!("a start was refused: {reason}"));
    }
    // One long silence instead of many short ones.
    stage.pass(stage.scenario.patience.min(stage.scenario.step * 200))?;
    let ending = stage.await_end(start.id, |_| Ok(()))?;
    ensure(ending.is_done(), || format!("ended as {ending:?}"))?;
    stage.must(stage.stop(0, &host))
}

fn stop_nothing<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let host = stage.host(0)?;
    stage.must(stage.stop(7, &host))
}

/// A stop right behind a start, before anybody knows how far that is. It may be refused; but once it is done, the start has
/// had its last effect: the engine may start the replica elsewhere the next moment.
fn stop_ends_starts<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let host = stage.host(0)?;
    let start = stage.request(stage.start(0, &host));
    if let Some(reason) = stage.submit(&start)? {
        return failed(format!("a start was refused: {reason}"));
    }
    let stopped = stage.order(stage.stop(0, &host))?;
    if !stopped.is_done() {
        ensure(stopped.is_refusal(), || format!("the stop ended as {stopped:?}"))?;
        let started = stage.await_end(start.id, |_| Ok(()))?;
        ensure(started != Ending::Silent, || "the start has no end".into())?;
        stage.must(stage.stop(0, &host))?;
        return stage.expect_on(0, None);
    }
    stage.expect_on(0, None)?;
    // As long as the start could still be begun, and a while longer.
    stage.await_end(start.id, |stage| stage.expect_on(0, None))?;
    stage.pass(stage.scenario.step * 20)?;
    stage.expect_on(0, None)
}

fn probe<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let host = stage.host(0)?;
    let nothing = stage.probe(0, &host)?;
    let stopped = matches!(nothing, Ending::Ended(ActionOutcome::Seen { state: ReplicaState::Stopped, .. }));
    ensure(stopped, || format!("a probe of what does not run says {nothing:?}"))?;
    stage.must(stage.start(0, &host))?;
    let version = stage.scenario.version.clone();
    let seen = stage.probe(0, &host)?;
    let expected = Ending::Ended(ActionOutcome::Seen { state: ReplicaState::Running, version });
    ensure(seen == expected, || format!("a probe says {seen:?}, expected {expected:?}"))?;
    stage.must(stage.stop(0, &host))
}

fn unknown_host<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let nowhere = HostId::new("no-such-host").map_err(|e| Verdict::Failed(e.to_string()))?;
    let ending = stage.order(stage.start(0, &nowhere))?;
    ensure(ending.is_refusal(), || format!("a start there ended as {ending:?}"))?;
    stage.expect_on(0, None)
}

fn unknown_replica<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let (from, to) = (stage.host(0)?, stage.host(1)?);
    let (replica, resources) = (stage.replica(9), stage.scenario.resources.clone());
    let orders = [
        ActionKind::Migrate {
            replica: replica.clone(),
            from: from.clone(),
            to,
            mode: MigrationMode::PreCopy,
        },
        ActionKind::Resize { replica: replica.clone(), host: from.clone(), resources },
        ActionKind::Snapshot { replica, host: from, name: "none".into() },
    ];
    for kind in orders.into_iter().filter(|kind| stage.can(kind.capability())).collect::<Vec<_>>() {
        let words = kind.to_string();
        let ending = stage.order(kind)?;
        ensure(ending.is_refusal(), || format!("`{words}` ended as {ending:?}"))?;
    }
    stage.expect_on(9, None)
}

fn too_large<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let host = stage.host(0)?;
    let (replica, version) = (stage.replica(0), stage.scenario.version.clone());
    let resources = stage.scenario.too_large.clone();
    let ending = stage.order(ActionKind::Start { replica, host, version, resources })?;
    ensure(ending.is_refusal(), || format!("ended as {ending:?}"))?;
    stage.expect_on(0, None)
}

fn old_epoch<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let host = stage.host(0)?;
    stage.epoch = Epoch(stage.scenario.epoch.0 + 1);
    stage.must(stage.stop(0, &host))?;
    let mut request = stage.request(stage.start(0, &host));
    request.epoch = stage.scenario.epoch;
    let ending = stage.carry_out(&request)?;
    ensure(matches!(ending, Ending::Rejected(_)), || format!("a start ended as {ending:?}"))?;
    stage.pass(stage.scenario.step * 10)?;
    stage.expect_on(0, None)
}

fn pre_state<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let host = stage.host(0)?;
    let mut request = stage.request(stage.start(0, &host));
    request.expected = Some(ReplicaState::Running);
    let ending = stage.carry_out(&request)?;
    ensure(ending.is_refusal(), || format!("a start of what should run but does not ended as {ending:?}"))?;
    stage.expect_on(0, None)
}

fn migrate<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    stage.needs(Capability::PreCopy)?;
    let (from, to) = (stage.host(0)?, stage.host(1)?);
    stage.must(stage.start(0, &from))?;
    let (replica, mode) = (stage.replica(0), MigrationMode::PreCopy);
    let request = stage.request(ActionKind::Migrate { replica, from, to: to.clone(), mode });
    if let Some(reason) = stage.submit(&request)? {
        return failed(format!("refused: {reason}"));
    }
    let ending = stage.await_end(request.id, |stage| {
        let found = stage.found(0)?;
        ensure(found.len() <= 1, || format!("it runs {} times: {found:?}", found.len()))
    })?;
    ensure(ending.is_done(), || format!("ended as {ending:?}"))?;
    stage.expect_on(0, Some(&to))?;
    stage.must(stage.stop(0, &to))?;
    stage.expect_on(0, None)
}

fn bad_target<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    stage.needs(Capability::PreCopy)?;
    let host = stage.host(0)?;
    stage.must(stage.start(0, &host))?;
    let nowhere = HostId::new("no-such-host").map_err(|e| Verdict::Failed(e.to_string()))?;
    for to in [host.clone(), nowhere] {
        let (replica, from, mode) = (stage.replica(0), host.clone(), MigrationMode::PreCopy);
        let ending = stage.order(ActionKind::Migrate { replica, from, to: to.clone(), mode })?;
        ensure(ending.is_refusal(), || format!("a move to {to} ended as {ending:?}"))?;
        stage.expect_on(0, Some(&host))?;
    }
    stage.must(stage.stop(0, &host))
}

fn abort<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    stage.needs(Capability::Abort)?;
    let ending = stage.order(ActionKind::Abort { action: ActionId(u64::MAX) })?;
    ensure(ending.is_refusal(), || format!("an abort of nothing ended as {ending:?}"))?;
    stage.needs(Capability::PreCopy)?;
    let (from, to) = (stage.host(0)?, stage.host(1)?);
    stage.must(stage.start(0, &from))?;
    let (replica, mode) = (stage.replica(0), MigrationMode::PreCopy);
    let moving = stage.request(ActionKind::Migrate { replica, from: from.clone(), to: to.clone(), mode });
    if let Some(reason) = stage.submit(&moving)? {
        return failed(format!("a move was refused: {reason}"));
    }
    let aborted = stage.order(ActionKind::Abort { action: moving.id })?;
    let moved = stage.await_end(moving.id, |_| Ok(()))?;
    // The abort may come too late; what counts is that both answers and the ground agree.
    let home = if moved.is_done() { &to } else { &from };
    ensure(aborted.is_done() != moved.is_done(), || {
        format!("the abort ended as {aborted:?}, the move as {moved:?}")
    })?;
    stage.expect_on(0, Some(home))?;
    stage.must(stage.stop(0, home))?;
    stage.expect_on(0, None)
}

fn resize<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    stage.needs(Capability::Resize)?;
    let host = stage.host(0)?;
    stage.must(stage.start(0, &host))?;
    let resources = stage.scenario.resources.scaled(3, 2);
    let replica = stage.replica(0);
    let ending =
        stage.order(ActionKind::Resize { replica, host: host.clone(), resources: resources.clone() })?;
    // A guest may refuse; then nothing may have changed.
    let expected = if ending.is_done() { resources } else { stage.scenario.resources.clone() };
    ensure(ending.is_done() || ending.is_refusal(), || format!("ended as {ending:?}"))?;
    let found = stage.found(0)?;
    let shown = found.first().map(|it| (it.resources.cpu, it.resources.memory));
    ensure(shown == Some((expected.cpu, expected.memory)), || {
        format!("the inventory shows {shown:?}, expected {expected}")
    })?;
    stage.must(stage.stop(0, &host))
}

fn honest<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    let host = stage.host(0)?;
    let (component, replica) = (stage.scenario.component.clone(), stage.replica(0));
    let orders = [
        ActionKind::Resize {
            replica: replica.clone(),
            host: host.clone(),
            resources: stage.scenario.resources.clone(),
        },
        ActionKind::Snapshot { replica: replica.clone(), host: host.clone(), name: "s".into() },
        ActionKind::Migrate { replica, from: host.clone(), to: host.clone(), mode: MigrationMode::PostCopy },
        ActionKind::Cordon { host: host.clone(), closed: false },
        ActionKind::RemoveNetworkPolicy { component: component.clone() },
        ActionKind::ShiftTraffic {
            component: component.clone(),
            permille: vec![(stage.scenario.version.clone(), 1_000)],
        },
        ActionKind::RotateCredentials { component },
        ActionKind::Power { host, on: true },
    ];
    for kind in orders.into_iter().filter(|kind| !stage.can(kind.capability())).collect::<Vec<_>>() {
        let words = kind.to_string();
        let ending = stage.order(kind)?;
        ensure(ending.is_refusal(), || format!("`{words}` ended as {ending:?}"))?;
    }
    Ok(())
}

fn nothing_strange<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    stage.pass(stage.scenario.step * 10)?;
    let strange = stage.strange.join("; ");
    ensure(strange.is_empty(), || strange)
}

fn fence<H: Hypervisor, W: FnMut(Duration) -> Timestamp>(stage: &mut Stage<'_, H, W>) -> Checked {
    stage.needs(Capability::Fence)?;
    let Some(host) = stage.scenario.fence.clone() else {
        return Err(Verdict::Skipped("the scenario names no host that may be fenced".into()));
    };
    stage.must(stage.start(0, &host))?;
    stage.must(ActionKind::Fence { host: host.clone() })?;
    stage.expect_on(0, None)?;
    let ending = stage.order(stage.start(1, &host))?;
    ensure(!ending.is_done(), || "a start on the fenced host is done".into())?;
    stage.expect_on(1, None)
}
