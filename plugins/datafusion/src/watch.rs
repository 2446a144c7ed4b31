// SPDX-License-Identifier: Apache-2.0
//! Where a plan makes many rows of few, the host is asked for each batch whether it may go on: what reads such rows would otherwise ask
//! for long nobody, as all that it needs is there.
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use futures::stream::iter;
use futures::{Stream, StreamExt};

use crate::statement::Statement;
use crate::through::through;

/// Rows of a batch that is met with every row of the other side.
const PIECE_ROWS: usize = 128;

fn pieces(batch: Result<RecordBatch>, most: usize) -> impl Stream<Item = Result<RecordBatch>> {
    let rows = batch.as_ref().map_or(0, RecordBatch::num_rows);
    let most = if most == 0 { rows.max(1) } else { most };
    let starts = (0..rows.max(1)).step_by(most);
    let mut batch = Some(batch);
    iter(starts.filter_map(move |start| match batch.as_ref()? {
        Ok(whole) => Some(Ok(whole.slice(start, most.min(rows - start)))),
        Err(_) => batch.take(),
    }))
}

/// `most`: rows of a batch at most; 0: as they come.
fn watch(statement: &Arc<Statement>, input: Arc<dyn ExecutionPlan>, most: usize) -> Arc<dyn ExecutionPlan> {
    let statement = statement.clone();
    through("Watch", input, move |input| {
        let (statement, schema) = (statement.clone(), input.schema());
        let batches = input.map(move |batch| pieces(batch, most)).flatten().map(move |piece| {
            statement.check()?;
            piece
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, batches))
    })
}

/// Behind whatever may give more rows than it reads; and before what compares each row with all of the other side.
pub fn watched(plan: Arc<dyn ExecutionPlan>, statement: &Arc<Statement>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        if !node.name().contains("Join") {
            return Ok(Transformed::no(node));
        }
        let children: Vec<_> = node.children().into_iter().cloned().collect();
        let node = match (node.name(), children.as_slice()) {
            ("NestedLoopJoinExec", [left, right]) => {
                let children = vec![left.clone(), watch(statement, right.clone(), PIECE_ROWS)];
                node.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep))?
            }
            _ => node,
        };
        Ok(Transformed::yes(watch(statement, node, 0)))
    })
    .data()
}
