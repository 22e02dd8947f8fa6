//! Image names: their version, and what kind of thing they run.

use crate::component::{Kind, Port};
use crate::finding::Confidence;

/// Splits an image reference into its name without the version, and tag and digest where they are given.
///
/// `registry:5000/team/app:1.2@sha256:…` → (`registry:5000/team/app`, `1.2`, `sha256:…`).
pub(crate) fn split(reference: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = match reference.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (reference, None),
    };
    // A colon before the last slash belongs to the port of the registry. Of several behind it the first ends the name, so that
    // a name is not split again when it is read again.
    let name_start = rest.rfind('/').map_or(0, |at| at + 1);
    match rest.get(name_start..).and_then(|name| name.find(':')) {
        Some(colon) => {
            let (name, tag) = rest.split_at(name_start + colon);
            (name, tag.strip_prefix(':').filter(|t| !t.is_empty()), digest)
        }
        None => (rest, None, digest),
    }
}

/// Last path segments of images that are known to be of one kind. Longer names come first where one begins another.
const KNOWN: &[(&str, Kind)] = &[
    ("postgres", Kind::Database),
    ("postgresql", Kind::Database),
    ("postgis", Kind::Database),
    ("timescaledb", Kind::Database),
    ("pgvector", Kind::Database),
    ("mysql", Kind::Database),
    ("mariadb", Kind::Database),
    ("percona", Kind::Database),
    ("mongo", Kind::Database),
    ("mongodb", Kind::Database),
    ("cassandra", Kind::Database),
    ("scylla", Kind::Database),
    ("cockroach", Kind::Database),
    ("couchdb", Kind::Database),
    ("couchbase", Kind::Database),
    ("elasticsearch", Kind::Database),
    ("opensearch", Kind::Database),
    ("solr", Kind::Database),
    ("influxdb", Kind::Database),
    ("clickhouse", Kind::Database),
    ("clickhouse-server", Kind::Database),
    ("neo4j", Kind::Database),
    ("mssql", Kind::Database),
    ("azure-sql-edge", Kind::Database),
    ("oracle", Kind::Database),
    ("etcd", Kind::Database),
    ("minio", Kind::Database),
    ("prometheus", Kind::Database),
    ("redis", Kind::Cache),
    ("valkey", Kind::Cache),
    ("memcached", Kind::Cache),
    ("dragonfly", Kind::Cache),
    ("keydb", Kind::Cache),
    ("varnish", Kind::Cache),
    ("rabbitmq", Kind::Queue),
    ("kafka", Kind::Queue),
    ("cp-kafka", Kind::Queue),
    ("redpanda", Kind::Queue),
    ("nats", Kind::Queue),
    ("activemq", Kind::Queue),
    ("artemis", Kind::Queue),
    ("pulsar", Kind::Queue),
    ("mosquitto", Kind::Queue),
    ("emqx", Kind::Queue),
    ("nsq", Kind::Queue),
    ("nginx", Kind::Gateway),
    ("openresty", Kind::Gateway),
    ("haproxy", Kind::Gateway),
    ("traefik", Kind::Gateway),
    ("envoy", Kind::Gateway),
    ("caddy", Kind::Gateway),
    ("kong", Kind::Gateway),
    ("apisix", Kind::Gateway),
];

/// Ports that belong to one kind by registration or long custom.
const PORTS: &[(u16, Kind)] = &[
    (5432, Kind::Database),
    (3306, Kind::Database),
    (33060, Kind::Database),
    (1433, Kind::Database),
    (1521, Kind::Database),
    (27017, Kind::Database),
    (9042, Kind::Database),
    (26257, Kind::Database),
    (5984, Kind::Database),
    (9200, Kind::Database),
    (8086, Kind::Database),
    (7687, Kind::Database),
    (6379, Kind::Cache),
    (11211, Kind::Cache),
    (5672, Kind::Queue),
    (9092, Kind::Queue),
    (4222, Kind::Queue),
    (61616, Kind::Queue),
    (1883, Kind::Queue),
    (6650, Kind::Queue),
];

