//! From what identity providers say to a [`Principal`]: OIDC claims, SAML attributes, LDAP groups.
//!
//! Pure functions. The host has checked the **signature** (JWT, XML) or bound to the directory over TLS
//! before; here issuer, audience, validity and the mapping of groups to roles are judged, against the time
//! handed in. Groups without an entry in the [`RoleMap`] give nothing.
//!
//! # References
//! `OpenID` Connect Core 1.0 §3.1.3.7; RFC 7519 §4.1; RFC 8176 (`amr`); SAML 2.0 Core §2.5, §2.7; RFC 4514 (DN).

use serde_json::Value;

use super::principal::{Principal, PrincipalKind, RoleGrant};
use crate::civil;

/// Largest document or name that is looked at, bytes.
const MAX_BYTES: usize = 256 * 1024;
/// Most groups that are looked at.
const MAX_GROUPS: usize = 10_000;

/// Which group gives which role, and which names are not persons.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RoleMap {
    /// Pairs of group and role; a group may give several roles.
    pub pairs: Vec<(String, String)>,
    /// Principals that are services.
    pub services: Vec<String>,
    /// Principals that are shared accounts.
    pub shared: Vec<String>,
}

impl RoleMap {
    /// A map that gives nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Members of the group hold the role.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>, role: impl Into<String>) -> Self {
        self.pairs.push((group.into(), role.into()));
        self
    }

    /// The named principal is a service.
    #[must_use]
    pub fn service(mut self, id: impl Into<String>) -> Self {
        self.services.push(id.into());
        self
    }

    /// The named principal is a shared account.
    #[must_use]
    pub fn shared(mut self, id: impl Into<String>) -> Self {
        self.shared.push(id.into());
        self
    }

    /// The principal of the claims: roles in the order of the map, each once, ending with the claims.
    fn principal(&self, claims: Claims) -> Principal {
        let kind = if self.services.contains(&claims.id) {
            PrincipalKind::Service
        } else if self.shared.contains(&claims.id) {
            PrincipalKind::Shared
        } else {
            PrincipalKind::Individual
        };
        let mut principal = Principal::new(claims.id, kind);
        principal.mfa_at_unix_ms = claims.mfa_at_unix_ms;
        for (group, role) in &self.pairs {
            let known = principal.grants.iter().any(|g| g.role == *role);
            if !known && claims.groups.contains(group) {
                let grant = RoleGrant { role: role.clone(), expires_at_unix_ms: claims.expires_at_unix_ms };
                principal.grants.push(grant);
            }
        }
        principal
    }
}

/// What all three sources come down to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Claims {
    id: String,
    groups: Vec<String>,
    mfa_at_unix_ms: Option<u64>,
    expires_at_unix_ms: Option<u64>,
}

/// Why claims do not make a principal.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// Not JSON, or not an object, or too large.
    #[error("claims are not a JSON object of at most {MAX_BYTES} bytes")]
    Malformed,
    /// A claim is absent or of the wrong type.
    #[error("claim `{0}` is missing or has the wrong type")]
    Missing(String),
    /// From another issuer.
    #[error("issuer is `{found}`: expected `{expected}`")]
    Issuer {
        /// As found.
        found: String,
        /// As configured.
        expected: String,
    },
    /// For another audience.
    #[error("audience does not name `{0}`")]
    Audience(String),
    /// Several audiences and not issued to us.
    #[error("authorized party is not `{0}`")]
    AuthorizedParty(String),
    /// The nonce of the log-in is not there.
    #[error("nonce differs from the one sent")]
    Nonce,
    /// Too early.
    #[error("not valid before {}", civil::format_utc(*not_before_unix_ms))]
    NotYetValid {
        /// Start of validity.
        not_before_unix_ms: u64,
    },
    /// Too late.
    #[error("expired at {}", civil::format_utc(*expired_at_unix_ms))]
    Expired {
        /// End of validity.
        expired_at_unix_ms: u64,
    },
    /// A distinguished name that RFC 4514 does not allow.
    #[error("`{0}` is not a distinguished name")]
    Name(String),
}

