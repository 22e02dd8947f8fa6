//! The few requests that are needed, as JSON over HTTP (etcd's gRPC gateway, `/v3/…`).

use crate::EtcdError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecosystem_core::Epoch;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest accepted answer: a few revisions of the largest kind, their texts a third longer.
const BYTES_MAX: u64 = 8 << 20;

/// How the creation of a key went.
#[derive(Debug)]
pub(crate) enum Won {
    Created { revision: u64 },
    Exists { revision: u64, lease: i64, value: String },
}

/// How a compare-and-swap went.
#[derive(Debug)]
pub(crate) enum Swapped {
    Done,
    Refused { found: Option<String> },
}

#[derive(Debug)]
pub(crate) struct Gateway {
    servers: Vec<String>,
    agent: ureq::Agent,
    // The server that answered last is asked first.
    first: usize,
}

impl Gateway {
    pub(crate) fn new(servers: Vec<String>, timeout: Duration) -> Self {
        let config =
            ureq::Agent::config_builder().timeout_global(Some(timeout)).proxy(None).max_redirects(0).build();
        Self { servers, agent: config.into(), first: 0 }
    }

    pub(crate) fn grant(&mut self, seconds: u64) -> Result<(i64, u64), EtcdError> {
        let answer = self.ask("/v3/lease/grant", &json!({"TTL": seconds.to_string()}))?;
        Ok((signed(&answer["ID"])?, unsigned(&answer["TTL"])?))
    }

    /// Seconds for which the lease holds; `None` if it has run out.
    pub(crate) fn keep_alive(&mut self, lease: i64) -> Result<Option<u64>, EtcdError> {
        let answer = self.ask("/v3/lease/keepalive", &json!({"ID": lease.to_string()}))?;
        match &answer["result"]["TTL"] {
            Value::Null => Ok(None),
            seconds => Ok(Some(unsigned(seconds)?).filter(|&it| it > 0)),
        }
    }

    pub(crate) fn revoke(&mut self, lease: i64) -> Result<(), EtcdError> {
        self.ask("/v3/lease/revoke", &json!({"ID": lease.to_string()})).map(drop)
    }

    /// Creates a key unless it exists, in one transaction.
    pub(crate) fn create(&mut self, key: &str, value: &str, lease: i64) -> Result<Won, EtcdError> {
        let (key, value) = (STANDARD.encode(key), STANDARD.encode(value));
        let answer = self.ask(
            "/v3/kv/txn",
            &json!({
                "compare": [{"key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"}],
                "success": [{"request_put": {"key": key, "value": value, "lease": lease.to_string()}}],
                "failure": [{"request_range": {"key": key}}],
            }),
        )?;
        if answer["succeeded"] == true {
            return Ok(Won::Created { revision: unsigned(&answer["header"]["revision"])? });
        }
        let found = &answer["responses"][0]["response_range"]["kvs"][0];
        let value = found["value"].as_str().and_then(|it| STANDARD.decode(it).ok());
        Ok(Won::Exists {
            revision: unsigned(&found["create_revision"])?,
            // A key that somebody made by hand has none.
            lease: signed(&found["lease"]).unwrap_or(0),
            value: value.map_or_else(String::new, |it| String::from_utf8_lossy(&it).into_owned()),
        })
    }

    /// The value of a key.
    pub(crate) fn get(&mut self, key: &str) -> Result<Option<String>, EtcdError> {
        let answer = self.ask("/v3/kv/range", &json!({"key": STANDARD.encode(key)}))?;
        answer["kvs"].get(0).map(|it| text(&it["value"])).transpose()
    }

    /// Keys from `from` up to `to`, without that one, with their values, in order; at most `limit`.
    pub(crate) fn range(
        &mut self,
        from: &str,
        to: &str,
        limit: u64,
    ) -> Result<Vec<(String, String)>, EtcdError> {
        let (from, to) = (STANDARD.encode(from), STANDARD.encode(to));
        let question = json!({"key": from, "range_end": to, "limit": limit.to_string()});
        let answer = self.ask("/v3/kv/range", &question)?;
        let found = answer["kvs"].as_array().map_or(&[][..], Vec::as_slice);
        found.iter().map(|it| Ok((text(&it["key"])?, text(&it["value"])?))).collect()
    }

