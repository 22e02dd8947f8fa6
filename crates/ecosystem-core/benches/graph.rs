//! Speed of the map and its analyses at 100,000 components and 1,000,000 edges, petgraph's bare algorithms beside ours.
#![allow(missing_docs, reason = "criterion's macro makes an undocumented function")]
#![allow(clippy::unwrap_used, reason = "the inputs are valid by construction")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ecosystem_core::analysis::{
    CentralitySettings, Digraph, EdgeSelection, SinglePointSettings, blast_radius, centrality, communities,
    single_points_of_failure, start_order, strong_components,
};
use ecosystem_core::manifest::{self, ParseOptions, Source};
use ecosystem_core::{
    Component, ComponentId, Dependency, DependencyKind, Ecosystem, EcosystemBuilder, Kind, diff,
};
use petgraph::graph::{DiGraph, NodeIndex};
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const NODES: usize = 100_000;
const EDGES: usize = 1_000_000;

/// Pairs from low to high numbers, two in a thousand the other way round: mostly a hierarchy, with cycles.
fn pairs(nodes: usize, edges: usize) -> Vec<(u32, u32)> {
    let mut state = 42_u64;
    let mut draw = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let mut list = Vec::with_capacity(edges);
    while list.len() < edges {
        let a = u32::try_from(draw() % nodes as u64).unwrap();
        let b = u32::try_from(draw() % nodes as u64).unwrap();
        if a != b {
            let back = draw() % 1_000 < 2;
            list.push(if back { (a.max(b), a.min(b)) } else { (a.min(b), a.max(b)) });
        }
    }
    list
}

fn builder(pairs: &[(u32, u32)], renamed: usize) -> EcosystemBuilder {
    let names: Vec<ComponentId> =
        (0..NODES).map(|n| ComponentId::new(format!("component-{n}")).unwrap()).collect();
    let mut builder = Ecosystem::builder("bench");
    for (n, name) in names.iter().enumerate() {
        let mut component = Component::new(name.clone(), Kind::Container);
        component.replicas = if n < renamed { 2 } else { 1 };
        builder = builder.component(component);
    }
    for &(a, b) in pairs {
        let (from, to) = (names[a as usize].clone(), names[b as usize].clone());
        builder = builder.dependency(Dependency::new(from, to, DependencyKind::Call));
    }
    builder
}

fn bare(pairs: &[(u32, u32)]) -> DiGraph<(), ()> {
    let mut graph = DiGraph::with_capacity(NODES, pairs.len());
    for _ in 0..NODES {
        graph.add_node(());
    }
    for &(a, b) in pairs {
        graph.add_edge(NodeIndex::new(a as usize), NodeIndex::new(b as usize), ());
    }
    graph
}

fn large(c: &mut Criterion) {
    let mut group = c.benchmark_group("100k_components_1m_edges");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    let pairs = pairs(NODES, EDGES);
    let parts = builder(&pairs, 0);
    let map = parts.clone().build().unwrap();
    let graph = EdgeSelection::ALL.graph(&map);
    let peer = bare(&pairs);

    group.bench_function("build/ours_from_parts", |b| {
        b.iter_batched(|| parts.clone(), |parts| parts.build().unwrap(), BatchSize::LargeInput);
    });
    group.bench_function("build/petgraph_bare_indices", |b| b.iter(|| bare(black_box(&pairs))));
    group.bench_function("index_arrays/ours", |b| b.iter(|| Digraph::new(NODES, black_box(&pairs)).unwrap()));
    group.bench_function("scc/ours", |b| b.iter(|| strong_components(black_box(&graph))));
    group.bench_function("scc/petgraph_kosaraju", |b| {
        b.iter(|| petgraph::algo::kosaraju_scc(black_box(&peer)));
    });
    group.bench_function("scc_and_start_order/ours", |b| b.iter(|| start_order(black_box(&map))));
    // no peer here: Kosaraju's components are in order already, and petgraph's condensation takes 15 s on this graph
    let hub = ComponentId::new("component-99000").unwrap();
    assert!(blast_radius(&map, &hub).unwrap().affected.len() > 10_000);
    group.bench_function("blast_radius/ours", |b| b.iter(|| blast_radius(black_box(&map), &hub)));
    group.bench_function("blast_radius/petgraph_bfs", |b| {
        b.iter(|| {
            let turned = petgraph::visit::Reversed(&peer);
            let mut bfs = petgraph::visit::Bfs::new(turned, NodeIndex::new(99_000));
            let mut count = 0;
            while bfs.next(turned).is_some() {
                count += 1;
            }
            count
        });
    });
    let other = builder(&pairs[1_000..], 1_000).build().unwrap();
    group.bench_function("diff/nothing_shared_2k_changes", |b| {
        b.iter(|| diff(black_box(&map), black_box(&other)));
    });
    let change = diff(&map, &other);
    group.bench_function("apply/2k_changes", |b| b.iter(|| change.apply(black_box(&map)).unwrap()));
    let mut settings = SinglePointSettings::default();
    settings.work_max = 5_000_000;
    group.bench_function("single_points_of_failure/5m_steps", |b| {
        b.iter(|| single_points_of_failure(black_box(&map), &settings));
    });
    group.finish();
}

