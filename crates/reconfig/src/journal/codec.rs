//! Changes as bytes.

use super::bytes::{Reader, Writer};
use crate::error::JournalError;
use crate::event::DeathEvidence;
use crate::state::{
    Approving, Change, Comp, End, Host, HostStatus, InFlight, Phase, Planned, Reason, Replica, Rid, Rollout,
    Stage, Task,
};
use ecosystem_core::{
    BitsPerSecond, Bytes, ComponentId, HostId, MigrationMode, Millicores, Resources, Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Read<T> = Result<T, JournalError>;

pub(super) fn write(w: &mut Writer, change: &Change) {
    match change {
        Change::Names { components, hosts } => {
            w.byte(1);
            write_names(w, components.iter().map(ComponentId::as_str));
            write_names(w, hosts.iter().map(HostId::as_str));
        }
        Change::Epoch(epoch) => {
            w.byte(2);
            w.uint(*epoch);
        }
        Change::FrozenAll(on) => write_switch(w, 3, *on),
        Change::StormApproved(on) => write_switch(w, 4, *on),
        Change::Counters { next_action, next_approval } => {
            w.byte(5);
            w.uint(*next_action);
            w.uint(*next_approval);
        }
        Change::Comp(c, comp) => {
            w.byte(6);
            w.uint((*c).into());
            write_comp(w, comp);
        }
        Change::Host(h, host) => {
            w.byte(7);
            w.uint((*h).into());
            write_host(w, *host);
        }
        Change::Replica(r, replica) => {
            w.byte(8);
            write_rid(w, *r);
            write_replica(w, replica);
        }
        Change::Gone(r) => {
            w.byte(9);
            write_rid(w, *r);
        }
        Change::Begun(id, action) => {
            w.byte(10);
            w.uint(*id);
            w.byte(action.reason as u8);
            write_task(w, &action.task);
        }
        Change::Ended(id, end) => {
            w.byte(11);
            w.uint(*id);
            w.byte(*end as u8);
        }
        Change::Asked(id, about) => {
            w.byte(12);
            w.uint(*id);
            write_subject(w, *about);
        }
        Change::Answered(id, granted) => {
            w.byte(13);
            w.uint(*id);
            w.flag(*granted);
        }
        Change::Step(id, step) => {
            w.byte(14);
            w.uint((*id).into());
            write_step(w, step);
        }
        Change::StepGone(id) => {
            w.byte(15);
            w.uint((*id).into());
        }
    }
}

fn write_switch(w: &mut Writer, tag: u8, on: bool) {
    w.byte(tag);
    w.flag(on);
}

fn write_step(w: &mut Writer, step: &Planned) {
    write_rid(w, step.r);
    w.uint(step.to.into());
    w.byte(step.reason as u8);
    write_set(w, &step.after);
    w.uint(step.failures.into());
}

pub(super) fn read(r: &mut Reader<'_>) -> Read<Change> {
    Ok(match r.byte("kind of change")? {
        1 => Change::Names {
            components: read_names(r, |text| ComponentId::new(text).ok())?,
            hosts: read_names(r, |text| HostId::new(text).ok())?,
        },
        2 => Change::Epoch(r.uint("epoch")?),
        3 => Change::FrozenAll(r.flag("frozen")?),
        4 => Change::StormApproved(r.flag("storm approved")?),
        5 => {
            Change::Counters { next_action: r.uint("next action")?, next_approval: r.uint("next approval")? }
        }
        6 => Change::Comp(r.u32("component")?, Box::new(read_comp(r)?)),
        7 => Change::Host(r.u32("host")?, read_host(r)?),
        8 => Change::Replica(read_rid(r)?, Box::new(read_replica(r)?)),
        9 => Change::Gone(read_rid(r)?),
        10 => {
            let id = r.uint("action")?;
            let reason = read_reason(r)?;
            Change::Begun(id, InFlight { reason, task: read_task(r)? })
        }
        11 => {
            let id = r.uint("action")?;
            let ends = [End::Done, End::Failed, End::Compensated, End::Escalated];
            let end = r.byte("end")?;
            Change::Ended(id, *ends.get(end as usize).ok_or_else(|| r.bad("end, 0 to 3"))?)
        }
        12 => {
            let id = r.uint("approval")?;
            let (tag, index) = (r.byte("subject of approval")?, r.u32("subject of approval")?);
            let about = match tag {
                0 => Approving::Reconnect { c: index },
                1 => Approving::Storm,
                2 => Approving::Death { host: index },
                3 => Approving::Reuse { c: index },
                _ => return Err(r.bad("subject of approval, 0 to 3")),
            };
            Change::Asked(id, about)
        }
        13 => Change::Answered(r.uint("approval")?, r.flag("granted")?),
        14 => {
            let id = r.u32("step")?;
            let step = Planned {
                r: read_rid(r)?,
                to: r.u32("host")?,
                reason: read_reason(r)?,
                after: read_set(r)?,
                failures: r.u32("failed attempts")?,
            };
            Change::Step(id, Box::new(step))
        }
        15 => Change::StepGone(r.u32("step")?),
        _ => return Err(r.bad("kind of change, 1 to 15")),
    })
}

fn read_reason(r: &mut Reader<'_>) -> Read<Reason> {
    let reason = r.byte("reason")?;
    Reason::ALL.get(reason as usize).copied().ok_or_else(|| r.bad("reason, 0 to 6"))
}

fn write_subject(w: &mut Writer, about: Approving) {
    let (tag, index) = match about {
        Approving::Reconnect { c } => (0, c),
        Approving::Storm => (1, 0),
        Approving::Death { host } => (2, host),
        Approving::Reuse { c } => (3, c),
    };
    w.byte(tag);
    w.uint(index.into());
}

fn write_names<'a>(w: &mut Writer, names: impl ExactSizeIterator<Item = &'a str>) {
    w.uint(names.len() as u64);
    for name in names {
        w.text(name);
    }
}

