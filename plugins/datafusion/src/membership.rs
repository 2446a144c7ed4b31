// SPDX-License-Identifier: Apache-2.0
//! IN a subquery as a value: NULL where that is the answer, which a join, as DataFusion makes of it, tells from no only where a condition
//! stands alone. The subquery's distinct values are gathered once, and each row's value is looked for among them.
use std::hash::{Hash, Hasher};
use std::mem::size_of;
use std::sync::{Arc, Mutex, Weak};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, HashSet, Result, ScalarValue, Spans};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::functions_aggregate::expr_fn::array_agg;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Subquery, Volatility, utils::conjunction,
};

use crate::abi::Status;
use crate::failure::Failure;

/// What one subquery gave. Neither -0.0 nor NaN is among REALs, so that equal ones have equal bits.
enum Members {
    Numbers(HashSet<u64>),
    Bytes(HashSet<Box<[u8]>>),
}

struct Found {
    members: Members,
    none: bool,
    has_null: bool,
    _memory: MemoryReservation,
}

fn number(array: &ArrayRef, row: usize) -> u64 {
    match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row) as u64,
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_bits(),
        _ => u64::from(array.as_boolean().value(row)),
    }
}

fn bytes(array: &ArrayRef, row: usize) -> &[u8] {
    match array.data_type() {
        DataType::BinaryView => array.as_binary_view().value(row),
        _ => array.as_string_view().value(row).as_bytes(),
    }
}

fn is_bytes(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8View | DataType::BinaryView)
}

fn is_known(kind: &DataType) -> bool {
    is_bytes(kind) || matches!(kind, DataType::Int64 | DataType::Float64 | DataType::Boolean)
}

impl Found {
    fn new(list: &ListArray, memory: &Arc<dyn MemoryPool>) -> Result<Found> {
        let reservation = MemoryConsumer::new("rhei_in").register(memory);
        let values = if list.is_null(0) { list.values().slice(0, 0) } else { list.value(0) };
        let present = || (0..values.len()).filter(|&row| !values.is_null(row));
        let members = if is_bytes(values.data_type()) {
            let size: usize = present().map(|row| size_of::<Box<[u8]>>() + bytes(&values, row).len()).sum();
            reservation.try_grow(2 * size)?;
            Members::Bytes(present().map(|row| bytes(&values, row).into()).collect())
        } else {
            reservation.try_grow(2 * size_of::<u64>() * values.len())?;
            Members::Numbers(present().map(|row| number(&values, row)).collect())
        };
        Ok(Found { members, none: values.is_empty(), has_null: values.null_count() > 0, _memory: reservation })
    }

    /// https://sqlite.org/lang_expr.html#the_in_and_not_in_operators
    fn answers(&self, value: &ArrayRef) -> BooleanArray {
        let rows = value.len();
        if self.none {
            return BooleanArray::new(BooleanBuffer::new_unset(rows), None);
        }
        let found = match &self.members {
            Members::Numbers(numbers) if *value.data_type() == DataType::Int64 => {
                let values = value.as_primitive::<Int64Type>().values();
                BooleanBuffer::collect_bool(rows, |row| numbers.contains(&(values[row] as u64)))
            }
            Members::Numbers(numbers) => BooleanBuffer::collect_bool(rows, |row| numbers.contains(&number(value, row))),
            Members::Bytes(texts) => BooleanBuffer::collect_bool(rows, |row| texts.contains(bytes(value, row))),
        };
        // Who isn't among values of which one is unknown may be that one.
        let unknown = self.has_null.then(|| NullBuffer::new(found.clone()));
        BooleanArray::new(found, NullBuffer::union(value.nulls(), unknown.as_ref()))
    }
}

/// `rhei_in(value, list)`, of one plan: it keeps what it made of the lists as long as they are there.
struct Membership {
    signature: Signature,
    memory: Arc<dyn MemoryPool>,
    found: Mutex<Vec<(Weak<ListArray>, Arc<Found>)>>,
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl PartialEq for Membership {
    fn eq(&self, _other: &Membership) -> bool {
        true
    }
}

impl Eq for Membership {}

impl Hash for Membership {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl Membership {
    fn new(memory: &Arc<dyn MemoryPool>) -> Membership {
        Membership {
            signature: Signature::any(2, Volatility::Immutable),
            memory: memory.clone(),
            found: Mutex::new(vec![]),
        }
    }

