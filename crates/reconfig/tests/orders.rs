//! What-if questions, expected loads, the reserve for failed hosts, ways to migrate, and single orders of operators.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::common;

use common::{cid, component, hid, infrastructure, rid, shop, spread, story};
use ecosystem_core::{
    ActionKind, ActionOutcome, Bytes, Capability, Ecosystem, Epoch, HypervisorEvent, Kind, MigrationMode,
    Millicores, Placement, ReplicaState, Resources, Timestamp, Version,
};
use ecosystem_reconfig::sim::{Drill, Fault, Input, SimSettings};
use ecosystem_reconfig::{
    Action, DeathEvidence, DisruptionWindow, Engine, Event, Order, Output, Settings, Tell,
};
use std::sync::Arc;
use std::time::Duration;

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_ms(second * 1_000)
}

fn engine(settings: Settings, ecosystem: &Ecosystem, placement: &Placement) -> Engine {
    let mut engine =
        Engine::new(settings, ecosystem, &infrastructure(6), placement, Epoch(1), at(0)).unwrap();
    drain(&mut engine);
    engine
}

fn drain(engine: &mut Engine) -> Vec<Action> {
    let mut actions = Vec::new();
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Persist(record) => engine.persisted(record.number()),
            Output::Act(action) => actions.push(action),
        }
    }
    actions
}

fn tell(engine: &mut Engine, second: u64, event: Event) -> Vec<Action> {
    engine.handle_event(at(second), event);
    drain(engine)
}

fn order(order: Order) -> Event {
    Event::Order { order, by: Arc::from("ann") }
}

fn codes(actions: &[Action]) -> Vec<&'static str> {
    actions
        .iter()
        .map(|action| match action {
            Action::Execute(request) => request.kind.verb(),
            Action::Tell(Tell::Audit(note) | Tell::Notify(note)) => note.code,
            _ => "ask",
        })
        .collect()
}

#[test]
fn a_what_if_question_is_answered_by_a_fork_and_leaves_the_original_untouched() {
    let engine = engine(Settings::default(), &shop(), &spread());
    let before = engine.clone();
    let failed = || Event::HostFailed { host: hid("h1"), evidence: DeathEvidence::PowerOff };
    let answer = engine.what_if(at(9), [failed()]);
    assert!(codes(&answer.actions).contains(&"host-dead"), "{:?}", codes(&answer.actions));
    assert_eq!(
        answer.moved(&engine),
        [(rid("api", 0), Some(hid("h1")), None), (rid("web", 1), Some(hid("h1")), None)]
    );
    assert!(engine.same_hard_state(&before) && engine.written() == before.written());
    assert_eq!(engine.counters(), before.counters());
    // The real event gives exactly what the fork foretold.
    let mut real = engine.clone();
    let actions = tell(&mut real, 9, failed());
    assert_eq!(actions, answer.actions);
    assert!(real.same_hard_state(&answer.after));
    // A dry run of nothing does nothing.
    assert!(engine.what_if(at(5), []).actions.is_empty());
}

#[test]
fn an_expected_load_is_met_ahead_and_not_shrunk_away_before_it_is_over() {
    let mut engine = engine(Settings::default(), &shop(), &spread());
    let hour = Duration::from_secs(3_600);
    let forecast = |permille| Event::Forecast { component: cid("web"), permille, within: hour };
    let actions = tell(&mut engine, 10, forecast(1_000));
    // ceil(3 · 1000 / 600) = 5
    assert_eq!(engine.desired(&cid("web")), 5);
    assert!(codes(&actions).contains(&"scale-out-ahead"));
    // Present load would do with fewer, for longer than the window: they stay until the forecast is over.
    let low = || Event::Utilisation { component: cid("web"), permille: 300 };
    for second in (100..3_500).step_by(15) {
        tell(&mut engine, second, low());
    }
    assert_eq!(engine.desired(&cid("web")), 5);
    for second in (3_700..4_500).step_by(15) {
        tell(&mut engine, second, low());
    }
    assert!(engine.desired(&cid("web")) < 5);
    // Within the tolerance, and for components without a range, nothing happens.
    let written = engine.written();
    tell(&mut engine, 4_600, Event::Forecast { component: cid("db"), permille: 5_000, within: hour });
    assert_eq!(engine.written(), written);
}