fn read_names<T>(r: &mut Reader<'_>, parse: impl Fn(&str) -> Option<T>) -> Read<Vec<T>> {
    let count = r.count("number of names")?;
    let mut names = Vec::with_capacity(count.min(65_536));
    for _ in 0..count {
        let text = r.text("name")?;
        names.push(parse(text).ok_or_else(|| r.bad("valid name"))?);
    }
    Ok(names)
}

fn write_rid(w: &mut Writer, r: Rid) {
    w.uint(r.c.into());
    w.uint(r.n.into());
}

fn read_rid(r: &mut Reader<'_>) -> Read<Rid> {
    Ok(Rid { c: r.u32("component")?, n: r.u32("replica number")? })
}

fn write_size(w: &mut Writer, size: &Resources) {
    w.uint(size.cpu.get());
    w.uint(size.memory.get());
    w.uint(size.disk.get());
    w.uint(size.network.get());
    w.uint(size.extended.len() as u64);
    for (name, amount) in &size.extended {
        w.text(name);
        w.uint(*amount);
    }
}

fn read_size(r: &mut Reader<'_>) -> Read<Arc<Resources>> {
    let mut size = Resources::new(Millicores(r.uint("cpu")?), Bytes(r.uint("memory")?));
    size.disk = Bytes(r.uint("disk")?);
    size.network = BitsPerSecond(r.uint("network")?);
    let count = r.count("number of dimensions")?;
    let mut extended = BTreeMap::new();
    for _ in 0..count {
        let name: Arc<str> = Arc::from(r.text("dimension")?);
        extended.insert(name, r.uint("amount")?);
    }
    size.extended = extended;
    Ok(Arc::new(size))
}

fn write_set(w: &mut Writer, set: &BTreeSet<u32>) {
    w.uint(set.len() as u64);
    for &item in set {
        w.uint(item.into());
    }
}

fn read_set(r: &mut Reader<'_>) -> Read<BTreeSet<u32>> {
    let count = r.count("size of a set")?;
    (0..count).map(|_| r.u32("host")).collect()
}

