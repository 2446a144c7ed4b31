// SPDX-License-Identifier: Apache-2.0
//! DataFusion's optimizer, less what gives other rows than the text says.
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::{ApplyOrder, Optimizer, OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

use crate::conditions::Conditions;
use crate::kept_texts::KeptTexts;
use crate::text_range::TextRanges;
use crate::unconstrained::{Limits, Loosen};

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// Pushes filters down, but not through a group that is there without rows: a condition of constants would be asked of its rows.
#[derive(Debug)]
struct PushDown(Rule);

/// The rule makes one filter of those that follow each other, and pushes that at once.
fn groups_all(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Filter(filter) => groups_all(&filter.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}

impl OptimizerRule for PushDown {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Filter(filter) if groups_all(&filter.input) => Ok(Transformed::no(plan)),
            _ => self.0.rewrite(plan, config),
        }
    }
}

pub fn logical() -> Vec<Rule> {
    let rules = Optimizer::new().rules;
    let guarded = |rule: Rule| -> Rule {
        if rule.name() == "push_down_filter" { Arc::new(PushDown(rule)) } else { rule }
    };
    rules.into_iter().map(guarded).collect()
}

/// Nothing takes filters in our plans but joins, which have them from the logical plan. A window looks at all of its rows, and so at all groups
/// below it, whatever the LIMIT above it: the rules that push one further down look at what is between alone.
pub fn physical() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let left_out = ["FilterPushdown", "LimitPushPastWindows", "WindowTopN", "LimitedDistinctAggregation", "LimitAggregation"];
    let rules = PhysicalOptimizer::new().rules;
    let mut kept: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = vec![Arc::new(Loosen)];
    kept.extend(rules.into_iter().filter(|rule| !left_out.iter().any(|name| rule.name().starts_with(name))));
    kept.push(Arc::new(Limits));
    kept.push(Arc::new(TextRanges));
    kept.push(Arc::new(Conditions));
    kept.push(Arc::new(KeptTexts));
    kept
}