#[test]
fn growth_keeps_the_reserve_for_failed_hosts_and_says_why() {
    // Six hosts of 8 cores; 12 cores are in use. With five hosts in reserve 8 are left, with four 16.
    for (reserve, grows) in [(0, true), (4, true), (5, false)] {
        let mut settings = Settings::default();
        settings.limits.reserve_hosts = reserve;
        let mut engine = engine(settings, &shop(), &spread());
        let forecast =
            Event::Forecast { component: cid("web"), permille: 1_000, within: Duration::from_secs(600) };
        let actions = tell(&mut engine, 10, forecast);
        assert_eq!(engine.desired(&cid("web")) > 3, grows, "reserve {reserve}");
        assert_eq!(codes(&actions).contains(&"refused-reserve"), !grows);
    }
}

#[test]
fn what_dirties_memory_faster_than_the_link_is_moved_by_post_copy() {
    let mode = |dirty: u64, settings: &Settings| {
        let mut vm = component("vm", Kind::Vm, 1, 2);
        vm.dirty_bytes_per_second = dirty;
        let ecosystem = Ecosystem::builder("t").component(vm).build().unwrap();
        let placement = Placement::new().with(rid("vm", 0), hid("h0"));
        let mut engine = engine(settings.clone(), &ecosystem, &placement);
        let actions = tell(&mut engine, 5, order(Order::Move(rid("vm", 0), hid("h1"))));
        actions.iter().find_map(|action| match action {
            Action::Execute(request) => match &request.kind {
                ActionKind::Migrate { mode, .. } => Some(*mode),
                _ => None,
            },
            _ => None,
        })
    };
    let all = Settings::default();
    let mib = Bytes::mib(1).get();
    // 1 Gbit/s carries 119 MiB/s; throttling helps up to twice that.
    assert_eq!(mode(10 * mib, &all), Some(MigrationMode::PreCopy));
    assert_eq!(mode(200 * mib, &all), Some(MigrationMode::PreCopy));
    assert_eq!(mode(500 * mib, &all), Some(MigrationMode::PostCopy));
    let without = |capability| {
        let mut settings = Settings::default();
        settings.capabilities = settings.capabilities.without(capability);
        settings
    };
    // The only replica may not be missing, and a copy that never converges is not begun.
    assert_eq!(mode(500 * mib, &without(Capability::PostCopy)), None);
    assert_eq!(mode(10 * mib, &without(Capability::PreCopy)), Some(MigrationMode::PostCopy));
}

#[test]
fn a_host_is_switched_off_only_when_it_is_empty_and_comes_back_by_order() {
    let mut drill =
        Drill::new(Settings::default(), &shop(), &infrastructure(6), &spread(), SimSettings::default())
            .unwrap();
    let minutes = |n: u64| Duration::from_secs(60 * n);
    drill.event_at(minutes(1), order(Order::PowerOff(hid("h1"))));
    drill.event_at(minutes(2), order(Order::Drain(hid("h1"))));
    drill.event_at(minutes(10), order(Order::PowerOff(hid("h1"))));
    drill.run_for(minutes(15));
    let count = |code: &str| drill.timeline().iter().filter(|entry| entry.code == code).count();
    assert_eq!(
        (count("power-off-impossible"), count("power-off"), count("fence")),
        (1, 1, 0),
        "{}",
        story(&drill)
    );
    assert!(!drill.simulator().answers(&hid("h1")));
    drill.event_at(minutes(16), order(Order::Restore(hid("h1"))));
    drill.run_for(minutes(5));
    assert!(drill.simulator().answers(&hid("h1")) && drill.violations().is_empty(), "{}", story(&drill));
    assert!(drill.engine().unwrap().is_settled(), "{}", story(&drill));
}

#[test]
fn traffic_is_divided_by_order_but_not_of_what_is_isolated() {
    let mut engine = engine(Settings::default(), &shop(), &spread());
    let shift = |a, b| {
        let shares = vec![(Version::new("1.0"), a), (Version::new("2.0"), b)];
        order(Order::ShiftTraffic(cid("web"), shares))
    };
    assert_eq!(codes(&tell(&mut engine, 1, shift(900, 50))), ["shift-impossible"]);
    let actions = tell(&mut engine, 2, shift(900, 100));
    assert!(codes(&actions).contains(&"shift-traffic"), "{:?}", codes(&actions));
    tell(&mut engine, 3, Event::SecurityAlert { component: cid("web"), why: Arc::from("test") });
    assert_eq!(codes(&tell(&mut engine, 4, shift(500, 500))), ["shift-impossible"]);
}