fn read_version(r: &mut Reader<'_>) -> Read<Version> {
    Ok(Version::new(r.text("version")?))
}

fn write_comp(w: &mut Writer, comp: &Comp) {
    w.uint(comp.desired.into());
    w.text(comp.version.as_str());
    write_size(w, &comp.size);
    w.uint(comp.next.into());
    w.flag(comp.frozen);
    let (stage, number) = match comp.isolation {
        None => (0, 0),
        Some(Stage::Cutting) => (1, 0),
        Some(Stage::Rotating) => (2, 0),
        Some(Stage::Preserving { failures }) => (3, failures.into()),
        Some(Stage::Rebuilding) => (4, 0),
        Some(Stage::Verifying) => (5, 0),
        Some(Stage::Waiting { approval }) => (6, approval),
        Some(Stage::Held) => (7, 0),
        Some(Stage::Reconnecting) => (8, 0),
    };
    w.byte(stage);
    w.uint(number);
    w.flag(comp.rollout.is_some());
    if let Some(rollout) = &comp.rollout {
        w.text(rollout.from.as_str());
        w.text(rollout.to.as_str());
        w.uint(rollout.failures.into());
        w.flag(rollout.back);
    }
    w.flag(comp.queued.is_some());
    if let Some(version) = &comp.queued {
        w.text(version.as_str());
    }
    w.uint(comp.blocked.len() as u64);
    for version in &comp.blocked {
        w.text(version);
    }
    write_set(w, &comp.shunned);
}

fn read_comp(r: &mut Reader<'_>) -> Read<Comp> {
    let desired = r.u32("wanted replicas")?;
    let version = read_version(r)?;
    let size = read_size(r)?;
    let next = r.u32("next replica")?;
    let frozen = r.flag("frozen")?;
    let (stage, number) = (r.byte("stage")?, r.uint("number of a stage")?);
    let isolation = match stage {
        0 => None,
        1 => Some(Stage::Cutting),
        2 => Some(Stage::Rotating),
        3 => {
            Some(Stage::Preserving { failures: u32::try_from(number).map_err(|_| r.bad("failed attempts"))? })
        }
        4 => Some(Stage::Rebuilding),
        5 => Some(Stage::Verifying),
        6 => Some(Stage::Waiting { approval: number }),
        7 => Some(Stage::Held),
        8 => Some(Stage::Reconnecting),
        _ => return Err(r.bad("stage, 0 to 8")),
    };
    let rollout = if r.flag("rollout")? {
        let (from, to) = (read_version(r)?, read_version(r)?);
        Some(Rollout { from, to, failures: r.u32("failed starts")?, back: r.flag("going back")? })
    } else {
        None
    };
    let queued = if r.flag("queued version")? { Some(read_version(r)?) } else { None };
    let count = r.count("blocked versions")?;
    let mut blocked = BTreeSet::new();
    for _ in 0..count {
        blocked.insert(Arc::from(r.text("blocked version")?));
    }
    let shunned = if r.version() >= 2 { read_set(r)? } else { BTreeSet::new() };
    Ok(Comp { desired, version, size, next, frozen, isolation, rollout, queued, blocked, shunned })
}

fn write_host(w: &mut Writer, host: Host) {
    let (tag, action) = match host.status {
        HostStatus::Up => (0, 0),
        HostStatus::Suspect => (1, 0),
        HostStatus::Fencing { action } => (2, action),
        HostStatus::Dead { evidence } => (3, evidence as u64),
    };
    w.byte(tag);
    w.uint(action);
    let flags = [host.cordoned, host.draining, host.degraded, host.frozen];
    w.byte(flags.iter().enumerate().fold(0, |bits, (i, &on)| bits | (u8::from(on) << i)));
    w.uint(host.fence_failures.into());
}

