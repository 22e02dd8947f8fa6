//! Whole stacks against one by one: places every manifest of a folder both ways on the same infrastructure.
//!
//! `cargo run --release --example joint_vs_single -- [FOLDER]`; without one, the manifests of the data folder
//!
//! Edges get a seeded traffic, components without requests a small one; stacks without edges are left out. Beside the cost
//! stand the hosts in use, the share of their processors that is asked for, and the time that the network takes of a
//! request on its longest path from an entry point and back. Exit code 1 if placing a stack as a whole costs more, or does
//! not cost less for at least half. The last line of standard output is one line of JSON.

mod evaluation;

use evaluation::{Arguments, fail};
use std::collections::BTreeSet;
use vm_ecosystem::model::analysis::{LatencyModel, latency};
use vm_ecosystem::model::manifest::{ParseOptions, Source, parse};
use vm_ecosystem::model::{
    Bytes, ComponentId, DependencyKind, Ecosystem, Host, Infrastructure, MicroMoney, Micros, Millicores,
    Placement, Rack, Region, Resources, Zone,
};
use vm_ecosystem::placement::{COST_PER_MICRO, Problem, Settings, check, solve, solve_one_by_one};

const USAGE: &str = "usage: joint_vs_single [FOLDER] [--seed N]";

fn main() {
    let arguments = Arguments::read_between(USAGE, 0..=1, &["seed"]);
    let data = std::env::var("VM_ECOSYSTEM_DATA").unwrap_or_else(|_| "../shared/data".to_owned());
    let folder = &arguments.positional.first().cloned().unwrap_or_else(|| format!("{data}/manifests"));
    let settings = Settings::default().with_seed(arguments.number("seed", 0));
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| fail(format!("{folder}: {error}")))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    paths.sort();
    let (mut stacks, mut better, mut worse, mut shorter, mut longer) = (0, 0, 0, 0, 0);
    println!("per hour and stack: one by one > as a whole");
    println!(
        "{:38} {:>8} {:>5} {:>17} {:>6} {:>6} {:>9} {:>11} {:>13}",
        "stack", "replicas", "edges", "cost", "saved", "gap", "hosts", "use %", "path us"
    );
    for path_of in paths {
        let Some(stack) = stack(&path_of) else { continue };
        let infrastructure = infrastructure(stack.components().map(|c| u64::from(c.replicas)).sum());
        let problem = problem(&stack, &infrastructure);
        let (single, joint) = (solve_one_by_one(&problem, &settings), solve(&problem, &settings));
        if !single.is_feasible() || check(&problem, &joint.placement).is_err() {
            fail(format!("{}: {:?}", path_of.display(), joint.status));
        }
        let (a, b) = (single.cost.total(), joint.cost.total());
        stacks += 1;
        better += i32::from(b < a);
        worse += i32::from(b > a);
        let money = |cost: i64| cost as f64 / (COST_PER_MICRO as f64 * 1e6);
        let (before, after) = (
            Effect::of(&stack, &infrastructure, &single.placement),
            Effect::of(&stack, &infrastructure, &joint.placement),
        );
        let path = match (before.path_us, after.path_us) {
            (Some(before), Some(after)) => {
                shorter += i32::from(after < before);
                longer += i32::from(after > before);
                format!("{before:.0} > {after:.0}")
            }
            // calls in a circle have no longest path
            _ => "-".to_owned(),
        };
        println!(
            "{:38} {:8} {:5} {:>17} {:5.1}% {:5.1}% {:>9} {:>11} {:>13}",
            path_name(&path_of),
            problem.items(),
            problem.proximity().map_or(0, |p| p.pairs().len()),
            format!("{:.4} > {:.4}", money(a), money(b)),
            100.0 * (a - b) as f64 / a.max(1) as f64,
            100.0 * joint.gap,
            format!("{} > {}", before.hosts, after.hosts),
            format!("{:.0} > {:.0}", before.use_percent, after.use_percent),
            path,
        );
    }
    println!(
        "{{\"stacks\":{stacks},\"joint_better\":{better},\"joint_worse\":{worse},\"path_shorter\":{shorter},\"path_longer\":{longer}}}"
    );
    if worse > 0 || 2 * better < stacks {
        std::process::exit(1);
    }
}

