//! Statistical detection, workload classes and stale models on real series.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test reads its data from disk, says when it skips, and fails by panicking"
)]

use crate::nab;

use ecosystem_forecast::anomaly::{
    AnomalyReport, Detector, Ensemble, EnsembleSettings, RobustZ, ZScore, evaluation::Events, z_scores,
};
use ecosystem_forecast::drift::ModelMonitor;
use ecosystem_forecast::workload::{Use, WorkloadClass, WorkloadRule};
use serde_json::Value;
use std::{collections::BTreeMap, io::Read as _, path::PathBuf};

fn folder(name: &str) -> Option<PathBuf> {
    let root = std::env::var("VM_ECOSYSTEM_DATA").map_or_else(
        |_| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    let folder = root.join(name);
    if !folder.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "no data at {}", folder.display());
        println!("skipped: no data at {}", folder.display());
        return None;
    }
    Some(folder)
}

/// scipy 1.17.1, `scipy.stats.zscore` of every series: the value at a third of its length, and the largest.
#[rustfmt::skip]
const SCIPY: [(&str, f64, f64); 29] = [
    ("artificialNoAnomaly/art_daily_no_noise.csv", 1.341635149206666, 1.34163954549004),
    ("artificialNoAnomaly/art_daily_small_noise.csv", 1.3815562491629212, 1.6220830123011487),
    ("artificialNoAnomaly/art_noisy.csv", -1.047475567370237, 1.746422804076188),
    ("artificialWithAnomaly/art_daily_jumpsdown.csv", 1.5156927938123295, 1.6899650916689648),
    ("artificialWithAnomaly/art_daily_nojump.csv", 1.4451474717943584, 1.706212331174819),
    ("artificialWithAnomaly/art_load_balancer_spikes.csv", -0.24325894080477184, 7.049227503007971),
    ("realAWSCloudwatch/ec2_cpu_utilization_53ea38.csv", -0.5673503652398023, 8.146700615187118),
    ("realAWSCloudwatch/ec2_cpu_utilization_77c1ca.csv", -0.3869289564872053, 3.319548613216022),
    ("realAWSCloudwatch/ec2_cpu_utilization_ac20cd.csv", -0.34569456886900135, 2.680707133882352),
    ("realAWSCloudwatch/ec2_cpu_utilization_fe7f93.csv", -0.2576550503955729, 7.949810128659094),
    ("realAWSCloudwatch/ec2_disk_write_bytes_c0d644.csv", -0.21749250539032736, 10.624509202461425),
    ("realAWSCloudwatch/ec2_network_in_5abac7.csv", -0.1530002882480189, 10.529033857611566),
    ("realAWSCloudwatch/grok_asg_anomaly.csv", 0.4380897371670226, 1.3648077534332035),
    ("realAWSCloudwatch/rds_cpu_utilization_cc0c53.csv", -0.5663105141122482, 4.652448549480585),
    ("realAdExchange/exchange-2_cpc_results.csv", 0.7050598253498456, 3.700528555140967),
    ("realAdExchange/exchange-3_cpc_results.csv", -0.7418528151804372, 11.854375386519086),
    ("realAdExchange/exchange-4_cpc_results.csv", -0.2858825858214983, 23.580398768859244),
    ("realKnownCause/ambient_temperature_system_failure.csv", 0.5441562405010458, 3.527198949729267),
    ("realKnownCause/ec2_request_latency_system_failure.csv", 0.0035536415648473835, 23.654009796917208),
    ("realKnownCause/nyc_taxi.csv", -0.021698503690743023, 3.4671966149170586),
    ("realKnownCause/rogue_agent_key_updown.csv", -0.0909218923505278, 53.576681897167155),
    ("realTraffic/TravelTime_451.csv", -0.22314979913907995, 11.80902845107883),
    ("realTraffic/occupancy_t4013.csv", 0.7199812966592459, 8.193479390889827),
    ("realTraffic/speed_7578.csv", 0.21133145418471314, 2.8107371716872653),
    ("realTweets/Twitter_volume_AAPL.csv", -0.15123419457886697, 41.718856135815074),
    ("realTweets/Twitter_volume_CRM.csv", -0.7272956863284685, 44.656386648494745),
    ("realTweets/Twitter_volume_FB.csv", 0.3641806785491563, 62.827983898723474),
    ("realTweets/Twitter_volume_IBM.csv", -0.7980481265980552, 24.469095275918388),
    ("realTweets/Twitter_volume_PFE.csv", -0.5927431542661891, 24.031762292736875),
];

/// Name, values and labels.
type Labelled = (String, Vec<f64>, Vec<bool>);

