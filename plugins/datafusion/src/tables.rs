// SPDX-License-Identifier: Apache-2.0
//! A scan of the mirror as DataFusion sees it: a provider, and the plan that reads it. Every partition of the plan takes batches
//! from one scan of the host's, so threads that are done sooner take more of them.
use std::fmt;
use std::sync::{Arc, Mutex};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};

use crate::statement::{Scan, Statement, TableShape};

/// Below it one thread scans a table.
const PARALLEL_ROWS: u64 = 100_000;

pub struct MirrorTable {
    statement: Arc<Statement>,
    table: u32,
    scan: u32,
    shape: TableShape,
}

impl MirrorTable {
    pub fn new(statement: &Arc<Statement>, table: u32, scan: u32) -> Result<MirrorTable> {
        let shape = statement.table(table, scan)?;
        Ok(MirrorTable { statement: statement.clone(), table, scan, shape })
    }
}

impl fmt::Debug for MirrorTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "mirror_scan({}, {})", self.table, self.scan)
    }
}

fn statistics(rows: u64, exact: bool, schema: &SchemaRef) -> Statistics {
    let mut statistics = Statistics::new_unknown(schema);
    let count = usize::try_from(rows).unwrap_or(usize::MAX);
    statistics.num_rows = if exact { Precision::Exact(count) } else { Precision::Inexact(count) };
    statistics
}

#[async_trait]
impl TableProvider for MirrorTable {
    fn schema(&self) -> SchemaRef {
        self.shape.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(statistics(self.shape.told, self.shape.exact, &self.shape.schema))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.shape.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        let schema = Arc::new(self.shape.schema.project(columns)?);
        let threads = state.config().target_partitions();
        let partitions = if self.shape.rows < PARALLEL_ROWS { 1 } else { threads.max(1) };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Arc::new(MirrorScan {
            statement: self.statement.clone(),
            table: self.table,
            scan: self.scan,
            columns: columns.iter().map(|&column| column as u32).collect(),
            statistics: Arc::new(statistics(self.shape.told, self.shape.exact, &schema)),
            schema,
            properties: Arc::new(properties),
            opened: Mutex::new(None),
        }))
    }
}

pub struct MirrorScan {
    statement: Arc<Statement>,
    table: u32,
    scan: u32,
    columns: Vec<u32>,
    schema: SchemaRef,
    statistics: Arc<Statistics>,
    properties: Arc<PlanProperties>,
    /// The scan that partitions share, and how many have begun with it: a plan may be executed more than once.
    opened: Mutex<Option<(Arc<Scan>, Vec<bool>)>>,
}

impl MirrorScan {
    fn take(&self, partition: usize) -> Result<Arc<Scan>> {
        let mut opened = self.opened.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let partitions = self.properties.partitioning.partition_count();
        if let Some((scan, begun)) = opened.as_mut()
            && !begun[partition]
        {
            let scan = scan.clone();
            begun[partition] = true;
            if begun.iter().all(|&one| one) {
                *opened = None;
            }
            return Ok(scan);
        }
        let scan =
            Arc::new(Scan::open(&self.statement, self.table, self.scan, &self.columns, self.schema.clone())?);
        let mut begun = vec![false; partitions];
        begun[partition] = true;
        *opened = (partitions > 1).then(|| (scan.clone(), begun));
        Ok(scan)
    }
}

impl fmt::Debug for MirrorScan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "mirror_scan({}, {})", self.table, self.scan)
    }
}

impl DisplayAs for MirrorScan {
    fn fmt_as(&self, _kind: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(formatter, "MirrorScan: table={}, scan={}, columns=[{}]", self.table, self.scan, names.join(", "))
    }
}

impl ExecutionPlan for MirrorScan {
    fn name(&self) -> &str {
        "MirrorScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        Ok(match partition {
            None => self.statistics.clone(),
            Some(_) => Arc::new(Statistics::new_unknown(&self.schema)),
        })
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let scan = self.take(partition)?;
        let batches = futures::stream::iter(std::iter::from_fn(move || scan.next().map_err(Into::into).transpose()));
        Ok(make_cooperative(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))))
    }
}
