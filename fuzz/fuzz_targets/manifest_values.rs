//! Any text as every kind of value: quantities, windows, images, ports, addresses, variables; read through the manifests
//! that hold such values.
#![no_main]

use ecosystem_core::export::native;
use ecosystem_core::manifest::{Budgets, Format, ParseOptions, Source, parse, parse_infrastructure};
use ecosystem_core::{MaintenanceWindow, ReplicaId, Timestamp, diff};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    let fill = |template: &str| template.replace('@', &quoted);
    let mut options = ParseOptions::default();
    options.budgets = Budgets::default();

    options.format = Some(Format::Native);
    for key in [
        "image: @", "version: @", "replicas: @", "resources: {cpu: @}", "resources: {memory: @}", "resources: {network: @}",
        "resources: {gpu: @}", "slo: {latency_p99: @}", "slo: {availability: @}", "max_unavailable: @", "maintenance: @",
        "dirty_rate: @", "ports: [@]", "licences: {a: @}", "depends_on: [{on: b, port: @}]",
        "depends_on: [{on: b, calls_per_second: @}]", "depends_on: [{on: b, traffic: @}]", "depends_on: [{on: b, payload: @}]",
        "depends_on: [{on: b, latency_budget: @}]", "depends_on: [{on: b, fan_out: @}]",
    ] {
        let manifest = format!("version: 1\ncomponents: {{a: {{{}}}, b: {{}}}}", fill(key));
        let Ok(parsed) = parse(&[Source::new("fuzz", &manifest)], &options) else { continue };
        let own = native::file(&parsed.ecosystem);
        let back = parse(&[Source::new("own", &own)], &options).expect("our own manifest is valid");
        let changes = diff(&parsed.ecosystem, &back.ecosystem);
        assert!(changes.changed.is_empty() && changes.edges_removed.is_empty(), "{own}\n{changes}");
    }

    options.format = Some(Format::Compose);
    let compose = fill(
        "services: {a: {image: @, environment: {A: @, B_URL: @}, command: @, ports: [@], cpus: @, mem_limit: @, links: [@], \
         volumes: [@], deploy: {placement: {constraints: [@]}}}, b: {container_name: @}}",
    );
    let with_file = options.clone().with_env_file(Source::new(".env", data));
    let _ = parse(&[Source::new("fuzz", &compose)], &with_file);

    options.format = Some(Format::Kubernetes);
    let kubernetes = fill(
        "{apiVersion: v1, kind: List, items: [{kind: Pod, metadata: {name: a}, spec: {containers: [{name: c, image: @, command: [@], \
         env: [{name: A, value: @}, {name: B, value: $(A)}], resources: {requests: {cpu: @, memory: @, x.y/z: @}}, \
         ports: [{containerPort: @}]}], tolerations: [{key: @, value: @}]}}, {kind: Service, metadata: {name: b}, spec: \
         {selector: {}, ports: [{port: @}]}}, {kind: Secret, metadata: {name: s}, data: {k: @}}]}",
    );
    let _ = parse(&[Source::new("fuzz", &kubernetes)], &options);

    let ground = fill(
        "version: 1\nlatency: {same_rack: @}\nregions: {r: {zones: {z: {racks: {k: {hosts: {\"h{n}\": {capacity: {cpu: 4, memory: @}, \
         overcommit: {cpu: @}, price_per_hour: @, power: {curve: {50%: @}}, link: @, maintenance: @}}}}}}}}",
    );
    let _ = parse_infrastructure(&[Source::new("fuzz", &ground)], &ParseOptions::default());

    if let Ok(window) = text.parse::<MaintenanceWindow>() {
        assert_eq!(window.to_string().parse(), Ok(window));
        let _ = window.next(Timestamp::from_unix_ms(u64::MAX));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        assert_eq!(at.to_string().parse(), Ok(at));
    }
    let _ = text.parse::<ReplicaId>();
});
