//! Series with time stamps, as CSV.
#![allow(dead_code, reason = "each program uses a part")]

use super::evaluation::{fail, read};

/// Columns of a CSV file with a header line.
pub(crate) struct Table {
    pub(crate) path: String,
    pub(crate) header: Vec<String>,
    /// Fields, one vector per row.
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads a plain or gzipped file; quotes around fields are dropped (the files have no commas inside).
    pub(crate) fn read(path: &str) -> Self {
        let text = String::from_utf8(read(path)).unwrap_or_else(|_| fail(format!("{path}: not UTF-8 text")));
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let split =
            |line: &str| line.split(',').map(|f| f.trim().trim_matches('"').to_owned()).collect::<Vec<_>>();
        let Some(header) = lines.next().map(split) else {
            fail(format!("{path}: empty, expected a header line"))
        };
        let rows: Vec<_> = lines.map(split).collect();
        for (i, row) in rows.iter().enumerate() {
            if row.len() != header.len() {
                fail(format!("{path}:{}: {} fields, expected {}", i + 2, row.len(), header.len()));
            }
        }
        Self { path: path.to_owned(), header, rows }
    }

    /// Position of the first column with one of these names, in any case.
    pub(crate) fn column(&self, names: &[&str]) -> usize {
        self.header
            .iter()
            .position(|h| names.iter().any(|n| h.eq_ignore_ascii_case(n)))
            .unwrap_or_else(|| fail(format!("{}: no column `{}`", self.path, names.join("` or `"))))
    }

    pub(crate) fn texts(&self, column: usize) -> Vec<String> {
        self.rows.iter().map(|r| r[column].clone()).collect()
    }

    /// Numbers of a column; an empty field or `NaN` is missing.
    pub(crate) fn numbers(&self, column: usize) -> Vec<f64> {
        let parse = |(i, row): (usize, &Vec<String>)| match row[column].as_str() {
            "" => f64::NAN,
            text => text.parse().unwrap_or_else(|_| {
                fail(format!(
                    "{}:{}: `{text}` in column `{}` is not a number",
                    self.path,
                    i + 2,
                    self.header[column]
                ))
            }),
        };
        self.rows.iter().enumerate().map(parse).collect()
    }
}

/// Seconds since 1970 of `2014-02-14 14:27:00` and the like; fractions and `Z` are ignored.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let parts: Vec<i64> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|p| !p.is_empty())
        .take(6)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let [year, month, day, hour, minute, second] = parts[..] else { return None };
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days from civil date, Howard Hinnant's algorithm.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (y / 400, y % 400);
    let days =
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Rows per day from the median distance of the time stamps of the first rows (known before anything is scored); 0 when
/// rows are a day or more apart or times are not readable.
pub(crate) fn rows_per_day(times: &[String]) -> usize {
    let first: Vec<i64> = times.iter().take(150).filter_map(|t| seconds(t)).collect();
    let mut steps: Vec<i64> = first.windows(2).map(|w| w[1] - w[0]).filter(|&s| s > 0).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).map_or(0, |&step| usize::try_from((86_400 + step / 2) / step).unwrap_or(0))
}
