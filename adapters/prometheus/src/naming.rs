//! Which series of the server stands for which measurement.

use ecosystem_core::{MetricKind, MetricQuery, Subject};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
struct Named {
    metric: Arc<str>,
    scale: f64,
    counter: bool,
}

/// Names of metrics and labels.
///
/// A measurement is the sum over all series of the metric whose label names the subject. A metric that was not named
/// explicitly is a gauge under its own name if it is [`MetricKind::Named`], and unknown otherwise.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Naming {
    metrics: BTreeMap<MetricKind, Named>,
    /// Label that holds the component. `component`.
    pub component: Arc<str>,
    /// Label that holds the replica, as `component#index`. `replica`.
    pub replica: Arc<str>,
    /// Label that holds the host. `host`.
    pub host: Arc<str>,
}

impl Default for Naming {
    fn default() -> Self {
        let metrics = BTreeMap::new();
        Self { metrics, component: "component".into(), replica: "replica".into(), host: "host".into() }
    }
}

impl Naming {
    /// A metric that goes up and down; `scale` times its value is the measurement.
    #[must_use]
    pub fn gauge(mut self, kind: MetricKind, metric: &str, scale: f64) -> Self {
        self.metrics.insert(kind, Named { metric: metric.into(), scale, counter: false });
        self
    }

    /// A metric that only grows, and begins at zero after a restart; `scale` times its rate per second is the
    /// measurement. The server takes resets into account.
    #[must_use]
    pub fn counter(mut self, kind: MetricKind, metric: &str, scale: f64) -> Self {
        self.metrics.insert(kind, Named { metric: metric.into(), scale, counter: true });
        self
    }

    fn named(&self, kind: &MetricKind) -> Result<Named, String> {
        if let Some(named) = self.metrics.get(kind) {
            return Ok(named.clone());
        }
        match kind {
            MetricKind::Named(name) if is_metric_name(name) => {
                Ok(Named { metric: Arc::clone(name), scale: 1.0, counter: false })
            }
            MetricKind::Named(name) => Err(format!("`{name}` is no metric name")),
            other => Err(format!("no metric is named for {other:?}")),
        }
    }

    fn selector(&self, query: &MetricQuery, metric: &str) -> Result<String, String> {
        let (label, value) = match &query.subject {
            Subject::Component(id) => (&self.component, id.to_string()),
            Subject::Replica(id) => (&self.replica, id.to_string()),
            Subject::Host(id) => (&self.host, id.to_string()),
            other => return Err(format!("no label is named for {other}")),
        };
        Ok(format!("{metric}{{{label}=\"{}\"}}", escaped(&value)))
    }

    /// `PromQL` for the measurement, looking back over `window`.
    pub(crate) fn expression(&self, query: &MetricQuery, window: Duration) -> Result<String, String> {
        let (each, scale) = self.each(query, window)?;
        Ok(format!("{scale} * sum({each})"))
    }

    /// `PromQL` for the series that the measurement is the sum of, and what they are to be multiplied with.
    pub(crate) fn each(&self, query: &MetricQuery, window: Duration) -> Result<(String, f64), String> {
        let named = self.named(&query.metric)?;
        let selector = self.selector(query, &named.metric)?;
        // A window of its own instead of the server's five minutes, so that a gap stays a gap.
        let function = if named.counter { "rate" } else { "last_over_time" };
        let ms = window.as_millis().max(1);
        Ok((format!("{function}({selector}[{ms}ms])"), named.scale))
    }

    /// `PromQL` for the time of the newest sample, in seconds.
    pub(crate) fn moment(&self, query: &MetricQuery) -> Result<String, String> {
        let named = self.named(&query.metric)?;
        Ok(format!("max(timestamp({}))", self.selector(query, &named.metric)?))
    }
}

fn is_metric_name(name: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !name.is_empty() && name.chars().all(sound) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// A label value between double quotes, by the rules of Go strings.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(component: &str) -> MetricQuery {
        MetricQuery {
            subject: Subject::Component(component.parse().unwrap()),
            metric: MetricKind::CpuMillicores,
        }
    }

    #[test]
    fn a_counter_becomes_the_sum_of_its_rates() {
        let naming = Naming::default().counter(MetricKind::CpuMillicores, "cpu_seconds_total", 1_000.0);
        let text = naming.expression(&cpu("web"), Duration::from_secs(90)).unwrap();
        assert_eq!(text, "1000 * sum(rate(cpu_seconds_total{component=\"web\"}[90000ms]))");
        assert_eq!(
            naming.moment(&cpu("web")).unwrap(),
            "max(timestamp(cpu_seconds_total{component=\"web\"}))"
        );
    }

    #[test]
    fn what_was_not_named_is_unknown_and_nothing_can_be_smuggled_in() {
        let naming = Naming::default();
        assert!(naming.expression(&cpu("web"), Duration::from_secs(1)).is_err());
        let metric = MetricKind::Named("x} or vector(1".into());
        let query = MetricQuery { metric, ..cpu("web") };
        assert!(naming.expression(&query, Duration::from_secs(1)).is_err());
        assert_eq!(escaped("a\"b\\"), "a\\\"b\\\\");
    }
}
