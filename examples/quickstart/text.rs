//! Tables and headings for a terminal.

use std::fmt::Write as _;

/// Columns as wide as their widest cell; columns whose name starts with `>` are aligned to the right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) {
    let wide = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].trim_start_matches('>').len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(wide).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::from("  ");
        for ((cell, width), name) in cells.zip(&widths).zip(head) {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, after) = if name.starts_with('>') { (&*pad, "") } else { ("", &*pad) };
            let _ = write!(text, "{before}{cell}{after}  ");
        }
        println!("{}", text.trim_end());
    };
    line(&mut head.iter().map(|name| name.trim_start_matches('>')));
    line(&mut widths.iter().map(|&w| "-".repeat(w)).collect::<Vec<_>>().iter().map(String::as_str));
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
}

pub(crate) fn heading(number: usize, text: &str) {
    println!("\n{number}. {text}\n");
}

/// At most `max` items of a list, and how many more there are.
pub(crate) fn some<T: ToString>(items: impl ExactSizeIterator<Item = T>, max: usize) -> String {
    let more = items.len().saturating_sub(max);
    let shown: Vec<String> = items.take(max).map(|item| item.to_string()).collect();
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
