//! The few requests that are needed, as JSON over HTTP (etcd's gRPC gateway, `/v3/…`).

use crate::EtcdError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest accepted answer: ours are some hundred bytes.
const BYTES_MAX: u64 = 1 << 20;

/// How the creation of a key went.
#[derive(Debug)]
pub(crate) enum Won {
    Created { revision: u64 },
    Exists { revision: u64, lease: i64, value: String },
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

    fn ask(&mut self, path: &str, body: &Value) -> Result<Value, EtcdError> {
        let mut reason = "no server is named".to_owned();
        for offset in 0..self.servers.len() {
            let index = (self.first + offset) % self.servers.len();
            match self.once(&format!("{}{path}", self.servers[index].trim_end_matches('/')), body) {
                Ok(text) => {
                    self.first = index;
                    return serde_json::from_str(&text)
                        .map_err(|e| EtcdError::Garbage { what: e.to_string() });
                }
                Err(e) => reason = e.to_string(),
            }
        }
        Err(EtcdError::Unreachable { servers: self.servers.len(), reason })
    }

    fn once(&self, url: &str, body: &Value) -> Result<String, ureq::Error> {
        let mut response = self.agent.post(url).send(body.to_string())?;
        response.body_mut().with_config().limit(BYTES_MAX).read_to_string()
    }
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
