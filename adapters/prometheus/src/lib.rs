//! Prometheus and VictoriaMetrics as [`MetricsSource`](ecosystem_core::MetricsSource), and an exporter.
//!
//! | part | what |
//! |---|---|
//! | [`Prometheus`] | reads ranges and newest samples over the HTTP API |
//! | [`Naming`] | which series of the server stands for which measurement |
//! | [`LastKnown`] | goes on with the last good samples when the server fails, and says so |
//! | [`Exporter`] | serves counters of ours for a server to scrape |
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
mod error;
mod exporter;
mod http;
mod last_known;
mod naming;
mod source;

pub use error::PrometheusError;
pub use exporter::{Exporter, engine_families};
pub use last_known::LastKnown;
pub use naming::Naming;
pub use source::{Prometheus, Settings};