/// How OIDC claims are read.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OidcMapping {
    /// Exact value of `iss`.
    pub issuer: String,
    /// Our client id, which `aud` must name.
    pub audience: String,
    /// The claim that becomes the actor; default `sub`, the only one that is never reassigned.
    pub id_claim: String,
    /// The claim that lists groups, with dots into nested objects (`realm_access.roles`); default `groups`.
    pub groups_claim: String,
    /// Nonce sent with the log-in request, if one was.
    pub nonce: Option<String>,
    /// Values of `acr` that mean a second factor, besides `mfa` in `amr`.
    pub mfa_acr: Vec<String>,
    /// Tolerated clock difference; default 60 s.
    pub leeway_ms: u64,
    /// Groups to roles.
    pub roles: RoleMap,
}

impl OidcMapping {
    /// Defaults for an issuer and our client id.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, roles: RoleMap) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            id_claim: "sub".into(),
            groups_claim: "groups".into(),
            nonce: None,
            mfa_acr: Vec::new(),
            leeway_ms: 60_000,
            roles,
        }
    }
}

/// Maps the claims of an ID token whose signature the host has verified. Roles end when the token does.
///
/// ```
/// use ecosystem_audit::access::{OidcMapping, RoleMap, from_oidc};
///
/// let mapping = OidcMapping::new("https://id.example", "fleet", RoleMap::new().group("sre", "operator"));
/// let claims = r#"{"iss":"https://id.example","aud":"fleet","sub":"ana","exp":1000,"iat":900,
///     "amr":["pwd","mfa"],"auth_time":890,"groups":["sre","chess club"]}"#;
/// let ana = from_oidc(claims, &mapping, 950_000)?;
/// assert_eq!((ana.id.as_str(), ana.grants[0].role.as_str()), ("ana", "operator"));
/// assert_eq!((ana.grants[0].expires_at_unix_ms, ana.mfa_at_unix_ms), (Some(1_000_000), Some(890_000)));
/// # Ok::<(), ecosystem_audit::access::ClaimsError>(())
/// ```
///
/// # Errors
/// The first claim that is missing or wrong.
pub fn from_oidc(
    claims_json: &str,
    mapping: &OidcMapping,
    at_unix_ms: u64,
) -> Result<Principal, ClaimsError> {
    if claims_json.len() > MAX_BYTES {
        return Err(ClaimsError::Malformed);
    }
    let claims: Value = serde_json::from_str(claims_json).map_err(|_| ClaimsError::Malformed)?;
    if !claims.is_object() {
        return Err(ClaimsError::Malformed);
    }
    let issuer = text(&claims, "iss")?;
    if issuer != mapping.issuer {
        return Err(ClaimsError::Issuer { found: issuer, expected: mapping.issuer.clone() });
    }
    let audiences = texts(claims.get("aud"));
    if !audiences.contains(&mapping.audience) {
        return Err(ClaimsError::Audience(mapping.audience.clone()));
    }
    let party = claims.get("azp").and_then(Value::as_str);
    if party.is_some_and(|p| p != mapping.audience) || (audiences.len() > 1 && party.is_none()) {
        return Err(ClaimsError::AuthorizedParty(mapping.audience.clone()));
    }
    if let Some(nonce) = &mapping.nonce
        && claims.get("nonce").and_then(Value::as_str) != Some(nonce)
    {
        return Err(ClaimsError::Nonce);
    }
    let expires = seconds(&claims, "exp")?.ok_or_else(|| ClaimsError::Missing("exp".into()))?;
    let issued = seconds(&claims, "iat")?.ok_or_else(|| ClaimsError::Missing("iat".into()))?;
    let starts = seconds(&claims, "nbf")?.unwrap_or(issued).max(issued);
    valid_at(at_unix_ms, Some(starts), Some(expires), mapping.leeway_ms)?;
    let id = text(&claims, &mapping.id_claim)?;
    let acr = claims.get("acr").and_then(Value::as_str);
    let second_factor = texts(claims.get("amr")).iter().any(|m| m == "mfa")
        || acr.is_some_and(|a| mapping.mfa_acr.iter().any(|m| m == a));
    let mfa_at_unix_ms =
        if second_factor { Some(seconds(&claims, "auth_time")?.unwrap_or(issued)) } else { None };
    let groups = mapping.groups_claim.split('.').try_fold(&claims, |v, key| v.get(key));
    let groups = texts(groups);
    Ok(mapping.roles.principal(Claims { id, groups, mfa_at_unix_ms, expires_at_unix_ms: Some(expires) }))
}

