//! Amazon CloudWatch as [`MetricsSource`](ecosystem_core::MetricsSource).
//!
//! | part | what |
//! |---|---|
//! | [`CloudWatch`] | reads ranges and newest samples by `GetMetricData` (JSON 1.0), up to 500 series a request, page by page |
//! | [`Naming`], [`Metric`] | which metric of which namespace stands for which measurement, and under which dimension the subject is known |
//! | [`Credentials`] | who asks; requests are signed with Signature Version 4 |
//! | [`Transport`], [`Http`] | how requests travel: by HTTP, with TLS by feature `tls`, or by whatever the host brings |
//!
//! `LastKnown` of `ecosystem-prometheus` around it goes on with the last good samples when the service fails, and says so.
//!
//! # Time
//! CloudWatch keeps statistics of *periods*, not samples. Value `k` of a range is that of the period that `start + k · step` lies in,
//! with periods counted from the Unix epoch; so ask for ranges that begin at a multiple of their step. Periods are 1, 5, 10, 20, 30
//! and multiples of 60 s; after 15 days multiples of 5 minutes are left, after 63 days hours, after 455 days nothing. A step that cannot
//! be served is [`QueryError::Unavailable`](ecosystem_core::QueryError::Unavailable) with the one that can. The newest sample has the
//! time of the end of its period, as that is what it is known since; metrics at five minutes (basic monitoring) are older than the driver of
//! the façade accepts (two minutes).
//!
//! # Example
//! ```no_run
//! use ecosystem_cloudwatch::{CloudWatch, Credentials, Metric, Naming, Settings};
//! use ecosystem_core::{MetricKind, MetricQuery, MetricsSource, Subject};
//! use ecosystem_prometheus::LastKnown;
//!
//! // Percent of two cores as millicores.
//! let cpu = Metric::new("AWS/EC2", "CPUUtilization", "Average").unit("Percent").times(20.0);
//! let mut naming = Naming::default().metric(MetricKind::CpuMillicores, cpu);
//! let host = Subject::Host("web-1".parse()?);
//! naming = naming.known_as(host.clone(), "i-0123456789abcdef0");
//! let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret");
//! let mut source = LastKnown::new(CloudWatch::new(Settings::new("eu-central-1"), keys, naming));
//! println!("{:?}", source.latest(&[MetricQuery { subject: host, metric: MetricKind::CpuMillicores }])?[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod client;
mod error;
mod naming;
mod request;
mod sign;
mod source;
mod transport;

pub use client::Settings;
pub use error::CloudWatchError;
pub use naming::{Metric, Naming};
pub use sign::Credentials;
pub use source::CloudWatch;
pub use transport::{Http, Reply, Signed, Transport, TransportError};
