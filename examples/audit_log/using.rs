//! The commands that read what is recorded: query, summary, history, report, export, import.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use ecosystem_audit::change::History;
use ecosystem_audit::compliance::{
    self, CheckpointFact, Evidence, Facts, Period, Settings, Standard, Verdict,
};
use ecosystem_audit::export::{Exporter, Format, import};
use ecosystem_audit::note::{Note, NoteVerifier};
use ecosystem_audit::query::{self, Answer, Filter};
use ecosystem_audit::verify::Report;
use ecosystem_audit::{Checkpoint, Ed25519Verifier, Severity, Summary, civil};
use serde_json::{Value, json};

use crate::cli::{self, Failure, Words, failed};
use crate::store::{Store, WritableStore};

/// Options of `query` and `export` that choose entries.
const CHOOSE: [&str; 14] = [
    "from",
    "to",
    "actor",
    "category",
    "severity",
    "outcome",
    "action",
    "subject",
    "correlation",
    "text",
    "limit",
    "after",
    "order",
    "as",
];

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// A moment; a date as an end means the end of that day.
fn moment(option: &str, text: &str, end: bool) -> Result<u64, Failure> {
    let at = civil::parse_utc(text).map_err(failed(option))?;
    let day = if end && text.len() == 10 && text.contains('-') { civil::DAY_MS } else { 0 };
    Ok(at.saturating_add(day))
}

fn filter(words: &Words) -> Result<Filter, Failure> {
    let mut filter = Filter::new();
    if let Some(text) = words.value("from") {
        filter = filter.from(moment("--from", text, false)?);
    }
    if let Some(text) = words.value("to") {
        filter = filter.to(moment("--to", text, true)?);
    }
    filter.actors = words.values("actor").map(str::to_owned).collect();
    filter.categories = words.values("category").map(str::to_owned).collect();
    filter.actions = words.values("action").map(str::to_owned).collect();
    filter.correlation_ids = words.values("correlation").map(str::to_owned).collect();
    for subject in words.values("subject") {
        match subject.strip_suffix('*') {
            Some(prefix) => filter = filter.subject_prefix(prefix),
            None => filter = filter.subject(subject),
        }
    }
    for text in words.values("severity") {
        let (name, graver) = text.strip_suffix('+').map_or((text, false), |name| (name, true));
        let severity: Severity = name.parse().map_err(failed("--severity"))?;
        filter = if graver { filter.severity_at_least(severity) } else { filter.severity(severity) };
    }
    for text in words.values("outcome") {
        filter = filter.outcome(text.parse().map_err(failed("--outcome"))?);
    }
    filter.text = words.values("text").collect::<Vec<_>>().join(" ");
    match words.value("order") {
        None | Some("oldest") => {}
        Some("newest") => filter = filter.newest_first(),
        Some(other) => return Err(Failure::Usage(format!("--order `{other}`: expected oldest or newest"))),
    }
    if let Some(text) = words.value("after") {
        filter = filter.after(text.parse().map_err(failed("--after"))?);
    }
    Ok(filter)
}