/// The parts of a SAML assertion whose signature the host has verified.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SamlAssertion {
    /// `Issuer`.
    pub issuer: String,
    /// `AudienceRestriction`.
    pub audiences: Vec<String>,
    /// `Subject/NameID`.
    pub name_id: String,
    /// `AttributeStatement`: name and values.
    pub attributes: Vec<(String, Vec<String>)>,
    /// `Conditions/@NotBefore`.
    pub not_before_unix_ms: Option<u64>,
    /// `Conditions/@NotOnOrAfter`.
    pub not_on_or_after_unix_ms: Option<u64>,
    /// `AuthnStatement/@AuthnInstant`.
    pub authn_instant_unix_ms: Option<u64>,
    /// `AuthnContextClassRef`.
    pub authn_context: Option<String>,
}

/// How SAML assertions are read.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SamlMapping {
    /// Exact issuer.
    pub issuer: String,
    /// Our entity id.
    pub audience: String,
    /// The attribute that becomes the actor; `None` = the name id.
    pub id_attribute: Option<String>,
    /// The attribute that lists groups; default `groups`.
    pub groups_attribute: String,
    /// Context classes that mean a second factor.
    pub mfa_contexts: Vec<String>,
    /// Tolerated clock difference; default 60 s.
    pub leeway_ms: u64,
    /// Groups to roles.
    pub roles: RoleMap,
}

impl SamlMapping {
    /// Defaults for an issuer and our entity id; second factor = the REFEDS profile or a time-synchronised token.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, roles: RoleMap) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            id_attribute: None,
            groups_attribute: "groups".into(),
            mfa_contexts: vec![
                "https://refeds.org/profile/mfa".into(),
                "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken".into(),
            ],
            leeway_ms: 60_000,
            roles,
        }
    }
}

/// Maps a verified SAML assertion. Roles end with its validity.
///
/// # Errors
/// Wrong issuer or audience, out of time, no actor.
pub fn from_saml(
    assertion: &SamlAssertion,
    mapping: &SamlMapping,
    at_unix_ms: u64,
) -> Result<Principal, ClaimsError> {
    if assertion.issuer != mapping.issuer {
        let found = assertion.issuer.clone();
        return Err(ClaimsError::Issuer { found, expected: mapping.issuer.clone() });
    }
    if !assertion.audiences.contains(&mapping.audience) {
        return Err(ClaimsError::Audience(mapping.audience.clone()));
    }
    let end = assertion.not_on_or_after_unix_ms;
    if end.is_none() {
        return Err(ClaimsError::Missing("NotOnOrAfter".into()));
    }
    valid_at(at_unix_ms, assertion.not_before_unix_ms, end, mapping.leeway_ms)?;
    let values = |name: &str| assertion.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_slice());
    let id = match &mapping.id_attribute {
        None => assertion.name_id.clone(),
        Some(name) => match values(name) {
            Some([one]) => one.clone(),
            _ => return Err(ClaimsError::Missing(name.clone())),
        },
    };
    if id.is_empty() {
        return Err(ClaimsError::Missing("NameID".into()));
    }
    let strong = assertion.authn_context.as_ref().is_some_and(|c| mapping.mfa_contexts.contains(c));
    let groups = values(&mapping.groups_attribute).unwrap_or_default();
    let groups = groups.iter().take(MAX_GROUPS).cloned().collect();
    let mfa_at_unix_ms = assertion.authn_instant_unix_ms.filter(|_| strong);
    Ok(mapping.roles.principal(Claims { id, groups, mfa_at_unix_ms, expires_at_unix_ms: end }))
}

/// How LDAP groups are read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LdapMapping {
    /// Only groups below this name count, so that nobody gains a role by a group of the same common name
    /// elsewhere in the directory.
    pub groups_base: String,
    /// Nested groups: (member group, containing group), as full names.
    pub nested: Vec<(String, String)>,
    /// Common names of groups, in lower case, to roles.
    pub roles: RoleMap,
}

