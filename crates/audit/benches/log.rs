//! Kernels of the log: append, verify, prove, check a proof, open, seal; with bare `sha2` and `ct-merkle` beside them.
//!
//! Entries have 256 canonical bytes, previous hash included. Ratios within one run are what counts: figures of two runs
//! on a shared machine are not comparable.

use core::hint::black_box;
use core::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ecosystem_audit::seal::{Aead, Aes256Gcm, KeyMaster, MemoryKeyStore, XChaCha20Poly1305};
use ecosystem_audit::verify::{Verifier, verify_segments, verify_segments_parallel};
use ecosystem_audit::{Category, Draft, Hash, Log, State, Tree, Value, Writer, leaf_hash, proof};
use sha2::{Digest as _, Sha256};

const MILLION: u64 = 1_000_000;
const PER_SEGMENT: u64 = 4_096;

/// Full size, or a hundredth when the benches are only tried out (`cargo bench -- --test`).
fn size(full: u64) -> u64 {
    if std::env::args().any(|argument| argument == "--test") { full / 100 } else { full }
}

/// A draft whose canonical form has 256 bytes.
fn draft() -> Draft {
    let draft = Draft::new(1_767_225_600_000, "reconfiguration-engine", "replica.move", "")
        .with_category(Category::PLACEMENT)
        .with_reason("zone-a is full, zone-b has room for it")
        .with_correlation_id("op-0123456789")
        .with_field("from", "host-17")
        .with_field("to", "host-21");
    let mut log = Log::new();
    log.append(&draft).expect("the draft is fine");
    let missing = 256 - log.canonical(0).expect("it was just appended").len();
    let mut draft = draft;
    draft.subject = "replica/db-1/0/".chars().cycle().take(missing).collect();
    log.append(&draft).expect("the draft is fine");
    assert_eq!(log.canonical(1).map(<[u8]>::len), Some(256));
    draft
}

/// A stored log, in segments.
fn stored(entries: u64) -> Vec<Vec<u8>> {
    let (draft, mut writer, mut segments) = (draft(), Writer::new(), Vec::new());
    for i in 0..entries {
        if i % PER_SEGMENT == 0 {
            let mut segment = Vec::with_capacity(270 * usize::try_from(PER_SEGMENT).unwrap_or_default());
            writer.begin_segment(&mut segment);
            segments.push(segment);
        }
        let segment = segments.last_mut().expect("a segment was begun");
        writer.append(&draft, segment).expect("the draft is fine");
    }
    segments
}

