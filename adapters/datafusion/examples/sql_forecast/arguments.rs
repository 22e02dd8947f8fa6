//! The command line.

use ecosystem_datafusion::{Model, Request};
use std::path::PathBuf;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) series: usize,
    pub(crate) points: usize,
    pub(crate) file: Option<PathBuf>,
    pub(crate) threads: usize,
    pub(crate) repeat: usize,
    pub(crate) model: String,
    pub(crate) by_time: bool,
    pub(crate) list: String,
    pub(crate) explain: bool,
    pub(crate) request: Request,
}

const USAGE: &str = "expected --series N, --points N, --file F.parquet, --threads N, --repeat N, --model auto|thorough|ets|theta|seasonal_naive, \
                     --season N (0 for none), --horizon N, --order series|time, --list eco_series|array_agg, --explain yes|no";

impl Arguments {
    pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut a = Self {
            series: 20_000,
            points: 1000,
            file: None,
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            repeat: 3,
            model: "auto".to_owned(),
            by_time: false,
            list: "eco_series".to_owned(),
            explain: false,
            request: Request::new(24).with_seasons(&[24]),
        };
        while let Some(flag) = given.next() {
            let value = given.next().unwrap_or_default();
            if !a.set(&flag, &value) {
                return Err(format!("`{flag} {value}`: {USAGE}"));
            }
        }
        Ok(a)
    }

    /// False if there is no such option, or not with such a value.
    fn set(&mut self, flag: &str, value: &str) -> bool {
        let count = |most: usize| value.parse::<usize>().ok().filter(|v| (1..=most).contains(v));
        let choice = |no: &str, yes: &str| (value == no || value == yes).then_some(value == yes);
        match flag {
            "--series" => count(10_000_000).map(|v| self.series = v),
            "--points" => count(1_000_000).map(|v| self.points = v),
            "--threads" => count(1024).map(|v| self.threads = v),
            "--repeat" => count(1000).map(|v| self.repeat = v),
            "--horizon" => count(50_000).map(|v| self.request.horizon = v),
            "--file" => (!value.is_empty()).then(|| self.file = Some(PathBuf::from(value))),
            "--season" if value == "0" => Some(()).map(|()| self.request.seasons.clear()),
            "--season" => count(200_000).filter(|v| *v > 1).map(|v| self.request.seasons = vec![v]),
            "--model" => Model::NAMES.iter().find(|(name, _)| *name == value).map(|(name, model)| {
                (*name).clone_into(&mut self.model);
                self.request.model = *model;
            }),
            "--order" => choice("series", "time").map(|by_time| self.by_time = by_time),
            "--list" => choice("eco_series", "array_agg").map(|_| value.clone_into(&mut self.list)),
            "--explain" => choice("no", "yes").map(|explain| self.explain = explain),
            _ => None,
        }
        .is_some()
    }

    /// The query: all forecasts, NULL for series that are too short.
    pub(crate) fn sql(&self) -> String {
        let list = if self.list == "array_agg" { "array_agg(v ORDER BY t)" } else { "eco_series(t, v)" };
        let (horizon, seasons, model) = (self.request.horizon, &self.request.seasons, &self.model);
        let seasons =
            if seasons.is_empty() { "CAST([] AS BIGINT[])".to_owned() } else { format!("{seasons:?}") };
        format!(
            "SELECT series, eco_try_forecast({list}, {horizon}, {seasons}, '{model}') FROM m GROUP BY series"
        )
    }
}
