//! Events of six kinds put into real series that carry no label: which are noticed, how soon, and what else alarms.
//!
//! `cargo run --release --example anomaly_injection -- [--seed N] [--placements 100] [--data DIR] [--detector filters|ensemble]`
//! (`MatchedFilters`, which give few alarms, are the default). Base series: NAB
//! `realAWSCloudwatch` (rows inside of labelled windows are neither used nor judged), Azure V1 (average and maximum CPU) and the series
//! of Microsoft's cloud data without a label. Kinds: spike of 6 σ, level shift of 4 σ, leak that reaches 6 σ after a day,
//! fourfold variance for a day, a flat line of two hours, a day with the habit of half a day later; σ is the robust scale
//! of a series around the median of its day and the habit of its hours. One event per series and run, begun at a random row of
//! the last 60 %; 100 runs for each kind and seed.
//!
//! An event is detected by an alarm between its begin and 15 minutes after its end (a level shift has a day); every other
//! alarm in the last 60 % is false. Accuracy: right decisions among one decision per event and one per hour without event. `beyond_base`
//! leaves out false alarms that the same detector raises on the untouched series, which may be real events nobody labelled.
//! `oracle_f1` is what a judge reaches that knows kind, scale, the usual values of the whole series and, afterwards, the
//! lowest threshold without a false alarm (the best statistic per kind): what these events and series allow at most.
//! The last line of standard output is one line of JSON.

mod evaluation;
#[path = "evaluation/inject.rs"]
mod inject;
#[path = "evaluation/oracle.rs"]
mod oracle;
#[path = "evaluation/series.rs"]
mod series;

use evaluation::{Arguments, fail};
use inject::{Base, KINDS, Kind, Places};
use serde_json::{Map, Value, json};
use vm_ecosystem::forecast::anomaly::{Ensemble, EnsembleSettings, FilterSettings, MatchedFilters};

const USAGE: &str =
    "usage: anomaly_injection [--seed N] [--placements N] [--data DIR] [--detector filters|ensemble]";

/// What came of the runs of a kind.
#[derive(Clone, Copy, Default)]
struct Tally {
    events: usize,
    detected: usize,
    false_alarms: usize,
    /// Of these, alarms that the untouched series has as well.
    of_base: usize,
    /// Hours without event, and those of them with an alarm.
    hours: usize,
    spoilt_hours: usize,
    delay_minutes: f64,
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.detected += other.detected;
        self.false_alarms += other.false_alarms;
        self.of_base += other.of_base;
        self.hours += other.hours;
        self.spoilt_hours += other.spoilt_hours;
        self.delay_minutes += other.delay_minutes;
    }

    fn recall(&self) -> f64 {
        share(self.detected, self.events)
    }

    fn precision(&self, false_alarms: usize) -> f64 {
        share(self.detected, self.detected + false_alarms)
    }

    fn f1(&self, false_alarms: usize) -> f64 {
        share(2 * self.detected, self.detected + false_alarms + self.events)
    }

    fn accuracy(&self) -> f64 {
        share(self.detected + self.hours - self.spoilt_hours, self.events + self.hours)
    }

    /// Mean minutes from the start of an event to its alarm; none if no event was found.
    fn delay(&self) -> Option<f64> {
        (self.detected > 0).then(|| self.delay_minutes / self.detected as f64)
    }

    fn json(&self) -> Value {
        json!({ "f1": self.f1(self.false_alarms), "accuracy": self.accuracy(),
            "precision": self.precision(self.false_alarms), "recall": self.recall(),
            "delay_minutes": self.delay(), "events": self.events,
            "false_alarms": self.false_alarms,
            "beyond_base": { "f1": self.f1(self.false_alarms - self.of_base),
                "precision": self.precision(self.false_alarms - self.of_base) } })
    }
}

