//! The registry against a plain model of it, its record against its state, a restart from files; the cache against a naive one
//! and against the optimum.
#![allow(
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "a test prints what it counted and fails by panicking"
)]

use ecosystem_forecast::registry::{
    Better, Cache, ContentHash, ENTRY_BYTES, Eviction, FetchError, Limits, Measure, MemoryStore, Metadata,
    ModelStore, PromotionRule, Registry, RegistryChange, RegistryError, RegistryEvent, Stage, VersionId,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Command {
    Register { content: u8, parent: u32 },
    Score(u32, i8),
    Stage(u32),
    Promote(u32, bool),
    RollBack,
    Archive(u32),
    Remove(u32),
}

fn command() -> impl Strategy<Value = Command> {
    let version = 0_u32..8;
    prop_oneof![
        3 => (0_u8..12, 0_u32..8).prop_map(|(content, parent)| Command::Register { content, parent }),
        3 => (version.clone(), -3_i8..4).prop_map(|(v, s)| Command::Score(v, s)),
        4 => version.clone().prop_map(Command::Stage),
        4 => (version.clone(), any::<bool>()).prop_map(|(v, rule)| Command::Promote(v, rule)),
        2 => Just(Command::RollBack),
        2 => version.clone().prop_map(Command::Archive),
        1 => version.prop_map(Command::Remove),
    ]
}

fn limits() -> Limits {
    Limits { names: 2, versions: 5, name_bytes: 8, metadata_bytes: 200 }
}

fn measure() -> Measure {
    Measure::new("mase", "week 47")
}

fn rule() -> PromotionRule {
    PromotionRule::no_worse(measure(), Better::Lower).with_bound(2.0)
}

/// One model as a person would keep it on paper.
#[derive(Clone, Debug, Default)]
struct Paper {
    given: u32,
    /// Number, content, stage, score.
    rows: Vec<(u32, u8, Stage, Option<i8>)>,
    left_production: Vec<u32>,
}

impl Paper {
    fn row(&mut self, version: u32) -> Option<&mut (u32, u8, Stage, Option<i8>)> {
        self.rows.iter_mut().find(|row| row.0 == version)
    }

    fn production(&self) -> Option<u32> {
        self.rows.iter().find(|row| row.2 == Stage::Production).map(|row| row.0)
    }

    /// Executes a command if it is allowed; the version it was about.
    fn execute(&mut self, command: Command, parent_known: bool) -> Option<u32> {
        let present = self.production();
        match command {
            Command::Register { content, .. } => {
                if self.rows.len() == 5 || self.rows.iter().any(|row| row.1 == content) || !parent_known {
                    return None;
                }
                self.given += 1;
                self.rows.push((self.given, content, Stage::Registered, None));
                Some(self.given)
            }
            Command::Score(version, score) => {
                self.row(version)?.3 = Some(score);
                Some(version)
            }
            Command::Stage(version) => {
                let row = self.row(version)?;
                if row.2 != Stage::Registered && row.2 != Stage::Archived {
                    return None;
                }
                row.2 = Stage::Staged;
                self.left_production.retain(|left| *left != version);
                Some(version)
            }
            Command::Promote(version, ruled) => {
                let now = present.map(|present| self.row(present).unwrap().3);
                let row = self.row(version)?;
                if row.2 != Stage::Staged {
                    return None;
                }
                // All scores are within the bound of 2 but 3.
                if ruled && (row.3? > 2 || now.is_some_and(|now| now.is_none() || row.3 > now)) {
                    return None;
                }
                row.2 = Stage::Production;
                if let Some(present) = present {
                    self.row(present)?.2 = Stage::Archived;
                    self.left_production.push(present);
                }
                Some(version)
            }
            Command::RollBack => {
                let version = self.left_production.pop()?;
                if let Some(present) = present {
                    self.row(present)?.2 = Stage::Archived;
                }
                self.row(version)?.2 = Stage::Production;
                Some(version)
            }
            Command::Archive(version) => {
                let row = self.row(version)?;
                if row.2 == Stage::Archived {
                    return None;
                }
                if row.2 == Stage::Production {
                    self.left_production.push(version);
                }
                self.row(version)?.2 = Stage::Archived;
                Some(version)
            }
            Command::Remove(version) => {
                if self.row(version)?.2 != Stage::Archived {
                    return None;
                }
                self.rows.retain(|row| row.0 != version);
                self.left_production.retain(|left| *left != version);
                Some(version)
            }
        }
    }
}

fn prepare(
    registry: &Registry,
    at: u64,
    name: &str,
    command: Command,
) -> Result<RegistryEvent, RegistryError> {
    match command {
        Command::Register { content, parent } => {
            let parent = (parent > 0).then(|| VersionId { name: "a".into(), version: parent });
            registry.register(at, name, (ContentHash::of(&[content]), 1), Metadata::default(), parent)
        }
        Command::Score(version, score) => registry.score(at, name, version, measure(), f64::from(score)),
        Command::Stage(version) => registry.stage(at, name, version),
        Command::Promote(version, ruled) => registry.promote(at, name, version, ruled.then(rule)),
        Command::RollBack => registry.roll_back(at, name),
        Command::Archive(version) => registry.archive(at, name, version),
        Command::Remove(version) => registry.remove(at, name, version),
    }
}

fn same(registry: &Registry, name: &str, paper: &Paper) {
    let rows: Vec<_> = registry
        .versions(name)
        .map(|v| (v.version, v.content, v.stage, v.scores.get(&measure()).copied()))
        .collect();
    let wanted: Vec<_> = paper
        .rows
        .iter()
        .map(|row| (row.0, ContentHash::of(&[row.1]), row.2, row.3.map(f64::from)))
        .collect();
    assert_eq!(rows, wanted);
    assert_eq!(registry.production(name).map(|v| v.version), paper.production());
    for row in &rows {
        assert!(registry.lineage(name, row.0).len() <= 40);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_commands_lead_to_what_paper_says_and_the_record_leads_there_again(
        commands in prop::collection::vec((any::<bool>(), command(), 0_u64..100), 0..120)
    ) {
        let mut registry = Registry::new(limits());
        let mut papers = BTreeMap::from([("a", Paper::default()), ("b", Paper::default())]);
        let mut log = Vec::new();
        let mut last = 0;
        for (first, command, at) in commands {
            let name = if first { "a" } else { "b" };
            let parent_known = match command {
                Command::Register { parent, .. } => parent == 0 || papers["a"].rows.iter().any(|row| row.0 == parent),
                _ => true,
            };
            let before = registry.clone();
            let prepared = prepare(&registry, at, name, command);
            prop_assert_eq!(&before, &registry, "preparing changes nothing");
            let wanted = papers.get_mut(name).unwrap().execute(command, parent_known);
            prop_assert_eq!(prepared.as_ref().ok().map(|event| event.subject.version), wanted, "{:?} {:?}", command, prepared);
            let Ok(event) = prepared else { continue };
            last = last.max(at);
            prop_assert_eq!(event.at_ms, last, "a clock that steps back stands still");
            registry.apply(&event).unwrap();
            let (expected, found) = (event.sequence + 1, event.sequence);
            prop_assert_eq!(registry.apply(&event), Err(RegistryError::Sequence { expected, found }), "once only");
            log.push(event);
            same(&registry, name, &papers[name]);
        }
        prop_assert_eq!(registry.events(), log.len() as u64);
        #[cfg(feature = "serde")]
        {
            let text = serde_json::to_string(&registry).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Registry>(&text).unwrap(), &registry);
            let text = serde_json::to_string(&log).unwrap();
            log = serde_json::from_str(&text).unwrap();
        }
        prop_assert_eq!(Registry::replay(limits(), &log).unwrap(), registry);
        // A record with a hole is noticed.
        if log.len() > 2 {
            drop(log.remove(log.len() / 2));
            let holed = matches!(Registry::replay(limits(), &log), Err(RegistryError::Sequence { .. }));
            prop_assert!(holed);
        }
    }

    #[test]
    fn a_cache_is_the_naive_one_and_never_above_its_bytes(
        limit in 0_usize..2000,
        frequent in any::<bool>(),
        calls in prop::collection::vec((0_u8..3, 0_u8..12, 0_usize..600), 0..200)
    ) {
        let eviction = if frequent { Eviction::LeastFrequent } else { Eviction::LeastRecent };
        let mut cache = Cache::new(limit).with_eviction(eviction);
        // Key, value, cost, rank; the longest unused first.
        let mut naive: Vec<(u8, usize, usize, u64)> = Vec::new();
        let mut age = 0;
        for (at, (call, key, bytes)) in calls.into_iter().enumerate() {
            let found = naive.iter().position(|entry| entry.0 == key);
            match call {
                0 => {
                    prop_assert_eq!(cache.peek(&key), found.map(|i| &naive[i].1));
                    prop_assert_eq!(cache.get(&key).copied(), found.map(|i| naive[i].1));
                    if let Some(i) = found {
                        let mut entry = naive.remove(i);
                        entry.3 = entry.3.max(age) + 1;
                        naive.push(entry);
                    }
                }
                1 => prop_assert_eq!(cache.remove(&key), found.map(|i| naive.remove(i).1)),
                _ => {
                    if let Some(i) = found {
                        naive.remove(i);
                    }
                    let cost = bytes + ENTRY_BYTES;
                    let inserted = cache.insert(key, at, bytes);
                    if cost > limit {
                        prop_assert_eq!(inserted.unwrap_err().value, at);
                        continue;
                    }
                    let mut evicted = Vec::new();
                    while naive.iter().map(|entry| entry.2).sum::<usize>() + cost > limit {
                        let lowest = if frequent { naive.iter().map(|entry| entry.3).min().unwrap() } else { 0 };
                        let i = naive.iter().position(|entry| !frequent || entry.3 == lowest).unwrap();
                        age = lowest;
                        let entry = naive.remove(i);
                        evicted.push((entry.0, entry.1));
                    }
                    prop_assert_eq!(inserted.unwrap(), evicted);
                    naive.push((key, at, cost, age + 1));
                }
            }
            prop_assert!(cache.bytes() <= limit);
            prop_assert_eq!(cache.bytes(), naive.iter().map(|entry| entry.2).sum::<usize>());
            prop_assert_eq!(cache.len(), naive.len());
        }
    }

    #[test]
    fn least_recent_misses_no_more_than_sleator_and_tarjan_allow(
        stream in prop::collection::vec(0_u32..14, 0..300), places in 1_usize..12, fewer in 0_usize..12
    ) {
        let optimal = places.saturating_sub(fewer).max(1);
        let ours = misses(&stream, places, Eviction::LeastRecent);
        let least = belady(&stream, optimal);
        // k/(k−h+1) of the optimum with h places; both begin empty.
        prop_assert!(ours * (places - optimal + 1) <= places * least, "{ours} against {least}");
        prop_assert!(belady(&stream, places) <= misses(&stream, places, Eviction::LeastFrequent));
    }
}

/// Misses of our cache with so many equal places.
fn misses(stream: &[u32], places: usize, eviction: Eviction) -> usize {
    let mut cache: Cache<u32, ()> = Cache::new(places * (100 + ENTRY_BYTES)).with_eviction(eviction);
    stream.iter().filter(|model| cache.get(model).is_none() && cache.insert(**model, (), 100).is_ok()).count()
}

/// Misses of the optimum that knows the future: what is needed latest goes (Belady 1966); optimal for equal sizes.
fn belady(stream: &[u32], places: usize) -> usize {
    let mut next = vec![usize::MAX; stream.len()];
    let mut seen = BTreeMap::new();
    for (at, model) in stream.iter().enumerate().rev() {
        next[at] = seen.insert(model, at).unwrap_or(usize::MAX);
    }
    let mut kept: BTreeMap<u32, usize> = BTreeMap::new();
    let mut misses = 0;
    for (at, model) in stream.iter().enumerate() {
        if kept.insert(*model, next[at]).is_some() {
            continue;
        }
        misses += 1;
        if kept.len() > places {
            let latest =
                *kept.iter().filter(|(other, _)| *other != model).max_by_key(|(_, next)| **next).unwrap().0;
            kept.remove(&latest);
        }
    }
    misses
}

/// Models asked for as in a fleet: Zipf with exponent 1 over 400 models; halfway others become popular.
fn skewed_stream() -> Vec<u32> {
    let weights: Vec<f64> = (1..=400).map(|rank| 1.0 / f64::from(rank)).collect();
    let total: f64 = weights.iter().sum();
    let mut state = 7_u64;
    (0..20_000)
        .map(|at| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut left = (state >> 11) as f64 / (1_u64 << 53) as f64 * total;
            let rank = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            let rank = u32::try_from(rank.unwrap_or(399)).unwrap();
            if at < 10_000 { rank } else { (rank + 200) % 400 }
        })
        .collect()
}

