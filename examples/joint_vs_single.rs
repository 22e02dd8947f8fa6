//! Whole stacks against one by one: places every manifest of a folder both ways on the same infrastructure.
//!
//! `cargo run --release --example joint_vs_single -- [FOLDER]`; without one, the manifests of the data folder
//!
//! Edges get a seeded traffic, components without requests a small one; stacks without edges are left out. The last
//! line of standard output is one line of JSON.

mod evaluation;

use evaluation::{Arguments, fail};
use vm_ecosystem::model::manifest::{ParseOptions, Source, parse};
use vm_ecosystem::model::{
    Bytes, DependencyKind, Ecosystem, Host, Infrastructure, MicroMoney, Millicores, Rack, Region, Resources,
    Zone,
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
    let (mut stacks, mut better, mut worse) = (0, 0, 0);
    println!(
        "{:45} {:>8} {:>5} {:>12} {:>12} {:>7} {:>6}",
        "stack", "replicas", "edges", "one by one", "joint", "saved", "gap"
    );
    for path in paths {
        let Some(stack) = stack(&path) else { continue };
        let infrastructure = infrastructure(stack.components().map(|c| u64::from(c.replicas)).sum());
        let problem = problem(&stack, &infrastructure);
        let (single, joint) = (solve_one_by_one(&problem, &settings), solve(&problem, &settings));
        if !single.is_feasible() || check(&problem, &joint.placement).is_err() {
            fail(format!("{}: {:?}", path.display(), joint.status));
        }
        let (a, b) = (single.cost.total(), joint.cost.total());
        stacks += 1;
        better += i32::from(b < a);
        worse += i32::from(b > a);
        let money = |cost: i64| cost as f64 / (COST_PER_MICRO as f64 * 1e6);
        println!(
            "{:45} {:8} {:5} {:12.4} {:12.4} {:6.1}% {:5.1}%",
            path.file_name().unwrap_or_default().to_string_lossy(),
            problem.items(),
            problem.proximity().map_or(0, |p| p.pairs().len()),
            money(a),
            money(b),
            100.0 * (a - b) as f64 / a.max(1) as f64,
            100.0 * joint.gap,
        );
    }
    println!("{{\"stacks\":{stacks},\"joint_better\":{better},\"joint_worse\":{worse}}}");
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
        let size = Resources::new(Millicores::cores(cores), Bytes::gib(4 * cores));
        let name = format!("h{h}").parse().unwrap_or_else(|e| fail(e));
        let mut host = Host::new(name, rack.parse().unwrap_or_else(|e| fail(e)), size);
        host.price_per_hour = MicroMoney(20_000 * cores.cast_signed() + 1_000 * (h % 5).cast_signed());
        builder = builder.host(host);
    }
    builder.build().unwrap_or_else(|error| fail(error))
}

fn problem(stack: &Ecosystem, infrastructure: &Infrastructure) -> Problem {
    let mut builder = Problem::builder(stack, infrastructure);
    for (ix, component) in stack.components().enumerate() {
        let asked = &component.requirements.request;
        let small = Resources::new(Millicores(250 + 250 * (ix as u64 % 4)), Bytes::mib(256 << (ix % 3)));
        if asked.cpu.get() == 0 || asked.memory.get() == 0 {
            builder = builder.request(component.id.clone(), small);
        }
    }
    builder.build().unwrap_or_else(|error| fail(error))
}
