//! The map as a layered graph.

use super::canvas::{Canvas, INK, LINE, MUTED, escape, fitted, px, text_width};
use super::layout::{Graph, Layout, layered};
use super::{Style, colours};
use crate::component::{Component, Kind};
use crate::dependency::{DependencyKind, Strength};
use crate::ecosystem::Ecosystem;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const MARGIN: f64 = 28.0;
const NODE_HEIGHT: f64 = 42.0;
const NAME: f64 = 13.0;
const DETAIL: f64 = 10.5;

/// Colour, width and dash of an edge class.
struct Look {
    kind: DependencyKind,
    soft: bool,
    colour: &'static str,
    width: f64,
    dash: &'static str,
}

const LOOKS: [Look; 8] = [
    Look { kind: DependencyKind::Call, soft: false, colour: "#4d6a94", width: 1.5, dash: "" },
    Look { kind: DependencyKind::Data, soft: false, colour: "#b0662a", width: 1.9, dash: "" },
    Look { kind: DependencyKind::Volume, soft: false, colour: "#84702c", width: 1.5, dash: "1.5 3.5" },
    Look { kind: DependencyKind::StartOrder, soft: false, colour: "#8b96a8", width: 1.3, dash: "5 4" },
    Look { kind: DependencyKind::Call, soft: true, colour: "#b3c1d6", width: 1.3, dash: "" },
    Look { kind: DependencyKind::Data, soft: true, colour: "#dfbd9d", width: 1.6, dash: "" },
    Look { kind: DependencyKind::Volume, soft: true, colour: "#cfc398", width: 1.3, dash: "1.5 3.5" },
    Look { kind: DependencyKind::StartOrder, soft: true, colour: "#c6cdd8", width: 1.2, dash: "5 4" },
];

/// Components as boxes in layers, callers left of what they need; edges to one target join on their way.
///
/// Legible at 70 components: every line keeps its distance, long names are cut and stand whole in the tooltip.
/// Components without any edge stand below the graph.
pub fn map(ecosystem: &Ecosystem, style: &Style) -> String {
    let components: Vec<&Component> = ecosystem.components().collect();
    let edges = visible_edges(ecosystem, style);
    let joined: BTreeSet<usize> = edges.iter().flat_map(|&(from, to, _)| [from, to]).collect();
    let inside: Vec<usize> = joined.into_iter().collect();
    let outside: Vec<usize> = (0..components.len()).filter(|ix| inside.binary_search(ix).is_err()).collect();
    let place_of = |ix: usize| inside.binary_search(&ix).unwrap_or(0);
    let graph = Graph {
        sizes: inside.iter().map(|&ix| (node_width(components[ix]), NODE_HEIGHT)).collect(),
        edges: edges.iter().map(|&(from, to, class)| (place_of(from), place_of(to), class)).collect(),
    };
    let layout = layered(&graph);

    let mut canvas = Canvas::default();
    let legend = if style.title.is_empty() { Vec::new() } else { legend(&components, &edges) };
    // many components without edges want a broad page
    let least = if outside.len() > 12 { 1_040.0 } else { 560.0 };
    let mut width = layout.size.0.max(least) + 2.0 * MARGIN;
    let top = heading(&mut canvas, ecosystem, style, &legend, width);
    draw_edges(&mut canvas, &graph, &layout, (MARGIN, top));
    for (place, &ix) in inside.iter().enumerate() {
        let (x, y) = layout.corners[place];
        let marked = style.marked.contains(&components[ix].id);
        draw_node(&mut canvas, components[ix], (x + MARGIN, y + top, graph.sizes[place].0), marked);
    }
    let mut bottom = top + layout.size.1;
    if !outside.is_empty() {
        let (right, below) = draw_outside(&mut canvas, &components, &outside, style, (width, bottom));
        width = width.max(right);
        bottom = below;
    }
    let label = format!("Map of {}: {} components", ecosystem.name(), components.len());
    canvas.finish(width, bottom + MARGIN, &label, &markers())
}

/// One edge for each pair (or each pair and kind), as ends and class.
fn visible_edges(ecosystem: &Ecosystem, style: &Style) -> Vec<(usize, usize, u8)> {
    let mut strongest: BTreeMap<(usize, usize, u8), u8> = BTreeMap::new();
    for edge in ecosystem.dependencies() {
        let ends = (ecosystem.component_index(&edge.from), ecosystem.component_index(&edge.to));
        let (Some(from), Some(to)) = ends else { continue };
        let soft = edge.strength == Strength::Soft;
        let class = LOOKS.iter().position(|look| look.kind == edge.kind && look.soft == soft);
        let class = class.and_then(|class| u8::try_from(class).ok()).unwrap_or(0);
        let group = if style.all_edges { class } else { 0 };
        let known = strongest.entry((from, to, group)).or_insert(class);
        *known = (*known).min(class);
    }
    strongest.into_iter().map(|((from, to, _), class)| (from, to, class)).collect()
}

