//! A placement: zones hold racks, racks hold hosts, hosts hold replicas and show how full they are.

use super::canvas::{Canvas, INK, LINE, MUTED, fitted, text_width};
use super::{Style, colours};
use crate::component::Kind;
use crate::ecosystem::Ecosystem;
use crate::id::ReplicaId;
use crate::infra::{Host, HostState, Infrastructure, ZoneKind};
use crate::placement::Placement;
use crate::resources::Resources;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const MARGIN: f64 = 28.0;
const GAP: f64 = 12.0;
const ZONE_GAP: f64 = 18.0;
const HOST_MIN: f64 = 150.0;
const HOST_MAX: f64 = 250.0;
const CHIP_HEIGHT: f64 = 19.0;
const CHIP: f64 = 10.5;
const IDLE: f64 = 16.0;
/// How much wider names may be in fonts that stand in.
const WIDE: f64 = 1.1;

/// What stands on one host.
struct Load<'a> {
    host: &'a Host,
    room: Resources,
    used: Resources,
    replicas: Vec<(&'a ReplicaId, Kind, bool)>,
}

/// Zones as cards with their racks and hosts; every host shows its replicas, coloured by kind, and bars for the share of
/// processor and memory that they ask for. Empty hosts shrink to small squares.
pub fn placement(
    ecosystem: &Ecosystem,
    infrastructure: &Infrastructure,
    placement: &Placement,
    style: &Style,
) -> String {
    let loads = loads(ecosystem, infrastructure, placement);
    let mut canvas = Canvas::default();
    let frame = Frame::of(infrastructure.zones().len(), style);
    let mut top = heading(&mut canvas, infrastructure, placement, style);
    let zones: Vec<usize> = (0..infrastructure.zones().len()).collect();
    let mut right = 0.0_f64;
    for row in zones.chunks(frame.columns) {
        // drawn twice: first into the void for the height, then for real on top of the cards
        let tallest = row.iter().map(|&zone| {
            draw_racks(&mut Canvas::default(), infrastructure, &loads, zone, (0.0, top + 40.0, frame))
        });
        let bottom = tallest.fold(top + 48.0, f64::max);
        for (column, &zone) in row.iter().enumerate() {
            let x = MARGIN + column as f64 * (frame.zone + ZONE_GAP);
            draw_zone(&mut canvas, infrastructure, zone, (x, top, frame.zone, bottom - top));
            draw_racks(&mut canvas, infrastructure, &loads, zone, (x, top + 40.0, frame));
            right = right.max(x + frame.zone);
        }
        top = bottom + ZONE_GAP;
    }
    let row_bottom = top - ZONE_GAP;
    let label = format!("Placement of {} on {} hosts", ecosystem.name(), infrastructure.hosts().len());
    canvas.finish((right + MARGIN).max(480.0), row_bottom + MARGIN, &label, "")
}

/// Widths of the drawing.
#[derive(Clone, Copy)]
struct Frame {
    /// Zones in a row.
    columns: usize,
    /// Width of a zone.
    zone: f64,
    /// Hosts beside each other in a rack.
    beside: usize,
    /// Width of a host.
    host: f64,
}

impl Frame {
    /// Up to three zones in a row share the page, hosts share the zone.
    fn of(zones: usize, style: &Style) -> Self {
        let page = f64::from(style.width_max.max(480)) - 2.0 * MARGIN;
        let columns = zones.clamp(1, fitting(page + ZONE_GAP, HOST_MIN + 40.0 + ZONE_GAP).min(3));
        let zone = (page + ZONE_GAP) / columns as f64 - ZONE_GAP;
        let beside = fitting(zone - 40.0 + GAP, HOST_MIN + GAP);
        let host = ((zone - 40.0 + GAP) / beside as f64 - GAP).min(HOST_MAX);
        Self { columns, zone, beside, host }
    }
}

/// How many things of a width fit, at least one.
fn fitting(room: f64, width: f64) -> usize {
    (1..1_000).take_while(|&n| n as f64 * width <= room).last().unwrap_or(1)
}

