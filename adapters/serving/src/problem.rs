//! What goes wrong, as a status and a JSON body with a code that programs can rely on.

use ecosystem_forecast::serve::{ModelFormat, ServeError};
use hyper::StatusCode;
use serde_json::json;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("no such path: docs/model-server.md lists them")]
    Path,
    #[error("this path takes {allowed}")]
    Method { allowed: &'static str },
    #[error("name `{0}`: expected 1 to 64 of a-z, 0-9, `-`, `_`, `.`")]
    Name(String),
    #[error("version `{0}`: expected a number from 1 to 4294967295{1}")]
    Version(String, &'static str),
    #[error("no version {version} of model `{name}` is loaded")]
    Unknown { name: String, version: String },
    #[error("query: {0}")]
    Query(&'static str),
    #[error("query parameter `format`: expected one of {0}")]
    Format(String),
    #[error("query parameter `sha256`: the body has {found}")]
    Digest { found: String },
    #[error("body of more than {most} bytes")]
    BodyTooLarge { most: usize },
    #[error("the body did not arrive within {seconds} s")]
    SlowBody { seconds: f64 },
    #[error("the body broke off")]
    BodyBroken,
    #[error("body: {0}")]
    Json(String),
    #[error("{name} is {found}: at most {most}")]
    TooMuch { name: &'static str, found: usize, most: usize },
    #[error("{0}")]
    Model(ServeError),
    #[error("{0}")]
    Asked(ServeError),
    #[error("{models} models of {bytes} bytes are loaded and there is no room for another: unload one")]
    ShelfFull { models: usize, bytes: usize },
    #[error("{0}")]
    Overloaded(String),
    #[error("no answer within {seconds} s")]
    Slow { seconds: f64 },
    #[error("the server stops")]
    Stopping,
    #[error("the model failed while it answered")]
    Failed,
}

impl Problem {
    /// A kind of model that is not known.
    pub(crate) fn format() -> Self {
        Self::Format(ModelFormat::ALL.map(|it| format!("`{it}`")).join(", "))
    }

    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Path | Self::Unknown { .. } => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Name(_)
            | Self::Version(..)
            | Self::Query(_)
            | Self::Format(_)
            | Self::Json(_)
            | Self::BodyBroken => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge { .. } | Self::TooMuch { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Digest { .. } | Self::Model(_) | Self::Asked(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::ShelfFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Self::Overloaded(_) | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Slow { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Stable; also the label of the counter.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Path => "no_such_path",
            Self::Method { .. } => "method_not_allowed",
            Self::Name(_) => "invalid_name",
            Self::Version(..) => "invalid_version",
            Self::Unknown { .. } => "unknown_model",
            Self::Query(_) => "invalid_query",
            Self::Format(_) => "unknown_format",
            Self::Digest { .. } => "wrong_digest",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::SlowBody { .. } => "slow_body",
            Self::BodyBroken => "body_broken",
            Self::Json(_) => "invalid_json",
            Self::TooMuch { .. } => "too_much_asked",
            Self::Model(_) => "invalid_model",
            Self::Asked(ServeError::Question { .. }) => "wrong_question",
            Self::Asked(_) => "invalid_question",
            Self::ShelfFull { .. } => "no_room_for_models",
            Self::Overloaded(_) => "overloaded",
            Self::Slow { .. } => "timeout",
            Self::Stopping => "stopping",
            Self::Failed => "internal",
        }
    }

    pub(crate) fn body(&self) -> String {
        json!({"error": {"code": self.code(), "message": self.to_string()}}).to_string()
    }
}
