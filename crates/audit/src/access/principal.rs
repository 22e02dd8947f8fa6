//! Who acts.

use core::net::IpAddr;
use core::time::Duration;

/// What stands behind an actor name. Checks on individual accountability rest on it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PrincipalKind {
    /// One person.
    #[default]
    Individual,
    /// One program or machine, named as such.
    Service,
    /// An account used by several people; every use should name `on_behalf_of`.
    Shared,
}

/// A role held by a principal, for ever or until a moment.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RoleGrant {
    /// Name of the role in the policy.
    pub role: String,
    /// From this moment on the grant no longer counts; `None` = until revoked.
    pub expires_at_unix_ms: Option<u64>,
}

/// An authenticated actor with the roles granted to it. Made by an [`Authenticator`] or from
/// claims ([`from_oidc`](super::from_oidc), [`from_saml`](super::from_saml), [`from_ldap`](super::from_ldap)).
///
/// ```
/// use ecosystem_audit::access::{Principal, PrincipalKind};
///
/// let bot = Principal::service("autoscaler").with_role("scaler").with_temporary_role("admin", 5_000);
/// assert_eq!(bot.kind, PrincipalKind::Service);
/// assert_eq!(bot.grants[1].expires_at_unix_ms, Some(5_000));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Principal {
    /// Stable unique name, as it appears as `actor` in entries.
    pub id: String,
    /// Person, service or shared account.
    pub kind: PrincipalKind,
    /// For whom it acts, when a service or shared account works for a person.
    pub on_behalf_of: Option<String>,
    /// Roles, each with its expiry.
    pub grants: Vec<RoleGrant>,
    /// When a second factor was last proved; `None` = never or unknown.
    pub mfa_at_unix_ms: Option<u64>,
    /// Address the requests come from; `None` = unknown.
    pub network: Option<IpAddr>,
}

impl Principal {
    /// A principal without roles.
    pub fn new(id: impl Into<String>, kind: PrincipalKind) -> Self {
        Self {
            id: id.into(),
            kind,
            on_behalf_of: None,
            grants: Vec::new(),
            mfa_at_unix_ms: None,
            network: None,
        }
    }

    /// One person.
    pub fn individual(id: impl Into<String>) -> Self {
        Self::new(id, PrincipalKind::Individual)
    }

    /// One program.
    pub fn service(id: impl Into<String>) -> Self {
        Self::new(id, PrincipalKind::Service)
    }

    /// Adds a role without expiry.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<String>) -> Self {
        self.grants.push(RoleGrant { role: role.into(), expires_at_unix_ms: None });
        self
    }

    /// Adds a role that ends.
    #[must_use]
    pub fn with_temporary_role(mut self, role: impl Into<String>, expires_at_unix_ms: u64) -> Self {
        self.grants.push(RoleGrant { role: role.into(), expires_at_unix_ms: Some(expires_at_unix_ms) });
        self
    }

    /// Says for whom it acts.
    #[must_use]
    pub fn acting_for(mut self, person: impl Into<String>) -> Self {
        self.on_behalf_of = Some(person.into());
        self
    }

    /// Says when a second factor was proved.
    #[must_use]
    pub fn with_mfa_at(mut self, at_unix_ms: u64) -> Self {
        self.mfa_at_unix_ms = Some(at_unix_ms);
        self
    }

    /// Says where requests come from.
    #[must_use]
    pub fn from_network(mut self, address: IpAddr) -> Self {
        self.network = Some(address);
        self
    }

    /// Whether a second factor was proved at most `max_age` before `at_unix_ms`; `None` when unknown.
    pub fn mfa_fresh(&self, at_unix_ms: u64, max_age: Duration) -> Option<bool> {
        self.mfa_at_unix_ms.map(|proved| fresh(proved, at_unix_ms, max_age))
    }
}

/// A proof from the future (clock skew) is not fresh.
pub(super) fn fresh(proved: u64, at_unix_ms: u64, max_age: Duration) -> bool {
    at_unix_ms.checked_sub(proved).is_some_and(|age| u128::from(age) <= max_age.as_millis())
}

/// Turns credentials into a principal. Hosts implement it (password hash, TLS certificate, identity provider);
/// the mapping functions of this module do the pure part.
///
/// Failures should be recorded as denied attempts by the host; the message of the error must not tell an
/// attacker which part was wrong.
pub trait Authenticator {
    /// What a client presents.
    type Credentials: ?Sized;
    /// Why it was refused.
    type Error: core::error::Error + Send + Sync + 'static;

    /// Checks the credentials at the given moment.
    ///
    /// # Errors
    /// Refused or not checkable; both mean "not authenticated".
    fn authenticate(
        &mut self,
        credentials: &Self::Credentials,
        at_unix_ms: u64,
    ) -> Result<Principal, Self::Error>;
}