fn append(c: &mut Criterion) {
    let entries = size(MILLION);
    let draft = draft();
    let mut group = c.benchmark_group("append");
    group.sample_size(10).measurement_time(Duration::from_secs(5)).warm_up_time(Duration::from_millis(500));
    group.throughput(Throughput::Elements(entries));
    group.bench_function(BenchmarkId::new("bare_sha2_leaf_and_node", entries), |b| {
        let (leaf, mut node) = ([7_u8; 257], [1_u8; 65]);
        b.iter(|| {
            for _ in 0..entries {
                let hash = Sha256::digest(black_box(leaf));
                node[1..33].copy_from_slice(&hash);
                let hash = Sha256::digest(black_box(node));
                node[33..].copy_from_slice(&hash);
            }
            node
        });
    });
    group.bench_function(BenchmarkId::new("writer", entries), |b| {
        let mut segment = Vec::new();
        b.iter(|| {
            let mut writer = Writer::new();
            for i in 0..entries {
                if i % PER_SEGMENT == 0 {
                    segment.clear();
                    writer.begin_segment(&mut segment);
                }
                writer.append(black_box(&draft), &mut segment).expect("the draft is fine");
            }
            writer.root()
        });
    });
    group.bench_function(BenchmarkId::new("log_in_memory", entries), |b| {
        b.iter_batched(
            Log::new,
            |mut log| {
                for _ in 0..entries {
                    log.append(black_box(&draft)).expect("the draft is fine");
                }
                log
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function(BenchmarkId::new("ct_merkle", entries), |b| {
        b.iter_batched(
            MemoryBackedTree::<Sha256, Vec<u8>>::new,
            |mut tree| {
                for _ in 0..entries {
                    tree.push(black_box(vec![7; 256]));
                }
                tree
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn verify(c: &mut Criterion) {
    let entries = size(MILLION);
    let segments = stored(entries);
    let segments: Vec<&[u8]> = segments.iter().map(|segment| &segment[..]).collect();
    let mut group = c.benchmark_group("verify");
    group.sample_size(10).measurement_time(Duration::from_secs(5)).warm_up_time(Duration::from_millis(500));
    group.throughput(Throughput::Elements(entries));
    group.bench_function(BenchmarkId::new("streaming", entries), |b| {
        b.iter(|| {
            let report = verify_segments(segments.iter().copied());
            assert!(report.ok() && report.size == entries);
        });
    });
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
        group.bench_function(BenchmarkId::new(format!("{threads}_threads"), entries), |b| {
            b.iter(|| {
                let report = pool.install(|| verify_segments_parallel(&segments, &[]));
                assert!(report.ok() && report.size == entries);
            });
        });
    }
    group.finish();
}

fn prove(c: &mut Criterion) {
    let entries = size(MILLION);
    let mut tree = Tree::new();
    let mut peer = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for i in 0..entries {
        tree.push(leaf_hash(&i.to_be_bytes()));
        peer.push(i.to_be_bytes().to_vec());
    }
    let view = tree.view(entries).expect("the tree has this size");
    let root = view.root();
    let mut group = c.benchmark_group("prove");
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("bare_sha2_leaf_and_node", "256_bytes"), |b| {
        b.iter(|| (Sha256::digest(black_box([7_u8; 257])), Sha256::digest(black_box([1_u8; 65]))));
    });
    let mut at = 0;
    let mut next = move || {
        at = (at + 611_953) % entries;
        at
    };
    group.bench_function(BenchmarkId::new("inclusion", entries), |b| {
        b.iter(|| view.inclusion(next()).expect("the entry exists"));
    });
    group.bench_function(BenchmarkId::new("inclusion_into_one_buffer", entries), |b| {
        let mut hashes = Vec::new();
        b.iter(|| {
            view.inclusion_into(next(), &mut hashes).expect("the entry exists");
            black_box(hashes.last().copied())
        });
    });
    group.bench_function(BenchmarkId::new("inclusion_of_the_last_thousand", entries), |b| {
        b.iter(|| view.inclusion(entries - 1 - next() % 1_000).expect("the entry exists"));
    });
    group.bench_function(BenchmarkId::new("inclusion_ct_merkle", entries), |b| {
        b.iter(|| peer.prove_inclusion(usize::try_from(next()).expect("a small index")));
    });
    group.bench_function(BenchmarkId::new("consistency", entries), |b| {
        b.iter(|| view.consistency(next()).expect("the log was once that small"));
    });
    let proofs: Vec<(u64, Hash, Vec<Hash>)> = (0..1_000)
        .map(|_| next())
        .map(|i| (i, tree.leaf(i).expect("it exists"), view.inclusion(i).expect("it exists")))
        .collect();
    let mut turn = proofs.iter().cycle();
    group.bench_function(BenchmarkId::new("check_inclusion", entries), |b| {
        b.iter(|| {
            let (index, leaf, hashes) = turn.next().expect("an endless circle");
            proof::verify_inclusion(*index, entries, leaf, hashes, &root).expect("the proof is good");
        });
    });
    group.finish();
}

fn open(c: &mut Criterion) {
    let entries = size(10 * MILLION);
    let (draft, mut writer, mut segment) = (draft(), Writer::new(), Vec::new());
    for i in 0..entries {
        if i % PER_SEGMENT == 0 {
            segment.clear();
            writer.begin_segment(&mut segment);
        }
        writer.append(&draft, &mut segment).expect("the draft is fine");
    }
    let state = writer.state().to_bytes();
    let root = writer.root();
    let mut group = c.benchmark_group("open");
    group.bench_function(BenchmarkId::new("from_state", entries), |b| {
        b.iter(|| {
            let writer = Writer::resume(State::from_bytes(black_box(&state)).expect("it was just written"));
            assert_eq!((writer.size(), writer.root()), (entries, root));
        });
    });
    group.bench_function(BenchmarkId::new("from_last_segment_verified", entries), |b| {
        let header = 12 + usize::from(u16::from_be_bytes([segment[2], segment[3]]));
        b.iter(|| {
            let begin = State::from_bytes(&segment[..header]).expect("a segment begins with a state");
            let mut verifier = Verifier::resume(&begin);
            verifier.push(&segment);
            let report = verifier.finish();
            assert_eq!((report.size, report.root), (entries, root));
        });
    });
    group.finish();
}

fn seal(c: &mut Criterion) {
    let ciphers: [(&str, &[&dyn Aead]); 2] =
        [("aes_256_gcm", &[&Aes256Gcm]), ("xchacha20_poly1305", &[&XChaCha20Poly1305])];
    let value = Value::Bytes(vec![7; 256]);
    let mut group = c.benchmark_group("seal");
    // What `append` measures for a leaf and a node: tells how fast the machine is at this moment.
    group.bench_function(BenchmarkId::new("bare_sha2_leaf_and_node", "256_bytes"), |b| {
        b.iter(|| (Sha256::digest(black_box([7_u8; 257])), Sha256::digest(black_box([1_u8; 65]))));
    });
    for (name, ciphers) in ciphers {
        // Where random bytes come from is the host's business: here they cost next to nothing.
        let mut counter = 0_u8;
        let mut random = |bytes: &mut [u8]| {
            counter = counter.wrapping_add(1);
            bytes.fill(counter);
        };
        let mut store = MemoryKeyStore::new();
        let key =
            KeyMaster::new(&[1; 32], ciphers).issue(&mut store, "person/1", &mut random).expect("a key");
        group.bench_function(BenchmarkId::new(name, "256_bytes"), |b| {
            b.iter(|| key.seal("after", black_box(&value), &mut random).expect("it can be sealed"));
        });
    }
    group.finish();
}

criterion_group!(benches, append, verify, prove, open, seal);
criterion_main!(benches);