fn loads<'a>(
    ecosystem: &Ecosystem,
    infrastructure: &'a Infrastructure,
    placement: &'a Placement,
) -> Vec<Load<'a>> {
    let mut loads: Vec<Load<'a>> = infrastructure
        .hosts()
        .iter()
        .map(|host| Load { host, room: host.allocatable(), used: Resources::default(), replicas: Vec::new() })
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (replica, _) in placement.iter() {
        *counts.entry(replica.component().as_str()).or_default() += 1;
    }
    for (replica, host) in placement.iter() {
        let Some(ix) = infrastructure.host_index(host) else { continue };
        let component = ecosystem.component(replica.component());
        let kind = component.map_or(Kind::Container, |c| c.kind);
        if let Some(component) = component {
            loads[ix].used = loads[ix].used.saturating_add(&component.requirements.request);
        }
        let alone = counts.get(replica.component().as_str()) == Some(&1);
        loads[ix].replicas.push((replica, kind, alone));
    }
    loads
}

fn heading(
    canvas: &mut Canvas,
    infrastructure: &Infrastructure,
    placement: &Placement,
    style: &Style,
) -> f64 {
    if style.title.is_empty() {
        return MARGIN;
    }
    canvas.text((MARGIN, 40.0), 18.0, &format!("font-weight=\"700\" fill=\"{INK}\""), &style.title);
    let hosts: BTreeSet<_> = placement.iter().map(|(_, host)| host).collect();
    let text = format!(
        "{} replicas on {} of {} hosts; bars show the share of processor and memory asked for",
        placement.len(),
        hosts.len(),
        infrastructure.hosts().len()
    );
    canvas.text((MARGIN, 59.0), 11.5, &format!("fill=\"{MUTED}\""), &text);
    78.0
}

fn draw_zone(
    canvas: &mut Canvas,
    infrastructure: &Infrastructure,
    zone: usize,
    (x, top, width, height): (f64, f64, f64, f64),
) {
    let it = &infrastructure.zones()[zone];
    canvas.rect((x, top, width, height), 10.0, &format!("fill=\"#f6f8fb\" stroke=\"{LINE}\""));
    let mut side = format!("region {}", it.region);
    if it.kind == ZoneKind::Edge {
        side.insert_str(0, "edge site · ");
    }
    let side = fitted(&side, 11.0, width * 0.5);
    let name = fitted(it.id.as_str(), 14.6, width - 40.0 - text_width(&side, 11.0));
    canvas.text((x + 14.0, top + 25.0), 14.0, &format!("font-weight=\"700\" fill=\"{INK}\""), &name);
    let anchor = format!("fill=\"{MUTED}\" text-anchor=\"end\"");
    canvas.text((x + width - 14.0, top + 25.0), 11.0, &anchor, &side);
}