fn main() {
    let arguments = Arguments::read(USAGE, 0, &["seed", "placements", "data", "detector"]);
    let seed: u64 = arguments.number("seed", 1);
    let placements: usize = arguments.number("placements", 100);
    if !(1..=100_000).contains(&placements) {
        fail(format!("option `--placements` is {placements}, expected 1 to 100000"));
    }
    let detector = match arguments.text("detector") {
        None | Some("filters") => Judge::Filters,
        Some("ensemble") => Judge::Ensemble,
        Some(other) => fail(format!("option `--detector` is `{other}`, expected filters or ensemble")),
    };
    let root = arguments.text("data").map_or_else(
        || std::env::var("VM_ECOSYSTEM_DATA").unwrap_or_else(|_| "../shared/data".to_owned()),
        str::to_owned,
    );
    let bases = bases(&root);
    if bases.is_empty() {
        fail(format!(
            "{root}: no base series in it, expected anomaly/nab, anomaly/msft_cloud or forecast/azure_v1_vm_cpu_5min.csv.gz"
        ));
    }
    eprintln!("{} base series", bases.len());
    let untouched: Vec<Vec<usize>> = bases.iter().map(|b| alarms(detector, b, &b.values)).collect();
    let judged: usize = bases.iter().map(|b| b.values.len() - first(b)).sum();
    let base_alarms: usize = bases
        .iter()
        .zip(&untouched)
        .map(|(b, a)| a.iter().filter(|&&r| r >= first(b) && !b.labelled[r]).count())
        .sum();
    eprintln!("untouched: {base_alarms} alarms in {judged} judged rows");
    let natural: Vec<(usize, usize)> = bases.iter().map(|b| oracle::natural(b, first(b))).collect();
    let mean = |of: fn(&(usize, usize)) -> usize| {
        let counts = || natural.iter().map(of);
        (counts().sum::<usize>() as f64 / bases.len() as f64, counts().filter(|n| *n > 0).count())
    };
    let (spikes, levels) = (mean(|n| n.0), mean(|n| n.1));
    eprintln!(
        "of themselves: rows 6 σ off {:.1} times a series, in {} series; quarters of a day 4 σ off {:.2} times, in {}",
        spikes.0, spikes.1, levels.0, levels.1
    );
    let (mut total, mut kinds, mut ceiling) = (Tally::default(), Map::new(), 0.0);
    for (number, kind) in KINDS.into_iter().enumerate() {
        let mut places = Places(seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(number as u64));
        let (mut order, mut tally, mut visible) = (Vec::new(), Tally::default(), Tally::default());
        let mut oracle: Vec<usize> = Vec::new();
        for _ in 0..placements {
            if order.is_empty() {
                order = places.shuffled(bases.len());
            }
            let Some(at) = order.pop() else { break };
            let Some((one, found)) = run(detector, (&bases[at], &untouched[at]), kind, &mut places) else {
                continue;
            };
            oracle.resize(found.len(), 0);
            oracle.iter_mut().zip(found).for_each(|(count, found)| *count += usize::from(found));
            tally.add(&one);
            if kind == Kind::Season && bases[at].habit_in_sigmas() >= 1.0 {
                visible.add(&one);
            }
        }
        let best = share(oracle.into_iter().max().unwrap_or(0), tally.events);
        ceiling += best / KINDS.len() as f64;
        eprintln!(
            "{:9} F1 {:.3}  precision {:.3}  recall {:.3} (oracle {best:.3})  delay {}{}",
            kind.name(),
            tally.f1(tally.false_alarms),
            tally.precision(tally.false_alarms),
            tally.recall(),
            tally.delay().map_or_else(|| "–".to_owned(), |minutes| format!("{minutes:.0} min")),
            if kind == Kind::Season {
                format!("; of {} series with a habit of 1 σ recall {:.3}", visible.events, visible.recall())
            } else {
                String::new()
            }
        );
        kinds.insert(kind.name().to_owned(), tally.json());
        total.add(&tally);
    }
    let mut line = total.json();
    if let Some(fields) = line.as_object_mut() {
        fields.insert("kinds".to_owned(), Value::Object(kinds));
        fields.insert("oracle_f1".to_owned(), json!(2.0 * ceiling / (1.0 + ceiling)));
        fields.insert("seed".to_owned(), json!(seed));
        fields.insert("series".to_owned(), json!(bases.len()));
    }
    println!("{line}");
}

/// First judged row.
fn first(base: &Base) -> usize {
    base.values.len() * 2 / 5
}

/// Who judges.
#[derive(Clone, Copy)]
enum Judge {
    Filters,
    Ensemble,
}

/// Rows that raise an alarm.
fn alarms(judge: Judge, base: &Base, values: &[f64]) -> Vec<usize> {
    let rows = values.iter().enumerate();
    if let Judge::Filters = judge {
        let settings = FilterSettings::default().with_rows_per_day(base.day);
        let mut filters =
            MatchedFilters::new(settings).unwrap_or_else(|e| fail(format!("{}: {e}", base.name)));
        return rows.filter(|(_, v)| filters.push(**v).alarm).map(|(i, _)| i).collect();
    }
    let settings = EnsembleSettings::default().with_rows_per_day(base.day);
    let mut detector = Ensemble::new(&settings).unwrap_or_else(|e| fail(format!("{}: {e}", base.name)));
    rows.filter(|(_, v)| detector.judge(**v).alarm).map(|(i, _)| i).collect()
}