#[test]
fn on_a_skewed_stream_the_cache_hits_most_of_what_the_optimum_hits() {
    let stream = skewed_stream();
    for (places, recent, frequent) in [(20, 0.60, 0.65), (80, 0.70, 0.75)] {
        let hits = |misses: usize| (stream.len() - misses) as f64 / stream.len() as f64;
        let best = hits(belady(&stream, places));
        let lru = hits(misses(&stream, places, Eviction::LeastRecent));
        let lfu = hits(misses(&stream, places, Eviction::LeastFrequent));
        println!("{places} places of 400: optimum {best:.3}, least recent {lru:.3}, least frequent {lfu:.3}");
        assert!(lru <= best && lfu <= best);
        assert!(lru >= recent * best && lfu >= frequent * best, "{places}: {lru} {lfu} {best}");
    }
}

/// What a host does: record, then apply.
fn record(
    registry: &mut Registry,
    log: &mut Vec<RegistryEvent>,
    event: Result<RegistryEvent, RegistryError>,
) {
    let event = event.unwrap();
    registry.apply(&event).unwrap();
    log.push(event);
}

#[test]
fn a_worse_version_does_not_get_into_production_and_the_error_says_by_how_much() {
    let (mut registry, mut log) = (Registry::new(Limits::default()), Vec::new());
    for (version, score) in [(1, 10.0), (2, 10.4)] {
        let event = registry.register(0, "m", (ContentHash::of(&[version]), 1), Metadata::default(), None);
        record(&mut registry, &mut log, event);
        let version = u32::from(version);
        let event = registry.score(0, "m", version, measure(), score);
        record(&mut registry, &mut log, event);
        let event = registry.stage(0, "m", version);
        record(&mut registry, &mut log, event);
        if version == 1 {
            let event = registry.promote(0, "m", 1, None);
            record(&mut registry, &mut log, event);
        }
    }
    let ask = |rule| registry.promote(0, "m", 2, Some(rule));
    let lower = PromotionRule::no_worse(measure(), Better::Lower);
    let worse = RegistryError::Worse { version: 2, measure: measure(), found: 10.4, needed: 10.0 };
    assert_eq!(ask(lower.clone()), Err(worse.clone()));
    assert_eq!(worse.to_string(), "version 2 has 10.4 of `mase` on `week 47`: the rule asks for 10");
    assert!(ask(lower.clone().with_margin(0.05)).is_ok());
    let better = PromotionRule::no_worse(measure(), Better::Higher);
    assert!(ask(better.clone()).is_ok());
    assert!(
        matches!(ask(better.clone().with_margin(-0.05)), Err(RegistryError::Worse { .. })),
        "not 5 % better"
    );
    assert!(matches!(ask(better.with_bound(11.0)), Err(RegistryError::Worse { .. })));
    for margin in [f64::NAN, 1.5, f64::INFINITY] {
        assert!(matches!(ask(lower.clone().with_margin(margin)), Err(RegistryError::Setting { .. })));
    }
    let other = PromotionRule::no_worse(Measure::new("mase", "week 48"), Better::Lower);
    assert!(
        matches!(ask(other), Err(RegistryError::NoScore { version: 2, .. })),
        "other data is no comparison"
    );
    assert!(matches!(registry.score(0, "m", 2, measure(), f64::NAN), Err(RegistryError::Setting { .. })));
}

