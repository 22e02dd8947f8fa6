//! The command line.

use std::path::PathBuf;

pub(crate) const HELP: &str = "\
The whole idea in one run: map, forecast, placement, self-healing, audit log, report.

usage: quickstart [--manifest F] [--infrastructure F] [--metrics F] [--seed N] [--out DIR]

  --manifest F        application: our own YAML or JSON, Kubernetes or Compose (default: the shop in examples/data)
  --infrastructure F  regions, zones, racks and hosts (default: the fleet in examples/data)
  --metrics F         one series a line: id,split,v0,v1,... every 5 minutes, CPU in % of the request, plain or .gz
                      (default: two generated weeks); series whose id ends in _max are skipped
  --seed N            seed of everything random (default 7)
  --out DIR           where report.html goes (default target/quickstart)
  --help              this text";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) manifest: Option<PathBuf>,
    pub(crate) infrastructure: Option<PathBuf>,
    pub(crate) metrics: Option<PathBuf>,
    pub(crate) seed: u64,
    pub(crate) out: PathBuf,
}

/// `Ok(None)` = help was asked for.
pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        manifest: None,
        infrastructure: None,
        metrics: None,
        seed: 7,
        out: "target/quickstart".into(),
    };
    while let Some(flag) = args.next() {
        if matches!(&*flag, "--help" | "-h") {
            return Ok(None);
        }
        if !["--manifest", "--infrastructure", "--metrics", "--seed", "--out"].contains(&&*flag) {
            return Err(format!("unknown option `{flag}`; --help lists the options"));
        }
        let value =
            args.next().ok_or_else(|| format!("option `{flag}` needs a value; --help lists the options"))?;
        match &*flag {
            "--manifest" => options.manifest = Some(value.into()),
            "--infrastructure" => options.infrastructure = Some(value.into()),
            "--metrics" => options.metrics = Some(value.into()),
            "--out" => options.out = value.into(),
            _ => {
                options.seed = value.parse().map_err(|_| {
                    format!("option `--seed` has `{value}`, expected a whole number from 0 to 2^64-1")
                })?;
            }
        }
    }
    Ok(Some(options))
}
