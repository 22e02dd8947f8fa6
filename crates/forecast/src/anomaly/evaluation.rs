//! Measures of detectors against labels. Labels judge, they never train: nothing here is used by a detector.

/// Runs of `true`: first and last row of each.
pub fn runs(labels: &[bool]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (i, _) in labels.iter().enumerate().filter(|(_, on)| **on) {
        match found.last_mut() {
            Some((_, last)) if *last + 1 == i => *last = i,
            _ => found.push((i, i)),
        }
    }
    found
}

/// Rows in order of falling score; equal scores stay in order of rows.
fn ranking(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// True and false positives at every distinct threshold, from the highest.
fn sweep(scores: &[f64], labels: &[bool], mut at: impl FnMut(f64, usize, usize)) {
    let order = ranking(scores);
    let (mut hits, mut i) = (0, 0);
    while i < order.len() {
        let threshold = scores[order[i]];
        while i < order.len() && scores[order[i]].total_cmp(&threshold).is_eq() {
            hits += usize::from(labels[order[i]]);
            i += 1;
        }
        at(threshold, hits, i);
    }
}

/// Average precision: area under the precision-recall curve, `Σ (R_i − R_{i−1}) · P_i`. 0 without a positive label.
pub fn pr_auc(scores: &[f64], labels: &[bool]) -> f64 {
    let positives = labels.iter().filter(|&&l| l).count();
    let (mut area, mut before) = (0.0, 0);
    sweep(scores, labels, |_, hits, rows| {
        area += (hits - before) as f64 / positives.max(1) as f64 * hits as f64 / rows as f64;
        before = hits;
    });
    area
}

/// Best point-wise F1 over all thresholds, and its threshold. No point adjustment.
pub fn best_f1(scores: &[f64], labels: &[bool]) -> (f64, f64) {
    let positives = labels.iter().filter(|&&l| l).count();
    let mut best = (0.0, f64::INFINITY);
    sweep(scores, labels, |threshold, hits, rows| {
        let f1 = 2.0 * hits as f64 / (rows + positives) as f64;
        if f1 > best.0 {
            best = (f1, threshold);
        }
    });
    best
}

/// Point-wise F1 of given alarms.
pub fn f1(alarms: &[bool], labels: &[bool]) -> f64 {
    let both = alarms.iter().zip(labels).filter(|(a, l)| **a && **l).count();
    let either = alarms.iter().chain(labels).filter(|&&x| x).count();
    if either == 0 { 0.0 } else { 2.0 * both as f64 / either as f64 }
}

/// How alarms meet incidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Events {
    /// Runs of positive labels.
    pub incidents: usize,
    /// Incidents with at least one alarm row.
    pub detected: usize,
    /// Alarm runs that overlap an incident.
    pub alarms_inside: usize,
    /// Alarm runs that overlap none.
    pub alarms_outside: usize,
}

impl Events {
    /// Counts runs of alarms and of labels.
    pub fn count(alarms: &[bool], labels: &[bool]) -> Self {
        let (alarm_runs, incidents) = (runs(alarms), runs(labels));
        let meets = |a: &(usize, usize), b: &(usize, usize)| a.0 <= b.1 && b.0 <= a.1;
        let inside = alarm_runs.iter().filter(|a| incidents.iter().any(|i| meets(a, i))).count();
        Self {
            incidents: incidents.len(),
            detected: incidents.iter().filter(|i| alarm_runs.iter().any(|a| meets(a, i))).count(),
            alarms_inside: inside,
            alarms_outside: alarm_runs.len() - inside,
        }
    }

    /// F1 of events: an incident counts once, each alarm run outside is one false alarm.
    pub fn f1(&self) -> f64 {
        let denominator = 2 * self.detected + self.alarms_outside + self.incidents - self.detected;
        if denominator == 0 { 0.0 } else { 2.0 * self.detected as f64 / denominator as f64 }
    }
}

