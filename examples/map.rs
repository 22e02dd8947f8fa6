//! Reads manifests, shows the map of the application, and writes it in other forms.

use flate2::read::GzDecoder;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vm_ecosystem::model::analysis::{
    EdgeSelection, SinglePointSettings, cycles, single_points_of_failure, start_order,
};
use vm_ecosystem::model::export::{
    compose, cyclonedx, cypher, dot, graphml, helm, json, jsonld, kubernetes, mermaid, native, svg, terraform,
};
use vm_ecosystem::model::manifest::{self, ParseOptions, Parsed, Source};
use vm_ecosystem::model::{DependencyKind, Ecosystem};

const HELP: &str = "\
The map of an application: components, dependencies, and how they are known.

usage: map FILE... [--env F]... [--edges] [--format FORMAT --out PATH]

  FILE          manifests of one application, plain or .gz: our own YAML or JSON, Kubernetes, Compose, Score, OAM,
                TOSCA, GraphML, maps that --format json wrote; traces (OTLP, Jaeger, Zipkin JSON) add what was observed
  --env F       file of variables (default: the one with the stem of the first FILE, else `.env` beside it)
  --edges       one line for each edge, with kind, evidence and confidence
  --format F    json native dot mermaid graphml cypher svg cyclonedx jsonld k8s eks aks gke compose terraform helm
  --out PATH    where that goes (helm: a folder)
  --help        this text

The last line of standard output is JSON; findings go to standard error; exit status 2 = the input cannot be used.";

#[derive(Default)]
struct Options {
    files: Vec<PathBuf>,
    env: Vec<PathBuf>,
    edges: bool,
    export: Option<(String, PathBuf)>,
}

