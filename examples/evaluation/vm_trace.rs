//! Reads a trace of VM requests: when each comes, how much it asks for, when it leaves.

use crate::evaluation::{fail, read};

/// Memory in MiB per GiB of the trace.
const MIB: f64 = 1024.0;

/// One request.
pub(crate) struct Vm {
    /// Seconds from the start of the trace.
    pub(crate) arrival: u64,
    /// The middle of its duration bin; `None` if it outlives the trace.
    pub(crate) leaves: Option<u64>,
    /// Thousandths of a core, and MiB.
    pub(crate) demand: [i64; 2],
}

/// The requests of a trace in the order of the file; the bins of durations are beside it unless a path is given.
pub(crate) fn read_trace(path: &str, bins_path: Option<&str>) -> Vec<Vm> {
    let requests = rows(path, &["arrival_s", "cores", "memory_gb", "duration_bin", "censored"]);
    let bins_path = bins_path.map_or_else(|| beside(path), ToOwned::to_owned);
    vms(path, requests, &bins(&bins_path))
}

/// `azure_v1_dev.csv.gz` → `azure_v1_duration_bins.csv` in the same folder.
fn beside(trace: &str) -> String {
    let path = std::path::Path::new(trace);
    path.with_file_name("azure_v1_duration_bins.csv").to_string_lossy().into_owned()
}

/// Rows of a CSV file by column name.
fn rows(path: &str, columns: &[&str]) -> Vec<Vec<f64>> {
    let text = String::from_utf8(read(path)).unwrap_or_else(|e| fail(format!("{path}: {e}")));
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or("").split(',').collect();
    let find = |name: &&str| {
        header.iter().position(|h| h == name).unwrap_or_else(|| fail(format!("{path}:1: no column `{name}`")))
    };
    let at: Vec<usize> = columns.iter().map(find).collect();
    lines
        .enumerate()
        .map(|(number, line)| {
            let cells: Vec<&str> = line.split(',').collect();
            let value = |&column: &usize| {
                let cell = cells.get(column).copied().unwrap_or("");
                cell.parse()
                    .unwrap_or_else(|_| fail(format!("{path}:{}: `{cell}`, expected a number", number + 2)))
            };
            at.iter().map(value).collect()
        })
        .collect()
}

fn bins(path: &str) -> Vec<(f64, f64)> {
    rows(path, &["bin", "from_s", "to_s"]).into_iter().map(|row| (row[1], row[2])).collect()
}

fn vms(path: &str, requests: Vec<Vec<f64>>, bins: &[(f64, f64)]) -> Vec<Vm> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds, cores and GiB of a trace"
    )]
    requests
        .into_iter()
        .map(|row| {
            let bin = row[3] as usize;
            let &(from, to) =
                bins.get(bin).unwrap_or_else(|| fail(format!("{path}: bin {bin} has no limits")));
            let leaves = (row[4] == 0.0).then(|| (row[0] + f64::midpoint(from, to)) as u64);
            Vm { arrival: row[0] as u64, leaves, demand: [(row[1] * 1_000.0) as i64, (row[2] * MIB) as i64] }
        })
        .collect()
}
