//! Step 5: what happened. The log of every decision, and what becomes of it when somebody changes one byte.

use crate::operate::Operation;
use crate::text;
use vm_ecosystem::audit::{Log, verify};

pub(crate) fn show(operation: &Operation) -> Result<(), String> {
    let log = &operation.log;
    text::heading(5, "What happened: every decision and every order, in a log that anyone can verify");
    let report = log.verify();
    println!("  {} entries, root {}", log.size(), log.root().to_hex());
    println!("  verified: {}", if report.ok() { "every entry is as it was written" } else { "NO" });
    let security: Vec<_> =
        log.entries().filter(|entry| entry.category == "security").map(|entry| entry.to_entry()).collect();
    println!(
        "\n  an auditor asks for security (category = security): {} entries, the first of them",
        security.len()
    );
    for entry in security.iter().take(5) {
        let draft = entry.draft();
        println!("    #{:<4} {:18} {:30} {}", entry.seq(), draft.action, draft.subject, reason(entry));
    }
    if !report.ok() {
        return Err("the log does not verify".to_owned());
    }
    tamper(log)
}

fn reason(entry: &vm_ecosystem::audit::Entry) -> String {
    entry.reason().and_then(|value| value.as_text()).map(str::to_owned).unwrap_or_default()
}

/// Changes one byte in the middle of a copy.
fn tamper(log: &Log) -> Result<(), String> {
    let mut copy = log.to_bytes();
    let at = copy.len() / 2;
    copy[at] ^= 1;
    let report = verify::verify(&copy);
    let (Some(entry), Some(kind)) = (report.first_bad(), report.kind()) else {
        return Err("a changed byte went unnoticed".to_owned());
    };
    println!(
        "\n  one bit of a copy changed (byte {at} of {}): found, entry {entry} is {}; the {} entries before it still stand",
        copy.len(),
        kind.as_str(),
        report.size
    );
    Ok(())
}
