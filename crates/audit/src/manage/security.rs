//! Log-ins and decisions, each of them recorded.

use super::audit::AuditManager;
use crate::access::{
    Authenticator, Authorizer, Decision, Issued, LoginError, LoginSettings, Logins, Policy, PolicyError,
    Principal, Request, TokenSecret,
};
use crate::canonical::AppendError;
use crate::class::{Category, Outcome, Severity};
use crate::entry::Draft;

/// Who is logged in, and what the policy allows. Every log-in, refusal, log-out and decision is an entry; if that cannot
/// be written, the answer is an error and nothing was granted.
#[derive(Clone, Debug)]
pub struct SecurityManager {
    authorizer: Authorizer,
    logins: Logins,
}

/// Why something was not granted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SecurityError {
    /// The authenticator of the host has refused the credentials. What it said is in the log, not here.
    #[error("not authenticated")]
    NotAuthenticated,
    /// The token or log-in is refused.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The entry could not be written, so nothing was granted.
    #[error("not recorded, so not granted: {0}")]
    NotRecorded(#[from] AppendError),
}

impl SecurityManager {
    /// With a policy and limits for log-ins; nobody is logged in.
    ///
    /// # Errors
    /// A policy that is not well formed.
    pub fn new(policy: Policy, settings: LoginSettings) -> Result<Self, PolicyError> {
        Ok(Self { authorizer: Authorizer::new(policy)?, logins: Logins::new(settings) })
    }

    /// The policy in force.
    pub const fn authorizer(&self) -> &Authorizer {
        &self.authorizer
    }

    /// Replaces the policy and records by whom; log-ins stay and are judged by the new one.
    ///
    /// # Errors
    /// An entry the log refuses; the old policy stays in force.
    pub fn set_policy(
        &mut self,
        audit: &mut AuditManager,
        authorizer: Authorizer,
        actor: &str,
        at_unix_ms: u64,
    ) -> Result<(), AppendError> {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let draft = Draft::new(at_unix_ms, actor, "policy.set", format!("policy/{}", authorizer.policy().id))
            .with_category(Category::AUTHORIZATION)
            .with_severity(Severity::Notice)
            .with_field("version_before", number(self.authorizer.policy().version))
            .with_field("version", number(authorizer.policy().version));
        audit.log_event(&draft)?;
        self.authorizer = authorizer;
        Ok(())
    }

    /// Asks the host's authenticator, then logs the principal in. A refusal is recorded with the name that was claimed.
    ///
    /// # Errors
    /// Refused credentials, no room for a log-in, an entry the log refuses.
    pub fn authenticate<A: Authenticator>(
        &mut self,
        audit: &mut AuditManager,
        authenticator: &mut A,
        (claimed, credentials): (&str, &A::Credentials),
        secrets: [[u8; 32]; 2],
        at_unix_ms: u64,
    ) -> Result<Issued, SecurityError> {
        match authenticator.authenticate(credentials, at_unix_ms) {
            Ok(principal) => self.log_in(audit, principal, secrets, at_unix_ms),
            Err(error) => {
                let claimed = if claimed.is_empty() { "unknown" } else { claimed };
                let draft = event(at_unix_ms, claimed, "auth.login").with_outcome(Outcome::Denied);
                audit.log_event(&draft.with_severity(Severity::Warning).with_reason(error.to_string()))?;
                Err(SecurityError::NotAuthenticated)
            }
        }
    }

