//! Who may do what: principals, a typed policy, decisions that explain themselves.
//!
//! # Model
//! A [`Policy`] is data: roles that inherit from roles (a directed acyclic graph) and [`Rule`]s. A rule
//! has an [`Effect`] (allow, deny, require approvals), a role (or everybody), an action pattern
//! (`vm.start`, `vm.*`, `*`), a [`Selector`] over resource paths and labels, and [`Condition`]s (time, fresh
//! multi-factor authentication, network).
//!
//! [`Authorizer::new`] checks it (unknown roles, cycles, malformed patterns) and compiles it into dense
//! indices. A decision is then
//! 1. **deny** if any deny rule applies, whatever else does;
//! 2. otherwise **needs approval** if an allow rule applies but a `RequireApprovals` rule is not yet met: the
//!    four-eyes rule cannot be bypassed by a broader allow;
//! 3. otherwise **allow** if an allow rule applies;
//! 4. otherwise **not permitted**: the default is to deny.
//!
//! Conditions have three values. What is unknown (no network address, no second factor known) never makes an
//! allow rule apply and never keeps a deny or approval rule from applying.
//!
//! Nothing here reads a clock, a network or a store; where an object sits in the graph of components comes in
//! as a list of ancestor paths with each request.
//!
//! # Cost
//! A decision hashes action and path once and probes one table per (action family, path prefix): independent
//! of the number of rules that concern other actions or paths. `cargo bench -p ecosystem-audit --bench use_`.
//!
//! # Example
//! ```
//! use ecosystem_audit::access::{Authorizer, Effect, Outcome, Policy, Principal, Request, Rule};
//!
//! let policy = Policy::new("fleet", 3)
//!     .role("viewer", &[])
//!     .role("operator", &["viewer"])
//!     .rule(Rule::new("read", Effect::Allow, "metrics.read").of_role("viewer"))
//!     .rule(Rule::new("run", Effect::Allow, "vm.*").of_role("operator").on_subtree("prod/shop"))
//!     .rule(Rule::new("never-db", Effect::Deny, "vm.delete").on_subtree("prod/shop/db"));
//! let authorizer = Authorizer::new(policy)?;
//!
//! let ana = authorizer.subject(&Principal::individual("ana").with_role("operator"));
//! let start = Request::new("vm.start", "prod/shop/web-1", 1_772_431_800_000);
//! assert!(authorizer.decide(&ana, &start).is_allowed());
//! let delete = Request::new("vm.delete", "prod/shop/db/1", 1_772_431_800_000);
//! assert!(matches!(authorizer.decide(&ana, &delete).outcome, Outcome::Denied { .. }));
//! # Ok::<(), ecosystem_audit::access::PolicyError>(())
//! ```

mod authorizer;
mod claims;
mod condition;
mod explain;
mod intern;
mod login;
mod policy;
mod principal;
mod totp;

pub use authorizer::{Authorizer, Decision, Outcome, Subject};
pub use claims::{
    ClaimsError, LdapMapping, OidcMapping, RoleMap, SamlAssertion, SamlMapping, common_name, from_ldap,
    from_oidc, from_saml,
};
pub use condition::{Cidr, CidrError, Condition, TimeWindow};
pub use explain::{Explanation, RuleTrace, Why};
pub use login::{Issued, LoginError, LoginSettings, Logins, TokenSecret};
pub use policy::{Approval, Effect, Policy, PolicyError, Request, Resource, Role, Rule, Selector};
pub use principal::{Authenticator, Principal, PrincipalKind, RoleGrant};
pub use totp::{Totp, TotpAlgorithm, TotpError, TotpSecret, TotpState, hotp};