fn main() -> ExitCode {
    let result = options(std::env::args().skip(1))
        .and_then(|options| options.map_or_else(|| Ok(HELP.to_owned()), |o| run(&o)));
    match result {
        Ok(text) => {
            // A closed pipe (`| head`) is no error of ours.
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("map: {message}");
            ExitCode::from(2)
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let (mut options, mut format, mut out) = (Options::default(), None, None);
    while let Some(arg) = args.next() {
        let mut value =
            || args.next().ok_or_else(|| format!("option `{arg}` needs a value; --help lists the options"));
        match &*arg {
            "--help" | "-h" => return Ok(None),
            "--edges" => options.edges = true,
            "--env" => options.env.push(value()?.into()),
            "--format" => format = Some(value()?),
            "--out" => out = Some(PathBuf::from(value()?)),
            flag if flag.starts_with('-') => {
                return Err(format!("unknown option `{flag}`; --help lists the options"));
            }
            _ => options.files.push(arg.into()),
        }
    }
    if options.files.is_empty() {
        return Err("no file given; --help shows how".to_owned());
    }
    options.export = match (format, out) {
        (Some(format), Some(out)) => Some((format, out)),
        (None, None) => None,
        _ => return Err("--format and --out belong together; --help lists the formats".to_owned()),
    };
    Ok(Some(options))
}

fn run(options: &Options) -> Result<String, String> {
    let parsed = parse(options)?;
    for finding in &parsed.findings {
        eprintln!("{finding}");
    }
    let map = &parsed.ecosystem;
    let mut text = String::new();
    components(map, &mut text);
    structure(map, &mut text);
    if options.edges {
        edges(map, &mut text);
    }
    if let Some((format, path)) = &options.export {
        export(map, format, path)?;
    }
    text.push_str(&summary(&parsed));
    Ok(text)
}

fn parse(options: &Options) -> Result<Parsed, String> {
    let names = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
    let env = if options.env.is_empty() { default_env(&options.files[0]) } else { options.env.clone() };
    let (file_names, env_names) = (names(&options.files), names(&env));
    let files = options.files.iter().map(|p| read(p)).collect::<Result<Vec<_>, _>>()?;
    let variables = env.iter().map(|p| read(p)).collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<_> =
        file_names.iter().zip(&files).map(|(name, bytes)| Source::new(name, bytes)).collect();
    let mut settings = ParseOptions::default();
    for (name, bytes) in env_names.iter().zip(&variables) {
        settings = settings.with_env_file(Source::new(name, bytes));
    }
    manifest::parse(&sources, &settings).map_err(|error| error.to_string())
}

/// The file of variables with the same stem, else `.env` in the same folder.
fn default_env(file: &Path) -> Vec<PathBuf> {
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut stem = name.as_str();
    while let Some((shorter, _)) = stem.rsplit_once('.') {
        stem = shorter;
        let path = file.with_file_name(format!("{stem}.env"));
        if path.is_file() {
            return vec![path];
        }
    }
    let path = file.with_file_name(".env");
    if path.is_file() { vec![path] } else { Vec::new() }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let bytes =
        std::fs::read(path).map_err(|error| format!("{}: {error}; check the path", path.display()))?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    // A little more than the largest input that is accepted, so that a compressed bomb ends as a typed error.
    let mut plain = Vec::new();
    let most = manifest::Budgets::default().bytes as u64 + 1;
    let done = GzDecoder::new(&*bytes).take(most).read_to_end(&mut plain);
    done.map_err(|error| format!("{}: {error}; is the file complete?", path.display()))?;
    Ok(plain)
}

fn components(map: &Ecosystem, text: &mut String) {
    let width = map.components().map(|c| c.id.as_str().chars().count()).max().unwrap_or(0).max(9);
    let _ = writeln!(text, "{}: {} components", map.name(), map.len());
    let _ = writeln!(
        text,
        "{:width$}  {:9} {:>3}  {:>7} {:>8}  {:18} needs",
        "component", "kind", "run", "cpu", "memory", "version"
    );
    for (index, component) in map.components().enumerate() {
        let needs: BTreeSet<&str> = map.dependencies_of(index).map(|d| d.to.as_str()).collect();
        let needs: Vec<&str> = needs.into_iter().collect();
        let amount = |n: u64, shown: String| if n == 0 { "-".to_owned() } else { shown };
        let request = &component.requirements.request;
        let _ = writeln!(
            text,
            "{:width$}  {:9} {:>3}  {:>7} {:>8}  {:18} {}",
            component.id,
            component.kind,
            component.replicas,
            amount(request.cpu.get(), request.cpu.to_string()),
            amount(request.memory.get(), request.memory.to_string()),
            component.version.to_string().chars().take(18).collect::<String>(),
            if needs.is_empty() { "-".to_owned() } else { needs.join(" ") }
        );
    }
}

fn structure(map: &Ecosystem, text: &mut String) {
    let order = start_order(map);
    let _ = writeln!(text, "\nstart order");
    for (number, level) in order.levels.iter().enumerate() {
        let names: Vec<&str> = level.iter().map(vm_ecosystem::prelude::ComponentId::as_str).collect();
        let _ = writeln!(text, "{:>3}  {}", number + 1, names.join(" "));
    }
    let circles = cycles(map, EdgeSelection::ALL);
    let _ = writeln!(text, "\ncycles: {}", circles.len());
    for circle in circles.iter().take(10) {
        let _ = writeln!(text, "  {circle}");
    }
    let weak = single_points_of_failure(map, &SinglePointSettings::default());
    let _ = writeln!(text, "\nsingle points of failure: {}", weak.components.len());
    for point in weak.components.iter().take(20) {
        let _ = writeln!(text, "  {}", point.component);
    }
    if !map.rules().is_empty() {
        let _ = writeln!(text, "\nplacement rules");
        for rule in map.rules() {
            let _ = writeln!(text, "  {rule}");
        }
    }
    text.push('\n');
}

fn edges(map: &Ecosystem, text: &mut String) {
    for edge in map.dependencies() {
        let port = edge.port.map_or(String::new(), |port| format!(":{port}"));
        let mut evidence: Vec<String> = edge
            .evidence
            .iter()
            .map(|e| format!("{} {} at {}", plain(&e.kind), plain(&e.confidence), e.place))
            .collect();
        evidence.truncate(3);
        let _ = writeln!(
            text,
            "edge {} {} -> {}{port} confidence {} evidence {}",
            edge.kind,
            edge.from,
            edge.to,
            plain(&edge.confidence()),
            evidence.join("; ")
        );
    }
    text.push('\n');
}

fn plain(value: &impl std::fmt::Debug) -> String {
    let mut text = String::new();
    for c in format!("{value:?}").chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(c.to_lowercase());
    }
    text
}

fn export(map: &Ecosystem, format: &str, path: &Path) -> Result<(), String> {
    let settings = kubernetes::Settings::default();
    let text = match format {
        "json" => json::map(map),
        "native" => native::file(map),
        "dot" => dot::map(map),
        "mermaid" => mermaid::map(map),
        "graphml" => graphml::map(map),
        "cypher" => cypher::map(map),
        "svg" => svg::map(map, &svg::Style::default().with_title(map.name())),
        "cyclonedx" => cyclonedx::map(map),
        "jsonld" => jsonld::map(map, "urn:ecosystem:"),
        "k8s" | "kubernetes" => kubernetes::manifests(map, &settings),
        "eks" => kubernetes::manifests(map, &settings.on(kubernetes::Provider::Eks)),
        "aks" => kubernetes::manifests(map, &settings.on(kubernetes::Provider::Aks)),
        "gke" => kubernetes::manifests(map, &settings.on(kubernetes::Provider::Gke)),
        "compose" => compose::file(map),
        "terraform" => terraform::configuration(map, &settings),
        "helm" => {
            for (name, text) in helm::chart(map, &settings) {
                write(&path.join(name), &text)?;
            }
            return Ok(());
        }
        other => return Err(format!("unknown format `{other}`; --help lists the formats")),
    };
    write(path, &text)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let fault = |error: std::io::Error| format!("{}: {error}; choose another path", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fault)?;
    }
    std::fs::write(path, text).map_err(fault)
}

/// Distinct pairs by kind.
fn summary(parsed: &Parsed) -> String {
    let mut pairs: BTreeMap<DependencyKind, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for edge in parsed.ecosystem.dependencies() {
        pairs.entry(edge.kind).or_default().insert((edge.from.as_str(), edge.to.as_str()));
    }
    let count = |kind| pairs.get(&kind).map_or(0, BTreeSet::len);
    serde_json::json!({
        "components": parsed.ecosystem.len(),
        "edges": {
            "start": count(DependencyKind::StartOrder),
            "call": count(DependencyKind::Call),
            "data": count(DependencyKind::Data),
            "volume": count(DependencyKind::Volume),
        },
        "findings": parsed.findings.len(),
    })
    .to_string()
}
