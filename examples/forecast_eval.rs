//! Judges forecasting models on files of series by the protocol that `datasets.json` beside each file names.
//!
//! `cargo run --release --example forecast_eval -- FILE.csv.gz... [--dataset NAME] [--meta F] [--model auto,snaive,…]
//! [--capacity 0.95] [--out F.csv] [--plot F.svg] [--every K] [--threads N]`
//!
//! One table per model, one row per file; `--out` writes the forecasts of the first model, `--plot` draws ten of them, evenly
//! chosen. The last line of standard output is one line of JSON with the first model's figures over all files.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};
#[path = "evaluation/panel.rs"]
mod panel;
#[path = "evaluation/plot.rs"]
mod plot;

use panel::{Protocol, RecordedSeries, read_series};

use vm_ecosystem::forecast::{self as fc, Fitted, Forecast, Forecaster, metrics};

const USAGE: &str = "usage: forecast_eval FILE.csv[.gz]... [--dataset NAME] [--meta datasets.json] [--model NAME,NAME...] \
                     [--capacity RATE] [--out FILE.csv] [--plot FILE.svg] \
                     [--every K] [--threads N]";
const MODELS: &str = "auto, naive, snaive, snaive-long, mean, median, ets, hw, theta, arima, mstl-ets, mstl-theta, \
                      smoothing, lags, regression, trigonometric";

/// One training slice and what came after it.
struct Task {
    series: String,
    train: Vec<f64>,
    actual: Vec<f64>,
    step0: usize,
}

#[derive(Clone, Copy, Default)]
struct Judged {
    smape: f64,
    mase: f64,
    naive2_smape: f64,
    naive2_mase: f64,
    coverage: f64,
    msis: f64,
    violations: f64,
    excess: f64,
    seconds: f64,
}

struct Options {
    files: Vec<PathBuf>,
    dataset: Option<String>,
    meta: Option<PathBuf>,
    models: Vec<String>,
    capacity: Option<f64>,
    out: Option<PathBuf>,
    plot: Option<PathBuf>,
    every: usize,
    threads: usize,
}

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("forecast_eval: {message}");
            ExitCode::from(2)
        }
    }
}

fn parse_options() -> Result<Options, String> {
    let mut o = Options {
        files: Vec::new(),
        dataset: None,
        meta: None,
        models: vec!["auto".into()],
        capacity: None,
        out: None,
        plot: None,
        every: 1,
        threads: 1,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value; {USAGE}"));
        match arg.as_str() {
            "--dataset" => o.dataset = Some(value()?),
            "--meta" => o.meta = Some(value()?.into()),
            "--model" => o.models = value()?.split(',').map(|m| m.trim().to_owned()).collect(),
            "--out" => o.out = Some(value()?.into()),
            "--capacity" => {
                let text = value()?;
                let rate: f64 = text.parse().map_err(|_| format!("--capacity {text}: expected a number"))?;
                if !(rate > 0.5 && rate < 1.0) {
                    return Err(format!("--capacity {text}: expected a rate between 0.5 and 1"));
                }
                o.capacity = Some(rate);
            }
            "--plot" => o.plot = Some(value()?.into()),
            "--every" => o.every = positive(&value()?, "--every")?,
            "--threads" => o.threads = positive(&value()?, "--threads")?,
            "--help" | "-h" => return Err(USAGE.into()),
            flag if flag.starts_with('-') => return Err(format!("unknown option {flag}; {USAGE}")),
            file => o.files.push(file.into()),
        }
    }
    if o.files.is_empty() {
        return Err(USAGE.into());
    }
    if let Some(unknown) = o.models.iter().find(|name| !MODELS.split(", ").any(|m| m == *name)) {
        return Err(format!("unknown model `{unknown}`: expected one of {MODELS}"));
    }
    Ok(o)
}

fn positive(text: &str, name: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&n| n > 0)
        .ok_or_else(|| format!("{name} {text}: expected a whole number above 0"))
}