fn read_host(r: &mut Reader<'_>) -> Read<Host> {
    let (tag, action) = (r.byte("status")?, r.uint("fence action")?);
    let status = match tag {
        0 => HostStatus::Up,
        1 => HostStatus::Suspect,
        2 => HostStatus::Fencing { action },
        3 => {
            let known = [DeathEvidence::Fenced, DeathEvidence::PowerOff, DeathEvidence::Operator];
            let evidence = usize::try_from(action).ok().and_then(|ix| known.get(ix));
            HostStatus::Dead { evidence: *evidence.ok_or_else(|| r.bad("evidence, 0 to 2"))? }
        }
        _ => return Err(r.bad("status, 0 to 3")),
    };
    let bits = r.byte("flags")?;
    if bits > 0b1111 {
        return Err(r.bad("flags, 0 to 15"));
    }
    Ok(Host {
        status,
        cordoned: bits & 1 > 0,
        draining: bits & 2 > 0,
        degraded: bits & 4 > 0,
        frozen: bits & 8 > 0,
        fence_failures: r.u32("failed attempts to fence")?,
    })
}

fn write_replica(w: &mut Writer, replica: &Replica) {
    let (tag, a, b, action) = match replica.phase {
        Phase::Pending => (0, 0, 0, 0),
        Phase::Starting { host, action } => (1, host, 0, action),
        Phase::Running { host } => (2, host, 0, 0),
        Phase::Stopping { host, action } => (3, host, 0, action),
        Phase::Migrating { from, to, action } => (4, from, to, action),
        Phase::Doubt { a, b: None, action } => (5, a, 0, action),
        Phase::Doubt { a, b: Some(b), action } => (6, a, b, action),
        Phase::Down { host } => (7, host, 0, 0),
        Phase::Unwinding { host } => (8, host, 0, 0),
    };
    w.byte(tag);
    w.uint(a.into());
    w.uint(b.into());
    w.uint(action);
    w.text(replica.version.as_str());
    write_size(w, &replica.size);
    w.byte(u8::from(replica.retire) | (u8::from(replica.tainted) << 1) | (u8::from(replica.preserved) << 2));
    w.uint(replica.restarts.into());
    w.uint(replica.relocations.into());
    write_set(w, &replica.avoid);
}

fn read_replica(r: &mut Reader<'_>) -> Read<Replica> {
    let tag = r.byte("phase")?;
    let (a, b, action) = (r.u32("host")?, r.u32("second host")?, r.uint("action")?);
    let phase = match tag {
        0 => Phase::Pending,
        1 => Phase::Starting { host: a, action },
        2 => Phase::Running { host: a },
        3 => Phase::Stopping { host: a, action },
        4 => Phase::Migrating { from: a, to: b, action },
        5 => Phase::Doubt { a, b: None, action },
        6 => Phase::Doubt { a, b: Some(b), action },
        7 => Phase::Down { host: a },
        8 => Phase::Unwinding { host: a },
        _ => return Err(r.bad("phase, 0 to 8")),
    };
    let version = read_version(r)?;
    let size = read_size(r)?;
    let bits = r.byte("flags")?;
    if bits > 0b111 {
        return Err(r.bad("flags, 0 to 7"));
    }
    Ok(Replica {
        phase,
        version,
        size,
        retire: bits & 1 > 0,
        tainted: bits & 2 > 0,
        preserved: bits & 4 > 0,
        restarts: r.u32("restarts")?,
        relocations: r.u32("relocations")?,
        avoid: read_set(r)?,
    })
}