/// Every NAB series that is here.
fn nab_series() -> Option<Vec<Labelled>> {
    let folder = folder("anomaly/nab")?;
    let labels = std::fs::read_to_string(folder.join("combined_windows.json")).unwrap();
    let one = |(name, windows): (&String, &Vec<(String, String)>)| {
        let text = std::fs::read_to_string(folder.join("data").join(name)).unwrap();
        let rows: Vec<(&str, &str)> = text.lines().skip(1).map(|l| l.split_once(',').unwrap()).collect();
        let times: Vec<String> = rows.iter().map(|r| r.0.to_owned()).collect();
        let mut truth = vec![false; rows.len()];
        for (from, to) in nab::locate(&times, windows).unwrap() {
            truth[from..=to].fill(true);
        }
        (name.clone(), rows.iter().map(|r| r.1.trim().parse().unwrap()).collect(), truth)
    };
    Some(nab::parse_labels(&labels).unwrap().iter().map(one).collect())
}

#[test]
fn z_scores_of_every_nab_series_equal_scipy() {
    let Some(all) = nab_series() else { return };
    for (name, third, largest) in SCIPY {
        let (_, values, _) = all.iter().find(|s| s.0 == name).unwrap();
        let z = z_scores(values);
        let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (found, wanted) in [(z[z.len() / 3], third), (top, largest)] {
            assert!((found - wanted).abs() <= 1e-12 * wanted.abs().max(1.0), "{name}: {found} {wanted}");
        }
    }
}

#[test]
fn events_of_nab_are_found_better_than_by_three_deviations_from_the_mean() {
    let Some(all) = nab_series() else { return };
    let (mut plain, mut ours) = (Events::default(), Events::default());
    for (_, values, truth) in &all {
        let add = |sum: &mut Events, alarms: &[bool]| {
            let one = Events::count(alarms, truth);
            sum.incidents += one.incidents;
            sum.detected += one.detected;
            sum.alarms_outside += one.alarms_outside;
            sum.alarms_inside += one.alarms_inside;
        };
        let far: Vec<bool> = z_scores(values).iter().map(|z| z.abs() > 3.0).collect();
        add(&mut plain, &far);
        let mut ensemble = Ensemble::new(&EnsembleSettings::default()).unwrap();
        let alarms: Vec<bool> = values.iter().map(|v| ensemble.judge(*v).alarm).collect();
        add(&mut ours, &alarms);
    }
    println!("event F1 {:.3} against {:.3} of 3 sigma: {ours:?} {plain:?}", ours.f1(), plain.f1());
    assert!(ours.f1() > 1.5 * plain.f1(), "{} {}", ours.f1(), plain.f1());
}

#[test]
fn reports_of_real_series_have_a_rate_and_statistics_of_the_slice() {
    let Some(all) = nab_series() else { return };
    for (name, values, _) in &all {
        let report = AnomalyReport::of(&RobustZ::new(288, 8.0).unwrap(), values);
        let share = report.anomalies.len() as f64 / report.judged as f64;
        assert!((report.rate - share).abs() < 1e-12 && report.events <= report.anomalies.len(), "{name}");
        assert_eq!(report.statistics.count, values.len(), "{name}");
        let scores = ZScore::new(3.0).unwrap().score(values);
        let again = AnomalyReport::of(&ZScore::new(3.0).unwrap(), values);
        assert_eq!(again.anomalies.len(), scores.iter().filter(|s| s.is_anomaly()).count(), "{name}");
    }
}

/// Columns of a gzipped table by name.
fn table(path: &std::path::Path) -> BTreeMap<String, Vec<f64>> {
    let mut text = String::new();
    let packed = std::fs::read(path).unwrap();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let names: Vec<String> = lines.next().unwrap().split(',').map(str::to_owned).collect();
    let mut columns = vec![Vec::new(); names.len()];
    for line in lines {
        line.split(',').zip(&mut columns).for_each(|(v, c)| c.push(v.parse().unwrap_or(f64::NAN)));
    }
    names.into_iter().zip(columns).collect()
}

/// Use of every node and minute of a run. The network's capacity is not known: 4 MB/s, in and out together, which the busiest node
/// of healthy minutes comes near to.
fn node_use(run: &BTreeMap<String, Vec<f64>>, node: usize) -> Vec<Use> {
    let column = |name: &str| &run[&format!("redis-{node}_system.{name}")];
    let (cpu, memory) = (column("cpu.total.norm.pct"), column("memory.actual.used.pct"));
    let (wait, read, sent) =
        (column("cpu.iowait.norm.pct"), column("network.in.bytes"), column("network.out.bytes"));
    let growth = |c: &[f64], t: usize| if c[t] >= c[t - 1] { c[t] - c[t - 1] } else { f64::NAN };
    (1..cpu.len())
        .map(|t| {
            let network = (growth(read, t) + growth(sent, t)) / 60.0 / 4e6;
            Use { processor: cpu[t], memory: memory[t], io: network.max(wait[t]).min(1.0) }
        })
        .collect()
}