#[test]
fn going_back_to_a_snapshot_is_a_disruption_within_the_budget() {
    let mut engine = engine(Settings::default(), &shop(), &spread());
    let back = |replica| order(Order::RestoreSnapshot(replica, Arc::from("before-upgrade")));
    let actions = tell(&mut engine, 1, back(rid("web", 0)));
    assert!(codes(&actions).contains(&"restore"), "{:?}", codes(&actions));
    // The only replica of db may not be missing.
    assert_eq!(codes(&tell(&mut engine, 2, back(rid("db", 0)))), ["restore-impossible"]);
    assert_eq!(codes(&tell(&mut engine, 3, back(rid("web", 77)))), ["restore-impossible"]);
}

#[test]
fn what_cannot_be_copied_while_it_runs_is_stopped_moved_and_started_within_its_budget() {
    let mut settings = Settings::default();
    settings.capabilities = settings.capabilities.without(Capability::PreCopy).without(Capability::PostCopy);
    let mut drill =
        Drill::new(settings, &shop(), &infrastructure(6), &spread(), SimSettings::default()).unwrap();
    drill.event_at(Duration::from_secs(10), order(Order::Move(rid("web", 0), hid("h4"))));
    // The budget of web is one; and the only replica of db may not be missing at all.
    drill.event_at(Duration::from_secs(11), order(Order::Move(rid("web", 1), hid("h5"))));
    drill.event_at(Duration::from_secs(11), order(Order::Move(rid("db", 0), hid("h5"))));
    drill.run_for(Duration::from_secs(12));
    let engine = drill.engine().unwrap();
    assert_eq!(engine.available_replicas(&cid("web")), 2, "it does not serve on the way");
    let refused = drill.timeline().iter().filter(|entry| entry.code == "move-impossible").count();
    assert_eq!(refused, 2, "{}", story(&drill));
    drill.run_for(Duration::from_secs(300));
    let engine = drill.engine().unwrap();
    assert!(engine.is_settled() && drill.violations().is_empty(), "{}", story(&drill));
    assert_eq!(engine.placement().host_of(&rid("web", 0)), Some(&hid("h4")));
}

#[test]
fn a_cold_move_whose_target_dies_leaves_the_replica_serving() {
    let mut settings = Settings::default();
    settings.capabilities = settings.capabilities.without(Capability::PreCopy).without(Capability::PostCopy);
    let mut drill =
        Drill::new(settings, &shop(), &infrastructure(6), &spread(), SimSettings::default()).unwrap();
    drill.event_at(Duration::from_secs(10), order(Order::Move(rid("web", 0), hid("h4"))));
    drill.fault_at(Duration::from_secs(15), Fault::HostCrash(hid("h4")));
    drill.run_for(Duration::from_secs(900));
    assert!(drill.violations().is_empty() && drill.starved().is_empty(), "{}", story(&drill));
}

#[test]
fn running_replicas_are_resized_where_they_run_and_the_larger_size_is_reserved_meanwhile() {
    let mut engine = engine(Settings::default(), &shop(), &spread());
    let size = |cores: u64| Resources::new(Millicores::cores(cores), Bytes::gib(2));
    let used = |engine: &Engine| engine.hosts().find(|it| it.host == hid("h3")).unwrap().used.cpu;
    assert_eq!(used(&engine), Millicores::cores(1));
    let actions = tell(&mut engine, 1, order(Order::Resize(cid("cache"), size(3))));
    assert!(codes(&actions).contains(&"resize"), "{:?}", codes(&actions));
    assert_eq!(used(&engine), Millicores::cores(3), "reserved before it is done");
    let id = engine.unfinished().next().unwrap();
    // It fails: the old size counts, and it is tried again.
    let ended = |outcome| Event::Hypervisor(HypervisorEvent::Finished { action: id, outcome });
    tell(&mut engine, 2, ended(ActionOutcome::Failed { reason: Arc::from("busy") }));
    assert_eq!(used(&engine), Millicores::cores(1));
    engine.handle_timeout(at(40));
    let id = engine.unfinished().next().expect("tried again");
    tell(
        &mut engine,
        41,
        Event::Hypervisor(HypervisorEvent::Finished { action: id, outcome: ActionOutcome::DONE }),
    );
    assert_eq!((used(&engine), engine.unfinished().count()), (Millicores::cores(3), 0));
    // Smaller: the larger size stays reserved until it is done.
    tell(&mut engine, 50, order(Order::Resize(cid("cache"), size(1))));
    assert_eq!(used(&engine), Millicores::cores(3));
    // More than the host has is told, not begun.
    let actions = tell(&mut engine, 51, order(Order::Resize(cid("db"), size(9))));
    assert!(codes(&actions).contains(&"refused-capacity"), "{:?}", codes(&actions));
}

