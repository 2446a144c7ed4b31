// SPDX-License-Identifier: Apache-2.0
//! A statement of the host's: what its text may read, and whether it may go on.
use std::ffi::{CStr, CString, c_void};
use std::sync::{Arc, Condvar, Mutex};

use arrow::array::{RecordBatch, RecordBatchOptions, StructArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ffi::{FFI_ArrowArray, from_ffi_and_data_type};

use crate::abi::{self, ErrorText, Host, Status};
use crate::failure::Failure;

/// Set when nobody looks at the statement any more.
#[derive(Default)]
pub struct Gone {
    gone: Mutex<bool>,
    changed: Condvar,
}

impl Gone {
    pub fn wait(&self) {
        let mut gone = self.gone.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        while !*gone {
            gone = self.changed.wait(gone).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

/// Held by every provider, plan and stream of it. The last one that lets go says so.
pub struct Statement {
    host: &'static Host,
    context: *mut c_void,
    gone: Arc<Gone>,
}

// The host's callbacks may be called from any thread.
unsafe impl Send for Statement {}
unsafe impl Sync for Statement {}

impl Drop for Statement {
    fn drop(&mut self) {
        *self.gone.gone.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = true;
        self.gone.changed.notify_all();
    }
}

pub struct TableShape {
    pub schema: SchemaRef,
    pub rows: u64,
    /// What plans are made with.
    pub told: u64,
    pub exact: bool,
}

fn data_type(kind: i32) -> Result<DataType, Failure> {
    match kind {
        abi::INTEGER => Ok(DataType::Int64),
        abi::REAL => Ok(DataType::Float64),
        abi::TEXT => Ok(DataType::Utf8View),
        abi::BLOB => Ok(DataType::BinaryView),
        abi::TRUTH => Ok(DataType::Boolean),
        _ => Err(Failure::new(Status::Internal, format!("the host has a column of unknown kind {kind}"))),
    }
}

fn field(column: &abi::Column) -> Result<Field, Failure> {
    let name = unsafe { CStr::from_ptr(column.name) }.to_string_lossy().into_owned();
    Ok(Field::new(name, data_type(column.kind)?, column.nullable != 0))
}

impl Statement {
    pub fn new(host: &'static Host, context: *mut c_void) -> (Arc<Statement>, Arc<Gone>) {
        let gone = Arc::new(Gone::default());
        (Arc::new(Statement { host, context, gone: gone.clone() }), gone)
    }

    /// Whether it may go on.
    pub fn check(&self) -> Result<(), Failure> {
        match unsafe { (self.host.check)(self.context) } {
            0 => Ok(()),
            _ => Err(Failure::new(Status::Stopped, "the statement was stopped")),
        }
    }

    pub fn table(&self, table: u32, scan: u32) -> Result<TableShape, Failure> {
        let mut error = ErrorText::new();
        let mut shape = abi::Table { columns: std::ptr::null(), column_count: 0, rows: 0, told: 0, exact: 0 };
        if unsafe { (self.host.table)(self.context, table, scan, &mut shape, &mut error) } != 0 {
            return Err(Failure::new(Status::Sql, error.text()));
        }
        let columns: &[abi::Column] = match shape.column_count {
            0 => &[],
            count => unsafe { std::slice::from_raw_parts(shape.columns, count as usize) },
        };
        let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
        Ok(TableShape { schema: Arc::new(Schema::new(fields)), rows: shape.rows, told: shape.told, exact: shape.exact != 0 })
    }

    pub fn named(&self, name: &str) -> Result<u32, Failure> {
        let mut error = ErrorText::new();
        let mut table = 0;
        let name = CString::new(name).map_err(|_| Failure::new(Status::Sql, "a name with a NUL in it"))?;
        match unsafe { (self.host.named)(self.context, name.as_ptr(), &mut table, &mut error) } {
            0 => Ok(table),
            _ => Err(Failure::new(Status::Sql, error.text())),
        }
    }
}

/// A scan that several threads take batches of.
pub struct Scan {
    statement: Arc<Statement>,
    handle: *mut c_void,
    schema: SchemaRef,
}

unsafe impl Send for Scan {}
unsafe impl Sync for Scan {}

impl Drop for Scan {
    fn drop(&mut self) {
        unsafe { (self.statement.host.scan_close)(self.handle) }
    }
}

impl Scan {
    /// `schema` is that of the columns asked for.
    pub fn open(
        statement: &Arc<Statement>,
        table: u32,
        scan: u32,
        columns: &[u32],
        schema: SchemaRef,
    ) -> Result<Scan, Failure> {
        let mut error = ErrorText::new();
        let mut handle = std::ptr::null_mut();
        let (host, count) = (statement.host, columns.len() as u32);
        let code = unsafe {
            (host.scan_open)(statement.context, table, scan, columns.as_ptr(), count, &mut handle, &mut error)
        };
        match code {
            0 => Ok(Scan { statement: statement.clone(), handle, schema }),
            _ => Err(Failure::of_host(&error)),
        }
    }

    /// None: there is no more.
    pub fn next(&self) -> Result<Option<RecordBatch>, Failure> {
        self.statement.check()?;
        let mut error = ErrorText::new();
        let mut array = FFI_ArrowArray::empty();
        if unsafe { (self.statement.host.scan_next)(self.handle, &mut array, &mut error) } != 0 {
            return Err(Failure::of_host(&error));
        }
        if array.is_released() {
            return Ok(None);
        }
        let kind = DataType::Struct(self.schema.fields().clone());
        let internal = |failure: arrow::error::ArrowError| Failure::new(Status::Internal, failure.to_string());
        let data = unsafe { from_ffi_and_data_type(array, kind) }.map_err(internal)?;
        let rows = StructArray::from(data);
        let options = RecordBatchOptions::new().with_row_count(Some(arrow::array::Array::len(&rows)));
        let (_, columns, _) = rows.into_parts();
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map(Some).map_err(internal)
    }
}
