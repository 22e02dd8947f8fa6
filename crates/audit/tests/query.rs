//! Queries against the plain filter, with and without index, page by page; summaries against a group-by.
#![expect(clippy::unwrap_used, reason = "strategies unwrap constants")]

use std::collections::BTreeMap;

use ecosystem_audit::query::{self, Answer, AnswerError, Filter, Index, IndexSettings, QueryError, Source};
use ecosystem_audit::{Category, Draft, EntryRef, Log, Outcome, Severity, Summary};
use proptest::prelude::*;

const ACTIONS: [&str; 5] = ["vm.start", "vm.stop", "vm.disk.grow", "vmx.start", "net.open"];
const SUBJECTS: [&str; 7] = ["vm/db-1", "vm/db-2", "vm/web/1", "vm", "net/a", "", "vmx/1"];

fn draft() -> impl Strategy<Value = Draft> {
    let names = (0..4_usize, 0..5_usize, 0..7_usize, 0..3_usize, prop::option::of(0..3_usize));
    (0..200_u64, names, 0..8_usize, 0..5_usize, prop::option::of(0..4_usize)).prop_map(
        |(at, (actor, action, subject, category, person), severity, outcome, correlation)| {
            let mut draft =
                Draft::new(at, ["ana", "bo", "cy", "di"][actor], ACTIONS[action], SUBJECTS[subject])
                    .with_category(Category::new(["a", "b", "c"][category]).unwrap())
                    .with_severity(Severity::ALL[severity])
                    .with_outcome(Outcome::ALL[outcome])
                    .with_reason(["disk full", "Load high", "drill"][severity % 3])
                    .with_field("attempt", i64::try_from(at).unwrap());
            draft.on_behalf_of = person.map(|p| ["ana", "eve", "bo"][p].to_owned());
            draft.correlation_id = correlation.map(|c| format!("c{c}"));
            draft
        },
    )
}

fn filter() -> impl Strategy<Value = Filter> {
    let some = |names: &'static [&'static str]| {
        prop::option::weighted(0.3, prop::collection::vec(prop::sample::select(names), 1..3))
            .prop_map(|v| v.unwrap_or_default().into_iter().map(str::to_owned).collect::<Vec<String>>())
    };
    let classes = (
        prop::option::weighted(0.3, 0..8_usize),
        prop::option::weighted(0.3, 0..5_usize),
        prop::option::weighted(0.5, (0..220_u64, 0..220_u64)),
    );
    let text = prop::option::weighted(0.2, prop::sample::select(&["load", "DISK full", "9", "zzz"][..]));
    let prefix = prop::option::weighted(0.3, prop::sample::select(&["vm", "vm/", "vm/db", "net/a", "q"][..]));
    (
        (
            some(&["ana", "bo", "eve", "zed"]),
            some(&["a", "b"]),
            some(&["vm.*", "*", "vm.start", "vm.d*", "net.open"]),
        ),
        (some(&SUBJECTS), some(&["c0", "c1", "c9"]), classes, text, prefix),
        (1..20_usize, any::<bool>(), 1..50_u64),
    )
        .prop_map(|((actors, categories, actions), (subjects, ids, classes, text, prefix), page)| {
            let mut f = Filter::new().limit(page.0).subject_prefix(prefix.unwrap_or_default());
            (f.actors, f.categories, f.actions) = (actors, categories, actions);
            (f.subjects, f.correlation_ids) = (subjects, ids);
            text.unwrap_or_default().clone_into(&mut f.text);
            f.max_examined = page.2;
            if let Some(s) = classes.0 {
                f = f.severity_at_least(Severity::ALL[s]);
            }
            if let Some(o) = classes.1 {
                f = f.outcome(Outcome::ALL[o]);
            }
            if let Some((a, b)) = classes.2 {
                f = f.from(a).to(b);
            }
            if page.1 { f.newest_first() } else { f }
        })
}

fn log_of(drafts: &[Draft], sorted: bool) -> Log {
    let mut drafts = drafts.to_vec();
    if sorted {
        drafts.sort_by_key(|d| d.at_unix_ms);
    }
    let mut log = Log::new();
    for draft in &drafts {
        log.append(draft).unwrap();
    }
    log
}

