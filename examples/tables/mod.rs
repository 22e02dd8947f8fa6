//! What the programs that judge failures, causes and trees share: tables of numbers from CSV files, ranks.
#![allow(dead_code, reason = "each program uses a part")]

use crate::evaluation::{fail, read};
use std::path::{Path, PathBuf};

/// A CSV file: names and columns of numbers (NaN where a field is empty or not a number).
pub(crate) struct Numbers {
    pub(crate) names: Vec<String>,
    pub(crate) columns: Vec<Vec<f64>>,
}

impl Numbers {
    /// Reads a plain or gzipped file with a head; ends the program when a row has another width.
    pub(crate) fn read(path: &Path) -> Self {
        let shown = path.display();
        let text = String::from_utf8(read(&path.to_string_lossy()))
            .unwrap_or_else(|_| fail(format!("{shown}: not UTF-8 text")));
        let mut lines = text.lines();
        let Some(head) = lines.next() else { fail(format!("{shown}: empty file, expected a head and rows")) };
        let names: Vec<String> = head.split(',').map(|n| n.trim().to_owned()).collect();
        let mut columns = vec![Vec::new(); names.len()];
        for (i, line) in lines.enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let fields: Vec<&str> = line.split(',').collect();
            if fields.len() != names.len() {
                fail(format!(
                    "{shown}: line {} has {} fields, expected {}",
                    i + 2,
                    fields.len(),
                    names.len()
                ));
            }
            for (column, field) in columns.iter_mut().zip(fields) {
                column.push(field.trim().parse().ok().filter(|v: &f64| v.is_finite()).unwrap_or(f64::NAN));
            }
        }
        Self { names, columns }
    }

    pub(crate) fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// A column by its name, or the end of the program.
    pub(crate) fn column(&self, name: &str, path: &Path) -> &[f64] {
        match self.names.iter().position(|n| n == name) {
            Some(i) => &self.columns[i],
            None => fail(format!("{}: no column `{name}`", path.display())),
        }
    }
}

/// Paths in a folder, sorted by name.
pub(crate) fn entries(folder: &str) -> Vec<PathBuf> {
    let list = std::fs::read_dir(folder).unwrap_or_else(|error| fail(format!("{folder}: {error}")));
    let mut paths: Vec<PathBuf> = list.filter_map(|e| e.ok().map(|e| e.path())).collect();
    paths.sort();
    paths
}

/// The file of this name, plain or gzipped, in a folder.
pub(crate) fn plain_or_gz(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|p| p.is_file())
}

/// Area under the ROC curve; ties count half.
pub(crate) fn auc(scores: &[f64], labels: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut ranks, mut at) = (0.0, 0);
    while at < order.len() {
        let end =
            at + order[at..].iter().take_while(|&&i| scores[i].total_cmp(&scores[order[at]]).is_eq()).count();
        let rank = (at + end + 1) as f64 / 2.0;
        ranks += rank * order[at..end].iter().filter(|&&i| labels[i] > 0.5).count() as f64;
        at = end;
    }
    let ones = labels.iter().filter(|&&l| l > 0.5).count() as f64;
    (ranks - ones * (ones + 1.0) / 2.0) / (ones * (labels.len() as f64 - ones))
}

/// Processor seconds of this process so far, all threads; `None` where the system does not tell.
pub(crate) fn processor_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let after = text.rsplit_once(')')?.1;
    let mut fields = after.split_whitespace().skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}