fn detail(component: &Component) -> String {
    let mut text = component.kind.to_string();
    let version = component.version.as_str();
    if !version.is_empty() {
        let short =
            if component.version.is_digest() { fitted(version, DETAIL, 90.0) } else { version.to_owned() };
        let _ = write!(text, " · {short}");
    }
    text
}

fn badge(component: &Component) -> String {
    if component.replicas == 1 { String::new() } else { format!("×{}", component.replicas) }
}

/// How much wider names are, which are bold; enough for the widest of the fonts that stand in where the first is missing.
const BOLD: f64 = 1.2;

fn node_width(component: &Component) -> f64 {
    let badge = badge(component);
    let extra = if badge.is_empty() { 0.0 } else { text_width(&badge, 11.0) + 16.0 };
    let name = text_width(component.id.as_str(), NAME) * BOLD + extra;
    (name.max(text_width(&detail(component), DETAIL)) + 30.0).clamp(112.0, 260.0)
}

fn draw_node(canvas: &mut Canvas, component: &Component, (x, y, width): (f64, f64, f64), marked: bool) {
    let (strong, pale) = colours(component.kind);
    let mut tooltip = format!("{} ({})", component.id, component.kind);
    if !component.image.is_empty() {
        let _ = write!(tooltip, "\nimage {}:{}", component.image, component.version);
    }
    let _ = write!(tooltip, "\nreplicas {}", component.replicas);
    if !component.requirements.request.is_zero() {
        let _ = write!(tooltip, "\nrequests {}", component.requirements.request);
    }
    canvas.open(&tooltip);
    if marked {
        canvas.rect(
            (x - 4.0, y - 4.0, width + 8.0, NODE_HEIGHT + 8.0),
            10.0,
            "fill=\"none\" stroke=\"#d03b2f\" stroke-width=\"2\"",
        );
    }
    let dash = if component.kind == Kind::External { " stroke-dasharray=\"4 3\"" } else { "" };
    canvas.rect(
        (x, y, width, NODE_HEIGHT),
        7.0,
        &format!("fill=\"{pale}\" stroke=\"{strong}\" stroke-opacity=\"0.55\"{dash}"),
    );
    canvas.rect((x + 6.0, y + 8.0, 4.0, NODE_HEIGHT - 16.0), 2.0, &format!("fill=\"{strong}\""));
    let badge = badge(component);
    let badge_width = if badge.is_empty() { 0.0 } else { text_width(&badge, 11.0) + 10.0 };
    let room = width - 28.0 - if badge.is_empty() { 0.0 } else { badge_width + 4.0 };
    let name = fitted(component.id.as_str(), NAME * BOLD, room);
    canvas.text((x + 17.0, y + 18.0), NAME, &format!("font-weight=\"600\" fill=\"{INK}\""), &name);
    let text = fitted(&detail(component), DETAIL, width - 26.0);
    canvas.text((x + 17.0, y + 33.0), DETAIL, &format!("fill=\"{strong}\""), &text);
    if !badge.is_empty() {
        let left = x + width - badge_width - 6.0;
        canvas.rect((left, y + 6.0, badge_width, 16.0), 8.0, &format!("fill=\"{strong}\""));
        let middle = left + badge_width / 2.0;
        canvas.text(
            (middle, y + 18.0),
            11.0,
            "font-weight=\"600\" fill=\"#ffffff\" text-anchor=\"middle\"",
            &badge,
        );
    }
    canvas.close();
}

/// Curves of all edges; pieces that several edges share are drawn once.
fn draw_edges(canvas: &mut Canvas, graph: &Graph, layout: &Layout, (dx, dy): (f64, f64)) {
    let mut bodies: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
    let mut ends: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
    for (&(_, _, class), route) in graph.edges.iter().zip(&layout.routes) {
        for (at, pair) in route.windows(2).enumerate() {
            let last = at + 2 == route.len();
            let ((x1, y1), (mut x2, y2)) = (pair[0], pair[1]);
            if last {
                x2 -= 5.0_f64.copysign(x2 - x1); // room for the arrow head
            }
            let (x1, y1, x2, y2) = (x1 + dx, y1 + dy, x2 + dx, y2 + dy);
            let middle = f64::midpoint(x1, x2);
            let piece = if (y1 - y2).abs() < 0.05 {
                format!("M{} {}H{}", px(x1), px(y1), px(x2))
            } else {
                let (m, a, b) = (px(middle), px(y1), px(y2));
                format!("M{} {a}C{m} {a} {m} {b} {} {b}", px(x1), px(x2))
            };
            let list = if last { &mut ends } else { &mut bodies };
            list.entry(class).or_default().insert(piece);
        }
    }
    let classes: BTreeSet<u8> = bodies.keys().chain(ends.keys()).copied().collect();
    // weakest first, so that strong lines lie on top
    for class in classes.into_iter().rev() {
        let look = &LOOKS[class as usize];
        let dash =
            if look.dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{}\"", look.dash) };
        canvas.raw(&format!(
            "<g fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{dash}>",
            look.colour, look.width
        ));
        if let Some(pieces) = bodies.get(&class) {
            let path: String = pieces.iter().map(String::as_str).collect();
            canvas.raw(&format!("<path d=\"{path}\"/>"));
        }
        for piece in ends.get(&class).into_iter().flatten() {
            canvas.raw(&format!("<path d=\"{piece}\" marker-end=\"url(#eco-arrow-{class})\"/>"));
        }
        canvas.raw("</g>");
    }
}

