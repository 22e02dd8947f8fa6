//! The parts of the API that are used (REST API 1.0, version 5.0).

use serde::Deserialize;
use std::collections::BTreeMap;

/// What every JSON answer is wrapped in.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) operation: String,
    #[serde(default)]
    pub(crate) error_code: u16,
    #[serde(default)]
    pub(crate) error: String,
    #[serde(default)]
    pub(crate) metadata: serde_json::Value,
}

/// A background operation.
#[derive(Debug, Deserialize)]
pub(crate) struct Operation {
    pub(crate) status_code: u16,
    #[serde(default)]
    pub(crate) err: String,
}

/// A member of the cluster.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct MemberText {
    pub(crate) server_name: String,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) failure_domain: String,
    #[serde(default)]
    pub(crate) config: BTreeMap<String, String>,
}

/// An instance.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Instance {
    pub(crate) name: String,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) location: String,
    /// Null if the member that has it does not answer.
    #[serde(default)]
    pub(crate) config: Option<BTreeMap<String, String>>,
}

/// What a server says of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) environment: Environment,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Environment {
    pub(crate) server_name: String,
}

/// What a machine has.
#[derive(Debug, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: Processors,
    pub(crate) memory: Memory,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Processors {
    pub(crate) total: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Memory {
    pub(crate) total: u64,
}

/// A profile.
#[derive(Debug, Deserialize)]
pub(crate) struct Profile {
    #[serde(default)]
    pub(crate) config: BTreeMap<String, String>,
}
