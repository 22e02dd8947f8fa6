//! One self-contained page: no scripts, no network.

use core::fmt::Write;

use super::super::assess::{Assessment, Verdict};
use super::{check_name, log_text, period, state_name};
use crate::civil;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}\
h1{font-size:1.6rem}h2{margin-top:2.5rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #d9dee3}\
th{background:#f4f6f8}code{font-size:.85em;word-break:break-all}\
.v{display:inline-block;padding:.05rem .5rem;border-radius:.6rem;white-space:nowrap;font-size:.85em}\
.satisfied,.pass{background:#d7f0dd;color:#0b5224}.not-satisfied,.fail{background:#f9d9d6;color:#7d1208}\
.insufficient-evidence,.insufficient{background:#fcefc9;color:#6b4a00}.declared{background:#dde8fa;color:#133d80}\
.not-assessable{background:#e8eaed;color:#444b53}.bar{display:flex;height:1.2rem;border-radius:.3rem;overflow:hidden;margin:1rem 0}\
small{color:#56606b}";

pub(super) fn render(a: &Assessment) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = write(a, &mut out);
    out
}

fn write(a: &Assessment, out: &mut String) -> core::fmt::Result {
    let title = escape(a.standard.title());
    write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><meta name=\"viewport\" \
         content=\"width=device-width\"><style>{STYLE}</style></head><body><h1>{title}</h1><p>Period {}<br>Log \
         <code>{}</code><br>{} entries in the period</p>",
        period(a),
        escape(&log_text(a)),
        a.coverage.entries
    )?;
    for gap in &a.coverage.gaps {
        write!(out, "<p class=\"v insufficient\">Not covered: {}</p>", escape(gap))?;
    }
    write!(out, "<div class=\"bar\">")?;
    for verdict in Verdict::ALL.into_iter().filter(|v| a.count(*v) > 0) {
        let n = a.count(verdict);
        write!(out, "<div class=\"{verdict}\" style=\"flex:{n}\" title=\"{n} {verdict}\">&nbsp;{n}</div>")?;
    }
    write!(out, "</div><p>")?;
    for verdict in Verdict::ALL {
        write!(out, "<span class=\"v {verdict}\">{verdict} {}</span> ", a.count(verdict))?;
    }
    write!(
        out,
        "</p><h2>Controls</h2><table><tr><th>Control</th><th>Asks for</th><th>Verdict</th><th>Why</th></tr>"
    )?;
    for c in &a.controls {
        write!(
            out,
            "<tr><td>{}</td><td>{}</td><td><span class=\"v {2}\">{2}</span></td><td>{3}</td></tr>",
            escape(c.control.id),
            escape(c.control.about),
            c.verdict,
            escape(&c.reason),
        )?;
    }
    write!(out, "</table><h2>Checks</h2>")?;
    for c in &a.checks {
        let state = state_name(c.state);
        write!(
            out,
            "<h3>{} <span class=\"v {state}\">{state}</span></h3><p>{}<br>{}<br><small>examined {}, failing {}; read: {}</small></p>",
            escape(&check_name(c)),
            escape(c.id.about()),
            escape(&c.summary),
            c.examined,
            c.failing,
            escape(&c.query)
        )?;
        if c.samples.is_empty() {
            continue;
        }
        write!(out, "<table><tr><th>Record</th><th>Time</th><th>What is wrong</th></tr>")?;
        for s in &c.samples {
            let seq = s.seq.map_or_else(|| "–".to_owned(), |n| n.to_string());
            let time = s.at_unix_ms.map_or_else(|| "–".to_owned(), civil::format_utc);
            write!(out, "<tr><td>{seq}</td><td>{time}</td><td>{}</td></tr>", escape(&s.note))?;
        }
        write!(out, "</table>")?;
    }
    write!(
        out,
        "<p><small>This report gives evidence. It does not certify anything.</small></p></body></html>"
    )
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
