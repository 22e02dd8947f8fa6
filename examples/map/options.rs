//! The command line.

use std::path::PathBuf;

pub(crate) const HELP: &str = "\
The map of an application: components, dependencies, and how they are known.

usage: map FILE... [--env F]... [--edges] [--infra F [--placement F]] [--format FORMAT --out PATH]

  FILE           manifests of one application, plain or .gz: our own YAML or JSON, Kubernetes, Compose, Score, OAM,
                 TOSCA, GraphML, maps that --format json wrote; traces (OTLP, Jaeger, Zipkin JSON) add what was observed
  --env F        file of variables (default: the one with the stem of the first FILE, else `.env` beside it)
  --edges        one line for each edge, with kind, evidence and confidence
  --infra F      hosts (docs/infrastructure-format.md); components are placed on them at least cost
  --placement F  where replicas run, instead, as --format placement-json wrote it
  --format F     json native dot mermaid graphml cypher svg cyclonedx jsonld k8s eks aks gke compose terraform helm ansible,
                 and with --infra placement-svg placement-json; k8s and its kin then pin the placement, ansible runs it
                 (without --infra on localhost)
  --out PATH     where that goes (helm, ansible: a folder)
  --help         this text

The last line of standard output is JSON; findings go to standard error; exit status 2 = the input cannot be used.";

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) env: Vec<PathBuf>,
    pub(crate) edges: bool,
    pub(crate) infrastructure: Option<PathBuf>,
    pub(crate) placement: Option<PathBuf>,
    pub(crate) export: Option<(String, PathBuf)>,
}

pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let (mut options, mut format, mut out) = (Options::default(), None, None);
    while let Some(arg) = args.next() {
        let mut value =
            || args.next().ok_or_else(|| format!("option `{arg}` needs a value; --help lists the options"));
        match &*arg {
            "--help" | "-h" => return Ok(None),
            "--edges" => options.edges = true,
            "--env" => options.env.push(value()?.into()),
            "--infra" => options.infrastructure = Some(value()?.into()),
            "--placement" => options.placement = Some(value()?.into()),
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
    if options.placement.is_some() && options.infrastructure.is_none() {
        return Err("--placement needs the hosts: give --infra, too".to_owned());
    }
    options.export = match (format, out) {
        (Some(format), Some(out)) => Some((format, out)),
        (None, None) => None,
        _ => return Err("--format and --out belong together; --help lists the formats".to_owned()),
    };
    Ok(Some(options))
}
