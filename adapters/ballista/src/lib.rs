//! The SQL functions of `ecosystem-datafusion` on several processes, by Apache DataFusion Ballista.
//!
//! # Model
//! A *scheduler* cuts a query into stages of tasks and gives them to *executors*, which read their part of the files, exchange
//! rows by Arrow Flight and call the functions; a *client* asks and gets the rows. All three are this library in a process of
//! its own, because each has to know the functions. The query is the one that runs in a single process, and so are the values of
//! each series; sums over series may differ in the last digit, because they are added in another order.
//!
//! - An executor that is silent for [`SchedulerSettings::executor_timeout`] (15 s) is taken for dead. A query that it worked for
//!   is done by the others or, if they need rows that only it had, fails; a query without any executor for that long fails.
//! - The scheduler keeps its state in memory: when it dies, its queries fail at the client. Queries only read, so
//!   asking again does no harm.
//! - All executors must see the files under the same path. Nothing is encrypted or authenticated: keep it on a private network.
//!
//! The program `eco-query` is all roles in one: `eco-query --role scheduler`, `--role executor`, `--role client`, and
//! `--role local` for the same query in one process.
//!
//! # Example
//! ```no_run
//! use datafusion::prelude::ParquetReadOptions;
//! # async fn example() -> Result<(), ecosystem_ballista::Failure> {
//! let ctx = ecosystem_ballista::connect("127.0.0.1:50050".parse().expect("an address")).await?;
//! ctx.register_parquet("metrics", "/data/metrics.parquet", ParquetReadOptions::default()).await?;
//! let query = ctx.sql("SELECT series, eco_try_forecast(eco_series(t, v), 24, 24) FROM metrics GROUP BY series").await?;
//! for batch in query.collect().await? {
//!     println!("{} series", batch.num_rows());
//! }
//! # Ok(())
//! # }
//! ```

mod roles;

pub use roles::{ExecutorSettings, SchedulerSettings, connect, run_executor, run_scheduler};

use ballista_core::error::BallistaError;
use datafusion::error::DataFusionError;

/// Why a role ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A setting is outside of what is accepted.
    #[error("`{setting}` is {found}: expected {expected}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// What was given.
        found: String,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// The scheduler or an executor could not be started, or lost its connections.
    #[error("the {role} at {address} ended: {reason}")]
    Role {
        /// `scheduler` or `executor`.
        role: &'static str,
        /// Where it listens.
        address: String,
        /// What Ballista says.
        reason: BallistaError,
    },
    /// A query failed.
    #[error(transparent)]
    Query(#[from] DataFusionError),
}