/// A map of the size of a company: everything at once.
fn company(c: &mut Criterion) {
    let mut group = c.benchmark_group("chains_and_middle");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    let chain: Vec<(u32, u32)> = (0..999_999).map(|n| (n, n + 1)).collect();
    let chain = Digraph::new(1_000_000, &chain).unwrap();
    group.bench_function("scc/chain_of_1m", |b| b.iter(|| strong_components(black_box(&chain))));
    let list = pairs(2_000, 10_000);
    let names: Vec<ComponentId> = (0..2_000).map(|n| ComponentId::new(format!("c{n}")).unwrap()).collect();
    let mut parts = Ecosystem::builder("middle");
    for name in &names {
        parts = parts.component(Arc::new(Component::new(name.clone(), Kind::Container)));
    }
    for (a, b) in list {
        let (from, to) = (names[a as usize].clone(), names[b as usize].clone());
        parts = parts.dependency(Dependency::new(from, to, DependencyKind::Call));
    }
    let map = parts.build().unwrap();
    group.bench_function("centrality/2k_components_10k_edges", |b| {
        b.iter(|| centrality(black_box(&map), &CentralitySettings::default()));
    });
    group.bench_function("communities/2k_components_10k_edges", |b| {
        b.iter(|| communities(black_box(&map), EdgeSelection::ALL));
    });
    group.finish();
}

/// About 2.9 MB of Kubernetes in 4,700 documents: a Deployment, a Service and their variables for each of 2,350 parts.
fn manifests(c: &mut Criterion) {
    let mut text = String::new();
    for n in 0..2_350 {
        let _ = write!(
            text,
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: service-{n}\n  labels: {{app: service-{n}, tier: \"{}\"}}\nspec:\n  replicas: {}\n  selector:\n    matchLabels:\n      app: service-{n}\n  template:\n    metadata:\n      labels:\n        app: service-{n}\n    spec:\n      serviceAccountName: service-{n}\n      containers:\n      - name: main\n        image: registry.example/team/service-{n}:1.{}.0\n        ports:\n        - containerPort: 8080\n        readinessProbe:\n          httpGet: {{path: /healthz, port: 8080}}\n          periodSeconds: 10\n        env:\n        - name: PORT\n          value: \"8080\"\n        - name: FIRST_SERVICE_ADDR\n          value: \"service-{}:8080\"\n        - name: SECOND_SERVICE_URL\n          value: http://service-{}:8080/api\n        - name: LOG_LEVEL\n          value: info\n        resources:\n          requests:\n            cpu: 100m\n            memory: 64Mi\n          limits:\n            cpu: 200m\n            memory: 128Mi\n        securityContext:\n          allowPrivilegeEscalation: false\n          readOnlyRootFilesystem: true\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: service-{n}\nspec:\n  type: ClusterIP\n  selector:\n    app: service-{n}\n  ports:\n  - name: http\n    port: 8080\n    targetPort: 8080\n",
            n % 4,
            1 + n % 5,
            n % 17,
            (n * 7 + 1) % 2_350,
            (n * 13 + 5) % 2_350,
        );
    }
    assert!((2_800_000..3_200_000).contains(&text.len()), "{}", text.len());
    let parse = || manifest::parse(&[Source::new("all.yaml", &text)], &ParseOptions::default()).unwrap();
    assert_eq!(parse().ecosystem.len(), 2_350);
    let mut group = c.benchmark_group("manifests");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.bench_function("kubernetes/3_mb_in_4700_documents", |b| b.iter(parse));
    group.finish();
}

criterion_group!(benches, large, company, manifests);
criterion_main!(benches);