#[test]
fn classes_of_a_fifth_of_the_minutes_are_those_of_the_whole_window_at_least_as_often_as_said() {
    let Some(folder) = folder("failure/redis_prevent") else { return };
    let rule = WorkloadRule::default();
    let mut confusion: BTreeMap<(WorkloadClass, WorkloadClass), usize> = BTreeMap::new();
    let (mut n, mut right, mut said, mut squares) = (0.0, 0.0, 0.0, 0.0);
    for run in ["e1", "e2", "e4", "e5", "e7", "e8"] {
        let run = table(&folder.join(format!("{run}.csv.gz")));
        for node in 1..=20 {
            for window in node_use(&run, node).chunks_exact(55) {
                let known: Vec<&Use> = window.iter().filter(|u| u.io.is_finite()).collect();
                let share =
                    |pick: fn(&Use) -> f64| known.iter().map(|u| pick(u)).sum::<f64>() / known.len() as f64;
                let truth = rule.class_of([share(|u| u.processor), share(|u| u.memory), share(|u| u.io)]);
                let sample: Vec<Use> = window.iter().step_by(5).copied().collect();
                let verdict = rule.classify(&sample);
                if verdict.class == WorkloadClass::Unknown {
                    continue;
                }
                *confusion.entry((truth, verdict.class)).or_default() += 1;
                let p = verdict.probability(verdict.class);
                let hit = f64::from(u8::from(verdict.class == truth));
                (n, right, said) = (n + 1.0, right + hit, said + p);
                squares += (p - hit) * (p - hit);
            }
        }
    }
    let (right, said, brier) = (right / n, said / n, squares / n);
    println!("{n} windows, right {right:.3}, said {said:.3}, Brier {brier:.3}, (truth, said): {confusion:?}");
    // The probability is about the load behind the window; the window itself is met more often than that.
    assert!(n > 200.0 && right > 0.9 && said <= right + 0.02 && said > 0.75, "{right} {said}");
    assert!(brier < 0.1, "Brier {brier}");
    let truths: std::collections::BTreeSet<WorkloadClass> = confusion.keys().map(|k| k.0).collect();
    assert_eq!(truths.len(), 5, "every class occurs: {truths:?}");
}

#[test]
fn a_model_of_the_first_regime_is_called_stale_after_the_change_that_people_marked() {
    let Some(folder) = folder("anomaly/tcpd") else { return };
    let text = std::fs::read_to_string(folder.join("annotations.json")).unwrap();
    let marks: BTreeMap<String, BTreeMap<String, Vec<usize>>> = serde_json::from_str(&text).unwrap();
    let (mut early, mut late, mut cases) = (Vec::new(), Vec::new(), 0);
    for (name, annotators) in &marks {
        // The first change that at least three of five people mark within five steps, far enough from both ends.
        let all: Vec<&Vec<usize>> = annotators.values().collect();
        let agreed = |m: usize| all.iter().filter(|a| a.iter().any(|x| x.abs_diff(m) <= 5)).count() >= 3;
        let Some(change) = all.iter().flat_map(|a| a.iter().copied()).filter(|m| agreed(*m)).min() else {
            continue;
        };
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let raw: Value = serde_json::from_str(&text).unwrap();
        let values: Vec<f64> = raw["series"][0]["raw"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap_or(f64::NAN))
            .collect();
        if change < 60 || values.len() < change + 40 {
            continue;
        }
        // The model: the mean of the first half of the regime; its errors there validate it.
        let half = change / 2;
        let mean = values[..half].iter().sum::<f64>() / half as f64;
        let errors: Vec<f64> = values.iter().map(|v| v - mean).collect();
        let Ok(mut monitor) = ModelMonitor::new(&errors[..half], None) else { continue };
        cases += 1;
        let first = (half..values.len()).find(|&t| !monitor.push(&[], errors[t]).is_empty());
        match first {
            Some(t) if t + 5 < change => early.push(name.as_str()),
            Some(t) => late.push((name.as_str(), t.saturating_sub(change))),
            None => {}
        }
    }
    println!("{cases} series; stale after the change {late:?}, before it {early:?}");
    // Many of these series end a few dozen values after the change, which no window is sure of.
    assert!(cases >= 10 && early.is_empty() && late.len() >= 5, "{late:?} of {cases}, early {early:?}");
}
