//! Which metric of CloudWatch stands for which measurement.

use ecosystem_core::{MetricKind, MetricQuery, Subject};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A metric and what is made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) stat: Arc<str>,
    pub(crate) unit: Option<Arc<str>>,
    pub(crate) dimensions: BTreeMap<Arc<str>, Arc<str>>,
    scale: f64,
    per_second: bool,
}

impl Metric {
    /// A statistic (`Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, `p99` …) of a metric in a namespace.
    pub fn new(namespace: &str, name: &str, stat: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            stat: stat.into(),
            unit: None,
            dimensions: BTreeMap::new(),
            scale: 1.0,
            per_second: false,
        }
    }

    /// Only what was published in this unit, in the service's spelling (`Percent`, `Bytes`, `Count/Second` …). Nothing is converted.
    #[must_use]
    pub fn unit(mut self, unit: &str) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// The measurement is so many times the value.
    #[must_use]
    pub const fn times(mut self, scale: f64) -> Self {
        self.scale = scale;
        self
    }

    /// The value is a sum over the period; the measurement is for one second.
    #[must_use]
    pub const fn per_second(mut self) -> Self {
        self.per_second = true;
        self
    }

    /// A further dimension that the series has, beside that of the subject.
    #[must_use]
    pub fn with(mut self, dimension: &str, value: &str) -> Self {
        self.dimensions.insert(dimension.into(), value.into());
        self
    }

    /// What a value of a period is multiplied with.
    pub(crate) fn factor(&self, period_s: u64) -> f64 {
        if self.per_second { self.scale / period_s as f64 } else { self.scale }
    }
}

/// Names of metrics and dimensions.
///
/// A metric that was not named explicitly is the average of that name in [`namespace`](Self::namespace) if it is
/// [`MetricKind::Named`] and there is one, and unknown otherwise.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Naming {
    metrics: BTreeMap<MetricKind, Metric>,
    values: BTreeMap<Subject, Arc<str>>,
    /// Namespace of metrics of your own. None.
    pub namespace: Option<Arc<str>>,
    /// Dimension that holds a component. `AutoScalingGroupName`.
    pub component: Arc<str>,
    /// Dimension that holds a replica. `InstanceId`.
    pub replica: Arc<str>,
    /// Dimension that holds a host. `InstanceId`.
    pub host: Arc<str>,
}

impl Default for Naming {
    fn default() -> Self {
        Self {
            metrics: BTreeMap::new(),
            values: BTreeMap::new(),
            namespace: None,
            component: "AutoScalingGroupName".into(),
            replica: "InstanceId".into(),
            host: "InstanceId".into(),
        }
    }
}

impl Naming {
    /// What a measurement is.
    #[must_use]
    pub fn metric(mut self, kind: MetricKind, metric: Metric) -> Self {
        self.metrics.insert(kind, metric);
        self
    }

    /// Under what value of its dimension a subject is known, e.g. the id of an instance; without, by its own name.
    #[must_use]
    pub fn known_as(mut self, subject: Subject, value: &str) -> Self {
        self.values.insert(subject, value.into());
        self
    }

    /// The metric with the dimension of its subject.
    pub(crate) fn resolve(&self, query: &MetricQuery) -> Result<Metric, String> {
        let mut metric = match (self.metrics.get(&query.metric), &query.metric, &self.namespace) {
            (Some(metric), _, _) => metric.clone(),
            (None, MetricKind::Named(name), Some(namespace)) => Metric::new(namespace, name, "Average"),
            (None, MetricKind::Named(name), None) => {
                return Err(format!("metric `{name}` has no namespace; name it or set `Naming::namespace`"));
            }
            (None, other, _) => return Err(format!("no metric is named for {other:?}")),
        };
        let dimension = match &query.subject {
            Subject::Component(_) => &self.component,
            Subject::Replica(_) => &self.replica,
            Subject::Host(_) => &self.host,
            other => return Err(format!("no dimension is named for {other}")),
        };
        let value = self.values.get(&query.subject).cloned();
        let value = value.unwrap_or_else(|| query.subject.to_string().into());
        metric.dimensions.insert(Arc::clone(dimension), value);
        Ok(metric)
    }
}
