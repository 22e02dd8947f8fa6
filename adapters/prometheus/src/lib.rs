//! Prometheus and VictoriaMetrics as [`MetricsSource`](ecosystem_core::MetricsSource), and an exporter.
//!
//! | part | what |
//! |---|---|
//! | [`Prometheus`] | reads ranges and newest samples over the HTTP API |
//! | [`Naming`] | which series of the server stands for which measurement |
//! | [`LastKnown`] | goes on with the last good samples when the server fails, and says so |
//! | [`Exporter`] | serves counters of ours for a server to scrape |
//! | [`dashboard`] | makes a Grafana dashboard of metrics, ours or any others; `dashboards/` holds those of ours |
//!
//! `rules/` holds recording and alerting rules for Prometheus, with their tests for `promtool`.
//!
//! # Example
//! ```no_run
//! use ecosystem_core::{MetricKind, MetricQuery, MetricsSource, Subject};
//! use ecosystem_prometheus::{LastKnown, Naming, Prometheus, Settings};
//!
//! let naming = Naming::default().counter(MetricKind::CpuMillicores, "vm_cpu_seconds_total", 1_000.0);
//! let mut source = LastKnown::new(Prometheus::new(Settings::new("http://127.0.0.1:9090"), naming));
//! let web = MetricQuery { subject: Subject::Component("web".parse()?), metric: MetricKind::CpuMillicores };
//! println!("{:?}", source.latest(&[web])?[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod dashboard;
mod error;
mod exporter;
mod http;
mod last_known;
mod naming;
mod source;

pub use dashboard::{Panel, dashboard};
pub use error::PrometheusError;
pub use exporter::{Exporter, REPLICA_CPU, REPLICA_MEMORY, engine_families, replica_family};
pub use last_known::LastKnown;
pub use naming::Naming;
pub use source::{Prometheus, Settings};