#[test]
fn nothing_grows_beyond_its_limits() {
    let registry = Registry::new(limits());
    let kept = (ContentHash::of(b""), 0);
    let long = Metadata { kind: "k".repeat(201), ..Metadata::default() };
    let refused = registry.register(0, "m", kept, long, None);
    assert_eq!(refused, Err(RegistryError::Limit { what: "bytes of metadata", found: 201, limit: 200 }));
    for name in ["", "too long a name", "a\nb"] {
        let refused = registry.register(0, name, kept, Metadata::default(), None);
        assert!(matches!(refused, Err(RegistryError::Name { limit: 8, .. })), "{name:?}");
    }
    let (mut registry, mut log) = (registry, Vec::new());
    for name in ["a", "b"] {
        let event = registry.register(0, name, kept, Metadata::default(), None);
        record(&mut registry, &mut log, event);
    }
    let third = registry.register(0, "c", kept, Metadata::default(), None);
    assert_eq!(third, Err(RegistryError::Limit { what: "names", found: 3, limit: 2 }));
    let full = (0..100).find_map(|n| {
        let event = registry.score(0, "a", 1, Measure::new("mase", format!("week {n}")), 1.0);
        event.and_then(|event| registry.apply(&event)).err()
    });
    assert!(matches!(full, Some(RegistryError::Limit { what: "bytes of metadata", .. })));
}