fn draw_racks(
    canvas: &mut Canvas,
    infrastructure: &Infrastructure,
    loads: &[Load<'_>],
    zone: usize,
    (x, top, frame): (f64, f64, Frame),
) -> f64 {
    let width = frame.zone;
    let mut y = top;
    let zone_id = &infrastructure.zones()[zone].id;
    for (rack_ix, rack) in infrastructure.racks().iter().enumerate().filter(|(_, r)| r.zone == *zone_id) {
        let inside: Vec<&Load<'_>> = loads
            .iter()
            .enumerate()
            .filter(|&(host, _)| infrastructure.host_rack_index(host) == rack_ix)
            .map(|(_, load)| load)
            .collect();
        let mut measure = Canvas::default();
        let bottom = draw_hosts(&mut measure, &inside, (x + 20.0, y + 26.0), frame);
        canvas.rect(
            (x + 10.0, y, width - 20.0, bottom - y),
            8.0,
            &format!("fill=\"#ffffff\" stroke=\"{LINE}\""),
        );
        let name = fitted(&format!("rack {}", rack.id), 11.0, width - 60.0);
        canvas.text((x + 20.0, y + 17.0), 11.0, &format!("font-weight=\"600\" fill=\"{MUTED}\""), &name);
        draw_hosts(canvas, &inside, (x + 20.0, y + 26.0), frame);
        y = bottom + GAP;
    }
    y
}

/// Hosts with replicas as boxes in columns, then the empty ones as squares; returns the bottom of the rack.
fn draw_hosts(canvas: &mut Canvas, hosts: &[&Load<'_>], (x, top): (f64, f64), frame: Frame) -> f64 {
    let width = frame.zone - 40.0;
    let (empty, busy): (Vec<&Load<'_>>, Vec<&Load<'_>>) =
        hosts.iter().copied().partition(|l| l.replicas.is_empty());
    // few hosts share the room of many, crowded ones all of it
    let beside = frame.beside.min(busy.len().max(1));
    let most = if busy.iter().any(|l| l.replicas.len() > 16) { f64::INFINITY } else { HOST_MAX };
    let host = ((width + GAP) / beside as f64 - GAP).min(most.max(frame.host));
    let mut bottoms = vec![top; beside];
    for load in busy {
        // always the shortest column
        let column = (0..beside).min_by(|&a, &b| bottoms[a].total_cmp(&bottoms[b])).unwrap_or(0);
        let left = x + column as f64 * (host + GAP);
        bottoms[column] = draw_host(canvas, load, (left, bottoms[column], host)) + GAP;
    }
    let mut y = bottoms.into_iter().fold(top, f64::max);
    if !empty.is_empty() {
        let mut left = x;
        let caption = format!("{} empty", empty.len());
        canvas.text((left, y + 12.0), CHIP, &format!("fill=\"{MUTED}\""), &caption);
        left += text_width(&caption, CHIP) + 8.0;
        let start = left;
        for load in empty {
            if left + IDLE > x + width {
                left = start;
                y += IDLE + 4.0;
            }
            canvas.open(&tooltip(load));
            let fill = state_colour(load.host.state).unwrap_or("#ffffff");
            let look = format!("fill=\"{fill}\" stroke=\"#aab3c0\"");
            canvas.rect((left, y + 1.0, IDLE - 3.0, IDLE - 3.0), 3.0, &look);
            canvas.close();
            left += IDLE + 1.0;
        }
        y += IDLE + GAP;
    }
    y
}

const fn state_colour(state: HostState) -> Option<&'static str> {
    match state {
        HostState::Ready => None,
        HostState::Cordoned => Some("#f6e3b0"),
        HostState::Maintenance => Some("#f3c4bd"),
    }
}

fn tooltip(load: &Load<'_>) -> String {
    let mut text = format!("{}\ncan hold {}\nasked for {}", load.host.id, load.room, load.used);
    for (replica, kind, _) in &load.replicas {
        let _ = write!(text, "\n{replica} ({kind})");
    }
    text
}

/// One host box; returns its bottom.
fn draw_host(canvas: &mut Canvas, load: &Load<'_>, (x, y, host): (f64, f64, f64)) -> f64 {
    let chips = chip_rows(load, host);
    let rows = chips.last().map_or(0.0, |&(_, row, ..)| row + 1.0);
    let height = 54.0 + rows * (CHIP_HEIGHT + 4.0) + 6.0;
    canvas.open(&tooltip(load));
    canvas.rect((x, y, host, height), 7.0, "fill=\"#fbfcfe\" stroke=\"#c3cad5\"");
    let state = match load.host.state {
        HostState::Ready => "",
        HostState::Cordoned => "cordoned",
        HostState::Maintenance => "maintenance",
    };
    let cores = (load.room.cpu.get() as f64 / 100.0).round() / 10.0;
    let name = load.host.id.as_str();
    let mut side =
        if state.is_empty() { format!("{cores} cores · {}", load.room.memory) } else { state.to_owned() };
    let crowded = |side: &str| text_width(name, 12.5) + text_width(side, 9.5) > host - 24.0;
    if state.is_empty() && crowded(&side) {
        side = format!("{cores}c {}", load.room.memory);
        if crowded(&side) {
            side.clear(); // the whole name says more, the tooltip has the size
        }
    }
    let side_width = text_width(&side, 9.5);
    let name = fitted(name, 12.5, host - 22.0 - side_width);
    canvas.text((x + 9.0, y + 17.0), 12.0, &format!("font-weight=\"600\" fill=\"{INK}\""), &name);
    let colour = if state.is_empty() { MUTED } else { "#a8520f" };
    let anchor = format!("fill=\"{colour}\" text-anchor=\"end\"");
    canvas.text((x + host - 9.0, y + 17.0), 9.5, &anchor, &side);
    let bars = [
        ("cpu", load.used.cpu.get(), load.room.cpu.get()),
        ("mem", load.used.memory.get(), load.room.memory.get()),
    ];
    for (row, (label, used, room)) in bars.into_iter().enumerate() {
        draw_bar(canvas, (x + 9.0, y + 25.0 + row as f64 * 13.0, host - 18.0), label, used, room);
    }
    for (left, row, width, index, count) in chips {
        let (replica, kind, alone) = load.replicas[index];
        let text = chip_text(replica, alone, count);
        draw_chip(canvas, (x + left, y + 54.0 + row * (CHIP_HEIGHT + 4.0), width), &text, kind);
    }
    canvas.close();
    y + height
}

fn draw_bar(canvas: &mut Canvas, (x, y, whole): (f64, f64, f64), label: &str, used: u64, room: u64) {
    let share =
        if room == 0 { if used == 0 { 0.0 } else { f64::INFINITY } } else { used as f64 / room as f64 };
    let colour = match share {
        s if s > 1.0 => "#c8281e",
        s if s > 0.85 => "#d98e04",
        _ => "#3f8f6b",
    };
    let width = whole - 61.0;
    canvas.text((x, y + 8.0), 9.0, &format!("fill=\"{MUTED}\""), label);
    canvas.rect((x + 27.0, y + 1.5, width, 7.0), 3.5, "fill=\"#e6eaf0\"");
    if share > 0.0 {
        let filled = (width * share.min(1.0)).max(3.0);
        canvas.rect((x + 27.0, y + 1.5, filled, 7.0), 3.5, &format!("fill=\"{colour}\""));
    }
    let percent = if share.is_finite() { format!("{:.0} %", share * 100.0) } else { "∞".to_owned() };
    let anchor = format!("fill=\"{MUTED}\" text-anchor=\"end\"");
    canvas.text((x + whole, y + 8.0), 9.0, &anchor, &percent);
}

/// The replicas of one component on one host share a chip.
fn chip_text(replica: &ReplicaId, alone: bool, count: usize) -> String {
    if count > 1 {
        format!("{} ×{count}", replica.component())
    } else if alone {
        replica.component().to_string()
    } else {
        format!("{} {}", replica.component(), replica.index())
    }
}

/// Left edge, row and width of each chip, the number of its first replica and how many it stands for.
fn chip_rows(load: &Load<'_>, host: f64) -> Vec<(f64, f64, f64, usize, usize)> {
    let (mut left, mut row) = (8.0, 0.0);
    let mut chips = Vec::with_capacity(load.replicas.len());
    let mut index = 0;
    // a placement is in order of component
    for group in load.replicas.chunk_by(|(a, ..), (b, ..)| a.component() == b.component()) {
        let &(replica, _, alone) = &group[0];
        let width =
            (text_width(&chip_text(replica, alone, group.len()), CHIP) * WIDE + 14.0).min(host - 16.0);
        if left > 8.0 && left + width > host - 8.0 {
            (left, row) = (8.0, row + 1.0);
        }
        chips.push((left, row, width, index, group.len()));
        index += group.len();
        left += width + 4.0;
    }
    chips
}

fn draw_chip(canvas: &mut Canvas, (x, y, width): (f64, f64, f64), text: &str, kind: Kind) {
    let (strong, pale) = colours(kind);
    let look = format!("fill=\"{pale}\" stroke=\"{strong}\" stroke-opacity=\"0.5\"");
    canvas.rect((x, y, width, CHIP_HEIGHT), 5.0, &look);
    let text = fitted(text, CHIP * WIDE, width - 12.0);
    canvas.text((x + 7.0, y + 13.2), CHIP, &format!("fill=\"{strong}\" font-weight=\"500\""), &text);
}