fn run() -> Result<String, String> {
    let options = parse_options()?;
    let mut files = Vec::new();
    for file in &options.files {
        let protocol = panel::read_protocol(file, options.meta.as_deref(), options.dataset.as_deref())?;
        let tasks = read_tasks(file, &protocol, options.every)?;
        files.push((protocol, tasks));
    }
    let mut line = String::new();
    for (number, model) in options.models.iter().enumerate() {
        print_head(model);
        let mut all: Vec<(String, Judged)> = Vec::new();
        let mut records = Records::default();
        for (protocol, tasks) in &files {
            let results = judge_all(tasks, protocol, model, &options);
            let mut per_series: BTreeMap<&str, Vec<Judged>> = BTreeMap::new();
            for (task, (judged, forecast)) in tasks.iter().zip(results) {
                per_series.entry(&task.series).or_default().push(judged);
                if number == 0 {
                    records.take(&options, &protocol.name, task, &judged, &forecast);
                }
            }
            let means: Vec<(String, Judged)> =
                per_series.iter().map(|(name, folds)| ((*name).to_owned(), mean_of(folds))).collect();
            print_row(&protocol.name, &means);
            all.extend(means);
        }
        if files.len() > 1 {
            print_row("all", &all);
        }
        if number == 0 {
            records.write(&options)?;
            line = summary(&all, options.capacity.is_some());
        }
    }
    Ok(line)
}

fn print_head(model: &str) {
    println!(
        "{:<24} {:>6} {:>7} {:>8} {:>8} {:>8} {:>6} {:>6} {:>6} {:>7} {:>9}",
        model, "series", "OWA", "sMAPE", "MASE", "median", "cov95", "MSIS", "viol", "excess", "ms/series"
    );
}

/// What goes into files.
struct Records {
    csv: String,
    panels: Vec<plot::Panel>,
}

impl Default for Records {
    fn default() -> Self {
        Self { csv: "series,step,point,lower95,upper95\n".into(), panels: Vec::new() }
    }
}

impl Records {
    fn take(&mut self, options: &Options, set: &str, task: &Task, judged: &Judged, forecast: &Forecast) {
        if options.plot.is_some() {
            self.panels.push(picture(set, task, judged, forecast));
        }
        if options.out.is_some() {
            write_forecast(&mut self.csv, task, forecast);
        }
    }

    fn write(self, options: &Options) -> Result<(), String> {
        let write = |path: &Path, text: String| {
            std::fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
        };
        if let Some(path) = &options.out {
            write(path, self.csv)?;
        }
        if let Some(path) = &options.plot {
            let every = self.panels.len().div_ceil(PANELS).max(1);
            let chosen: Vec<plot::Panel> = self.panels.into_iter().step_by(every).collect();
            write(path, plot::page(&chosen))?;
        }
        Ok(())
    }
}

/// Most pictures on a page.
const PANELS: usize = 10;

/// The last horizons of the past, and the forecast.
fn picture(set: &str, task: &Task, judged: &Judged, forecast: &Forecast) -> plot::Panel {
    let shown = task.train.len().min(3 * forecast.point.len().max(20));
    let band = &forecast.intervals[0];
    plot::Panel {
        title: format!("{set} {}: MASE {:.2}", task.series, judged.mase),
        past: task.train[task.train.len() - shown..].to_vec(),
        point: forecast.point.clone(),
        lower: band.lower.clone(),
        upper: band.upper.clone(),
        actual: task.actual.clone(),
    }
}

