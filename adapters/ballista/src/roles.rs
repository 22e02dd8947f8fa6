//! Scheduler, executor, client.

use crate::Failure;
use ballista::prelude::SessionContextExt;
use ballista_core::{
    config::TaskSchedulingPolicy, extension::SessionConfigExt, registry::BallistaFunctionRegistry,
    utils::default_session_builder,
};
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::{
    cluster::BallistaCluster, config::SchedulerConfig, scheduler_process::start_server,
};
use datafusion::{
    execution::{FunctionRegistry, SessionStateBuilder},
    functions_nested::all_default_nested_functions,
    prelude::{SessionConfig, SessionContext},
};
use ecosystem_datafusion::{aggregate_functions, scalar_functions};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

/// Executors ask for work. With the other policy the scheduler of Ballista 55 counts the slots of executors and forgets to give
/// those back whose tasks belonged to a stage that was rolled back: once an executor is lost, the others look busy for ever.
const POLICY: TaskSchedulingPolicy = TaskSchedulingPolicy::PullStaged;

/// How the scheduler works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchedulerSettings {
    /// Where executors and clients find it.
    pub listen: SocketAddr,
    /// Silence after which an executor is taken for dead, and time for which a query without executors waits; whole seconds, at
    /// least 3. 15 s.
    pub executor_timeout: Duration,
}

impl SchedulerSettings {
    /// The usual time-out.
    pub const fn new(listen: SocketAddr) -> Self {
        Self { listen, executor_timeout: Duration::from_secs(15) }
    }

    /// Another time-out.
    #[must_use]
    pub const fn with_executor_timeout(mut self, timeout: Duration) -> Self {
        self.executor_timeout = timeout;
        self
    }
}

/// How an executor works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecutorSettings {
    /// The scheduler it works for.
    pub scheduler: SocketAddr,
    /// Where it hands out rows; the scheduler and other executors must reach it.
    pub flight: SocketAddr,
    /// Tasks at the same time.
    pub cores: usize,
    /// Where it keeps rows for other stages.
    pub directory: PathBuf,
    /// Time between signs of life, whole seconds; a third of the scheduler's time-out or less. 5 s.
    pub heartbeat: Duration,
}

impl ExecutorSettings {
    /// One core, and the usual heartbeat.
    pub fn new(scheduler: SocketAddr, flight: SocketAddr, directory: impl Into<PathBuf>) -> Self {
        Self { scheduler, flight, cores: 1, directory: directory.into(), heartbeat: Duration::from_secs(5) }
    }

    /// More tasks at the same time.
    #[must_use]
    pub const fn with_cores(mut self, cores: usize) -> Self {
        self.cores = cores;
        self
    }

    /// Another time between signs of life.
    #[must_use]
    pub const fn with_heartbeat(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = heartbeat;
        self
    }
}

/// Schedules until an error ends it.
pub async fn run_scheduler(settings: &SchedulerSettings) -> Result<(), Failure> {
    let timeout = settings.executor_timeout.as_secs();
    if timeout < 3 {
        return Err(Failure::Setting {
            setting: "executor_timeout",
            found: format!("{timeout} s"),
            expected: "at least 3 s",
        });
    }
    let config = SchedulerConfig {
        external_host: settings.listen.ip().to_string(),
        bind_host: settings.listen.ip().to_string(),
        bind_port: settings.listen.port(),
        scheduling_policy: POLICY,
        executor_timeout_seconds: timeout,
        expire_dead_executor_interval_seconds: (timeout / 5).max(1),
        no_executors_grace_period_seconds: timeout,
        ..SchedulerConfig::default()
    }
    .with_override_session_builder(Arc::new(|config: SessionConfig| {
        let mut state = default_session_builder(config)?;
        for function in scalar_functions() {
            state.register_udf(function)?;
        }
        for function in aggregate_functions() {
            state.register_udaf(function)?;
        }
        Ok(state)
    }));
    let ended = |reason| Failure::Role { role: "scheduler", address: settings.listen.to_string(), reason };
    let cluster = BallistaCluster::new_from_config(&config).await.map_err(ended)?;
    start_server(cluster, settings.listen, Arc::new(config)).await.map_err(ended)
}

/// Works until the process is told to stop or loses the scheduler.
pub async fn run_executor(settings: &ExecutorSettings) -> Result<(), Failure> {
    let wrong = |setting, found: String, expected| Failure::Setting { setting, found, expected };
    let heartbeat = settings.heartbeat.as_secs();
    if heartbeat == 0 {
        return Err(wrong("heartbeat", format!("{:?}", settings.heartbeat), "at least 1 s"));
    }
    if settings.cores == 0 {
        return Err(wrong("cores", "0".to_owned(), "at least 1"));
    }
    let directory = settings
        .directory
        .to_str()
        .ok_or_else(|| wrong("directory", settings.directory.display().to_string(), "a path in UTF-8"))?;
    // Ballista's own registry leaves out the functions on lists, `list[1]` among them.
    let mut registry = BallistaFunctionRegistry::default();
    let scalar = scalar_functions().into_iter().chain(all_default_nested_functions());
    registry.scalar_functions.extend(scalar.map(|f| (f.name().to_owned(), f)));
    registry.aggregate_functions.extend(aggregate_functions().into_iter().map(|f| (f.name().to_owned(), f)));
    let config = ExecutorProcessConfig {
        bind_host: settings.flight.ip().to_string(),
        external_host: Some(settings.flight.ip().to_string()),
        port: settings.flight.port(),
        // Nobody sends tasks here.
        grpc_port: 0,
        scheduler_host: settings.scheduler.ip().to_string(),
        scheduler_port: settings.scheduler.port(),
        // A fleet is started in any order.
        scheduler_connect_timeout_seconds: 30,
        vcores: settings.cores,
        work_dir: Some(directory.to_owned()),
        executor_heartbeat_interval_seconds: heartbeat,
        task_scheduling_policy: POLICY,
        override_function_registry: Some(Arc::new(registry)),
        ..ExecutorProcessConfig::default()
    };
    start_executor_process(Arc::new(config)).await.map_err(|reason| Failure::Role {
        role: "executor",
        address: settings.flight.to_string(),
        reason,
    })
}

/// A session whose queries the cluster answers.
pub async fn connect(scheduler: SocketAddr) -> Result<SessionContext, Failure> {
    // With the adaptive planner of Ballista 55 a query never ends once an executor with rows of an earlier stage is lost: the stage
    // is rolled back and nobody runs it again.
    let config = SessionConfig::new_with_ballista().set_str("ballista.planner.adaptive.enabled", "false");
    let state = SessionStateBuilder::new().with_default_features().with_config(config).build();
    let ctx = SessionContext::remote_with_state(&format!("df://{scheduler}"), state).await?;
    // After the connection: Ballista replaces the functions of the state by its own.
    ecosystem_datafusion::register(&ctx);
    Ok(ctx)
}
