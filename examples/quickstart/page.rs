//! Step 6: one page that shows it all.

use crate::input::Input;
use crate::operate::{Chapter, Happening, Kind, Operation};
use crate::outlook::{self, LEVEL, Outlook};
use crate::show_map::MapFacts;
use std::path::Path;
use vm_ecosystem::model::Ecosystem;
use vm_ecosystem::model::export::svg::{self, Style};
use vm_ecosystem::placement::{COST_PER_MICRO, Solution};
use vm_ecosystem::report::{Band, Lane, LineChart, Mark, Page, Span, Table, Timeline, Tone};

pub(crate) struct Story<'a> {
    pub(crate) input: &'a Input,
    pub(crate) facts: &'a MapFacts,
    pub(crate) outlooks: &'a [Outlook],
    pub(crate) sized: &'a Ecosystem,
    pub(crate) solution: &'a Solution,
    pub(crate) operation: &'a Operation,
}

pub(crate) fn write(story: &Story<'_>, out: &Path) -> Result<(), String> {
    let file = out.join("report.html");
    let failed =
        |e: std::io::Error| format!("{}: cannot be written ({e}); choose another --out", file.display());
    std::fs::create_dir_all(out).map_err(failed)?;
    std::fs::write(&file, html(story)).map_err(failed)?;
    println!("\n6. The page: {}", file.display());
    Ok(())
}

fn html(story: &Story<'_>) -> String {
    let Story { input, facts, outlooks, sized, solution, operation } = story;
    let currency = input.infrastructure.currency();
    let money = |units: i64| units as f64 / (COST_PER_MICRO as f64 * 1e6);
    let weak = facts.weak.components.iter().map(|point| point.component.clone());
    let hosts = solution.placement.usage(sized).len();
    let anomalies: usize = outlooks.iter().map(|o| outlook::events(o).len()).sum();
    let mut page = Page::new(
        format!("{}: a day in the life", input.ecosystem.name()),
        format!(
            "application {} · infrastructure {} · metrics {}",
            input.origin[0], input.origin[1], input.origin[2]
        ),
    )
    .figure(input.ecosystem.len().to_string(), "components")
    .figure(solution.placement.len().to_string(), "replicas")
    .figure(format!("{hosts} of {}", input.infrastructure.hosts().len()), "hosts in use")
    .figure(format!("{:.2} {currency}", money(solution.cost.total())), "cost per hour")
    .figure(format!("{:.1} %", solution.gap * 100.0), "gap to the lower bound")
    .figure(anomalies.to_string(), "anomalies in two weeks")
    .figure(operation.broken.len().to_string(), "invariants broken")
    .figure(operation.log.size().to_string(), "audit entries")
    .section("What is there")
    .paragraph("Who needs whom, callers at the left. Rings mark single points of failure.")
    .picture(&svg::map(&input.ecosystem, &Style::default().with_marked(weak)));
    if let Some(blast) = &facts.blast {
        page = page.code(&blast.to_string());
    }
    page = page
        .section("What will be")
        .paragraph(
            "CPU use in % of the request, two weeks and the next day with its 90 % interval; dots are anomalies.",
        )
        .gallery(outlooks.iter().map(chart).collect::<Vec<_>>().iter().map(String::as_str))
        .section("Where it should be")
        .paragraph("The placement of the whole stack before the hour below, by zone, rack and host.")
        .picture(&svg::placement(sized, &input.infrastructure, &solution.placement, &Style::default()))
        .table(&cost_table(solution, &money, &currency.to_string()))
        .section("How to get there")
        .paragraph(
            "One simulated hour in which a host dies, load rises, a component is compromised and a version rolls out.",
        )
        .paragraph("Red cuts off, orange stops, green brings up, blue is everything else; a bar ends when the effect is seen.");
    page = timelines(input, operation).iter().fold(page, |page, svg| page.picture(svg));
    page = page
        .table(&happenings(input, operation))
        .section("Where it ended")
        .picture(&svg::placement(sized, &input.infrastructure, &operation.placement, &Style::default()))
        .section("What happened, for the record")
        .paragraph(&format!(
            "{} entries in a SHA-256 Merkle log; whoever keeps the root can prove any change to any entry.",
            operation.log.size()
        ))
        .code(&format!("root  {}", operation.log.root().to_hex()));
    page.to_html()
}