/// The number that follows a word, as in "train 216" or "every 12 steps".
fn number_after(text: &str, word: &str) -> Option<usize> {
    let rest = text.split(word).nth(1)?;
    rest.trim_start_matches(|c: char| !c.is_ascii_digit())
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

fn read_tasks(file: &Path, p: &Protocol, every: usize) -> Result<Vec<Task>, String> {
    let mut tasks = Vec::new();
    for series in read_series(file, p)?.into_iter().step_by(every) {
        add_tasks(&mut tasks, p, series)?;
    }
    Ok(tasks)
}

fn add_tasks(tasks: &mut Vec<Task>, p: &Protocol, series: RecordedSeries) -> Result<(), String> {
    let RecordedSeries { id, values, test } = series;
    if let Some(mut actual) = test {
        actual.truncate(p.horizon);
        tasks.push(Task { series: id, train: values, actual, step0: 0 });
        return Ok(());
    }
    let n = values.len();
    let (first, step) = match number_after(&p.text, "every") {
        Some(step) if p.text.contains("train ") => (number_after(&p.text, "train").unwrap_or(n), step),
        Some(step) if p.text.contains("last week") => (n.saturating_sub(7 * p.steps_per_day), step),
        Some(step) => (n.saturating_sub(p.steps_per_day), step),
        None => (n.saturating_sub(p.horizon), p.horizon),
    };
    let window = number_after(&p.text, "<=").map_or(usize::MAX, |days| days * p.steps_per_day);
    if first < 2 || first + p.horizon > n {
        return Err(format!("series `{id}` of {} has {n} values: too few for horizon {}", p.name, p.horizon));
    }
    for origin in (first..=n - p.horizon).step_by(step.max(1)) {
        tasks.push(Task {
            series: id.clone(),
            train: values[origin.saturating_sub(window)..origin].to_vec(),
            actual: values[origin..origin + p.horizon].to_vec(),
            step0: origin - first,
        });
    }
    Ok(())
}

fn judge_all(tasks: &[Task], p: &Protocol, model: &str, options: &Options) -> Vec<(Judged, Forecast)> {
    let chunk = tasks.len().div_ceil(options.threads);
    std::thread::scope(|scope| {
        #[expect(clippy::needless_collect, reason = "a lazy iterator would start one thread at a time")]
        let workers: Vec<_> = tasks
            .chunks(chunk)
            .map(|part| {
                scope.spawn(move || part.iter().map(|t| judge(t, p, model, options)).collect::<Vec<_>>())
            })
            .collect();
        workers.into_iter().flat_map(|w| w.join().expect("a model panicked: a bug")).collect()
    })
}

fn judge(task: &Task, p: &Protocol, model: &str, options: &Options) -> (Judged, Forecast) {
    let begin = Instant::now();
    let rate = options.capacity.unwrap_or(0.95);
    let (forecast, line) = if model == "auto" && options.capacity.is_some() {
        automatic_with_capacity(&task.train, p, task.actual.len(), rate)
    } else {
        let mut forecast = predict(model, &task.train, p, task.actual.len(), &[0.95, 2.0 * rate - 1.0]);
        let line = forecast.intervals.pop().map_or_else(Vec::new, |band| band.upper);
        (forecast, line)
    };
    let seconds = begin.elapsed().as_secs_f64();
    let (actual, train, m) = (&task.actual, &task.train, p.m_mase);
    let scale = metrics::seasonal_scale(train, m);
    let naive2 = fc::Naive2::new(m)
        .fit(train)
        .and_then(|f| f.predict(actual.len(), &[]).map_err(|_| fc::FitError::NoCandidate { tried: 1 }));
    let mut judged = Judged {
        smape: metrics::smape(actual, &forecast.point),
        mase: metrics::mase(actual, &forecast.point, train, m),
        seconds,
        ..Judged::default()
    };
    if let Ok(naive2) = naive2 {
        judged.naive2_smape = metrics::smape(actual, &naive2.point);
        judged.naive2_mase = metrics::mase(actual, &naive2.point, train, m);
    }
    let band = &forecast.intervals[0];
    judged.coverage = metrics::coverage(actual, &band.lower, &band.upper);
    judged.msis = metrics::msis(actual, &band.lower, &band.upper, 0.95, scale);
    let (mut over, mut spare, mut used, mut count) = (0.0, 0.0, 0.0, 0.0);
    for (&y, &u) in actual.iter().zip(&line).filter(|(y, _)| !y.is_nan()) {
        over += f64::from(u8::from(y > u));
        spare += (u - y).max(0.0);
        used += y;
        count += 1.0;
    }
    judged.violations = over / count;
    judged.excess = spare / used;
    (judged, forecast)
}

/// Forecast and capacity line from one fit.
fn automatic_with_capacity(train: &[f64], p: &Protocol, horizon: usize, rate: f64) -> (Forecast, Vec<f64>) {
    let fitted = fc::Capacity::new(&p.seasons, rate).and_then(|c| c.with_horizon(horizon).fit(train));
    let both = fitted.map_err(|e| e.to_string()).and_then(|f| {
        let forecast = f.forecast().predict(horizon, &[0.95]).map_err(|e| e.to_string())?;
        Ok((forecast, f.line(horizon).map_err(|e| e.to_string())?))
    });
    both.unwrap_or_else(|error| {
        eprintln!("capacity on {} values of {}: {error}; judged as naive", train.len(), p.name);
        let mut forecast = predict("naive", train, p, horizon, &[0.95, 2.0 * rate - 1.0]);
        let line = forecast.intervals.pop().map_or_else(Vec::new, |band| band.upper);
        (forecast, line)
    })
}

fn go<F: Forecaster>(model: &F, train: &[f64], horizon: usize, levels: &[f64]) -> Result<Forecast, String> {
    let fitted = model.fit(train).map_err(|e| e.to_string())?;
    fitted.predict(horizon, levels).map_err(|e| e.to_string())
}

fn predict(model: &str, train: &[f64], p: &Protocol, horizon: usize, levels: &[f64]) -> Forecast {
    let first = p.seasons.first().copied().unwrap_or(1);
    let last = p.seasons.iter().copied().rfind(|&m| m <= train.len()).unwrap_or(1);
    let result = match model {
        "naive" => go(&fc::Naive, train, horizon, levels),
        "snaive" => go(&fc::SeasonalNaive::new(first.min(train.len())), train, horizon, levels),
        "snaive-long" => go(&fc::SeasonalNaive::new(last), train, horizon, levels),
        "ets" => go(&fc::AutoEts::default().with_horizon(horizon), train, horizon, levels),
        "hw" => go(&fc::AutoEts::default().with_period(first), train, horizon, levels),
        "mstl-ets" => {
            let base = fc::AutoEts::default().with_horizon(horizon);
            go(&fc::Mstl::new(&p.seasons, base).with_fast(), train, horizon, levels)
        }
        "mstl-theta" => go(&fc::Mstl::new(&p.seasons, fc::Theta::standard()), train, horizon, levels),
        "smoothing" => go(&fc::SeasonalSmoothing::new(&p.seasons), train, horizon, levels),
        "theta" => go(&fc::Theta::dynamic_optimised(), train, horizon, levels),
        "arima" => go(&fc::AutoArima::new(if first <= 24 { first } else { 0 }), train, horizon, levels),
        "mean" => go(&fc::SeasonalMean::new(first), train, horizon, levels),
        "median" => go(&fc::SeasonalMedian::new(first, 7), train, horizon, levels),
        "regression" => go(&fc::Regression::new(&p.seasons), train, horizon, levels),
        "trigonometric" => {
            let periods: Vec<f64> = p.seasons.iter().take(3).map(|&m| m as f64).collect();
            go(&fc::Trigonometric::new(&periods).with_automatic_errors(), train, horizon, levels)
        }
        "lags" => go(&fc::LagRegression::new(&p.seasons), train, horizon, levels),
        _ => go(&fc::Auto::new(&p.seasons).with_horizon(horizon), train, horizon, levels),
    };
    // A model that cannot be fitted is judged by the naive forecast it would be replaced with.
    let replaced = |error: String| {
        eprintln!("{model} on {} values of {}: {error}; judged as naive", train.len(), p.name);
        go(&fc::Naive, train, horizon, levels)
    };
    result.or_else(replaced).unwrap_or_else(|_| {
        let flat = vec![0.0; horizon];
        let bands = levels.iter().map(|&l| fc::Interval::new(l, flat.clone(), flat.clone())).collect();
        Forecast::from_point(flat).with_intervals(bands)
    })
}

fn write_forecast(csv: &mut String, task: &Task, forecast: &Forecast) {
    let band = &forecast.intervals[0];
    for h in 0..forecast.point.len() {
        let _ = writeln!(
            csv,
            "{},{},{},{},{}",
            task.series,
            task.step0 + h + 1,
            forecast.point[h],
            band.lower[h],
            band.upper[h]
        );
    }
}

/// Means of each measure over those to whom it applies: a constant series has no unit for scaled errors, an idle one no share of
/// use.
fn mean_of(folds: &[Judged]) -> Judged {
    let mean = |f: fn(&Judged) -> f64| {
        let values: Vec<f64> = folds.iter().map(f).filter(|v| v.is_finite()).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    Judged {
        smape: mean(|j| j.smape),
        mase: mean(|j| j.mase),
        naive2_smape: mean(|j| j.naive2_smape),
        naive2_mase: mean(|j| j.naive2_mase),
        coverage: mean(|j| j.coverage),
        msis: mean(|j| j.msis),
        violations: mean(|j| j.violations),
        excess: mean(|j| j.excess),
        seconds: mean(|j| j.seconds),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.retain(|v| v.is_finite());
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    if n == 0 { f64::NAN } else { f64::midpoint(values[(n - 1) / 2], values[n / 2]) }
}

fn owa(m: &Judged) -> f64 {
    metrics::owa(m.smape, m.mase, m.naive2_smape, m.naive2_mase)
}

fn values_of(all: &[(String, Judged)], f: fn(&Judged) -> f64) -> Vec<f64> {
    all.iter().map(|(_, j)| f(j)).collect()
}

fn print_row(name: &str, all: &[(String, Judged)]) {
    let m = mean_of(&all.iter().map(|a| a.1).collect::<Vec<_>>());
    let cell = |value: f64, width: usize, digits: usize| {
        if value.is_finite() { format!("{value:>width$.digits$}") } else { format!("{:>width$}", "-") }
    };
    println!(
        "{name:<24} {:>6} {} {} {} {} {} {} {} {} {}",
        all.len(),
        cell(owa(&m), 7, 4),
        cell(m.smape, 8, 3),
        cell(m.mase, 8, 4),
        cell(median(values_of(all, |j| j.mase)), 8, 4),
        cell(m.coverage, 6, 3),
        cell(m.msis, 6, 2),
        cell(m.violations, 6, 3),
        cell(median(values_of(all, |j| j.excess)), 7, 3),
        cell(m.seconds * 1e3, 9, 2)
    );
    let unscaled = all.iter().filter(|(_, j)| !j.mase.is_finite()).count();
    if unscaled > 0 {
        eprintln!(
            "{name}: {unscaled} of {} series never change: no scaled errors, left out of their means",
            all.len()
        );
    }
}

fn summary(all: &[(String, Judged)], capacity: bool) -> String {
    let m = mean_of(&all.iter().map(|a| a.1).collect::<Vec<_>>());
    let number = |v: f64| if v.is_finite() { serde_json::json!(v) } else { serde_json::Value::Null };
    let when = |v: f64| if capacity { number(v) } else { serde_json::Value::Null };
    serde_json::json!({
        "owa": number(owa(&m)),
        "mase": number(m.mase),
        "smape": number(m.smape),
        "mase_median": number(median(values_of(all, |j| j.mase))),
        "coverage95": number(m.coverage),
        "msis": number(m.msis),
        "violations": when(m.violations),
        "excess_median": when(median(values_of(all, |j| j.excess))),
        "series": all.len(),
        "seconds_per_series": number(m.seconds),
    })
    .to_string()
}
