// SPDX-License-Identifier: Apache-2.0
//! A statement that runs: batches one after another, on the caller's thread and the engine's.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, GenericByteViewArray, RecordBatch, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{ByteViewType, DataType, Field, Schema, SchemaRef};
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::runtime::Handle;

use crate::abi::Status;
use crate::failure::Failure;
use crate::statement::{Gone, Statement};

/// How often a running statement's stop is asked.
const TICK: Duration = Duration::from_millis(10);

/// Rows that are computed before the statement counts as running.
const FIRST_ROWS: usize = 2048;

/// Bytes behind views that nobody minds, and how many times those that are needed.
const SPARE: usize = 64 << 10;
const MOST_TIMES: usize = 4;

pub struct Results {
    runtime: Handle,
    statement: Option<Arc<Statement>>,
    gone: Arc<Gone>,
    stream: Option<SendableRecordBatchStream>,
    /// What came before the caller was told that it runs: what fails early is no result that breaks off.
    first: VecDeque<RecordBatch>,
    schema: SchemaRef,
}

/// What a column leaves as: views only where the reader takes them.
fn shown(kind: &DataType, strings_view: bool) -> DataType {
    match kind {
        DataType::Utf8View | DataType::LargeUtf8 if !strings_view => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary if !strings_view => DataType::Binary,
        DataType::Utf8 | DataType::LargeUtf8 if strings_view => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary if strings_view => DataType::BinaryView,
        DataType::Null => DataType::Int64,
        other => other.clone(),
    }
}

/// Who writes a batch somewhere writes all that its views may point to: of buffers that have much else, what is needed is copied.
fn lean<T: ByteViewType + ?Sized>(views: &GenericByteViewArray<T>) -> Option<ArrayRef> {
    let size: usize = views.data_buffers().iter().map(|buffer| buffer.len()).sum();
    (size > SPARE && size > MOST_TIMES * views.total_buffer_bytes_used()).then(|| Arc::new(views.gc()) as ArrayRef)
}

fn leaving(column: &ArrayRef) -> ArrayRef {
    let lean = match column.data_type() {
        DataType::Utf8View => lean(column.as_string_view()),
        DataType::BinaryView => lean(column.as_binary_view()),
        _ => None,
    };
    lean.unwrap_or_else(|| column.clone())
}

impl Results {
    pub fn start(
        runtime: Handle,
        statement: Arc<Statement>,
        gone: Arc<Gone>,
        stream: SendableRecordBatchStream,
        strings_view: bool,
    ) -> Result<Results, Failure> {
        let fields = stream.schema();
        let fields: Vec<Field> = fields
            .fields()
            .iter()
            .map(|field| Field::new(field.name(), shown(field.data_type(), strings_view), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let mut results =
            Results { runtime, statement: Some(statement), gone, stream: Some(stream), first: VecDeque::new(), schema };
        let mut rows = 0;
        while rows < FIRST_ROWS && let Some(batch) = results.fetch()? {
            rows += batch.num_rows();
            results.first.push_back(batch);
        }
        Ok(results)
    }

    pub fn schema(&self) -> Result<FFI_ArrowSchema, Failure> {
        FFI_ArrowSchema::try_from(self.schema.as_ref())
            .map_err(|error| Failure::new(Status::Unsupported, error.to_string()))
    }

    fn fetch(&mut self) -> Result<Option<RecordBatch>, Failure> {
        let (Some(stream), Some(statement)) = (self.stream.as_mut(), self.statement.as_ref()) else {
            return Ok(None);
        };
        if let Err(stopped) = statement.check() {
            self.end();
            return Err(stopped);
        }
        let fetched = self.runtime.block_on(async {
            loop {
                tokio::select! {
                    biased;
                    batch = stream.next() => match batch {
                        Some(Ok(batch)) if batch.num_rows() == 0 => continue,
                        other => return other.transpose().map_err(Failure::from),
                    },
                    () = tokio::time::sleep(TICK) => statement.check()?,
                }
            }
        });
        if !matches!(fetched, Ok(Some(_))) {
            self.end();
        }
        fetched
    }

    /// The next batch; None: there is no more.
    pub fn next(&mut self) -> Result<Option<FFI_ArrowArray>, Failure> {
        let batch = match self.first.pop_front() {
            Some(batch) => Some(batch),
            None => self.fetch()?,
        };
        batch.map(|batch| self.convert(batch)).transpose()
    }

    fn convert(&self, batch: RecordBatch) -> Result<FFI_ArrowArray, Failure> {
        let odd = |error: arrow::error::ArrowError| Failure::new(Status::Unsupported, error.to_string());
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (column, field) in batch.columns().iter().zip(self.schema.fields()) {
            columns.push(match column.data_type() == field.data_type() {
                true => leaving(column),
                false => cast(column, field.data_type()).map_err(odd)?,
            });
        }
        let rows = StructArray::try_new_with_length(self.schema.fields().clone(), columns, None, batch.num_rows())
            .map_err(odd)?;
        Ok(FFI_ArrowArray::new(&rows.to_data()))
    }

    /// Lets go of all that reads of the statement.
    fn end(&mut self) {
        let _inside = self.runtime.enter();
        self.stream = None;
        self.statement = None;
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        self.first.clear();
        self.end();
        self.gone.wait();
    }
}
