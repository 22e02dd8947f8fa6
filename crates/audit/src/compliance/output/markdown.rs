//! Markdown.

use core::fmt::Write;

use super::super::assess::{Assessment, Verdict};
use super::{check_name, log_text, period, state_name};
use crate::civil;

pub(super) fn render(a: &Assessment) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = write(a, &mut out);
    out
}

fn write(a: &Assessment, out: &mut String) -> core::fmt::Result {
    writeln!(out, "# {}\n", a.standard.title())?;
    writeln!(out, "- Period: {}", period(a))?;
    writeln!(out, "- Log: {}", cell(&log_text(a)))?;
    writeln!(out, "- Entries in the period: {}", a.coverage.entries)?;
    for gap in &a.coverage.gaps {
        writeln!(out, "- Not covered: {}", cell(gap))?;
    }
    writeln!(out, "\n| verdict | controls |\n|---|---|")?;
    for verdict in Verdict::ALL {
        writeln!(out, "| {verdict} | {} |", a.count(verdict))?;
    }
    writeln!(out, "\n## Controls\n\n| control | asks for | verdict | checks | why |\n|---|---|---|---|---|")?;
    for c in &a.controls {
        let checks: Vec<String> = c.checks.iter().map(|&i| check_name(&a.checks[i])).collect();
        writeln!(
            out,
            "| {} | {} | **{}** | {} | {} |",
            c.control.id,
            c.control.about,
            c.verdict,
            checks.join(", "),
            cell(&c.reason)
        )?;
    }
    writeln!(out, "\n## Checks")?;
    for c in &a.checks {
        writeln!(out, "\n### {}: {}\n\n{}\n", check_name(c), state_name(c.state), c.id.about())?;
        writeln!(out, "- {}", cell(&c.summary))?;
        writeln!(out, "- Examined {}, failing {}; read: {}", c.examined, c.failing, cell(&c.query))?;
        for s in &c.samples {
            let place = match (s.seq, s.at_unix_ms) {
                (Some(seq), Some(at)) => format!("record {seq} ({})", civil::format_utc(at)),
                _ => "no record".to_owned(),
            };
            writeln!(out, "- {place}: {}", cell(&s.note))?;
        }
    }
    writeln!(out, "\nThis report gives evidence. It does not certify anything.")
}

/// Text from the log inside of a table or list: no line breaks, no markup.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '[' | ']' | '<' | '>' | '\\' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