/// One event at a random row, and which statistics of the oracle see it; `None` when no row without a label was found for it.
fn run(
    judge: Judge,
    (base, untouched): (&Base, &[usize]),
    kind: Kind,
    places: &mut Places,
) -> Option<(Tally, Vec<bool>)> {
    let (n, rows) = (base.values.len(), kind.rows(base.day));
    let first = first(base);
    let room = n.checked_sub(first + rows)?;
    let free = |s: &usize| base.labelled[*s..s + rows].iter().all(|l| !l) && !base.values[*s].is_nan();
    let start = (0..100).map(|_| first + places.below(room + 1)).find(free)?;
    let up = places.below(2) == 0;
    // Rows within 15 minutes; one at least, or an event at the end of an hourly row could not be told in time.
    let grace = (base.day / 96).max(1);
    let end = start + rows - 1 + grace;
    let values = base.inject(kind, start, up);
    let found = alarms(judge, base, &values);
    let inside = found.iter().find(|&&row| (start..=end).contains(&row));
    let outside = |row: &&usize| **row >= first && !(start..=end).contains(*row) && !base.labelled[**row];
    let near = |row: usize| untouched.iter().any(|&u| u.abs_diff(row) <= grace);
    let hour = (base.day / 24).max(1);
    let mut spoilt: Vec<usize> = found.iter().filter(outside).map(|row| row / hour).collect();
    spoilt.dedup();
    let tally = Tally {
        events: 1,
        detected: usize::from(inside.is_some()),
        false_alarms: found.iter().filter(outside).count(),
        of_base: found.iter().filter(outside).filter(|&&row| near(row)).count(),
        hours: (n - first - rows) / hour,
        spoilt_hours: spoilt.len(),
        delay_minutes: inside.map_or(0.0, |&row| (row - start) as f64 * 1440.0 / base.day as f64),
    };
    Some((tally, oracle::finds(base, &values, kind, first, (start, end))))
}

/// All base series below the data directory; a missing set is told and left out.
fn bases(root: &str) -> Vec<Base> {
    let mut found = Vec::new();
    azure(&format!("{root}/forecast/azure_v1_vm_cpu_5min.csv.gz"), &mut found);
    nab(&format!("{root}/anomaly/nab"), &mut found);
    microsoft(&format!("{root}/anomaly/msft_cloud"), &mut found);
    found
}

fn files(folder: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("{folder}: not there, left out");
        return Vec::new();
    };
    let mut names: Vec<String> = entries.filter_map(|e| Some(e.ok()?.path().to_str()?.to_owned())).collect();
    names.sort();
    names
}

fn is_csv(name: &str) -> bool {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    std::path::Path::new(plain).extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"))
}

fn azure(path: &str, found: &mut Vec<Base>) {
    if !std::path::Path::new(path).exists() {
        eprintln!("{path}: not there, left out");
        return;
    }
    let text =
        String::from_utf8(evaluation::read(path)).unwrap_or_else(|_| fail(format!("{path}: not UTF-8 text")));
    for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.is_empty()) {
        let mut fields = line.split(',');
        let name = fields.next().unwrap_or_default().to_owned();
        let parse = |f: &str| match f {
            "" => f64::NAN,
            f => f.parse().unwrap_or_else(|_| fail(format!("{path}:{}: `{f}` is not a number", number + 1))),
        };
        let values: Vec<f64> = fields.skip(1).map(parse).collect();
        let labelled = vec![false; values.len()];
        found.extend(Base::new(name, values, 288, labelled));
    }
}

fn nab(folder: &str, found: &mut Vec<Base>) {
    let labels = format!("{folder}/combined_windows.json");
    if !std::path::Path::new(&labels).exists() {
        eprintln!("{labels}: not there, left out");
        return;
    }
    let windows: Value =
        serde_json::from_slice(&evaluation::read(&labels)).unwrap_or_else(|e| fail(format!("{labels}: {e}")));
    for path in files(&format!("{folder}/data/realAWSCloudwatch")).into_iter().filter(|p| is_csv(p)) {
        let table = series::Table::read(&path);
        let times = table.texts(table.column(&["timestamp"]));
        let values = table.numbers(table.column(&["value"]));
        let name = path.rsplit('/').next().unwrap_or(&path).trim_end_matches(".gz").to_owned();
        let own = windows.get(format!("realAWSCloudwatch/{name}")).and_then(Value::as_array);
        let inside = |time: &String| {
            own.into_iter().flatten().any(|w| {
                let edge = |k: usize| w[k].as_str().and_then(series::seconds).unwrap_or_default();
                series::seconds(time).is_some_and(|t| (edge(0)..=edge(1)).contains(&t))
            })
        };
        let labelled = times.iter().map(inside).collect();
        found.extend(Base::new(name, values, series::rows_per_day(&times), labelled));
    }
}

fn microsoft(folder: &str, found: &mut Vec<Base>) {
    for path in files(folder)
        .iter()
        .flat_map(|f| if std::path::Path::new(f).is_dir() { files(f) } else { vec![] })
        .filter(|p| is_csv(p))
    {
        let table = series::Table::read(&path);
        if table.numbers(table.column(&["Label"])).iter().any(|&l| l > 0.5) {
            continue;
        }
        let times = table.texts(table.column(&["TimeStamp"]));
        let values = table.numbers(table.column(&["Value"]));
        let labelled = vec![false; values.len()];
        found.extend(Base::new(path, values, series::rows_per_day(&times), labelled));
    }
}