#[test]
fn two_changes_prepared_from_one_state_do_not_both_happen() {
    let (mut registry, mut log) = (Registry::new(Limits::default()), Vec::new());
    for content in [1, 2] {
        let event = registry.register(0, "m", (ContentHash::of(&[content]), 1), Metadata::default(), None);
        record(&mut registry, &mut log, event);
        let event = registry.stage(0, "m", u32::from(content));
        record(&mut registry, &mut log, event);
    }
    let (one, other) =
        (registry.promote(0, "m", 1, None).unwrap(), registry.promote(0, "m", 2, None).unwrap());
    registry.apply(&one).unwrap();
    assert!(matches!(registry.apply(&other), Err(RegistryError::Sequence { expected: 5, found: 4 })));
    // Forged: the right number, but it says that nothing was replaced.
    let mut forged = other;
    forged.sequence = 5;
    assert!(matches!(registry.apply(&forged), Err(RegistryError::Inconsistent { .. })));
    assert!(matches!(forged.change, RegistryChange::Promoted { replaced: None, .. }));
    assert_eq!(registry.production("m").map(|version| version.version), Some(1));
}

#[test]
fn wrong_and_missing_bytes_are_told_apart_and_unused_ones_go() {
    let (mut registry, mut log) = (Registry::new(Limits::default()), Vec::new());
    let mut store = MemoryStore::default();
    let kept = store.keep(b"weights").unwrap();
    let event = registry.register(0, "m", kept, Metadata::default(), None);
    record(&mut registry, &mut log, event);
    let version = registry.version("m", 1).unwrap();
    assert_eq!(store.fetch(version).unwrap(), b"weights");
    store.put(&kept.0, b"weighty").unwrap();
    let wrong = FetchError::Wrong { expected: kept.0, found: ContentHash::of(b"weighty"), bytes: 7 };
    assert_eq!(store.fetch(version), Err(wrong));
    let stray = store.keep(b"nobody's").unwrap().0;
    assert_eq!(store.delete_unused(&registry).unwrap().into_iter().collect::<Vec<_>>(), [stray]);
    assert!(store.delete(&kept.0).unwrap() && !store.delete(&kept.0).unwrap());
    assert_eq!(store.fetch(version), Err(FetchError::Missing { expected: kept.0 }));
}