    /// Logs in a principal that the host has authenticated, with two fresh random secrets.
    ///
    /// # Errors
    /// No room, secrets that are not fresh, an entry the log refuses (the log-in is taken back then).
    pub fn log_in(
        &mut self,
        audit: &mut AuditManager,
        principal: Principal,
        secrets: [[u8; 32]; 2],
        at_unix_ms: u64,
    ) -> Result<Issued, SecurityError> {
        let mut draft = event(at_unix_ms, &principal.id, "auth.login");
        draft.on_behalf_of.clone_from(&principal.on_behalf_of);
        if let Some(address) = principal.network {
            draft = draft.with_field("origin", address.to_string());
        }
        match self.logins.issue(principal, secrets, at_unix_ms) {
            Ok(issued) => {
                let recorded = audit.log_event(&draft.with_correlation_id(correlation(issued.login)));
                if let Err(error) = recorded {
                    self.logins.revoke(issued.login);
                    return Err(error.into());
                }
                Ok(issued)
            }
            Err(error) => {
                audit.log_event(&draft.with_outcome(Outcome::Failure).with_reason(error.to_string()))?;
                Err(error.into())
            }
        }
    }

    /// Replaces both tokens of a log-in. A refresh token that comes a second time was copied: the log-in ends and an alert
    /// is recorded.
    ///
    /// # Errors
    /// Unknown, expired or reused; an entry the log refuses.
    pub fn refresh(
        &mut self,
        audit: &mut AuditManager,
        refresh: &TokenSecret,
        secrets: [[u8; 32]; 2],
        at_unix_ms: u64,
    ) -> Result<Issued, SecurityError> {
        match self.logins.refresh(refresh, secrets, at_unix_ms) {
            Ok(issued) => Ok(issued),
            Err(error) => {
                let graver = if error == LoginError::Reused { Severity::Alert } else { Severity::Warning };
                let draft = event(at_unix_ms, "unknown", "auth.refresh").with_outcome(Outcome::Denied);
                audit.log_event(&draft.with_severity(graver).with_reason(error.to_string()))?;
                Err(error.into())
            }
        }
    }

    /// Ends all log-ins of a principal; returns how many.
    ///
    /// # Errors
    /// An entry the log refuses. The log-ins have ended all the same: here the safe side is to act.
    pub fn revoke(
        &mut self,
        audit: &mut AuditManager,
        principal: &str,
        by: &str,
        at_unix_ms: u64,
    ) -> Result<usize, AppendError> {
        let ended = self.logins.revoke_principal(principal);
        let draft = Draft::new(at_unix_ms, by, "auth.revoke", format!("principal/{principal}"))
            .with_category(Category::AUTHENTICATION)
            .with_severity(Severity::Notice)
            .with_field("log_ins", i64::try_from(ended).unwrap_or(i64::MAX));
        audit.log_event(&draft)?;
        Ok(ended)
    }

    /// Decides whether the holder of an access token may do something. The decision is recorded before it is handed out, with
    /// the correlation id that ties what is done afterwards to it.
    ///
    /// # Errors
    /// A token that does not count (recorded as denied), an entry the log refuses.
    pub fn authorize(
        &mut self,
        audit: &mut AuditManager,
        access: &TokenSecret,
        request: &Request<'_>,
        correlation_id: &str,
    ) -> Result<Decision, SecurityError> {
        let refused = match self.logins.check(access, request.at_unix_ms) {
            Ok(principal) => {
                let decision = self.authorizer.decide(&self.authorizer.subject(principal), request);
                let mut draft = self.authorizer.draft(principal, request, &decision);
                draft.correlation_id = Some(correlation_id.to_owned()).filter(|id| !id.is_empty());
                audit.log_event(&draft)?;
                return Ok(decision);
            }
            Err(refused) => refused,
        };
        let draft = Draft::new(request.at_unix_ms, "unknown", "access.decide", request.resource.path)
            .with_category(Category::AUTHORIZATION)
            .with_severity(Severity::Warning)
            .with_outcome(Outcome::Denied)
            .with_reason(refused.to_string())
            .with_field("requested_action", request.action);
        audit.log_event(&draft)?;
        Err(refused.into())
    }
}

fn event(at_unix_ms: u64, actor: &str, action: &str) -> Draft {
    Draft::new(at_unix_ms, actor, action, "session").with_category(Category::AUTHENTICATION)
}

/// What ties the entries of one log-in together.
fn correlation(login: u64) -> String {
    format!("login-{login}")
}
