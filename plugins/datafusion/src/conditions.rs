// SPDX-License-Identifier: Apache-2.0
//! A filter's AND and OR with a comparison behind them: both sides for every row. DataFusion picks the rows that the first side leaves open,
//! compares those, and puts the answers back in their places, run by run, which takes several times as long as to compare a number. What
//! may fail, or costs more than a comparison, is still asked for those rows alone.
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{and_kleene, or_kleene};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNotNullExpr, IsNullExpr, Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};

use crate::text_range::TextRange;

struct Both {
    left: Arc<dyn PhysicalExpr>,
    /// AND; else OR.
    all: bool,
    right: Arc<dyn PhysicalExpr>,
}

impl PartialEq for Both {
    fn eq(&self, other: &Both) -> bool {
        self.all == other.all && self.left.eq(&other.left) && self.right.eq(&other.right)
    }
}

impl Eq for Both {}

impl Both {
    fn word(&self) -> &'static str {
        if self.all { "AND" } else { "OR" }
    }
}

impl fmt::Debug for Both {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for Both {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "({} {} {})", self.left, self.word(), self.right)
    }
}

impl Hash for Both {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.left.hash(state);
        self.all.hash(state);
        self.right.hash(state);
    }
}

impl PhysicalExpr for Both {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        Ok(self.left.nullable(schema)? || self.right.nullable(schema)?)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let left = self.left.evaluate(batch)?.into_array(rows)?;
        let Some(first) = left.as_boolean_opt() else { return internal_err!("a condition that is no truth value") };
        let decided = if self.all { 0 } else { rows };
        if first.null_count() == 0 && first.true_count() == decided {
            return Ok(ColumnarValue::Array(left));
        }
        let right = self.right.evaluate(batch)?.into_array(rows)?;
        let Some(second) = right.as_boolean_opt() else { return internal_err!("a condition that is no truth value") };
        let both = if self.all { and_kleene(first, second)? } else { or_kleene(first, second)? };
        Ok(ColumnarValue::Array(Arc::new(both)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.left, &self.right]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match <[_; 2]>::try_from(children) {
            Ok([left, right]) => Ok(Arc::new(Both { left, all: self.all, right })),
            Err(_) => internal_err!("a condition has two sides"),
        }
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.left.fmt_sql(formatter)?;
        write!(formatter, " {} ", self.word())?;
        self.right.fmt_sql(formatter)
    }
}

fn is_given(side: &Arc<dyn PhysicalExpr>) -> bool {
    side.is::<Column>() || side.is::<Literal>()
}

/// Cannot fail, and costs next to nothing.
fn is_comparison(condition: &Arc<dyn PhysicalExpr>) -> bool {
    if let Some(binary) = condition.downcast_ref::<BinaryExpr>() {
        use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
        let compares = matches!(binary.op(), Eq | NotEq | Lt | LtEq | Gt | GtEq);
        return compares && is_given(binary.left()) && is_given(binary.right());
    }
    if let Some(null) = condition.downcast_ref::<IsNullExpr>() {
        return is_given(null.arg());
    }
    if let Some(value) = condition.downcast_ref::<IsNotNullExpr>() {
        return is_given(value.arg());
    }
    condition.downcast_ref::<Both>().is_some_and(|both| is_comparison(&both.left) && is_comparison(&both.right))
        || condition.is::<TextRange>()
}

/// None: it stays as it is.
fn compared(condition: &Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
    let binary = condition.downcast_ref::<BinaryExpr>()?;
    let all = match binary.op() {
        Operator::And => true,
        Operator::Or => false,
        _ => return None,
    };
    let (left, right) = (compared(binary.left()), compared(binary.right()));
    let changed = left.is_some() || right.is_some();
    let left = left.unwrap_or_else(|| binary.left().clone());
    let right = right.unwrap_or_else(|| binary.right().clone());
    if is_comparison(&right) {
        return Some(Arc::new(Both { left, all, right }));
    }
    changed.then(|| Arc::new(BinaryExpr::new(left, *binary.op(), right)) as _)
}

/// Behind the ranges of texts: no other rule looks into a predicate then.
#[derive(Debug)]
pub struct Conditions;

impl PhysicalOptimizerRule for Conditions {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _options: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(filter) = node.downcast_ref::<FilterExec>() else { return Ok(Transformed::no(node)) };
            let Some(predicate) = compared(filter.predicate()) else { return Ok(Transformed::no(node)) };
            Ok(Transformed::yes(Arc::new(FilterExecBuilder::from(filter).with_predicate(predicate).build()?) as _))
        })
        .data()
    }

    fn name(&self) -> &str {
        "Conditions"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
