//! INT-1 to INT-4: the log itself.

use super::{CheckId, CheckResult, Context, Limit, State, span};

/// INT-1. The verifier has re-hashed everything; the tree must also agree with the newest checkpoint.
pub(super) fn content(c: &Context<'_>, limit: Limit) -> CheckResult {
    let report = c.evidence.report;
    let mut tally = c.tally();
    tally.examined = report.size;
    let mut summary = format!("{} entries re-hashed, root {}", report.size, report.root.to_hex());
    if let Some(problem) = &report.problem {
        tally.lack(|| problem.to_string());
        summary = format!("entry {} is {}", problem.seq, problem.kind);
    } else if report.root != c.evidence.log.root() || report.size != c.evidence.log.size() {
        tally.lack(|| "the log in memory is not the log that was verified".to_owned());
    }
    let newest = c.facts.checkpoints.iter().filter(|k| k.key.is_some()).max_by_key(|k| k.head.size);
    if let Some(checkpoint) = newest {
        let (size, root) = (checkpoint.head.size, checkpoint.head.root);
        if c.evidence.log.tree().root_at(size) == Some(root) {
            summary = format!("{summary}, agrees with the signed checkpoint of size {size}");
        } else {
            tally.lack(|| format!("the signed checkpoint of size {size} has another root"));
        }
    }
    let mut result = tally.result(CheckId::Int1, limit, "all stored entries", summary);
    result.first_unix_ms = c.data.oldest.map(|(at, _)| at);
    result.last_unix_ms = c.data.newest;
    // Re-hashing what does not concern the period shows nothing about it.
    if result.state == State::Pass && c.data.count == 0 {
        result.state = State::Insufficient;
        result.summary += "; no entry lies in the period";
    }
    result
}

/// INT-2. The root at the size of every checkpoint is the one it states; sizes do not shrink, one size has one root.
pub(super) fn history(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let mut largest = 0;
    for checkpoint in &c.facts.checkpoints {
        let (size, root) = (checkpoint.head.size, checkpoint.head.root);
        tally.see(checkpoint.at_unix_ms.unwrap_or(c.evidence.period.from_unix_ms));
        match c.evidence.log.tree().root_at(size) {
            None => tally.lack(|| format!("checkpoint of size {size} is larger than the log (rolled back)")),
            Some(found) if found != root => {
                tally.lack(|| format!("checkpoint of size {size} states another root (forked)"));
            }
            Some(_) if size < largest => tally.lack(|| format!("size shrinks from {largest} to {size}")),
            Some(_) => {}
        }
        largest = largest.max(size);
    }
    let summary = match tally.examined {
        0 => "no checkpoints are stored".to_owned(),
        n => format!("{n} checkpoints compared with the history, {} disagree", tally.failing),
    };
    tally.result(CheckId::Int2, limit, "stored checkpoints", summary)
}

/// INT-3. Signatures, cosignatures and the largest time between checkpoints in the period.
pub(super) fn checkpoints(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let mut times = Vec::new();
    for checkpoint in &c.facts.checkpoints {
        let size = checkpoint.head.size;
        let at = checkpoint.at_unix_ms;
        if !at.is_none_or(|at| c.evidence.period.contains(at)) {
            continue;
        }
        tally.see(at.unwrap_or(c.evidence.period.from_unix_ms));
        times.extend(at);
        if checkpoint.key.is_none() {
            tally.lack(|| format!("checkpoint of size {size} has no verified signature"));
        } else if checkpoint.cosignatures < c.settings.witnesses {
            let (have, need) = (checkpoint.cosignatures, c.settings.witnesses);
            tally.lack(|| format!("checkpoint of size {size} has {have} of {need} cosignatures"));
        }
    }
    times.sort_unstable();
    let largest = times.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
    let allowed = c.settings.checkpoint_interval_ms;
    if largest > allowed {
        tally.lack(|| format!("{} between two checkpoints, allowed are {}", span(largest), span(allowed)));
    }
    let summary = match tally.examined {
        0 => "no checkpoints lie in the period".to_owned(),
        n => format!("{n} checkpoints, largest time between two {}", span(largest)),
    };
    tally.result(CheckId::Int3, limit, "checkpoints of the period", summary)
}

/// INT-4. A checkpoint that is kept elsewhere bounds the size from below; the verifier has found no gap.
pub(super) fn truncation(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let size = c.evidence.log.size();
    let external = c.facts.checkpoints.iter().filter(|k| k.external);
    for checkpoint in external {
        tally.see(checkpoint.at_unix_ms.unwrap_or(c.evidence.period.from_unix_ms));
        if checkpoint.head.size > size {
            tally.lack(|| {
                format!("the log has {size} entries, a checkpoint kept elsewhere {}", checkpoint.head.size)
            });
        }
    }
    if let Some(problem) = &c.evidence.report.problem {
        tally.lack(|| problem.to_string());
    }
    let summary = match tally.examined {
        0 => "no checkpoint is kept elsewhere, so a cut-off end would not be seen".to_owned(),
        n => format!("{n} checkpoints kept elsewhere, the log has {size} entries"),
    };
    tally.result(CheckId::Int4, limit, "checkpoints kept elsewhere", summary)
}
