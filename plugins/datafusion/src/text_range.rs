// SPDX-License-Identifier: Apache-2.0
//! A filter's bounds of a column of short texts, as dates are: both of them in one pass, each text compared as one number. DataFusion's
//! own way asks for every row what kind the texts are, once for each bound. What is compared, bytes and then lengths, is the same.
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringViewArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, conjunction, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};

/// Bytes of a text that its view holds.
const INLINE: usize = 12;

/// The order of short texts as that of numbers: twelve bytes, behind them the length.
fn key(view: u128) -> u128 {
    StringViewArray::inline_key_fast(view)
}

/// None: it is too long.
fn key_of(text: &str) -> Option<u128> {
    (text.len() <= INLINE).then(|| key(arrow::array::make_view(text.as_bytes(), 0, 0)))
}

/// Smallest and largest key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Bounds {
    column: usize,
    low: u128,
    high: u128,
}

impl Bounds {
    /// What a condition bounds; None: it isn't one of a text column and a short constant.
    fn of(condition: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Bounds> {
        let binary = condition.downcast_ref::<BinaryExpr>()?;
        let (column, constant, operator) = match binary.left().downcast_ref::<Column>() {
            Some(column) => (column, binary.right(), *binary.op()),
            None => (binary.right().downcast_ref::<Column>()?, binary.left(), binary.op().swap()?),
        };
        let ScalarValue::Utf8View(Some(text)) = constant.downcast_ref::<Literal>()?.value() else { return None };
        if *schema.fields().get(column.index())?.data_type() != DataType::Utf8View {
            return None;
        }
        let (bound, column) = (key_of(text)?, column.index());
        match operator {
            Operator::Gt => Some(Bounds { column, low: bound + 1, high: u128::MAX }),
            Operator::GtEq => Some(Bounds { column, low: bound, high: u128::MAX }),
            Operator::Lt => Some(Bounds { column, low: 0, high: bound.checked_sub(1)? }),
            Operator::LtEq => Some(Bounds { column, low: 0, high: bound }),
            _ => None,
        }
    }
}

/// Conditions of one column, and what they come to.
pub struct TextRange {
    whole: Arc<dyn PhysicalExpr>,
    bounds: Bounds,
}

impl fmt::Debug for TextRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.whole)
    }
}

impl fmt::Display for TextRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.whole)
    }
}

impl PartialEq for TextRange {
    fn eq(&self, other: &TextRange) -> bool {
        self.bounds == other.bounds && self.whole.eq(&other.whole)
    }
}

impl Eq for TextRange {}

impl Hash for TextRange {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bounds.hash(state);
        self.whole.hash(state);
    }
}

impl PhysicalExpr for TextRange {
    fn data_type(&self, _schema: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.whole.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let column = batch.column(self.bounds.column);
        let Some(texts) = column.as_string_view_opt().filter(|texts| texts.data_buffers().is_empty()) else {
            return self.whole.evaluate(batch);
        };
        let (low, views) = (self.bounds.low, texts.views());
        let within = match self.bounds.high.checked_sub(low) {
            Some(width) => BooleanBuffer::collect_bool(views.len(), |row| key(views[row]).wrapping_sub(low) <= width),
            None => BooleanBuffer::new_unset(views.len()),
        };
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::new(within, texts.nulls().cloned()))))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.whole]
    }

    /// Its column may be another one then.
    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(children.pop().unwrap_or_else(|| self.whole.clone()))
    }

    fn fmt_sql(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.whole.fmt_sql(formatter)
    }
}

/// The predicate with ranges in place of bounds, each where its column's first bound was; None: it has no bounds.
fn ranged(predicate: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Arc<dyn PhysicalExpr>> {
    let mut parts: Vec<(Arc<dyn PhysicalExpr>, Option<Bounds>)> = vec![];
    for part in split_conjunction(predicate) {
        let bounds = Bounds::of(part, schema);
        let same = |(_, other): &&mut (_, Option<Bounds>)| matches!((other, bounds), (Some(a), Some(b)) if a.column == b.column);
        match (parts.iter_mut().find(same), bounds) {
            (Some((whole, Some(known))), Some(bounds)) => {
                *whole = conjunction([whole.clone(), part.clone()]);
                known.low = known.low.max(bounds.low);
                known.high = known.high.min(bounds.high);
            }
            _ => parts.push((part.clone(), bounds)),
        }
    }
    parts.iter().any(|(_, bounds)| bounds.is_some()).then(|| {
        conjunction(parts.into_iter().map(|(whole, bounds)| match bounds {
            Some(bounds) => Arc::new(TextRange { whole, bounds }) as Arc<dyn PhysicalExpr>,
            None => whole,
        }))
    })
}

/// Among the last rules: what others look for in a predicate is gone then.
#[derive(Debug)]
pub struct TextRanges;

impl PhysicalOptimizerRule for TextRanges {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _options: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(filter) = node.downcast_ref::<FilterExec>() else { return Ok(Transformed::no(node)) };
            let Some(predicate) = ranged(filter.predicate(), &filter.input().schema()) else { return Ok(Transformed::no(node)) };
            Ok(Transformed::yes(Arc::new(FilterExecBuilder::from(filter).with_predicate(predicate).build()?) as _))
        })
        .data()
    }

    fn name(&self) -> &str {
        "TextRanges"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