#[test]
fn a_new_map_resizes_what_runs_also_when_answers_are_lost_and_the_engine_dies() {
    for seed in 0..6 {
        let mut world = SimSettings::default();
        (world.seed, world.lost_permille, world.unclear_permille) = (seed, 200, 200);
        let mut drill =
            Drill::new(Settings::default(), &shop(), &infrastructure(6), &spread(), world).unwrap();
        let grown = Resources::new(Millicores::cores(2), Bytes::gib(2));
        for component in ["web", "cache"] {
            drill.event_at(Duration::from_secs(60), order(Order::Resize(cid(component), grown.clone())));
        }
        drill.at(Duration::from_secs(62), Input::EngineCrash);
        drill.at(Duration::from_secs(300), Input::Calm);
        drill.run_for(Duration::from_secs(1_800));
        assert!(drill.violations().is_empty(), "{:?}\n{}", drill.violations(), story(&drill));
        let engine = drill.engine().unwrap();
        assert!(engine.is_settled(), "seed {seed}: {:?}\n{}", engine.unsettled(), story(&drill));
        // An order may have met a dead engine, but what is believed is what is true.
        for it in engine.replicas() {
            let on = it.hosts.first().unwrap();
            let (used, _) = drill.simulator().usage(on).unwrap();
            assert_eq!(used, engine.hosts().find(|host| host.host == *on).unwrap().used, "{on}");
        }
    }
}

#[test]
fn windows_by_calendar_hold_back_voluntary_disruptions_until_they_close() {
    // Thursday 1970-01-01 from midnight, for an hour, UTC: nothing; recovery is not bound.
    let mut window = DisruptionWindow::default();
    (window.days, window.from_minute, window.minutes) = (1 << 3, 0, 60);
    let mut settings = Settings::default();
    settings.limits.windows.push(window);
    let mut drill =
        Drill::new(settings, &shop(), &infrastructure(6), &spread(), SimSettings::default()).unwrap();
    drill.event_at(Duration::from_secs(60), order(Order::SetReplicas(cid("web"), 2)));
    drill.event_at(Duration::from_secs(90), order(Order::Move(rid("api", 0), hid("h4"))));
    drill.fault_at(Duration::from_secs(120), Fault::HostCrash(hid("h3")));
    drill.run_for(Duration::from_secs(3_000));
    let count =
        |drill: &Drill, code: &str| drill.timeline().iter().filter(|entry| entry.code == code).count();
    assert_eq!((count(&drill, "stop"), count(&drill, "migrate")), (0, 0), "{}", story(&drill));
    assert!(count(&drill, "start") >= 1, "recovery is not bound: {}", story(&drill));
    drill.run_for(Duration::from_secs(1_800));
    let stop = drill.timeline().iter().find(|entry| entry.code == "stop").expect("after it closed");
    assert!(stop.at >= at(3_600), "{stop}");
    assert!(drill.violations().is_empty(), "{:?}", drill.violations());
}

#[test]
fn the_reserve_is_a_packing_and_not_only_a_sum() {
    // Two of six hosts' eight cores are free everywhere but nowhere more: the sum says that one host may fail, yet its
    // replica of five cores would find no room.
    let mut builder = Ecosystem::builder("t");
    let mut placement = Placement::new();
    for n in 0..6 {
        let name = format!("big{n}");
        builder = builder.component(component(&name, Kind::Vm, 1, 5));
        placement.set(rid(&name, 0), hid(&format!("h{n}")));
    }
    let ecosystem = builder.component(component("small", Kind::Vm, 0, 1)).build().unwrap();
    let mut settings = Settings::default();
    settings.limits.reserve_hosts = 1;
    let mut engine = engine(settings, &ecosystem, &placement);
    let actions = tell(&mut engine, 1, order(Order::SetReplicas(cid("small"), 1)));
    assert_eq!(codes(&actions), ["refused-reserve"]);
    assert_eq!(engine.desired(&cid("small")), 0);
}

