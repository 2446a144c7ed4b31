// SPDX-License-Identifier: Apache-2.0
//! The engine: threads, memory, functions. A statement takes its settings from here and everything it reads from the host.
use std::ffi::CStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, UnboundedMemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use tokio::runtime::{Builder, Runtime};

use crate::abi::{Config, EngineStatus, Host, Query, Status};
use crate::failure::Failure;
use crate::planner;
use crate::results::Results;
use crate::statement::{Gone, Statement};
use crate::watch::watched;
use crate::{aggregates, functions, rules};

/// Rows of a batch between operators: four vectors of the mirror.
const BATCH_ROWS: usize = 8192;

pub struct Engine {
    host: &'static Host,
    threads: usize,
    temp_directory: Option<String>,
    temp_limit: u64,
    runtime: Option<Runtime>,
    state: SessionState,
    statements: AtomicU64,
}

fn internal(error: impl ToString) -> Failure {
    Failure::new(Status::Internal, error.to_string())
}

unsafe fn text(pointer: *const std::ffi::c_char) -> Option<String> {
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}

impl Engine {
    /// # Safety
    /// The config is as `rhei_datafusion.h` says, and its host outlives the engine.
    pub unsafe fn open(config: &Config) -> Result<Engine, Failure> {
        let host: &'static Host = unsafe { &*config.host };
        let threads = (config.threads as usize).max(1);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("rhei-datafusion")
            .enable_time()
            .build()
            .map_err(internal)?;
        let mut engine = Engine {
            host,
            threads,
            temp_directory: unsafe { text(config.temp_directory) },
            temp_limit: config.temp_limit,
            runtime: Some(runtime),
            state: SessionStateBuilder::new().build(),
            statements: AtomicU64::new(0),
        };
        let memory = engine.memory(config.memory_limit)?;
        engine.state = engine.session(memory)?;
        Ok(engine)
    }

    fn memory(&self, limit: u64) -> Result<Arc<RuntimeEnv>, Failure> {
        let pool: Arc<dyn MemoryPool> = match usize::try_from(limit) {
            Ok(0) => Arc::new(UnboundedMemoryPool::default()),
            Ok(limit) => Arc::new(FairSpillPool::new(limit)),
            Err(_) => Arc::new(UnboundedMemoryPool::default()),
        };
        let mode = match &self.temp_directory {
            Some(folder) => DiskManagerMode::Directories(vec![folder.into()]),
            None => DiskManagerMode::Disabled,
        };
        let mut disk = DiskManagerBuilder::default().with_mode(mode);
        if self.temp_limit > 0 {
            disk = disk.with_max_temp_directory_size(self.temp_limit);
        }
        RuntimeEnvBuilder::new()
            .with_memory_pool(pool)
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(Failure::from)
    }

    fn session(&self, memory: Arc<RuntimeEnv>) -> Result<SessionState, Failure> {
        let mut config = SessionConfig::new()
            .with_target_partitions(self.threads)
            .with_batch_size(BATCH_ROWS)
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false);
        config.options_mut().sql_parser.enable_ident_normalization = true;
        config.options_mut().sql_parser.default_null_ordering = "nulls_min".to_string(); // as SQLite's
        let mut state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(memory)
            .with_default_features()
            .with_optimizer_rules(rules::logical())
            .with_physical_optimizer_rules(rules::physical())
            .build();
        functions::register(&mut state, self.host)?;
        aggregates::register(&mut state, self.host)?;
        Ok(state)
    }

    /// The engine's session, or one with a limit of the statement's own.
    fn session_for(&self, query: &Query) -> Result<SessionState, Failure> {
        let mut state = self.state.clone();
        if query.memory_limit > 0 {
            let memory = self.memory(query.memory_limit)?;
            state = SessionStateBuilder::new_from_existing(state).with_runtime_env(memory).build();
        }
        Ok(state)
    }

    fn statement(&self, query: &Query) -> (Arc<Statement>, Arc<Gone>) {
        Statement::new(self.host, query.statement)
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("the runtime lives as long as the engine")
    }

    /// # Safety
    /// The query is as `rhei_datafusion.h` says.
    pub unsafe fn run(&self, query: &Query) -> Result<Results, Failure> {
        self.statements.fetch_add(1, Ordering::Relaxed);
        let (statement, gone) = self.statement(query);
        let results = unsafe { self.begin(query, statement, &gone) };
        if results.is_err() {
            gone.wait();
        }
        results
    }

    unsafe fn begin(&self, query: &Query, statement: Arc<Statement>, gone: &Arc<Gone>) -> Result<Results, Failure> {
        let state = self.session_for(query)?;
        let plan = unsafe { plan(&state, &statement, query) }?;
        let runtime = self.runtime().handle().clone();
        statement.check()?;
        let stream = {
            let physical = runtime.block_on(state.create_physical_plan(&plan))?;
            let _inside = runtime.enter();
            execute_stream(watched(physical, &statement)?, state.task_ctx())?
        };
        drop(plan); // it reads the statement, and who gives up waits until nobody does
        Results::start(runtime, statement, gone.clone(), stream, query.strings_view != 0)
    }

    /// # Safety
    /// The query is as `rhei_datafusion.h` says.
    pub unsafe fn check(&self, query: &Query) -> Result<(), Failure> {
        let (statement, gone) = self.statement(query);
        let checked = self.session_for(query).and_then(|state| {
            let plan = unsafe { plan(&state, &statement, query) }?;
            // what its parameters are is known when it runs
            if query.value_count > 0 || plan.get_parameter_names()?.is_empty() {
                self.runtime().block_on(state.create_physical_plan(&plan))?;
            }
            Ok(())
        });
        drop(statement);
        gone.wait();
        checked
    }

    pub fn status(&self) -> EngineStatus {
        EngineStatus {
            statements: self.statements.load(Ordering::Relaxed),
            memory_bytes: self.state.runtime_env().memory_pool.reserved() as u64,
        }
    }
}

unsafe fn plan(
    state: &SessionState,
    statement: &Arc<Statement>,
    query: &Query,
) -> Result<datafusion::logical_expr::LogicalPlan, Failure> {
    let sql = unsafe { CStr::from_ptr(query.sql) }.to_str().map_err(internal)?;
    let values = match query.value_count {
        0 => &[][..],
        count => unsafe { std::slice::from_raw_parts(query.values, count as usize) },
    };
    Ok(planner::plan(state, statement, sql, values, query.native != 0)?)
}