pub(crate) fn query(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let words = Words::parse(words, &CHOOSE, &[])?;
    words.plain::<0>("no words after `query`")?;
    let mut filter = filter(&words)?;
    if let Some(limit) = words.number("limit")? {
        filter = filter.limit(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let log = Store::open(folder)?.log()?;
    // One question does not pay for an index; a service would keep one (`query::Index`).
    let page = query::run(&log, None, &filter).map_err(failed("query"))?;
    let mut out = String::new();
    let exporter = Exporter::new(Format::Jsonl);
    page.hits.iter().for_each(|entry| exporter.write(entry, &mut out));
    print!("{out}");
    let answer = Answer::new(&filter, log.head(), page.hits.iter().copied());
    println!(
        "{}",
        json!({
            "count": page.hits.len(),
            "next": page.next.map(|cursor| cursor.to_string()),
            "examined": page.examined,
            "size": page.size,
            "root": log.root().to_base64(),
            "digest": answer.digest.to_base64(),
        })
    );
    if let Some(actor) = words.value("as") {
        record(folder, &answer.draft(now(), actor, &filter))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Appends an entry about the use of the log itself.
fn record(folder: &Path, draft: &ecosystem_audit::Draft) -> Result<(), Failure> {
    let mut store = WritableStore::open(folder)?;
    store.append(draft).map_err(failed("entry"))?;
    store.sync()
}

pub(crate) fn summary(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let words = Words::parse(words, &CHOOSE, &[])?;
    words.plain::<0>("no words after `summary`")?;
    let filter = filter(&words)?;
    let log = Store::open(folder)?.log()?;
    let s = Summary::of(log.entries().filter(|entry| filter.matches(entry)));
    let named =
        |table: &[(String, u64)]| table.iter().cloned().map(|(k, v)| (k, Value::from(v))).collect::<Value>();
    let severities: Vec<(String, u64)> = s.severities.iter().map(|(k, v)| (k.to_string(), *v)).collect();
    let outcomes: Vec<(String, u64)> = s.outcomes.iter().map(|(k, v)| (k.to_string(), *v)).collect();
    println!(
        "{}",
        json!({
            "count": s.count,
            "first": s.first_unix_ms.map(civil::format_utc),
            "last": s.last_unix_ms.map(civil::format_utc),
            "per_hour": s.per_hour(),
            "categories": s.categories,
            "severities": named(&severities),
            "outcomes": named(&outcomes),
            "actors": s.actors,
            "actions": s.actions,
            "longest_gap_ms": s.longest_gap_ms,
            "gap_after_seq": s.gap_after_seq,
            "steps_back": s.steps_back,
        })
    );
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn history(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let words = Words::parse(words, &["subject", "at"], &[])?;
    words.plain::<0>("no words after `history`")?;
    let subject = words.required("subject")?;
    let log = Store::open(folder)?.log()?;
    let history = History::from_entries(subject, log.entries()).map_err(failed(subject))?;
    for version in history.versions() {
        let patch: Value = serde_json::from_str(&version.patch.to_string()).unwrap_or_default();
        println!(
            "{}",
            json!({
                "version": version.number, "time": civil::format_utc(version.at_unix_ms), "actor": version.actor,
                "reason": version.reason, "seq": version.seq, "recorded": version.recorded, "patch": patch,
            })
        );
    }
    let (version, state) = match words.value("at") {
        Some(text) => history.state_at(moment("--at", text, false)?),
        None => (history.versions().len() as u64, history.current().clone()),
    };
    let state: Value = serde_json::from_str(&state.to_string()).unwrap_or_default();
    println!(
        "{}",
        json!({"subject": subject, "versions": history.versions().len(), "version": version, "state": state})
    );
    Ok(ExitCode::SUCCESS)
}

/// Reads a checkpoint kept elsewhere; with a key its signature must verify.
fn checkpoint(path: &str, key: Option<&Ed25519Verifier>) -> Result<CheckpointFact, Failure> {
    let bytes = fs::read(path).map_err(failed(path))?;
    let note = Note::parse(&bytes).map_err(failed(path))?;
    let mut fact = CheckpointFact::new(Checkpoint::parse(&note.text).map_err(failed(path))?.head);
    fact.external = true;
    if let Some(key) = key {
        note.open(&[key as &dyn NoteVerifier]).map_err(failed(path))?;
        fact.key = Some(key.to_text());
    }
    Ok(fact)
}

pub(crate) fn report(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let options =
        ["standard", "period", "format", "facts", "checkpoint", "vkey", "at", "origin", "heartbeat-s", "as"];
    let words = Words::parse(words, &options, &[])?;
    words.plain::<0>("no words after `report`")?;
    let standard: Standard = words.required("standard")?.parse().map_err(failed("--standard"))?;
    let period = Period::parse(words.required("period")?).map_err(failed("--period"))?;
    let format = words.value("format").unwrap_or("json").parse().map_err(failed("--format"))?;
    let mut facts = Facts::default();
    if let Some(path) = words.value("facts") {
        let text = fs::read_to_string(path).map_err(failed(path))?;
        facts = Facts::parse(&text).map_err(failed(path))?;
    }
    let key = words.value("vkey").map(Ed25519Verifier::from_text).transpose().map_err(failed("--vkey"))?;
    for path in words.values("checkpoint") {
        facts.checkpoints.push(checkpoint(path, key.as_ref())?);
    }
    facts.checkpoints.sort_by_key(|c| c.head.size);
    let settings = match words.number("heartbeat-s")? {
        Some(seconds) => {
            let mut settings = Settings::default();
            settings.heartbeat_ms = Some(seconds.saturating_mul(1000));
            settings
        }
        None => Settings::default(),
    };
    let at = words.value("at").map_or_else(|| Ok(now()), |text| moment("--at", text, false))?;
    let (log, sound) = Store::open(folder)?.open_log()?;
    let origin = words.value("origin").unwrap_or("audit-log");
    let evidence = Evidence::new(&log, &sound, period).named(origin).at(at);
    let assessment = compliance::assess(standard, &evidence, &facts, &settings);
    print!("{}", assessment.render(format));
    let counts: Vec<String> = Verdict::ALL.iter().map(|v| format!("{} {v}", assessment.count(*v))).collect();
    eprintln!("{}: {}", standard.title(), counts.join(", "));
    if let Some(actor) = words.value("as").filter(|_| sound.ok()) {
        record(folder, &assessment.draft(now(), actor))?;
    }
    Ok(unsound(&sound))
}

fn unsound(report: &Report) -> ExitCode {
    if let Some(problem) = &report.problem {
        eprintln!("the log is not sound: {problem}");
        return ExitCode::from(1);
    }
    ExitCode::SUCCESS
}

pub(crate) fn export(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let mut options = CHOOSE.to_vec();
    options.extend(["format", "hostname", "enterprise"]);
    let words = Words::parse(words, &options, &["no-hashes"])?;
    words.plain::<0>("no words after `export`")?;
    let filter = filter(&words)?;
    let format: Format = words.value("format").unwrap_or("jsonl").parse().map_err(failed("--format"))?;
    let mut exporter = Exporter::new(format).with_hashes(!words.has("no-hashes"));
    if let Some(name) = words.value("hostname") {
        name.clone_into(&mut exporter.hostname);
    }
    if let Some(number) = words.number("enterprise")? {
        exporter.enterprise = u32::try_from(number).map_err(failed("--enterprise"))?;
    }
    let log = Store::open(folder)?.log()?;
    let limit = words.number("limit")?.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut text, mut count) = (exporter.header(), 0_u64);
    for entry in log.entries().filter(|entry| filter.matches(entry)).take(limit) {
        exporter.write(&entry, &mut text);
        out.write_all(text.as_bytes()).map_err(failed("standard output"))?;
        text.clear();
        count += 1;
    }
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(failed("standard output"))?;
    eprintln!("{count} of {} entries, root {}", log.size(), log.root().to_base64());
    if let Some(actor) = words.value("as") {
        let all = Answer::new(&filter, log.head(), log.entries().filter(|e| filter.matches(e)).take(limit));
        let mut draft = all.draft(now(), actor, &filter).with_field("format", format.as_str());
        "audit.export".clone_into(&mut draft.action);
        record(folder, &draft)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn import_from(folder: &Path, words: &[String]) -> Result<ExitCode, Failure> {
    let words = Words::parse(words, &["format"], &[])?;
    words.plain::<0>("no words after `import`")?;
    let format: Format = words.value("format").unwrap_or("jsonl").parse().map_err(failed("--format"))?;
    let mut text = Vec::new();
    cli::input()?.read_to_end(&mut text).map_err(failed("standard input"))?;
    let records = import(format, &text).map_err(failed("standard input"))?;
    let mut store = WritableStore::open(folder)?;
    let mut count = 0_u64;
    for (line, record) in records {
        let here = store.size();
        let problem = if record.seq.is_some_and(|seq| seq != here) {
            Some(format!(
                "entry {} does not fit into a log of {here} entries",
                record.seq.unwrap_or_default()
            ))
        } else {
            let receipt = store.append(&record.draft).map_err(failed(format!("line {line}")))?;
            let differs = record.leaf_hash.is_some_and(|hash| hash != receipt.leaf_hash);
            differs.then(|| format!("entry {here} does not hash to what the export says"))
        };
        if let Some(problem) = problem {
            return Err(Failure::Unsound(format!("line {line}: {problem}; nothing was imported")));
        }
        count += 1;
    }
    store.sync()?;
    println!(
        "{}",
        json!({"ok": true, "imported": count, "size": store.size(), "root": store.root().to_base64()})
    );
    Ok(ExitCode::SUCCESS)
}