impl LdapMapping {
    /// Groups below a base, not nested.
    pub fn new(groups_base: impl Into<String>, roles: RoleMap) -> Self {
        Self { groups_base: groups_base.into(), nested: Vec::new(), roles }
    }
}

/// Maps the groups of a directory user (`memberOf`), following nested groups. Names compare without regard to
/// case, as directories do.
///
/// ```
/// use ecosystem_audit::access::{LdapMapping, RoleMap, from_ldap};
///
/// let mapping = LdapMapping::new("ou=groups,dc=example,dc=org", RoleMap::new().group("sre", "operator"));
/// let groups = ["CN=SRE, OU=Groups, DC=example, DC=org", "cn=sre,ou=evil,dc=example,dc=org"];
/// let ana = from_ldap("ana", &groups, &mapping)?;
/// assert_eq!(ana.grants.len(), 1);
/// assert_eq!(from_ldap("eve", &groups[1..], &mapping)?.grants.len(), 0);
/// # Ok::<(), ecosystem_audit::access::ClaimsError>(())
/// ```
///
/// # Errors
/// A name that is not a distinguished name.
pub fn from_ldap(id: &str, group_names: &[&str], mapping: &LdapMapping) -> Result<Principal, ClaimsError> {
    if id.is_empty() {
        return Err(ClaimsError::Missing("user id".into()));
    }
    let base = normal_name(&mapping.groups_base)?;
    let edges: Result<Vec<_>, ClaimsError> =
        mapping.nested.iter().map(|(m, c)| Ok((normal_name(m)?, normal_name(c)?))).collect();
    let edges = edges?;
    let mut member: Vec<Vec<String>> = Vec::new();
    for name in group_names.iter().take(MAX_GROUPS) {
        let name = normal_name(name)?;
        if !member.contains(&name) {
            member.push(name);
        }
    }
    // Breadth first over nested groups; each group is entered once, so circles end.
    let mut next = 0;
    while next < member.len() && member.len() < MAX_GROUPS {
        for (inner, outer) in &edges {
            if *inner == member[next] && !member.contains(outer) {
                member.push(outer.clone());
            }
        }
        next += 1;
    }
    let groups = member
        .iter()
        .filter(|name| name.len() > base.len() && name.ends_with(&base))
        .filter_map(|name| name.first()?.strip_prefix("cn=").map(str::to_owned))
        .collect();
    Ok(mapping.roles.principal(Claims { id: id.to_owned(), groups, ..Claims::default() }))
}

/// The common name of a distinguished name, unescaped, in lower case; `None` if it does not start with one.
///
/// # Errors
/// Not a distinguished name.
pub fn common_name(distinguished_name: &str) -> Result<Option<String>, ClaimsError> {
    let name = normal_name(distinguished_name)?;
    Ok(name.first().and_then(|rdn| rdn.strip_prefix("cn=")).map(str::to_owned))
}

/// RFC 4514 name as `type=value` parts in lower case without escapes. Values that are themselves encoded
/// (`#hex`) and multi-valued parts (`+`) are kept as they are, in one part.
fn normal_name(text: &str) -> Result<Vec<String>, ClaimsError> {
    let error = || ClaimsError::Name(text.chars().take(128).collect());
    if text.len() > MAX_BYTES {
        return Err(error());
    }
    let mut parts = Vec::new();
    for rdn in split_unescaped(text) {
        let (kind, value) = rdn.split_once('=').ok_or_else(error)?;
        let kind = kind.trim();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if kind.is_empty() || !kind.bytes().all(plain) {
            return Err(error());
        }
        let value = unescape(value).ok_or_else(error)?;
        parts.push(format!("{}={}", kind.to_ascii_lowercase(), value.to_lowercase()));
    }
    Ok(parts)
}