fn index_of(log: &Log, settings: IndexSettings) -> Index {
    let mut index = Index::new(settings);
    assert!(log.entries().all(|e| index.push(&e)));
    index
}

/// A log of which some content is not held.
struct Holes {
    log: Log,
    gone: Vec<bool>,
}

impl Source for Holes {
    fn size(&self) -> u64 {
        self.log.size()
    }

    fn entry(&self, seq: u64) -> Option<EntryRef<'_>> {
        let gone = self.gone[usize::try_from(seq / 30).unwrap()] && seq + 1 < self.log.size();
        if gone { None } else { self.log.entry(seq) }
    }
}

/// All pages in turn.
fn all(log: &Log, index: Option<&Index>, filter: &Filter) -> Vec<u64> {
    let (mut filter, mut found) = (filter.clone(), Vec::new());
    loop {
        let page = query::run(log, index, &filter).unwrap();
        assert!(page.hits.len() <= filter.limit && page.examined <= filter.max_examined);
        found.extend(page.hits.iter().map(|e| e.seq));
        match page.next {
            Some(cursor) => filter = filter.after(cursor.to_string().parse().unwrap()),
            None => return found,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn pages_with_and_without_index_equal_the_plain_filter(
        drafts in prop::collection::vec(draft(), 0..300),
        filter in filter(),
        sorted in any::<bool>(),
        left_out in any::<[bool; 3]>(),
    ) {
        let log = log_of(&drafts, sorted);
        let mut settings = IndexSettings::default();
        (settings.actor, settings.subject, settings.action) = (left_out[0], left_out[1], left_out[2]);
        let mut plain: Vec<u64> = log.entries().filter(|e| filter.matches(e)).map(|e| e.seq).collect();
        if filter.order == query::Order::NewestFirst {
            plain.reverse();
        }
        prop_assert_eq!(all(&log, None, &filter), plain.clone());
        prop_assert_eq!(all(&log, Some(&index_of(&log, IndexSettings::default())), &filter), plain.clone());
        prop_assert_eq!(all(&log, Some(&index_of(&log, settings)), &filter), plain);
    }

    #[test]
    fn entries_whose_content_is_gone_are_passed_over(
        drafts in prop::collection::vec(draft(), 1..300),
        gone in prop::collection::vec(any::<bool>(), 10),
        filter in filter(),
        sorted in any::<bool>(),
    ) {
        // Runs of 30 entries are held or gone; the last entry is held.
        let holes = Holes { log: log_of(&drafts, sorted), gone };
        let mut index = Index::default();
        let held = || (0..holes.size()).filter_map(|seq| holes.entry(seq));
        prop_assert!(held().all(|e| index.push(&e)));
        let mut wanted = filter.limit(1_000);
        wanted.max_examined = 1_000;
        let mut plain: Vec<u64> = held().filter(|e| wanted.matches(e)).map(|e| e.seq).collect();
        if wanted.order == query::Order::NewestFirst {
            plain.reverse();
        }
        for index in [None, Some(&index)] {
            let page = query::run(&holes, index, &wanted).unwrap();
            prop_assert_eq!(page.hits.iter().map(|e| e.seq).collect::<Vec<_>>(), plain.clone());
        }
    }

    #[test]
    fn summaries_equal_a_group_by(drafts in prop::collection::vec(draft(), 0..100)) {
        let log = log_of(&drafts, false);
        let summary = Summary::of(log.entries());
        let mut actors: BTreeMap<String, u64> = BTreeMap::new();
        let mut severities: BTreeMap<Severity, u64> = BTreeMap::new();
        for d in &drafts {
            *actors.entry(d.actor.clone()).or_default() += 1;
            *severities.entry(d.severity).or_default() += 1;
        }
        prop_assert_eq!(summary.count, drafts.len() as u64);
        prop_assert_eq!(&summary.actors, &actors);
        prop_assert_eq!(&summary.severities, &severities);
        let back = drafts.windows(2).filter(|w| w[1].at_unix_ms < w[0].at_unix_ms).count() as u64;
        prop_assert_eq!(summary.steps_back, back);
        prop_assert_eq!(summary.categories.values().sum::<u64>(), summary.count);
    }
}

#[test]
fn many_subjects_below_a_path_are_found_through_the_path() {
    let mut log = Log::new();
    for i in 0..2_000_u64 {
        log.append(&Draft::new(
            i,
            "ana",
            "x",
            format!("{}/rack-{}/vm-{i}", ["eu", "us"][usize::from(i % 5 == 0)], i % 7),
        ))
        .unwrap();
    }
    let index = index_of(&log, IndexSettings::default());
    for prefix in ["us/", "us/rack-3/", "us/rack-3/vm-1", "u", "us/rack-"] {
        let filter = Filter::new().subject_prefix(prefix).limit(10_000);
        let plain: Vec<u64> = log.entries().filter(|e| filter.matches(e)).map(|e| e.seq).collect();
        let page = query::run(&log, Some(&index), &filter).unwrap();
        assert_eq!(page.hits.iter().map(|e| e.seq).collect::<Vec<_>>(), plain);
        if prefix.contains('/') {
            assert!(page.examined <= 400, "{prefix}: {}", page.examined);
        }
    }
}

#[test]
fn pages_stay_stable_while_the_log_grows() {
    let mut log = Log::new();
    for i in 0..10 {
        log.append(&Draft::new(i, "ana", "x", "s")).unwrap();
    }
    let filter = Filter::new().limit(4).newest_first();
    let cursor = query::run(&log, None, &filter).unwrap().next.unwrap();
    log.append(&Draft::new(11, "ana", "x", "s")).unwrap();
    let page = query::run(&log, None, &filter.after(cursor)).unwrap();
    assert_eq!(page.hits.iter().map(|e| e.seq).collect::<Vec<_>>(), [5, 4, 3, 2]);
}

#[test]
fn foreign_cursors_and_stale_indexes_are_refused() {
    let mut log = Log::new();
    for i in 0..10 {
        log.append(&Draft::new(i, "ana", "x", "s")).unwrap();
    }
    let cursor = query::run(&log, None, &Filter::new().limit(1)).unwrap().next.unwrap();
    let other = Filter::new().actor("ana").after(cursor);
    assert_eq!(query::run(&log, None, &other).unwrap_err(), QueryError::OtherQuery);
    let stale = query::run(&log, Some(&Index::default()), &Filter::new()).unwrap_err();
    assert_eq!(stale, QueryError::StaleIndex { indexed: 0, size: 10 });
    for bad in ["", "1", "1-", "x-00000000", "1-0000000", "1-0000000g", "-1-00000000"] {
        assert!(bad.parse::<query::Cursor>().is_err(), "{bad}");
    }
}

#[test]
fn an_answer_that_leaves_out_or_adds_an_entry_is_found_by_repeating_it() {
    let mut log = Log::new();
    for i in 0..50_u64 {
        log.append(&Draft::new(i, if i % 2 == 0 { "ana" } else { "bo" }, "x", "s")).unwrap();
    }
    let filter = Filter::new().actor("ana").limit(1_000);
    let hits = query::run(&log, None, &filter).unwrap().hits;
    let honest = Answer::new(&filter, log.head(), hits.iter().copied());
    assert_eq!(honest.check(&log, &filter), Ok(()));
    let short = Answer::new(&filter, log.head(), hits[1..].iter().copied());
    assert_eq!(short.check(&log, &filter), Err(AnswerError::Wrong { given: 24, expected: 25 }));
    let swapped = Answer::new(&filter, log.head(), hits[1..].iter().copied().chain(log.entry(1)));
    assert_eq!(swapped.check(&log, &filter), Err(AnswerError::Wrong { given: 25, expected: 25 }));
    // The log grows by the record of the question itself; the answer still holds.
    log.append(&honest.draft(99, "auditor", &filter)).unwrap();
    assert_eq!(honest.check(&log, &filter), Ok(()));
}