/// A replica that goes for good, whose stop nobody answered and which turns out to run, is stopped again.
#[test]
fn a_lost_stop_of_a_replica_that_goes_for_good_is_made_up_for() {
    let mut engine = engine(Settings::default(), &shop(), &spread());
    let beat = |engine: &mut Engine, second: u64| {
        let mut actions = Vec::new();
        for h in 0..6 {
            actions.extend(tell(engine, second, Event::Heartbeat(hid(&format!("h{h}")))));
        }
        engine.handle_timeout(at(second));
        actions.extend(drain(engine));
        actions
    };
    let actions = tell(&mut engine, 1, order(Order::SetReplicas(cid("web"), 2)));
    assert!(codes(&actions).contains(&"stop"));
    // Nothing about it is answered until it is escalated: the stop, then three probes.
    let mut second = 5;
    while engine.counters().escalated == 0 {
        beat(&mut engine, second);
        second += 5;
        assert!(second < 600, "escalated in the end");
    }
    // Later a probe is answered: it runs.
    let mut stopped_again = false;
    for _ in 0..60 {
        second += 5;
        for action in beat(&mut engine, second) {
            let Action::Execute(request) = action else { continue };
            match request.kind {
                ActionKind::Probe { .. } => {
                    let outcome =
                        ActionOutcome::Seen { state: ReplicaState::Running, version: Version::new("1.0") };
                    let answer = HypervisorEvent::Finished { action: request.id, outcome };
                    let more = tell(&mut engine, second, Event::Hypervisor(answer));
                    stopped_again |= codes(&more).contains(&"stop");
                }
                ActionKind::Stop { .. } => stopped_again = true,
                _ => {}
            }
        }
    }
    assert!(stopped_again, "{:?}", engine.unsettled());
}

/// A migration that was escalated may still switch over: what its source says is not believed before the executor
/// answered that it gave it up, or could not.
#[test]
fn an_escalated_migration_is_given_up_before_its_source_is_believed() {
    for vouched in [false, true] {
        let mut engine = engine(Settings::default(), &shop(), &spread());
        let mut second = 1;
        tell(&mut engine, second, order(Order::Move(rid("web", 0), hid("h4"))));
        let mut aborts = Vec::new();
        // The executor says nothing about the migration for two hours; probes of the source say that it runs there.
        while second < 7_200 {
            second += 5;
            let mut actions = Vec::new();
            for h in 0..6 {
                actions.extend(tell(&mut engine, second, Event::Heartbeat(hid(&format!("h{h}")))));
            }
            engine.handle_timeout(at(second));
            actions.extend(drain(&mut engine));
            answer_probes(&mut engine, second, actions, &mut aborts);
        }
        assert!(engine.counters().escalated > 0 && aborts.len() > 1, "{:?}", engine.unsettled());
        let of = |engine: &Engine| engine.replicas().find(|it| it.replica == rid("web", 0)).unwrap();
        assert_eq!(
            (of(&engine).phase, of(&engine).hosts.len()),
            ("uncertain", 2),
            "both sides stay reserved"
        );
        let event = if vouched {
            order(Order::Retry(cid("web")))
        } else {
            let outcome = ActionOutcome::Failed { reason: Arc::from("has ended") };
            Event::Hypervisor(HypervisorEvent::Finished { action: *aborts.last().unwrap(), outcome })
        };
        let actions = tell(&mut engine, second, event);
        answer_probes(&mut engine, second, actions, &mut aborts);
        assert_eq!((of(&engine).phase, of(&engine).hosts), ("running", vec![hid("h0")]));
    }
}

/// Says of every replica that is probed on `h0` that it runs there; remembers what is to be aborted.
fn answer_probes(
    engine: &mut Engine,
    second: u64,
    actions: Vec<Action>,
    aborts: &mut Vec<ecosystem_core::ActionId>,
) {
    let mut open = actions;
    while let Some(action) = open.pop() {
        let Action::Execute(request) = action else { continue };
        match request.kind {
            ActionKind::Probe { host, .. } if host == hid("h0") => {
                let outcome =
                    ActionOutcome::Seen { state: ReplicaState::Running, version: Version::new("1.0") };
                let answer = HypervisorEvent::Finished { action: request.id, outcome };
                open.extend(tell(engine, second, Event::Hypervisor(answer)));
            }
            ActionKind::Abort { .. } => aborts.push(request.id),
            _ => {}
        }
    }
}