fn markers() -> String {
    let mut defs = String::from("<defs>\n");
    for (class, look) in LOOKS.iter().enumerate() {
        let _ = writeln!(
            defs,
            "<marker id=\"eco-arrow-{class}\" viewBox=\"0 0 8 8\" refX=\"3\" refY=\"4\" markerWidth=\"8\" \
             markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0.6L8 4L0 7.4Z\" fill=\"{}\"/></marker>",
            look.colour
        );
    }
    defs.push_str("</defs>\n");
    defs
}

/// Components without edges, in rows below the graph.
fn draw_outside(
    canvas: &mut Canvas,
    components: &[&Component],
    outside: &[usize],
    style: &Style,
    (width, top): (f64, f64),
) -> (f64, f64) {
    let mut y = top + 34.0;
    canvas.raw(&format!(
        "<line x1=\"{MARGIN}\" x2=\"{}\" y1=\"{}\" y2=\"{}\" stroke=\"{LINE}\"/>",
        px(width - MARGIN),
        px(y - 12.0),
        px(y - 12.0)
    ));
    canvas.text((MARGIN, y + 8.0), 11.0, &format!("fill=\"{MUTED}\""), "No dependency known");
    y += 22.0;
    let (mut x, mut right) = (MARGIN, 0.0_f64);
    for &ix in outside {
        let node = node_width(components[ix]);
        if x > MARGIN && x + node > width - MARGIN {
            x = MARGIN;
            y += NODE_HEIGHT + 14.0;
        }
        draw_node(canvas, components[ix], (x, y, node), style.marked.contains(&components[ix].id));
        right = right.max(x + node + MARGIN);
        x += node + 16.0;
    }
    (right, y + NODE_HEIGHT)
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A legend entry: text and the markup that stands before it, drawn at (0, 0) with a width of 22.
type LegendItem = (String, String);

fn legend(components: &[&Component], edges: &[(usize, usize, u8)]) -> Vec<LegendItem> {
    let kinds: BTreeSet<Kind> = components.iter().map(|c| c.kind).collect();
    let classes: BTreeSet<u8> = edges.iter().map(|&(_, _, class)| class).collect();
    let mut items: Vec<LegendItem> = Vec::new();
    for kind in kinds {
        let (strong, pale) = colours(kind);
        let swatch = format!(
            "<rect x=\"4\" y=\"-9\" width=\"14\" height=\"11\" rx=\"3\" fill=\"{pale}\" stroke=\"{strong}\"/>"
        );
        items.push((kind.to_string(), swatch));
    }
    for class in classes {
        let look = &LOOKS[class as usize];
        let dash =
            if look.dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{}\"", look.dash) };
        let line = format!(
            "<path d=\"M0 -4H17\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{dash} marker-end=\"url(#eco-arrow-{class})\"/>",
            look.colour, look.width
        );
        let softly = if look.soft { ", soft" } else { "" };
        items.push((format!("{}{softly}", look.kind.as_str().replace('-', " ")), line));
    }
    items
}

/// Title, counts and legend; returns where the drawing begins.
fn heading(
    canvas: &mut Canvas,
    ecosystem: &Ecosystem,
    style: &Style,
    legend: &[LegendItem],
    width: f64,
) -> f64 {
    if style.title.is_empty() {
        return MARGIN;
    }
    let title = fitted(&style.title, 20.0, width - 2.0 * MARGIN);
    canvas.text((MARGIN, 40.0), 18.0, &format!("font-weight=\"700\" fill=\"{INK}\""), &title);
    let counts = format!(
        "{}, {}; arrows lead to what is needed",
        counted(ecosystem.len(), "component", "components"),
        counted(ecosystem.dependencies().len(), "dependency", "dependencies")
    );
    canvas.text((MARGIN, 59.0), 11.5, &format!("fill=\"{MUTED}\""), &counts);
    let (mut x, mut y) = (MARGIN, 82.0);
    for (text, mark) in legend {
        let item = 26.0 + text_width(text, 11.0) + 16.0;
        if x > MARGIN && x + item > width - MARGIN {
            x = MARGIN;
            y += 18.0;
        }
        canvas.raw(&format!("<g transform=\"translate({} {})\">{mark}", px(x), px(y)));
        canvas.raw(&format!("<text x=\"26\" font-size=\"11\" fill=\"{MUTED}\">{}</text></g>", escape(text)));
        x += item;
    }
    y + 26.0
}
