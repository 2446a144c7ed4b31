// SPDX-License-Identifier: Apache-2.0
//! The structs of `rhei_datafusion.h`, field by field.
use std::ffi::{c_char, c_void};

use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};

use crate::engine::Engine;
use crate::results::Results;

pub const ABI: u32 = 2;

#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok = 0,
    Sql = 1,
    Unsupported = 2,
    Compute = 3,
    Memory = 4,
    Disk = 5,
    Stopped = 6,
    Host = 7,
    Panic = 8,
    Internal = 9,
}

pub type ErrorText = crate::error_text::ErrorText<1024>;

pub const INTEGER: i32 = 1;
pub const REAL: i32 = 2;
pub const TEXT: i32 = 3;
pub const BLOB: i32 = 4;
pub const TRUTH: i32 = 5;

#[repr(C)]
pub struct Column {
    pub name: *const c_char,
    pub kind: i32,
    pub nullable: i32,
}

#[repr(C)]
pub struct Table {
    pub columns: *const Column,
    pub column_count: u32,
    pub rows: u64,
    pub told: u64,
    pub exact: i32,
}

/// `kind` is `enum rhei_class`: NULL, INTEGER, REAL, TEXT, BLOB from 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Value {
    pub kind: i32,
    pub length: u32,
    pub integer: i64,
    pub real: f64,
    pub bytes: *const c_char,
}

#[repr(C)]
pub struct Helper {
    pub name: *const c_char,
    pub fewest: u32,
    pub most: u32,
    pub form: u32,
    pub function: Option<unsafe extern "C" fn()>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Sum {
    pub size: usize,
    pub most_parts: u32,
    pub add_run: unsafe extern "C" fn(*mut c_void, *const f64, usize) -> i32,
    pub add_each: unsafe extern "C" fn(*const *mut c_void, *const f64, usize) -> i32,
    pub parts: unsafe extern "C" fn(*const c_void, *mut f64) -> u32,
    pub count: unsafe extern "C" fn(*const c_void) -> i64,
    pub result: unsafe extern "C" fn(*const c_void, *mut f64) -> i32,
    pub recount: unsafe extern "C" fn(*mut c_void, i64),
    pub reset: unsafe extern "C" fn(*mut c_void),
}

#[repr(C)]
pub struct Host {
    pub size: usize,
    pub table: unsafe extern "C" fn(*mut c_void, u32, u32, *mut Table, *mut ErrorText) -> i32,
    pub named: unsafe extern "C" fn(*mut c_void, *const c_char, *mut u32, *mut ErrorText) -> i32,
    pub scan_open:
        unsafe extern "C" fn(*mut c_void, u32, u32, *const u32, u32, *mut *mut c_void, *mut ErrorText) -> i32,
    pub scan_next: unsafe extern "C" fn(*mut c_void, *mut FFI_ArrowArray, *mut ErrorText) -> i32,
    pub scan_close: unsafe extern "C" fn(*mut c_void),
    pub check: unsafe extern "C" fn(*mut c_void) -> i32,
    pub sum: Sum,
    pub helpers: *const Helper,
    pub helper_count: u32,
    pub context: *mut c_void,
    pub evaluator_open: Option<unsafe extern "C" fn(*mut c_void) -> *mut c_void>,
    pub evaluate: Option<
        unsafe extern "C" fn(*mut c_void, u32, *const Value, u32, *mut Value, *mut ErrorText) -> i32,
    >,
    pub evaluator_close: Option<unsafe extern "C" fn(*mut c_void)>,
}

#[repr(C)]
pub struct Config {
    pub size: usize,
    pub host: *const Host,
    pub threads: u32,
    pub memory_limit: u64,
    pub temp_directory: *const c_char,
    pub temp_limit: u64,
}

#[repr(C)]
pub struct Query {
    pub size: usize,
    pub sql: *const c_char,
    pub values: *const Value,
    pub value_count: u32,
    pub memory_limit: u64,
    pub strings_view: i32,
    pub native: i32,
    pub statement: *mut c_void,
}

#[repr(C)]
pub struct EngineStatus {
    pub statements: u64,
    pub memory_bytes: u64,
}

#[repr(C)]
pub struct Library {
    pub size: usize,
    pub abi: u32,
    pub version: *const c_char,
    pub open: unsafe extern "C" fn(*const Config, *mut *mut Engine, *mut ErrorText) -> i32,
    pub run: unsafe extern "C" fn(*mut Engine, *const Query, *mut *mut Results, *mut ErrorText) -> i32,
    pub check: unsafe extern "C" fn(*mut Engine, *const Query, *mut ErrorText) -> i32,
    pub schema: unsafe extern "C" fn(*mut Results, *mut FFI_ArrowSchema, *mut ErrorText) -> i32,
    pub next: unsafe extern "C" fn(*mut Results, *mut FFI_ArrowArray, *mut ErrorText) -> i32,
    pub result_close: unsafe extern "C" fn(*mut Results),
    pub status: unsafe extern "C" fn(*mut Engine, *mut EngineStatus),
    pub close: unsafe extern "C" fn(*mut Engine),
}

// Pointers to what never changes, for all threads.
unsafe impl Sync for Library {}
unsafe impl Send for Host {}
unsafe impl Sync for Host {}
