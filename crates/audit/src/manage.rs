//! Everything of this crate behind two handles: [`AuditManager`] keeps the log and its index together,
//! [`SecurityManager`] decides and records every decision in it.
//!
//! The parts can be used alone; what the managers add is that nothing is forgotten: the index follows the log, a
//! question of an auditor and a report become entries themselves, and **no decision leaves before it is recorded**.
//!
//! # Example
//! ```
//! use ecosystem_audit::access::{Effect, LoginSettings, Policy, Principal, Request, Rule};
//! use ecosystem_audit::manage::{AuditManager, SecurityManager};
//! use ecosystem_audit::query::Filter;
//!
//! let policy = Policy::new("fleet", 1).role("operator", &[]);
//! let policy = policy.rule(Rule::new("run", Effect::Allow, "vm.*").of_role("operator"));
//! let (mut audit, mut security) =
//!     (AuditManager::new(), SecurityManager::new(policy, LoginSettings::default())?);
//!
//! let ana = Principal::individual("ana").with_role("operator");
//! let login = security.log_in(&mut audit, ana, [[1; 32], [2; 32]], 1_000)?;
//! let stop = Request::new("vm.stop", "prod/db", 2_000);
//! assert!(security.authorize(&mut audit, &login.access, &stop, "op-1")?.is_allowed());
//!
//! let decisions = audit.query_events(&Filter::new().action("access.decide"))?;
//! assert_eq!(decisions.hits[0].correlation_id, Some("op-1"));
//! assert!(audit.verify_integrity().ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod audit;
mod model;
mod security;

pub use audit::{AskError, AuditManager, ChangeError};
pub use model::ActiveModel;
pub use security::{SecurityError, SecurityManager};
