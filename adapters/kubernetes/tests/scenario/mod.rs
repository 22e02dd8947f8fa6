//! What a real control plane is put through, and what is played back from a recording of it.

use ecosystem_core::{HostId, HostState, Placement, ReplicaId, Timestamp};
use ecosystem_kubernetes::{Client, Ground, Plan, Progress, Runner, RunnerSettings, Settings, StepState};

/// A live control plane, or the memory of one.
pub(crate) trait World {
    /// Where the API is.
    fn url(&self) -> String;
    /// Makes the shop be there: a Deployment `web` of four pods, one of which may be missing.
    fn open_shop(&mut self);
    /// Something is asked now, for the first time or `again` after a pause; what time it is.
    fn look(&mut self, again: bool) -> Timestamp;
    /// It has come so far.
    fn say(&mut self, what: &str);
}

fn host(name: &str) -> HostId {
    HostId::new(name).unwrap()
}

fn client(world: &dyn World, page: u32) -> Client {
    let mut settings = Settings::new(world.url());
    settings.page = page;
    settings.token = Some("secret".into());
    Client::new(settings)
}

fn read(world: &mut dyn World, client: &Client) -> Ground {
    world.look(false);
    Ground::read(client).unwrap()
}

fn until(world: &mut dyn World, client: &Client, what: &str, holds: impl Fn(&Ground) -> bool) -> Ground {
    let mut again = false;
    loop {
        world.look(again);
        if let Ok(seen) = Ground::read(client)
            && holds(&seen)
        {
            world.say(what);
            return seen;
        }
        again = true;
    }
}

/// Carries a plan out; how often a step was held by a budget.
fn carry_out(world: &mut dyn World, client: &Client, plan: Plan) -> usize {
    world.say(&format!("plan:\n{plan}"));
    let mut runner = Runner::new(plan, RunnerSettings::default());
    let (mut again, mut held) = (false, 0);
    loop {
        let now = world.look(again);
        let progress = runner.step(client, now);
        let forbidden = |state: &StepState| matches!(state, StepState::Held { reason, .. } if reason.status() == Some(429));
        held += runner.states().filter(|(_, state)| forbidden(state)).count();
        match progress {
            Progress::Done => return held,
            Progress::Failed { step, reason } => panic!("step {step}: {reason}"),
            _ => again = true,
        }
    }
}

fn nodes_of_web(ground: &Ground) -> Vec<String> {
    let mut nodes: Vec<String> = ground.placement().iter().map(|(_, node)| node.to_string()).collect();
    nodes.sort();
    nodes.dedup();
    nodes
}

/// Five replicas are confined to two of three nodes, one of these is emptied within the disruption budget, and opened again.
pub(crate) fn play(world: &mut dyn World) {
    let client = client(world, 500);
    until(world, &client, "three nodes are ready", |it| {
        it.nodes.values().filter(|node| node.ready).count() == 3
    });
    world.open_shop();
    let settled = |it: &Ground| {
        !it.workloads.is_empty() && it.workloads.values().all(|it| it.settled) && it.placement().len() == 4
    };
    let ground = until(world, &client, "four pods serve", settled);
    let infra = ground.infrastructure().unwrap();
    assert_eq!((0..3).map(|it| infra.host_zone(it).as_str()).collect::<Vec<_>>(), ["z1", "z2", "z3"]);
    assert_eq!(ground.inventory().replicas.len(), 4);
    // Page by page it is the same.
    let leafing = self::client(world, 2);
    assert_eq!(read(world, &leafing), ground);

    let mut wanted = Placement::new();
    for index in 0..5 {
        let node = if index % 2 == 0 { "n1" } else { "n2" };
        wanted.set(ReplicaId::new("web".parse().unwrap(), index), host(node));
    }
    carry_out(world, &client, Plan::towards(&wanted, &ground).unwrap());
    world.say("the placement is there");
    let ground = read(world, &client);
    assert_eq!(nodes_of_web(&ground), ["n1", "n2"]);
    assert_eq!(Plan::towards(&wanted, &ground).unwrap(), Plan::default(), "nothing is left to do");

    world.look(false);
    let plan = Plan::drain(&client, &host("n1")).unwrap().unwrap();
    let held = carry_out(world, &client, plan);
    assert!(held > 0, "the budget held nothing back");
    world.say("n1 is empty");
    let ground = until(world, &client, "five serve on the other", |it| {
        it.workloads.values().all(|it| it.settled) && nodes_of_web(it) == ["n2"]
    });
    assert_eq!(ground.infrastructure().unwrap().hosts()[0].state, HostState::Cordoned);
    carry_out(world, &client, Plan::open(&host("n1")));
    let infra = read(world, &client).infrastructure().unwrap();
    assert_eq!(infra.hosts()[0].state, HostState::Ready);
}