fn chart(outlook: &Outlook) -> String {
    let demand = &outlook.demand;
    let title = format!("{} · {}", outlook.component.id, demand.model);
    let mut chart =
        LineChart::new(title, "% of request", outlook.series.start.as_unix_ms(), crate::metrics::STEP_MS);
    chart.size = (560, 190);
    chart.observed.clone_from(&outlook.series.values);
    if let Some(interval) = demand.forecast.interval(LEVEL) {
        let (lower, upper) = (interval.lower.clone(), interval.upper.clone());
        chart.forecast = Band { point: demand.forecast.point.clone(), lower, upper };
    }
    chart.marks = outlook::events(outlook)
        .iter()
        .map(|event| {
            let score = &demand.scores[event.worst];
            let at = outlook::at(&outlook.series, event.worst);
            let label =
                format!("{at}: {:.1}, expected {:.1} to {:.1}", score.value, score.lower, score.upper);
            Mark { index: event.worst, label }
        })
        .collect();
    chart.to_svg()
}

fn cost_table(solution: &Solution, money: &dyn Fn(i64) -> f64, currency: &str) -> Table {
    let mut table = Table::new(["term".to_owned(), format!("{currency} per hour")]);
    for (name, units) in solution.cost.iter().filter(|&(_, units)| units != 0) {
        table = table.row([name.to_owned(), format!("{:.4}", money(units))]);
    }
    table
        .row(["total".to_owned(), format!("{:.4}", money(solution.cost.total()))])
        .row(["lower bound".to_owned(), format!("{:.4}", money(solution.bound))])
}

/// One picture per chapter: a lane for everything that was acted on, a bar from each order to its effect.
fn timelines(input: &Input, operation: &Operation) -> Vec<String> {
    let start = input.metrics.end().as_unix_ms();
    let draw = |chapter: Chapter| {
        let part: Vec<&Happening> = operation.happenings.iter().filter(|h| h.chapter == chapter).collect();
        let mut lanes = vec![Lane { name: chapter.name().to_owned(), spans: Vec::new() }];
        for (ix, happening) in part.iter().enumerate() {
            // Time of the drill from 00:00, which reads better than the date.
            let from = happening.at.as_unix_ms() - start;
            let (lane, until, tone) = match happening.kind {
                Kind::World => (chapter.name(), from, Tone::Trouble),
                Kind::Person => (chapter.name(), from, Tone::Notice),
                Kind::Decision => continue,
                Kind::Order => {
                    let effect = part[ix..]
                        .iter()
                        .find(|h| h.kind == Kind::Decision && h.subject == happening.subject);
                    let until = effect.map_or(from, |h| h.at.as_unix_ms() - start);
                    (&*happening.subject, until, tone(happening.verb))
                }
            };
            let caption = if happening.verb.is_empty() { &happening.text } else { happening.verb };
            let span = Span {
                from_unix_ms: from,
                until_unix_ms: until,
                label: happening.text.clone(),
                caption: caption.to_owned(),
                tone,
            };
            match lanes.iter_mut().find(|known| known.name == lane) {
                Some(known) => known.spans.push(span),
                None => lanes.push(Lane { name: lane.to_owned(), spans: vec![span] }),
            }
        }
        Timeline { lanes }.to_svg()
    };
    Chapter::ALL.into_iter().map(draw).collect()
}

fn tone(verb: &str) -> Tone {
    match verb {
        "fence" | "cut-network" => Tone::Trouble,
        "stop" => Tone::Notice,
        "start" | "reconnect-network" => Tone::Good,
        _ => Tone::Action,
    }
}

fn happenings(input: &Input, operation: &Operation) -> Table {
    operation.happenings.iter().fold(Table::new(["time", "chapter", "who", "what"]), |table, h| {
        let t = h.at.saturating_since(input.metrics.end()).as_secs();
        let time = format!("{:02}:{:02}", t / 60, t % 60);
        table.row([time, h.chapter.name().to_owned(), h.kind.word().to_owned(), h.text.clone()])
    })
}
