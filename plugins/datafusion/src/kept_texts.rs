// SPDX-License-Identifier: Apache-2.0
//! What a join keeps of one side is one array of each column, and one of texts has every buffer of every batch it was made of. Each batch that
//! the join gives has all of them again, and where it is kept by the next join they multiply: of TPC-H's customers and their orders there were
//! more bytes of buffers' names than of rows. So short texts are copied together before they are kept.
use std::mem::take;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, GenericByteViewArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{ByteViewType, DataType};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use futures::StreamExt;
use futures::stream::unfold;

use crate::through::through;

/// Rows that are copied together.
const ROWS: usize = 64 << 10;
/// Longer ones, on average, stay where they are: they are many bytes to copy, and few to a buffer's name.
const SHORT: usize = 256;

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8View | DataType::BinaryView)
}

fn is_short<T: ByteViewType + ?Sized>(views: &GenericByteViewArray<T>) -> bool {
    views.total_buffer_bytes_used() <= SHORT * views.len()
}

/// Short texts of it lie in buffers.
fn has_buffers(batch: &RecordBatch) -> bool {
    batch.columns().iter().any(|column| match column.data_type() {
        DataType::Utf8View => !column.as_string_view().data_buffers().is_empty() && is_short(column.as_string_view()),
        DataType::BinaryView => !column.as_binary_view().data_buffers().is_empty() && is_short(column.as_binary_view()),
        _ => false,
    })
}

fn copied<T: ByteViewType + ?Sized>(views: &GenericByteViewArray<T>) -> Option<ArrayRef> {
    (views.data_buffers().len() > 1 && is_short(views)).then(|| Arc::new(views.gc()) as ArrayRef)
}

/// One batch with a buffer for each column of short texts.
fn together(batches: &[RecordBatch]) -> Result<RecordBatch> {
    let whole = concat_batches(&batches[0].schema(), batches)?;
    let columns = whole.columns().iter().map(|column| {
        let copy = match column.data_type() {
            DataType::Utf8View => copied(column.as_string_view()),
            DataType::BinaryView => copied(column.as_binary_view()),
            _ => None,
        };
        copy.unwrap_or_else(|| column.clone())
    });
    Ok(RecordBatch::try_new(whole.schema(), columns.collect())?)
}

struct Gathered {
    input: SendableRecordBatchStream,
    batches: Vec<RecordBatch>,
    rows: usize,
    ended: bool,
}

impl Gathered {
    fn give(&mut self) -> Option<Result<RecordBatch>> {
        self.rows = 0;
        let batches = take(&mut self.batches);
        (!batches.is_empty()).then(|| together(&batches))
    }

    async fn next(&mut self) -> Option<Result<RecordBatch>> {
        while !self.ended {
            match self.input.next().await {
                Some(Ok(batch)) if batch.num_rows() == 0 => (),
                Some(Ok(batch)) if has_buffers(&batch) => {
                    self.rows += batch.num_rows();
                    self.batches.push(batch);
                    if self.rows >= ROWS {
                        return self.give();
                    }
                }
                Some(other) => return Some(other),
                None => self.ended = true,
            }
        }
        self.give()
    }
}

fn gathered(input: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = input.schema();
    let state = Gathered { input, batches: Vec::new(), rows: 0, ended: false };
    let batches = unfold(state, async |mut state| state.next().await.map(|batch| (batch, state)));
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

/// Before the side of a join that is kept whole: the left one.
#[derive(Debug)]
pub struct KeptTexts;

impl PhysicalOptimizerRule for KeptTexts {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _options: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let keeps = matches!(node.name(), "HashJoinExec" | "NestedLoopJoinExec" | "CrossJoinExec");
            let children: Vec<_> = node.children().into_iter().cloned().collect();
            match children.as_slice() {
                [left, right] if keeps && left.schema().fields().iter().any(|field| is_text(field.data_type())) => {
                    let children = vec![through("KeptTexts", left.clone(), gathered), right.clone()];
                    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
                    Ok(Transformed::yes(node.replace_children(children, options)?))
                }
                _ => Ok(Transformed::no(node)),
            }
        })
        .data()
    }

    fn name(&self) -> &str {
        "KeptTexts"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