fn write_task(w: &mut Writer, task: &Task) {
    let mut put = |tag: u8, numbers: &[u64]| {
        w.byte(tag);
        for &n in numbers {
            w.uint(n);
        }
    };
    let rid = |r: &Rid| (u64::from(r.c), u64::from(r.n));
    match task {
        Task::Start { r, host } => put(1, &[rid(r).0, rid(r).1, u64::from(*host)]),
        Task::Stop { r, host } => put(2, &[rid(r).0, rid(r).1, u64::from(*host)]),
        Task::StopStray { r, host } => put(3, &[rid(r).0, rid(r).1, u64::from(*host)]),
        Task::Migrate { r, from, to, mode } => {
            let mode = match mode {
                MigrationMode::PostCopy => 1,
                MigrationMode::Cold => 2,
                _ => 0,
            };
            put(4, &[rid(r).0, rid(r).1, u64::from(*from), u64::from(*to), mode]);
        }
        Task::Snapshot { r, host, name } => {
            put(5, &[rid(r).0, rid(r).1, u64::from(*host)]);
            w.text(name);
        }
        Task::Probe { r, host, about } => put(6, &[rid(r).0, rid(r).1, u64::from(*host), *about]),
        Task::Fence { host } => put(7, &[u64::from(*host)]),
        Task::Release { host } => put(8, &[u64::from(*host)]),
        Task::Cordon { host, closed } => put(9, &[u64::from(*host), u64::from(*closed)]),
        Task::Cut { c } => put(10, &[u64::from(*c)]),
        Task::Rotate { c } => put(11, &[u64::from(*c)]),
        Task::Reconnect { c } => put(12, &[u64::from(*c)]),
        Task::Abort { action } => put(13, &[*action]),
        Task::PowerDown { host } => put(14, &[u64::from(*host)]),
        Task::Shift { c, shares } => {
            put(15, &[u64::from(*c), shares.len() as u64]);
            for (version, permille) in shares {
                w.text(version);
                w.uint((*permille).into());
            }
        }
        Task::Restore { r, host, name } => {
            put(16, &[rid(r).0, rid(r).1, u64::from(*host)]);
            w.text(name);
        }
        Task::Resize { r, host, from, to } => {
            put(17, &[rid(r).0, rid(r).1, u64::from(*host)]);
            write_size(w, from);
            write_size(w, to);
        }
    }
}

fn read_task(r: &mut Reader<'_>) -> Read<Task> {
    let tag = r.byte("task")?;
    Ok(match tag {
        1 => Task::Start { r: read_rid(r)?, host: r.u32("host")? },
        2 => Task::Stop { r: read_rid(r)?, host: r.u32("host")? },
        3 => Task::StopStray { r: read_rid(r)?, host: r.u32("host")? },
        4 => Task::Migrate {
            r: read_rid(r)?,
            from: r.u32("host")?,
            to: r.u32("host")?,
            mode: match if r.version() >= 2 { r.uint("mode of a migration")? } else { 0 } {
                0 => MigrationMode::PreCopy,
                1 => MigrationMode::PostCopy,
                2 => MigrationMode::Cold,
                _ => return Err(r.bad("mode of a migration, 0 to 2")),
            },
        },
        5 => Task::Snapshot {
            r: read_rid(r)?,
            host: r.u32("host")?,
            name: Arc::from(r.text("snapshot name")?),
        },
        6 => Task::Probe { r: read_rid(r)?, host: r.u32("host")?, about: r.uint("action")? },
        7 => Task::Fence { host: r.u32("host")? },
        8 => Task::Release { host: r.u32("host")? },
        9 => Task::Cordon { host: r.u32("host")?, closed: r.flag("closed")? },
        10 => Task::Cut { c: r.u32("component")? },
        11 => Task::Rotate { c: r.u32("component")? },
        12 => Task::Reconnect { c: r.u32("component")? },
        13 => Task::Abort { action: r.uint("action")? },
        14 => Task::PowerDown { host: r.u32("host")? },
        15 => {
            let (c, count) = (r.u32("component")?, r.count("number of versions")?);
            let mut shares = Vec::with_capacity(count.min(1_024));
            for _ in 0..count {
                shares.push((Arc::from(r.text("version")?), r.u32("share")?));
            }
            Task::Shift { c, shares }
        }
        16 => {
            Task::Restore { r: read_rid(r)?, host: r.u32("host")?, name: Arc::from(r.text("snapshot name")?) }
        }
        17 => Task::Resize { r: read_rid(r)?, host: r.u32("host")?, from: read_size(r)?, to: read_size(r)? },
        _ => return Err(r.bad("task, 1 to 17")),
    })
}
