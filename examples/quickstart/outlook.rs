//! Step 2: what will be.

use crate::input::Input;
use crate::metrics::{PER_DAY, STEP_MS};
use crate::text;
use std::time::Duration;
use vm_ecosystem::bridge::{self, Demand};
use vm_ecosystem::forecast::anomaly::{Direction, Judgement};
use vm_ecosystem::model::{
    Component, Ecosystem, MetricKind, MetricQuery, MetricsSource, RangeQuery, Series, Subject, Timestamp,
};

/// One end of the interval is passed in one of twenty steps.
pub(crate) const LEVEL: f64 = 0.9;
/// What a person would call unusual, in robust standard deviations.
const THRESHOLD: f64 = 6.0;
/// Each replica shall stay below this share of its request.
const TARGET: f64 = 0.7;

pub(crate) struct Outlook {
    pub(crate) component: Component,
    pub(crate) series: Series,
    pub(crate) demand: Demand,
    /// Replicas that keep tomorrow's peak below the target.
    pub(crate) replicas: u32,
}

/// Unusual values that follow each other, as one event: first, last, the most severe, direction.
pub(crate) struct Event {
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) worst: usize,
    pub(crate) direction: Direction,
}

/// Reads every component's metric through the host trait and forecasts the next day.
pub(crate) fn look(input: &mut Input) -> Result<Vec<Outlook>, String> {
    let placed: Vec<Component> = input.ecosystem.components().filter(|c| c.is_placed()).cloned().collect();
    let (start, end) = (input.metrics.start, input.metrics.end());
    let queries: Vec<RangeQuery> = placed
        .iter()
        .map(|c| RangeQuery {
            query: MetricQuery {
                subject: Subject::Component(c.id.clone()),
                metric: MetricKind::Named("cpu-percent".into()),
            },
            start,
            end,
            step: Duration::from_millis(STEP_MS),
        })
        .collect();
    let Ok(answers) = input.metrics.range(&queries);
    placed
        .into_iter()
        .zip(answers)
        .map(|(component, answer)| {
            let series = answer.map_err(|e| e.to_string())?;
            let trouble = |e: &dyn std::error::Error| {
                format!("{}: metric of component `{}` cannot be forecast: {e}", input.origin[2], component.id)
            };
            let values = bridge::series(&series).map_err(|e| trouble(&e))?;
            let demand = bridge::demand(&values, &[PER_DAY, 7 * PER_DAY], PER_DAY, LEVEL, THRESHOLD)
                .map_err(|e| trouble(&e))?;
            let peak = upper_peak(&demand) / 100.0 * f64::from(component.replicas);
            let replicas = bridge::replicas_for(&component, peak, TARGET);
            Ok(Outlook { component, series, demand, replicas })
        })
        .collect()
}

fn upper_peak(demand: &Demand) -> f64 {
    demand.forecast.interval(LEVEL).map_or(0.0, |i| i.upper.iter().copied().fold(0.0, f64::max))
}

pub(crate) fn events(outlook: &Outlook) -> Vec<Event> {
    let mut found: Vec<Event> = Vec::new();
    for (ix, score) in outlook.demand.scores.iter().enumerate() {
        if score.judgement != Judgement::Anomalous {
            continue;
        }
        match found.last_mut() {
            // An hour of quiet ends an event.
            Some(event) if ix - event.last <= 12 && event.direction == score.direction => {
                event.last = ix;
                if score.severity > outlook.demand.scores[event.worst].severity {
                    event.worst = ix;
                }
            }
            _ => found.push(Event { first: ix, last: ix, worst: ix, direction: score.direction }),
        }
    }
    found
}

pub(crate) fn at(series: &Series, ix: usize) -> Timestamp {
    Timestamp::from_unix_ms(series.start.as_unix_ms() + ix as u64 * STEP_MS)
}

pub(crate) fn show(input: &Input, outlooks: &[Outlook]) {
    text::heading(2, &format!("What will be: tomorrow's CPU use in % of the request ({})", input.origin[2]));
    let rows: Vec<Vec<String>> = outlooks
        .iter()
        .map(|o| {
            let f = &o.demand.forecast;
            let peak = (0..f.point.len()).max_by(|&a, &b| f.point[a].total_cmp(&f.point[b])).unwrap_or(0);
            let (lower, upper) = f.interval(LEVEL).map_or((0.0, 0.0), |i| (i.lower[peak], i.upper[peak]));
            let mean = f.point.iter().sum::<f64>() / f.point.len().max(1) as f64;
            let when = at(&o.series, o.series.values.len() + peak).to_string();
            vec![
                o.component.id.to_string(),
                o.demand.model.clone(),
                format!("{mean:.1}"),
                format!("{:.1}", f.point.get(peak).copied().unwrap_or_default()),
                format!("{lower:.1} to {upper:.1}"),
                when.get(11..16).unwrap_or_default().to_owned(),
                events(o).len().to_string(),
                if o.replicas == o.component.replicas {
                    o.replicas.to_string()
                } else {
                    format!("{} -> {}", o.component.replicas, o.replicas)
                },
            ]
        })
        .collect();
    let head = ["component", "model", ">mean", ">peak", ">90 % interval", ">at", ">anomalies", ">replicas"];
    text::table(&head, &rows);
    show_anomalies(outlooks);
}

/// The worst of the last three days, at most three of a component.
fn show_anomalies(outlooks: &[Outlook]) {
    let mut recent: Vec<(&Outlook, Event)> = Vec::new();
    let mut all = 0;
    for outlook in outlooks {
        let from = outlook.series.values.len().saturating_sub(3 * PER_DAY);
        let mut events = events(outlook);
        events.retain(|event| event.last >= from);
        all += events.len();
        let severity = |event: &Event| outlook.demand.scores[event.worst].severity;
        events.sort_by(|a, b| severity(b).total_cmp(&severity(a)));
        recent.extend(events.into_iter().take(3).map(|event| (outlook, event)));
    }
    let severity = |(outlook, event): &(&Outlook, Event)| outlook.demand.scores[event.worst].severity;
    recent.sort_by(|a, b| severity(b).total_cmp(&severity(a)));
    recent.truncate(12);
    println!("\n  anomalies of the last three days, the worst {} of {all}:", recent.len());
    for (outlook, event) in &recent {
        let score = &outlook.demand.scores[event.worst];
        let from = at(&outlook.series, event.first).to_string();
        println!(
            "    {} {}  {:22} {:6.1} where {:.1} to {:.1} was expected, for {} min",
            from.get(..10).unwrap_or_default(),
            from.get(11..16).unwrap_or_default(),
            outlook.component.id,
            score.value,
            score.lower.max(0.0),
            score.upper,
            (event.last - event.first + 1) as u64 * STEP_MS / 60_000
        );
    }
}

/// The map with the replicas that tomorrow needs.
pub(crate) fn sized(map: &Ecosystem, outlooks: &[Outlook]) -> Result<Ecosystem, String> {
    let mut builder = Ecosystem::builder(map.name());
    for component in map.components() {
        let mut component = component.clone();
        if let Some(outlook) = outlooks.iter().find(|o| o.component.id == component.id) {
            component.replicas = outlook.replicas;
        }
        builder = builder.component(component);
    }
    builder = map.dependencies().fold(builder, |b, d| b.dependency(d.clone()));
    builder = map.rules().iter().fold(builder, |b, rule| b.rule(rule.clone()));
    builder.build().map_err(|e| e.to_string())
}