/// A host's directory: bytes in files named by their hash, the record in one line per event.
#[cfg(feature = "serde")]
mod directory {
    use super::{ContentHash, Limits, ModelStore, Registry, RegistryEvent};
    use std::io::{Error, ErrorKind, Write as _};
    use std::path::PathBuf;

    pub(super) struct Directory(pub(super) PathBuf);

    #[expect(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "a host does the IO that the library does not"
    )]
    impl ModelStore for Directory {
        type Error = Error;

        fn get(&self, content: &ContentHash) -> Result<Option<Vec<u8>>, Error> {
            match std::fs::read(self.0.join(content.to_string())) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                read => read.map(Some),
            }
        }

        fn put(&mut self, content: &ContentHash, bytes: &[u8]) -> Result<(), Error> {
            // Under its name only when it is whole.
            let unfinished = self.0.join("unfinished");
            let mut file = std::fs::File::create(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(unfinished, self.0.join(content.to_string()))
        }

        fn list(&self) -> Result<Vec<ContentHash>, Error> {
            let names = std::fs::read_dir(&self.0)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().parse().ok()));
            names.filter_map(Result::transpose).collect()
        }

        fn delete(&mut self, content: &ContentHash) -> Result<bool, Error> {
            match std::fs::remove_file(self.0.join(content.to_string())) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                deleted => deleted.map(|()| true),
            }
        }
    }

    #[expect(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "a host does the IO that the library does not"
    )]
    impl Directory {
        pub(super) fn record(&self, event: &RegistryEvent) {
            let mut log =
                std::fs::File::options().append(true).create(true).open(self.0.join("events")).unwrap();
            writeln!(log, "{}", serde_json::to_string(event).unwrap()).unwrap();
        }

        pub(super) fn reopen(&self) -> Registry {
            let log = std::fs::read_to_string(self.0.join("events")).unwrap();
            let events: Vec<RegistryEvent> =
                log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            Registry::replay(Limits::default(), &events).unwrap()
        }
    }
}