fn split_unescaped(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                parts.push(text.get(start..i).unwrap_or_default());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

fn unescape(value: &str) -> Option<String> {
    let mut out: Vec<u8> = Vec::with_capacity(value.len());
    let mut bytes = value.trim_start().bytes().peekable();
    let mut keep = 0; // length up to the last byte that trailing spaces must not swallow
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            keep = if byte == b' ' { keep } else { out.len() };
            continue;
        }
        let next = bytes.next()?;
        let hex = |b: u8| char::from(b).to_digit(16);
        match (hex(next), bytes.peek().and_then(|&b| hex(b))) {
            (Some(high), Some(low)) => {
                bytes.next();
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            _ if b" \"#+,;<=>\\".contains(&next) => out.push(next),
            _ => return None,
        }
        keep = out.len();
    }
    out.truncate(keep);
    String::from_utf8(out).ok()
}

fn valid_at(at: u64, start: Option<u64>, end: Option<u64>, leeway: u64) -> Result<(), ClaimsError> {
    if let Some(not_before_unix_ms) = start.filter(|s| at.saturating_add(leeway) < *s) {
        return Err(ClaimsError::NotYetValid { not_before_unix_ms });
    }
    match end.filter(|e| at >= e.saturating_add(leeway)) {
        Some(expired_at_unix_ms) => Err(ClaimsError::Expired { expired_at_unix_ms }),
        None => Ok(()),
    }
}

fn text(claims: &Value, name: &str) -> Result<String, ClaimsError> {
    let value = claims.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    value.map(str::to_owned).ok_or_else(|| ClaimsError::Missing(name.to_owned()))
}

/// A string or a list of strings.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => {
            many.iter().take(MAX_GROUPS).filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// A `NumericDate` in milliseconds; fractions are cut.