/// What an inference about the kind of a component rests on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Basis {
    Image,
    Port(u16),
}

/// The kind by image name (high confidence for the exact last segment, medium for a segment that begins or ends
/// with a known name and a dash) or, failing that, by its listening ports if all
/// of them say the same (low).
pub(crate) fn kind(image: &str, ports: &[Port]) -> Option<(Kind, Confidence, Basis)> {
    let (name, _, _) = split(image);
    let segments: Vec<String> = name.rsplit('/').take(2).map(str::to_ascii_lowercase).collect();
    if let Some(last) = segments.first() {
        if let Some(&(_, kind)) = KNOWN.iter().find(|(known, _)| known == last) {
            return Some((kind, Confidence::High, Basis::Image));
        }
        // `mcr.microsoft.com/mssql/server`, `mongodb/mongodb-community-server`.
        if matches!(last.as_str(), "server" | "db" | "database")
            && let Some(&(_, kind)) =
                segments.get(1).and_then(|parent| KNOWN.iter().find(|(known, _)| known == parent))
        {
            return Some((kind, Confidence::High, Basis::Image));
        }
        let affixed = |known: &str| {
            last.strip_prefix(known).is_some_and(|rest| rest.starts_with(['-', '_']))
                && !last.ends_with("exporter")
                && !last.ends_with("admin")
                && !last.ends_with("express")
                || last.strip_suffix(known).is_some_and(|rest| rest.ends_with(['-', '_']))
        };
        if let Some(&(_, kind)) = KNOWN.iter().find(|(known, _)| affixed(known)) {
            return Some((kind, Confidence::Medium, Basis::Image));
        }
    }
    // One port of another use says that the component is more than a store.
    let mut kinds = ports.iter().map(|port| PORTS.iter().find(|(number, _)| *number == port.number));
    let &(number, kind) = kinds.next()??;
    kinds.all(|other| other.is_some_and(|(_, k)| *k == kind)).then_some((
        kind,
        Confidence::Low,
        Basis::Port(number),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_name_without_its_version_is_not_split_again() {
        for wrong in [
            "sat,sun 23:00-03:00",
            "${REPO-local}/a${API_PORT:owner{SUFFIX:pi",
            "a:b/c:d:e@f:g",
            "x:y/",
            "a:",
            ":",
            "@:",
        ] {
            let (name, _, _) = split(wrong);
            assert_eq!(split(name), (name, None, None), "{wrong}");
        }
        assert_eq!(split("r:5000/t/app:1.2@sha256:0"), ("r:5000/t/app", Some("1.2"), Some("sha256:0")));
    }

    #[test]
    fn references_split_into_name_tag_and_digest() {
        assert_eq!(split("nginx"), ("nginx", None, None));
        assert_eq!(split("nginx:1.27"), ("nginx", Some("1.27"), None));
        assert_eq!(split("localhost:5000/team/app"), ("localhost:5000/team/app", None, None));
        assert_eq!(split("r:5000/a/b:2@sha256:00"), ("r:5000/a/b", Some("2"), Some("sha256:00")));
        assert_eq!(split(":"), ("", None, None));
    }

    #[test]
    fn the_kind_follows_the_image_before_the_port() {
        let port = |number| Port { number, protocol: Arc::from("tcp") };
        assert_eq!(
            kind("bitnami/postgresql:16", &[]),
            Some((Kind::Database, Confidence::High, Basis::Image))
        );
        assert_eq!(kind("mcr.microsoft.com/mssql/server:2022", &[]).map(|k| k.0), Some(Kind::Database));
        assert_eq!(kind("robotshop/rs-redis:2", &[]), Some((Kind::Cache, Confidence::Medium, Basis::Image)));
        assert_eq!(
            kind("corp/thing:1", &[port(9092)]),
            Some((Kind::Queue, Confidence::Low, Basis::Port(9092)))
        );
        assert_eq!(kind("corp/thing:1", &[port(3000), port(3306)]), None);
        assert_eq!(kind("redis-exporter", &[]), None);
        assert_eq!(kind("corp/web:1", &[port(8080)]), None);
    }
}
