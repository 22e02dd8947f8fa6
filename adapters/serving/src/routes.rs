//! What is asked over HTTP, and the answers: docs/model-server.md.

use crate::counters::Gauges;
use crate::problem::Problem;
use crate::server::Shared;
use crate::shelf::Shelved;
use crate::workers::Refused;
use bytes::Bytes;
use ecosystem_forecast::Forecast;
use ecosystem_forecast::registry::ContentHash;
use ecosystem_forecast::serve::{Answer, Ask, ModelFormat};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, EXPECT, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

type Told = (StatusCode, &'static str, String);

/// Bytes that are read to no purpose after a refusal.
const LINGER: usize = 1 << 20;
const JSON: &str = "application/json";

/// The body of a request on its way.
struct Sent {
    body: Incoming,
    /// The client sends it when it is told to (`Expect: 100-continue`), which the first read does.
    waits: bool,
}

/// The answer to one request; it is counted by how it ended.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let expects = head.headers.get(EXPECT);
    let waits = expects.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let mut sent = Sent { body, waits };
    let told = route(&shared, &head, &mut sent).await;
    // To read from a client that waits would tell it to send what nobody wants.
    if told.is_err() && !sent.waits && !matches!(told, Err(Problem::SlowBody { .. } | Problem::BodyBroken)) {
        linger(&shared, sent.body).await;
    }
    shared.counters.request(told.as_ref().map_or_else(Problem::code, |_| "ok"));
    let (status, kind, body) = match &told {
        Ok((status, kind, body)) => (*status, *kind, body.clone()),
        Err(problem) => (problem.status(), JSON, problem.body()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    match told {
        Err(Problem::Overloaded(_) | Problem::Stopping) => {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Err(Problem::Method { allowed }) => {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        }
        _ => {}
    }
    Ok(response)
}

/// Takes in some of what a refused client still sends: a connection that is closed on it would take the answer along.
async fn linger(shared: &Shared, mut sent: Incoming) {
    let rest = async {
        let mut left = LINGER;
        while let Some(Ok(frame)) = sent.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    drop(tokio::time::timeout(shared.settings.read_timeout, rest).await);
}

fn ok(body: &Value) -> Told {
    (StatusCode::OK, JSON, body.to_string())
}

async fn route(shared: &Arc<Shared>, head: &Parts, sent: &mut Sent) -> Result<Told, Problem> {
    let parts: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    match (parts.as_slice(), &head.method) {
        (["v1", "health"], &Method::GET) => Ok(health(shared)),
        (["metrics"], &Method::GET) => Ok(metrics(shared)),
        (["v1", "models"], &Method::GET) => {
            Ok(ok(&shared.shelf.read().unwrap_or_else(PoisonError::into_inner).list()))
        }
        (["v1", "health" | "models"] | ["metrics"], _) => Err(Problem::Method { allowed: "GET" }),
        (["v1", "models", name, "versions", version], &Method::GET) => {
            Ok(ok(&find(shared, name, version)?.shown(name)))
        }
        (["v1", "models", name, "versions", version], &Method::PUT) => {
            load(shared, name, version, head.uri.query(), sent).await
        }
        (["v1", "models", name, "versions", version], &Method::DELETE) => unload(shared, name, version),
        (["v1", "models", _, "versions", _], _) => Err(Problem::Method { allowed: "GET, PUT, DELETE" }),
        (["v1", "models", name, "versions", version, what @ ("predict" | "batch" | "forecast")], method) => {
            if method != Method::POST {
                return Err(Problem::Method { allowed: "POST" });
            }
            ask(shared, name, version, what, sent).await
        }
        _ => Err(Problem::Path),
    }
}

fn health(shared: &Shared) -> Told {
    let (models, _) = shared.shelf.read().unwrap_or_else(PoisonError::into_inner).size();
    ok(&json!({"status": "ok", "models": models, "waiting": shared.workers.waiting()}))
}

fn metrics(shared: &Shared) -> Told {
    let (models, model_bytes) = shared.shelf.read().unwrap_or_else(PoisonError::into_inner).size();
    let connections = shared.settings.connections_max - shared.connections.available_permits();
    let now = Gauges { models, model_bytes, waiting: shared.workers.waiting(), connections };
    (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", shared.counters.text(&now))
}

fn checked_name(name: &str) -> Result<(), Problem> {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_.".contains(&c);
    if (1..=64).contains(&name.len()) && name.bytes().all(fits) {
        Ok(())
    } else {
        Err(Problem::Name(name.chars().take(80).collect()))
    }
}

/// A number without sign and leading zeros, so that every version has one name.
fn number(version: &str, or: &'static str) -> Result<u32, Problem> {
    let wrong = || Problem::Version(version.chars().take(20).collect(), or);
    let found: u32 = version.parse().map_err(|_| wrong())?;
    if found > 0 && found.to_string() == version { Ok(found) } else { Err(wrong()) }
}

fn find(shared: &Shared, name: &str, version: &str) -> Result<Arc<Shelved>, Problem> {
    checked_name(name)?;
    let shelf = shared.shelf.read().unwrap_or_else(PoisonError::into_inner);
    let found = match version {
        "latest" => shelf.latest(name),
        _ => shelf.find(name, number(version, ", or `latest`")?),
    };
    found.cloned().ok_or_else(|| Problem::Unknown { name: name.to_owned(), version: version.to_owned() })
}

fn unload(shared: &Shared, name: &str, version: &str) -> Result<Told, Problem> {
    checked_name(name)?;
    let number = number(version, "")?;
    let gone = shared.shelf.write().unwrap_or_else(PoisonError::into_inner).remove(name, number);
    let gone = gone.ok_or_else(|| Problem::Unknown { name: name.to_owned(), version: version.to_owned() })?;
    shared.counters.unloaded();
    Ok(ok(&gone.shown(name)))
}

/// The body, within a number of bytes and a time.
async fn body(sent: &mut Sent, most: usize, wait: Duration) -> Result<Bytes, Problem> {
    // What is announced is believed if it is too much.
    if sent.body.size_hint().lower() > most as u64 {
        return Err(Problem::BodyTooLarge { most });
    }
    sent.waits = false;
    let read = tokio::time::timeout(wait, Limited::new(&mut sent.body, most).collect()).await;
    match read {
        Err(_) => Err(Problem::SlowBody { seconds: wait.as_secs_f64() }),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::BodyTooLarge { most }),
        Ok(Err(_)) => Err(Problem::BodyBroken),
        Ok(Ok(read)) => Ok(read.to_bytes()),
    }
}

async fn load(
    shared: &Arc<Shared>,
    name: &str,
    version: &str,
    query: Option<&str>,
    sent: &mut Sent,
) -> Result<Told, Problem> {
    checked_name(name)?;
    let version = number(version, "")?;
    let (mut format, mut digest) = (None, None);
    for pair in query.unwrap_or("").split('&').filter(|it| !it.is_empty()) {
        match pair.split_once('=') {
            Some(("format", value)) => {
                format = Some(value.parse::<ModelFormat>().map_err(|_| Problem::format())?);
            }
            Some(("sha256", value)) => digest = Some(value.to_ascii_lowercase()),
            _ => return Err(Problem::Query("it takes `format=…` and `sha256=…` only")),
        }
    }
    let format = format.ok_or_else(Problem::format)?;
    // Before the body is read: so many models, and no more, are in memory beside those that are loaded.
    let Ok(place) = Arc::clone(&shared.loads).try_acquire_owned() else {
        return Err(Problem::Overloaded("other models are being loaded: try again".into()));
    };
    let bytes = body(sent, shared.settings.model_bytes_max, shared.settings.load_timeout).await?;
    let (loader, size) = (Arc::clone(&shared.loader), bytes.len());
    // The place goes along with the work, which goes on when the client, and this future with it, is gone.
    let read = tokio::task::spawn_blocking(move || {
        let content = ContentHash::of(&bytes);
        if digest.is_some_and(|it| it != content.to_string()) {
            return Err(Problem::Digest { found: content.to_string() });
        }
        Ok((place, content, loader.load(format, &bytes).map_err(Problem::Model)?))
    });
    let (_place, content, model) = read.await.map_err(|_| Problem::Failed)??;
    let shelved = Shelved { version, format, content, bytes: size, model: Arc::new(model) };
    let shown = shelved.shown(name);
    let most = (shared.settings.models_max, shared.settings.models_bytes_max);
    let new = shared.shelf.write().unwrap_or_else(PoisonError::into_inner).put(name, shelved, most)?;
    shared.counters.loaded();
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, JSON, shown.to_string()))
}

/// `null` is a missing value.
type Row = Vec<Option<f64>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Predict {
    row: Row,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Horizon {
    horizon: usize,
    #[serde(default)]
    levels: Vec<f64>,
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // Fields by their place in an array would be taken too.
    if body.iter().find(|it| !it.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Problem::Json("expected an object".into()));
    }
    serde_json::from_slice(body).map_err(|e| Problem::Json(e.to_string()))
}

fn values(row: Row) -> Vec<f64> {
    row.into_iter().map(|it| it.unwrap_or(f64::NAN)).collect()
}

fn within(name: &'static str, found: usize, most: usize) -> Result<(), Problem> {
    if found > most { Err(Problem::TooMuch { name, found, most }) } else { Ok(()) }
}

/// What is asked for, from the body.
fn question(shared: &Shared, what: &str, body: &[u8]) -> Result<Ask, Problem> {
    let settings = &shared.settings;
    Ok(match what {
        "predict" => Ask::Rows(vec![values(parsed::<Predict>(body)?.row)]),
        "batch" => {
            let rows = parsed::<Rows>(body)?.rows;
            within("number of rows", rows.len(), settings.rows_max)?;
            Ask::Rows(rows.into_iter().map(values).collect())
        }
        _ => {
            let Horizon { horizon, levels } = parsed(body)?;
            within("horizon", horizon, settings.horizon_max)?;
            within("number of levels", levels.len(), settings.levels_max)?;
            Ask::Forecast { horizon, levels }
        }
    })
}

async fn ask(
    shared: &Arc<Shared>,
    name: &str,
    version: &str,
    what: &str,
    sent: &mut Sent,
) -> Result<Told, Problem> {
    // Nobody has to send a question to a model that is not there.
    find(shared, name, version)?;
    let ask =
        question(shared, what, &body(sent, shared.settings.body_max, shared.settings.read_timeout).await?)?;
    // While the body came the model may have been replaced: the question has arrived now.
    let model = find(shared, name, version)?;
    model.model.check(&ask).map_err(Problem::Asked)?;
    let begin = Instant::now();
    let size = if let Ask::Rows(rows) = &ask { rows.len() } else { ask.size() };
    let mut taken = shared.workers.submit(&model.model, ask).map_err(|refused| match refused {
        Refused::Overloaded(it) => Problem::Overloaded(it.to_string()),
        Refused::Closing => Problem::Stopping,
    })?;
    let wait = shared.settings.answer_timeout;
    let answer = match tokio::time::timeout(wait, &mut taken.answer).await {
        Err(_) => return Err(Problem::Slow { seconds: wait.as_secs_f64() }),
        Ok(Err(_)) => return Err(Problem::Failed),
        Ok(Ok(answer)) => answer.map_err(Problem::Asked)?,
    };
    shared.counters.answered(size, begin.elapsed());
    let mut told = json!({"name": name, "version": model.version, "content": model.content.to_string()});
    match answer {
        Answer::Rows(values) if what == "predict" => told["answer"] = values.first().copied().into(),
        Answer::Rows(values) => told["answers"] = values.into(),
        Answer::Forecast(forecast) => shown(&mut told, forecast),
    }
    Ok(ok(&told))
}

/// Numbers that are not finite become `null`, as JSON has none.
fn shown(told: &mut Value, forecast: Forecast) {
    told["point"] = forecast.point.into();
    let bands = forecast.intervals.into_iter();
    told["intervals"] =
        bands.map(|it| json!({"level": it.level, "lower": it.lower, "upper": it.upper})).collect();
}