/// Volume under the surface of range-based precision and recall for buffer lengths 0 to `window`, 250 thresholds.
///
/// Around every incident the label falls off as `√(1 − d/w)` up to half of the buffer `w`; recall is weighted by the share
/// of incidents (merged where buffers touch) that are hit at all. Cost O(n log n + window · (labelled rows + buffers)).
///
/// Paparrizos, Boniol, Palpanas, Tsay, Elmore & Franklin (2022), Volume Under the Surface, PVLDB 15. Equal to
/// `RangeAUC_volume_opt` of TSB-AD 1.5.
pub fn vus_pr(scores: &[f64], labels: &[bool], window: usize) -> f64 {
    const THRESHOLDS: usize = 250;
    let (n, incidents) = (scores.len(), runs(labels));
    if incidents.is_empty() {
        return 0.0;
    }
    let order = ranking(scores);
    let thresholds: Vec<f64> =
        (0..THRESHOLDS).map(|k| scores[order[k * (n - 1) / (THRESHOLDS - 1)]]).collect();
    // Index of the first threshold that takes the row in.
    let taken: Vec<usize> =
        scores.iter().map(|s| thresholds.partition_point(|t| t.total_cmp(s).is_gt())).collect();
    let cumulate = |rows: &mut dyn Iterator<Item = (usize, f64)>| {
        let mut sums = vec![0.0; THRESHOLDS + 1];
        rows.for_each(|(k, weight)| sums[k] += weight);
        (1..THRESHOLDS).for_each(|k| sums[k] += sums[k - 1]);
        sums
    };
    let predicted = cumulate(&mut taken.iter().map(|&k| (k, 1.0)));
    let inside = cumulate(&mut (0..n).filter(|&i| labels[i]).map(|i| (taken[i], 1.0)));
    let positives = labels.iter().filter(|&&l| l).count() as f64;
    let mut total = 0.0;
    for width in 0..=window {
        let buffers = buffers(labels, &incidents, width);
        let merged = merge(&incidents, width / 2, n);
        let around = cumulate(&mut buffers.iter().map(|&(row, weight)| (taken[row], weight)));
        let first = |&(s, e): &(usize, usize)| taken[s..=e].iter().copied().min().unwrap_or(THRESHOLDS);
        let exist = cumulate(&mut merged.iter().map(|m| (first(m), 1.0 / merged.len() as f64)));
        let mut before = 0.0;
        for k in 0..THRESHOLDS {
            let found = inside[k] + around[k];
            let recall = (found / (positives + around[k] / 2.0)).min(1.0) * exist[k];
            total += (recall - before) * found / predicted[k];
            before = recall;
        }
    }
    total / (window + 1) as f64
}

/// Rows beside the incidents with their partial label, ascending.
fn buffers(labels: &[bool], incidents: &[(usize, usize)], width: usize) -> Vec<(usize, f64)> {
    let mut weights = std::collections::BTreeMap::new();
    for &(start, end) in incidents {
        for d in 1..=width / 2 {
            let weight = (1.0 - d as f64 / width as f64).sqrt();
            let both = [end.checked_add(d).filter(|&i| i < labels.len()), start.checked_sub(d)];
            for row in both.into_iter().flatten().filter(|&i| !labels[i]) {
                *weights.entry(row).or_insert(0.0) += weight;
            }
        }
    }
    weights.into_iter().map(|(row, weight): (usize, f64)| (row, weight.min(1.0))).collect()
}

/// Incidents with their buffers, merged where these touch.
fn merge(incidents: &[(usize, usize)], half: usize, n: usize) -> Vec<(usize, usize)> {
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for &(start, end) in incidents {
        let (start, end) = (start.saturating_sub(half), (end + half).min(n - 1));
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = end,
            _ => merged.push((start, end)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores in hundredths and labels of thirty rows.
    fn example() -> (Vec<f64>, Vec<bool>) {
        let scores = [
            3, 7, 1, 4, 9, 30, 62, 55, 41, 12, 8, 2, 6, 5, 33, 11, 4, 9, 71, 80, 66, 20, 15, 3, 1, 2, 44, 7,
            6, 5,
        ];
        let labels = (0..30).map(|i| (6..=8).contains(&i) || (18..=21).contains(&i) || i == 29).collect();
        (scores.iter().map(|&s| f64::from(s) / 100.0).collect(), labels)
    }

    const VUS: [(usize, f64); 3] =
        [(0, 0.697943722943723), (4, 0.7681264689178319), (10, 0.8703243735114367)];
    const AREA: f64 = 0.8650974025974025;

    // TSB_AD 1.5, basic_metricor().RangeAUC_volume_opt(labels, score, window)[5]; scikit-learn 1.9.1, average_precision_score.
    #[test]
    fn volume_and_area_equal_tsb_ad_and_scikit_learn() {
        let (scores, labels) = example();
        for (window, wanted) in VUS {
            let found = vus_pr(&scores, &labels, window);
            assert!((found - wanted).abs() < 1e-12, "window {window}: {found}, expected {wanted}");
        }
        assert!((pr_auc(&scores, &labels) - AREA).abs() < 1e-12, "{}", pr_auc(&scores, &labels));
    }

    #[test]
    fn events_count_once_and_alarms_outside_count_each() {
        let mut alarms = vec![false; 30];
        for i in [2, 7, 10, 11, 20, 21] {
            alarms[i] = true;
        }
        let (scores, labels) = example();
        let events = Events::count(&alarms, &labels);
        assert_eq!(events, Events { incidents: 3, detected: 2, alarms_inside: 2, alarms_outside: 2 });
        assert!((events.f1() - 4.0 / 7.0).abs() < 1e-12);
        let (best, threshold) = best_f1(&scores, &labels);
        let at: Vec<bool> = scores.iter().map(|&s| s >= threshold).collect();
        assert!((f1(&at, &labels) - best).abs() < 1e-12 && best > 0.7);
    }
}