fn seconds(claims: &Value, name: &str) -> Result<Option<u64>, ClaimsError> {
    let wrong = || ClaimsError::Missing(name.to_owned());
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match (value.as_u64(), value.as_f64()) {
            (Some(s), _) => s.checked_mul(1000).map(Some).ok_or_else(wrong),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked")]
            (None, Some(s)) if (0.0..9e12).contains(&s) => Ok(Some((s * 1000.0) as u64)),
            _ => Err(wrong()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn oidc() -> OidcMapping {
        OidcMapping::new(
            "https://id.example",
            "fleet",
            RoleMap::new().group("sre", "operator").service("bot"),
        )
    }

    fn claims(patch: &str) -> String {
        let mut base: Value = serde_json::from_str(
            r#"{"iss":"https://id.example","aud":"fleet","sub":"ana","exp":1000,"iat":900,"groups":"sre"}"#,
        )
        .unwrap();
        let patch: Value = serde_json::from_str(patch).unwrap();
        for (k, v) in patch.as_object().unwrap() {
            if v.is_null() {
                base.as_object_mut().unwrap().remove(k);
            } else {
                base[k] = v.clone();
            }
        }
        base.to_string()
    }

    #[test]
    fn every_required_claim_is_judged() {
        let at = 950_000;
        let check = |patch: &str| from_oidc(&claims(patch), &oidc(), at);
        assert_eq!(check("{}").unwrap().grants[0].role, "operator");
        assert!(matches!(check(r#"{"iss":"https://evil"}"#), Err(ClaimsError::Issuer { .. })));
        assert!(matches!(check(r#"{"aud":["a","b"]}"#), Err(ClaimsError::Audience(_))));
        assert!(matches!(check(r#"{"aud":["a","fleet"]}"#), Err(ClaimsError::AuthorizedParty(_))));
        assert!(check(r#"{"aud":["a","fleet"],"azp":"fleet"}"#).is_ok());
        assert!(matches!(check(r#"{"azp":"other"}"#), Err(ClaimsError::AuthorizedParty(_))));
        assert!(matches!(check(r#"{"exp":null}"#), Err(ClaimsError::Missing(_))));
        assert!(matches!(check(r#"{"exp":"1000"}"#), Err(ClaimsError::Missing(_))));
        assert!(matches!(check(r#"{"exp":-1}"#), Err(ClaimsError::Missing(_))));
        assert!(matches!(check(r#"{"exp":890}"#), Err(ClaimsError::Expired { .. })));
        assert!(check(r#"{"exp":891}"#).is_ok(), "within the leeway");
        assert!(matches!(check(r#"{"nbf":1011}"#), Err(ClaimsError::NotYetValid { .. })));
        assert!(matches!(check(r#"{"sub":""}"#), Err(ClaimsError::Missing(_))));
        assert_eq!(check(r#"{"sub":"bot"}"#).unwrap().kind, PrincipalKind::Service);
        assert_eq!(check(r#"{"groups":{"sre":true}}"#).unwrap().grants, []);
        assert_eq!(from_oidc("[]", &oidc(), at), Err(ClaimsError::Malformed));
        let with_nonce = OidcMapping { nonce: Some("n".into()), ..oidc() };
        assert_eq!(from_oidc(&claims("{}"), &with_nonce, at), Err(ClaimsError::Nonce));
    }

    #[test]
    fn groups_can_lie_in_nested_claims_and_acr_can_mean_a_second_factor() {
        let mut mapping = oidc();
        mapping.groups_claim = "realm_access.roles".into();
        mapping.mfa_acr.push("gold".into());
        let json = claims(r#"{"realm_access":{"roles":["sre"]},"acr":"gold"}"#);
        let ana = from_oidc(&json, &mapping, 950_000).unwrap();
        assert_eq!((ana.grants.len(), ana.mfa_at_unix_ms), (1, Some(900_000)));
    }

    #[test]
    fn saml_conditions_are_judged() {
        let mapping = SamlMapping::new("idp", "sp", RoleMap::new().group("ops", "operator"));
        let good = SamlAssertion {
            issuer: "idp".into(),
            audiences: vec!["sp".into()],
            name_id: "ana".into(),
            attributes: vec![("groups".into(), vec!["x".into(), "ops".into()])],
            not_before_unix_ms: Some(1_000_000),
            not_on_or_after_unix_ms: Some(2_000_000),
            authn_instant_unix_ms: Some(999_000),
            authn_context: Some("https://refeds.org/profile/mfa".into()),
        };
        let ana = from_saml(&good, &mapping, 1_500_000).unwrap();
        assert_eq!((ana.grants[0].expires_at_unix_ms, ana.mfa_at_unix_ms), (Some(2_000_000), Some(999_000)));
        assert!(matches!(from_saml(&good, &mapping, 2_060_000), Err(ClaimsError::Expired { .. })));
        assert!(matches!(from_saml(&good, &mapping, 939_999), Err(ClaimsError::NotYetValid { .. })));
        let other = SamlAssertion { audiences: vec!["other".into()], ..good.clone() };
        assert!(matches!(from_saml(&other, &mapping, 1_500_000), Err(ClaimsError::Audience(_))));
        let endless = SamlAssertion { not_on_or_after_unix_ms: None, ..good };
        assert!(matches!(from_saml(&endless, &mapping, 1_500_000), Err(ClaimsError::Missing(_))));
    }

    #[test]
    fn distinguished_names_are_unescaped_and_nested_groups_followed_without_looping() {
        let cn = |dn| common_name(dn).unwrap().unwrap();
        // Examples after RFC 4514 section 4.
        assert_eq!(cn(r"CN=James \22Jim\22 Smith\, III,DC=example,DC=net"), "james \"jim\" smith, iii");
        assert_eq!(cn(r"CN=Lu\C4\8Di\C4\87"), "lučić");
        assert_eq!(cn(r"cn=trailing\ ,dc=a"), "trailing ");
        for bad in ["cn", "cn=a,,dc=b", "cn=\\zz", "cn=a\\", "c n=a", r"cn=\FF"] {
            assert!(common_name(bad).is_err(), "{bad}");
        }
        let mut mapping = LdapMapping::new("dc=x", RoleMap::new().group("top", "admin"));
        mapping.nested = vec![
            ("cn=low,dc=x".into(), "cn=mid,dc=x".into()),
            ("cn=mid,dc=x".into(), "CN=Top,DC=X".into()),
            ("cn=top,dc=x".into(), "cn=low,dc=x".into()),
        ];
        assert_eq!(from_ldap("ana", &["cn=low,dc=x"], &mapping).unwrap().grants[0].role, "admin");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".*", at: u64) {
            let _ = from_oidc(&text, &oidc(), at);
            let _ = common_name(&text);
            let _ = from_ldap("x", &[&text], &LdapMapping::new("dc=x", RoleMap::new()));
        }
    }
}