#[cfg(feature = "serde")]
#[test]
fn after_a_restart_registry_and_models_are_the_same_and_damage_is_noticed() {
    use ecosystem_forecast::{Fitted, Forecaster, SeasonalSmoothing};
    let folder = std::env::temp_dir().join(format!("registry-of-models-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut store = directory::Directory(folder.clone());
    let mut registry = Registry::new(Limits::default());
    let (mut forecasts, mut parent) = (Vec::new(), None);
    for days in [7_u32, 14, 21] {
        let load: Vec<f64> =
            (0..days * 24).map(|h| 100.0 + 30.0 * f64::from(h % 24) + f64::from(h * 7 % 11)).collect();
        let fitted = SeasonalSmoothing::new(&[24]).fit(&load).unwrap();
        let kept = store.keep(&serde_json::to_vec(&fitted).unwrap()).unwrap();
        let metadata = Metadata {
            kind: "seasonal-smoothing/json".into(),
            trained_until_ms: u64::from(days) * 86_400_000,
            ..Metadata::default()
        };
        let event = registry.register(1, "load", kept, metadata, parent.take()).unwrap();
        store.record(&event);
        registry.apply(&event).unwrap();
        let version = event.subject.version;
        for prepare in [Registry::stage, |r: &Registry, at, name: &str, v| r.promote(at, name, v, None)] {
            let event = prepare(&registry, 2, "load", version).unwrap();
            store.record(&event);
            registry.apply(&event).unwrap();
        }
        parent = Some(event.subject);
        forecasts.push(fitted.predict(24, &[0.9]).unwrap());
    }
    let back = registry.roll_back(3, "load").unwrap();
    store.record(&back);
    registry.apply(&back).unwrap();

    let reopened = store.reopen();
    assert_eq!(reopened, registry);
    assert_eq!(reopened.production("load").map(|version| version.version), Some(2));
    let line: Vec<u32> = reopened.lineage("load", 3).iter().map(|id| id.version).collect();
    assert_eq!(line, [2, 1]);
    for (version, forecast) in reopened.versions("load").zip(&forecasts) {
        let bytes = store.fetch(version).unwrap();
        let fitted: <SeasonalSmoothing as Forecaster>::Fitted = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(&fitted.predict(24, &[0.9]).unwrap(), forecast, "version {}", version.version);
    }
    assert_eq!(store.list().unwrap().len(), 3);
    let first = reopened.version("load", 1).unwrap();
    let mut bytes = store.get(&first.content).unwrap().unwrap();
    bytes[10] ^= 1;
    store.put(&first.content, &bytes).unwrap();
    assert!(matches!(store.fetch(first), Err(FetchError::Wrong { .. })));
    std::fs::remove_dir_all(folder).unwrap();
}

#[cfg(feature = "serde")]
#[test]
fn a_stored_state_that_no_history_leads_to_is_refused() {
    let (mut registry, mut log) = (Registry::new(Limits::default()), Vec::new());
    for content in [1, 2] {
        let parent = (content == 2).then(|| VersionId { name: "m".into(), version: 1 });
        let event = registry.register(5, "m", (ContentHash::of(&[content]), 1), Metadata::default(), parent);
        record(&mut registry, &mut log, event);
        let event = registry.stage(5, "m", u32::from(content));
        record(&mut registry, &mut log, event);
    }
    let event = registry.promote(5, "m", 1, None);
    record(&mut registry, &mut log, event);
    let text = serde_json::to_string(&registry).unwrap();
    assert!(serde_json::from_str::<Registry>(&text).is_ok());
    for (from, to, why) in [
        (r#""Staged""#, r#""Production""#, "number of versions in production"),
        (r#""production":1"#, r#""production":2"#, "version in production"),
        (r#""earlier":[]"#, r#""earlier":[2]"#, "earlier version"),
        (r#""last":2"#, r#""last":1"#, "last number"),
        (r#""since_ms":5"#, r#""since_ms":6"#, "time of a version"),
        (r#""parent":null"#, r#""parent":{"name":"m","version":2}"#, "order of lineage"),
        (r#""names":10000"#, r#""names":0"#, "number of names"),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        let error = serde_json::from_str::<Registry>(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with(why), "{error} instead of {why}");
    }
}
