// SPDX-License-Identifier: Apache-2.0
//! DataFusion knows of a group that its keys are unique, and loses on the way up which columns those are: a projection that puts
//! another column where a key was makes that one unique, and an ORDER BY leaves out what stands behind it. So groups say nothing of it.
use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Constraints, Result, Statistics, not_impl_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};

/// Gives on what it gets.
struct Unconstrained {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl Unconstrained {
    fn new(input: Arc<dyn ExecutionPlan>) -> Unconstrained {
        let properties = input.properties().as_ref().clone();
        let equivalent = properties.equivalence_properties().clone().with_constraints(Constraints::default());
        Unconstrained { input, properties: Arc::new(properties.with_eq_properties(equivalent)) }
    }
}

impl fmt::Debug for Unconstrained {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Unconstrained")
    }
}

impl DisplayAs for Unconstrained {
    fn fmt_as(&self, _kind: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Unconstrained")
    }
}

impl ExecutionPlan for Unconstrained {
    fn name(&self) -> &str {
        "Unconstrained"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Unconstrained::new(children.pop().unwrap_or_else(|| self.input.clone()))))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        #[expect(deprecated)] // as DataFusion's own default asks it
        self.input.partition_statistics(partition)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}

/// Above each group, but for those of parts, which only groups read. Before any rule that looks at orders.
#[derive(Debug)]
pub struct Loosen;

impl PhysicalOptimizerRule for Loosen {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _options: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let whole = node.downcast_ref::<AggregateExec>().is_some_and(|group| *group.mode() != AggregateMode::Partial);
            Ok(if whole { Transformed::yes(Arc::new(Unconstrained::new(node)) as _) } else { Transformed::no(node) })
        })
        .data()
    }

    fn name(&self) -> &str {
        "Loosen"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Of a union whose parts have a column each of one value, which is another one in each, the parts are sorted without it. Those with
/// a LIMIT then tell each other how far they have come, as if all were sorted by the same.
#[derive(Debug)]
pub struct Limits;

fn check(plan: &Arc<dyn ExecutionPlan>, keys: usize) -> Result<()> {
    let merge = plan.downcast_ref::<SortPreservingMergeExec>().map(|merge| merge.expr().len());
    if let Some(sort) = plan.downcast_ref::<SortExec>()
        && sort.fetch().is_some()
        && sort.preserve_partitioning()
        && sort.input().output_partitioning().partition_count() > 1
        && sort.expr().len() < keys
    {
        return not_impl_err!("a LIMIT of parts that are sorted by less than all");
    }
    plan.children().into_iter().try_for_each(|child| check(child, merge.unwrap_or(keys)))
}

impl PhysicalOptimizerRule for Limits {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _options: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        check(&plan, 0)?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        "Limits"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
