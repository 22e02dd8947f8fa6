//! What can go wrong with the service.

use crate::TransportError;

/// Why CloudWatch could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CloudWatchError {
    /// Nobody answers, or the connection broke.
    #[error("CloudWatch at {url} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// What the system says.
        reason: String,
    },
    /// No whole answer in time.
    #[error("CloudWatch at {url} did not answer within {millis} ms")]
    Slow {
        /// Where.
        url: String,
        /// How long was waited.
        millis: u128,
    },
    /// Too many requests, also after the retries.
    #[error(
        "CloudWatch at {url} wants fewer requests ({code}): {reason}; ask less often or for a higher quota"
    )]
    Throttled {
        /// Where.
        url: String,
        /// The service's name for it.
        code: String,
        /// What it says.
        reason: String,
    },
    /// Who asks is not known or may not.
    #[error(
        "CloudWatch at {url} refuses these credentials ({code}): {reason}; check keys, policy (cloudwatch:GetMetricData) and clock"
    )]
    Denied {
        /// Where.
        url: String,
        /// The service's name for it.
        code: String,
        /// What it says.
        reason: String,
    },
    /// The service says that it is in trouble.
    #[error("CloudWatch at {url} answers with status {status} ({code}): {reason}")]
    Server {
        /// Where.
        url: String,
        /// HTTP status.
        status: u16,
        /// The service's name for it, if it gives one.
        code: String,
        /// The beginning of what it says.
        reason: String,
    },
    /// What came is not an answer of the API, or not all of one.
    #[error("answer of CloudWatch at {url} cannot be read: {reason}")]
    Garbage {
        /// Where.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The answer is longer than is accepted.
    #[error("answer of CloudWatch at {url} has more than {max} bytes; ask for less at once")]
    TooLarge {
        /// Where.
        url: String,
        /// Longest accepted answer.
        max: u64,
    },
    /// The service understood, but refuses this request.
    #[error("request was refused by CloudWatch at {url} ({code}): {reason}")]
    Refused {
        /// Where.
        url: String,
        /// The service's name for it.
        code: String,
        /// What it says.
        reason: String,
    },
}

const THROTTLED: [&str; 8] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "BandwidthLimitExceeded",
];
const DENIED: [&str; 13] = [
    "AccessDenied",
    "AccessDeniedException",
    "NotAuthorized",
    "OptInRequired",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
];

impl CloudWatchError {
    /// True if the same question may be answered a moment later.
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Throttled { .. } | Self::Server { .. } | Self::Garbage { .. }
        )
    }

    pub(crate) fn of_transport(url: &str, error: TransportError, waited: std::time::Duration) -> Self {
        let url = url.to_owned();
        match error {
            TransportError::Unreachable(reason) => Self::Unreachable { url, reason },
            TransportError::Slow => Self::Slow { url, millis: waited.as_millis() },
            TransportError::Garbage(reason) => Self::Garbage { url, reason },
            TransportError::TooLarge(max) => Self::TooLarge { url, max },
        }
    }

    /// From a refusal with a code that is named like `com.amazonaws.cloudwatch#ThrottlingException`.
    pub(crate) fn of_refusal(url: &str, status: u16, name: &str, reason: String) -> Self {
        let code = name.rsplit('#').next().unwrap_or(name).split(':').next().unwrap_or(name).to_owned();
        let url = url.to_owned();
        if status == 429 || THROTTLED.contains(&code.as_str()) {
            return Self::Throttled { url, code, reason };
        }
        if matches!(status, 401 | 403) || DENIED.contains(&code.as_str()) {
            return Self::Denied { url, code, reason };
        }
        match status {
            // Without a name it is somebody else on the way.
            400..=499 if !code.is_empty() => Self::Refused { url, code, reason },
            _ => Self::Server { url, status, code, reason },
        }
    }
}