fn path_name(path: &std::path::Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What a placement means to who uses it.
struct Effect {
    hosts: usize,
    /// Processor time asked for, of that of the hosts in use.
    use_percent: f64,
    /// Network time of a request on its longest path, there and back.
    path_us: Option<f64>,
}

impl Effect {
    fn of(stack: &Ecosystem, infrastructure: &Infrastructure, placement: &Placement) -> Self {
        let used: BTreeSet<usize> =
            placement.iter().filter_map(|(_, host)| infrastructure.host_index(host)).collect();
        let cores: u64 = used.iter().map(|&host| infrastructure.hosts()[host].allocatable().cpu.get()).sum();
        let asked: u64 = placement
            .iter()
            .filter_map(|(replica, _)| stack.components().position(|c| c.id == *replica.component()))
            .map(|ix| request(stack, ix).cpu.get())
            .sum();
        let use_percent = 100.0 * asked as f64 / cores.max(1) as f64;
        Self { hosts: used.len(), use_percent, path_us: longest_path(stack, infrastructure, placement) }
    }
}

/// Network time on the longest path of any entry point; `None` if calls form a circle.
fn longest_path(stack: &Ecosystem, infrastructure: &Infrastructure, placement: &Placement) -> Option<f64> {
    let hosts_of = |component: &ComponentId| -> Vec<usize> {
        let on = placement.iter().filter(|(replica, _)| replica.component() == component);
        on.filter_map(|(_, host)| infrastructure.host_index(host)).collect()
    };
    let mut model = LatencyModel::default();
    let mut called: BTreeSet<&ComponentId> = BTreeSet::new();
    for call in stack.dependencies() {
        called.insert(&call.to);
        let (from, to) = (hosts_of(&call.from), hosts_of(&call.to));
        let pairs = from.iter().flat_map(|&a| to.iter().map(move |&b| infrastructure.latency(a, b).get()));
        let mean = pairs.sum::<u64>() / (from.len() * to.len()).max(1) as u64;
        model.network.insert((call.from.clone(), call.to.clone()), Micros(mean));
    }
    let entries = stack.components().filter(|c| !called.contains(&c.id));
    let times = entries.map(|c| latency(stack, &c.id, &model, &[]).ok().map(|it| it.critical_path[0].1));
    times.collect::<Option<Vec<f64>>>()?.into_iter().max_by(f64::total_cmp)
}

/// The map of a manifest with traffic on its edges; `None` if there are none, or it cannot be read.
fn stack(path: &std::path::Path) -> Option<Ecosystem> {
    let name = path.to_string_lossy();
    let bytes = std::fs::read(path).unwrap_or_else(|error| fail(format!("{name}: {error}")));
    let variables = name.strip_suffix(".compose.yaml").map(|stem| format!("{stem}.env"));
    let variables = variables.and_then(|file| std::fs::read(file).ok()).unwrap_or_default();
    let options = ParseOptions::default().with_env_file(Source::new("env", &variables));
    let parsed = match parse(&[Source::new(&name, &bytes)], &options) {
        Ok(parsed) => parsed.ecosystem,
        Err(error) => {
            eprintln!("{name}: left out: {error}");
            return None;
        }
    };
    let calls = |kind: DependencyKind| kind != DependencyKind::Volume;
    let mut builder = Ecosystem::builder(parsed.name());
    for component in parsed.components() {
        builder = builder.component(component.clone());
    }
    let mut edges = 0_u64;
    for dependency in parsed.dependencies().filter(|d| calls(d.kind)) {
        edges += 1;
        let mut call = dependency.clone();
        // what must run first is also what is called
        call.kind = DependencyKind::Call;
        call.bytes_per_s = 1_000 * (1 + edges * 2_654_435_761 % 997) * (1 + edges % 7);
        builder = builder.dependency(call);
    }
    (edges > 0).then(|| builder.build().ok()).flatten()
}

/// Three zones with two racks each; room for about twice what the stack asks for.
fn infrastructure(replicas: u64) -> Infrastructure {
    let parse = |name: String| name.parse();
    let mut builder = Infrastructure::builder().region(Region::new("eu".parse().unwrap_or_else(|e| fail(e))));
    let hosts = (replicas / 3).max(6);
    for zone in ["a", "b", "c"] {
        let id = |name: String| parse(name).unwrap_or_else(|e| fail(e));
        builder = builder.zone(Zone::new(id(zone.to_owned()), "eu".parse().unwrap_or_else(|e| fail(e))));
        for rack in 1..=2 {
            let rack_id = format!("{zone}{rack}").parse().unwrap_or_else(|e| fail(e));
            builder = builder.rack(Rack::new(rack_id, id(zone.to_owned())));
        }
    }
    for h in 0..hosts {
        let rack = format!("{}{}", ["a", "b", "c"][(h % 3) as usize], 1 + h / 3 % 2);
        let cores = 2 + 2 * (h % 3);
        let size =
            Resources::new(Millicores::cores(cores), Bytes::gib(4 * cores)).with_disk(Bytes::gib(1_000));
        let name = format!("h{h}").parse().unwrap_or_else(|e| fail(e));
        let mut host = Host::new(name, rack.parse().unwrap_or_else(|e| fail(e)), size);
        host.price_per_hour = MicroMoney(20_000 * cores.cast_signed() + 1_000 * (h % 5).cast_signed());
        builder = builder.host(host);
    }
    builder.build().unwrap_or_else(|error| fail(error))
}

/// What one replica of a component asks for: a little where the manifest says nothing.
fn request(stack: &Ecosystem, ix: usize) -> Resources {
    let asked = stack.components().nth(ix).map(|c| c.requirements.request.clone()).unwrap_or_default();
    if asked.cpu.get() == 0 || asked.memory.get() == 0 {
        Resources::new(Millicores(250 + 250 * (ix as u64 % 4)), Bytes::mib(256 << (ix % 3)))
    } else {
        asked
    }
}

fn problem(stack: &Ecosystem, infrastructure: &Infrastructure) -> Problem {
    let mut builder = Problem::builder(stack, infrastructure);
    for (ix, component) in stack.components().enumerate() {
        builder = builder.request(component.id.clone(), request(stack, ix));
    }
    builder.build().unwrap_or_else(|error| fail(error))
}