    /// Writes if a key still has a value, or still is absent (`before` is `None`), and if the guard's key was created at the
    /// revision of its epoch; in one transaction.
    pub(crate) fn swap(
        &mut self,
        key: &str,
        before: Option<&str>,
        puts: &[(&str, String)],
        guard: Option<(&str, Epoch)>,
    ) -> Result<Swapped, EtcdError> {
        let key = STANDARD.encode(key);
        let unchanged = before.map_or_else(
            || json!({"key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"}),
            |it| json!({"key": key, "target": "VALUE", "result": "EQUAL", "value": STANDARD.encode(it)}),
        );
        let leads = guard.map(|(key, epoch)| {
            let (key, epoch) = (STANDARD.encode(key), epoch.0.to_string());
            json!({"key": key, "target": "CREATE", "result": "EQUAL", "create_revision": epoch})
        });
        let compare: Vec<Value> = std::iter::once(unchanged).chain(leads).collect();
        let put = |(key, value): &(&str, String)| json!({"request_put": {"key": STANDARD.encode(key), "value": STANDARD.encode(value)}});
        let success: Vec<Value> = puts.iter().map(put).collect();
        let failure = json!([{"request_range": {"key": key}}]);
        let question = json!({"compare": compare, "success": success, "failure": failure});
        let answer = self.ask("/v3/kv/txn", &question)?;
        if answer["succeeded"] == true {
            return Ok(Swapped::Done);
        }
        let found = answer["responses"][0]["response_range"]["kvs"].get(0);
        Ok(Swapped::Refused { found: found.map(|it| text(&it["value"])).transpose()? })
    }

    /// True if there was such a key.
    pub(crate) fn remove(&mut self, key: &str) -> Result<bool, EtcdError> {
        let answer = self.ask("/v3/kv/deleterange", &json!({"key": STANDARD.encode(key)}))?;
        // Numbers that are zero are left out.
        Ok(!answer["deleted"].is_null() && unsigned(&answer["deleted"])? > 0)
    }

    fn ask(&mut self, path: &str, body: &Value) -> Result<Value, EtcdError> {
        let text = self.post(path, &body.to_string())?;
        serde_json::from_str(&text).map_err(|e| EtcdError::Garbage { what: e.to_string() })
    }

    /// The answer of the first server that gives one.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> Result<String, EtcdError> {
        let mut reason = "no server is named".to_owned();
        for offset in 0..self.servers.len() {
            let index = (self.first + offset) % self.servers.len();
            match self.once(&format!("{}{path}", self.servers[index].trim_end_matches('/')), body) {
                Ok(text) => {
                    self.first = index;
                    return Ok(text);
                }
                Err(e) => reason = e.to_string(),
            }
        }
        Err(EtcdError::Unreachable { servers: self.servers.len(), reason })
    }

    fn once(&self, url: &str, body: &str) -> Result<String, ureq::Error> {
        let mut response = self.agent.post(url).send(body)?;
        response.body_mut().with_config().limit(BYTES_MAX).read_to_string()
    }
}

/// Keys and values come as base64; an empty one is left out.
fn text(value: &Value) -> Result<String, EtcdError> {
    let bytes = match value {
        Value::Null => Some(Vec::new()),
        other => other.as_str().and_then(|it| STANDARD.decode(it).ok()),
    };
    let text = bytes.and_then(|it| String::from_utf8(it).ok());
    text.ok_or_else(|| EtcdError::Garbage { what: "expected a text in base64".into() })
}

/// Whole numbers of 64 bits come as texts.
fn signed(value: &Value) -> Result<i64, EtcdError> {
    let number = value.as_str().and_then(|it| it.parse().ok()).or_else(|| value.as_i64());
    number.ok_or_else(|| EtcdError::Garbage { what: format!("expected a whole number, found {value}") })
}

fn unsigned(value: &Value) -> Result<u64, EtcdError> {
    let bad =
        || EtcdError::Garbage { what: format!("expected a number that is not negative, found {value}") };
    u64::try_from(signed(value)?).map_err(|_| bad())
}