    fn among(&self, list: &Arc<ListArray>) -> Result<Arc<Found>> {
        let mut all = self.found.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        all.retain(|(known, _)| known.strong_count() > 0);
        if let Some((_, found)) = all.iter().find(|(known, _)| std::ptr::eq(known.as_ptr(), Arc::as_ptr(list))) {
            return Ok(found.clone());
        }
        let found = Arc::new(Found::new(list, &self.memory)?);
        all.push((Arc::downgrade(list), found.clone()));
        Ok(found)
    }
}

impl ScalarUDFImpl for Membership {
    fn name(&self) -> &str {
        "rhei_in"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ColumnarValue::Scalar(ScalarValue::List(list)) = &call.args[1] else {
            return Err(Failure::new(Status::Compute, "IN a subquery that isn't computed once").into());
        };
        let found = self.among(list)?;
        let constant = matches!(call.args[0], ColumnarValue::Scalar(_));
        let value = call.args[0].to_array(if constant { 1 } else { call.number_rows })?;
        let answers = found.answers(&value);
        match constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answers, 0)?)),
            false => Ok(ColumnarValue::Array(Arc::new(answers))),
        }
    }
}

/// What the subquery's rows are in a list: NULL without rows.
fn gathered(within: &Subquery) -> Result<Expr> {
    let rows = within.subquery.as_ref().clone();
    let column = Expr::Column(Column::from(rows.schema().qualified_field(0)));
    let list = LogicalPlanBuilder::from(rows).distinct()?.aggregate(Vec::<Expr>::new(), vec![array_agg(column)])?.build()?;
    Ok(Expr::ScalarSubquery(Subquery { subquery: Arc::new(list), outer_ref_columns: vec![], spans: Spans::new() }))
}

struct Rewriter<'a> {
    memory: &'a Arc<dyn MemoryPool>,
    schema: DFSchema,
}

impl Rewriter<'_> {
    fn fits(&self, within: &InSubquery) -> Result<bool> {
        let schema = within.subquery.subquery.schema();
        let kind = within.expr.get_type(&self.schema)?;
        Ok(within.subquery.outer_ref_columns.is_empty() && schema.fields().len() == 1 && is_known(&kind) && *schema.field(0).data_type() == kind)
    }

    fn value(&self, expression: Expr) -> Result<Transformed<Expr>> {
        expression.transform_up(|part| match part {
            Expr::InSubquery(within) if self.fits(&within)? => {
                let function = ScalarUDF::new_from_impl(Membership::new(self.memory));
                let call = function.call(vec![*within.expr, gathered(&within.subquery)?]);
                Ok(Transformed::yes(if within.negated { Expr::Not(Box::new(call)) } else { call }))
            }
            other => Ok(Transformed::no(other)),
        })
    }

    /// A part that stands alone is best a join.
    fn condition(&self, expression: Expr) -> Result<Expr> {
        let parts = split_conjunction_owned(expression).into_iter();
        let made = parts.map(|part| match part {
            Expr::InSubquery(within) if !within.negated => Ok(Expr::InSubquery(within)),
            other => Ok(self.value(other)?.data),
        });
        Ok(conjunction(made.collect::<Result<Vec<_>>>()?).expect("a condition has parts"))
    }
}

fn rewrite_node(node: LogicalPlan, memory: &Arc<dyn MemoryPool>) -> Result<Transformed<LogicalPlan>> {
    if !node.expressions().iter().any(crate::refusals::has_in_subquery) {
        return Ok(Transformed::no(node));
    }
    let rewriter = Rewriter { memory, schema: merge_schema(&node.inputs()) };
    if let LogicalPlan::Filter(filter) = node {
        let condition = rewriter.condition(filter.predicate)?;
        return Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(condition, filter.input)?)));
    }
    let names = NamePreserver::new(&node);
    node.map_expressions(|expression| {
        let name = names.save(&expression);
        Ok(rewriter.value(expression)?.update_data(|made| name.restore(made)))
    })
}

/// Before anything else looks at the plan.
pub fn rewrite(plan: LogicalPlan, memory: &Arc<dyn MemoryPool>) -> Result<LogicalPlan> {
    Ok(plan.transform_up_with_subqueries(|node| rewrite_node(node, memory))?.data)
}
