//! What is asked: series of one stretch of time, up to 500 at once.

use crate::Metric;
use serde::Serialize;

/// Most series in one request, by the API.
pub(crate) const QUERIES_MAX: usize = 500;
/// Most points in one answer, by the API; more come on further pages.
const POINTS_MAX: u32 = 100_800;

/// Which way time runs in an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(crate) enum Order {
    #[serde(rename = "TimestampAscending")]
    Ascending,
    /// What is newest is on the first page.
    #[serde(rename = "TimestampDescending")]
    Descending,
}

/// A series that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) metric: Metric,
    pub(crate) period_s: u64,
}

/// A stretch of time, the end not included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stretch {
    pub(crate) start_s: u64,
    pub(crate) end_s: u64,
    pub(crate) order: Order,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    metric_data_queries: Vec<Query<'a>>,
    start_time: u64,
    end_time: u64,
    scan_by: Order,
    max_datapoints: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Query<'a> {
    id: String,
    metric_stat: MetricStat<'a>,
    return_data: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricStat<'a> {
    metric: Named<'a>,
    period: u64,
    stat: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Named<'a> {
    namespace: &'a str,
    metric_name: &'a str,
    dimensions: Vec<Dimension<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension<'a> {
    name: &'a str,
    value: &'a str,
}

/// The name of the query at a place.
fn id(place: usize) -> String {
    format!("q{place}")
}

/// The place of a query by its name in a request of so many.
pub(crate) fn place(id: &str, of: usize) -> Option<usize> {
    let digits = id.strip_prefix('q').filter(|it| it.len() <= 3 && it.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().filter(|it| *it < of)
}

fn query((place, it): (usize, &Wanted)) -> Query<'_> {
    let metric = &it.metric;
    let dimensions = metric.dimensions.iter().map(|(name, value)| Dimension { name, value }).collect();
    let named = Named { namespace: &metric.namespace, metric_name: &metric.name, dimensions };
    let (stat, unit) = (&*metric.stat, metric.unit.as_deref());
    let metric_stat = MetricStat { metric: named, period: it.period_s, stat, unit };
    Query { id: id(place), metric_stat, return_data: true }
}

/// The text of a request; `token` goes on where a page ended.
pub(crate) fn body(wanted: &[Wanted], stretch: Stretch, token: Option<&str>) -> Vec<u8> {
    let body = Body {
        metric_data_queries: wanted.iter().enumerate().map(query).collect(),
        start_time: stretch.start_s,
        end_time: stretch.end_s,
        scan_by: stretch.order,
        max_datapoints: POINTS_MAX,
        next_token: token,
    };
    serde_json::to_vec(&body).expect("names and numbers can be written")
}
