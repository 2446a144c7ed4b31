// SPDX-License-Identifier: Apache-2.0
//! What went wrong, as the host is told: a status and a message. Panics become one of them at the boundary.
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use datafusion::arrow::error::ArrowError;
use datafusion::common::DataFusionError;

use crate::abi::{ErrorText, Status};

#[derive(Debug, Clone)]
pub struct Failure {
    pub status: Status,
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    pub fn new(status: Status, message: impl Into<String>) -> Failure {
        Failure { status, message: message.into() }
    }

    /// What a callback of the host's left behind.
    pub fn of_host(error: &ErrorText) -> Failure {
        Failure::new(Status::Host, error.text())
    }
}

impl From<Failure> for DataFusionError {
    fn from(failure: Failure) -> DataFusionError {
        DataFusionError::External(Box::new(failure))
    }
}

/// The space for what is spilled is bounded by the memory limit, and raised with it.
fn spilled_too_much(text: &str) -> Option<Failure> {
    let size = text.split("exceeded the allowable limit of ").nth(1)?.split(". ").next()?;
    Some(Failure::new(Status::Memory, format!("what it spills has reached its limit of {size}")))
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Failure {
        let status = match error.find_root() {
            DataFusionError::External(inner) => match inner.downcast_ref::<Failure>() {
                Some(failure) => return failure.clone(),
                None => Status::Internal,
            },
            DataFusionError::SQL(..) | DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => Status::Sql,
            DataFusionError::NotImplemented(_) => Status::Unsupported,
            DataFusionError::ResourcesExhausted(text) if text.contains("disk") => Status::Disk,
            DataFusionError::ResourcesExhausted(_) => Status::Memory,
            DataFusionError::IoError(cause) => match spilled_too_much(&cause.to_string()) {
                Some(failure) => return failure,
                None => Status::Disk,
            },
            DataFusionError::Execution(_) | DataFusionError::ExecutionJoin(_) => Status::Compute,
            DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
                ArrowError::ExternalError(cause) => match cause.downcast_ref::<Failure>() {
                    Some(failure) => return failure.clone(),
                    None => Status::Compute,
                },
                ArrowError::NotYetImplemented(_) => Status::Unsupported,
                ArrowError::IoError(text, _) => match spilled_too_much(text) {
                    Some(failure) => return failure,
                    None => Status::Disk,
                },
                _ => Status::Compute,
            },
            _ => Status::Internal,
        };
        Failure::new(status, error.strip_backtrace())
    }
}

fn panic_text(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => other.downcast::<&str>().map_or_else(|_| "no message".to_string(), |text| text.to_string()),
    }
}

/// Runs what may fail or panic; the status, and the message in `error`.
pub fn guarded(error: *mut ErrorText, body: impl FnOnce() -> Result<(), Failure>) -> i32 {
    let outcome = catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|payload| Err(Failure::new(Status::Panic, panic_text(payload))));
    match outcome {
        Ok(()) => Status::Ok as i32,
        Err(failure) => {
            if let Some(error) = unsafe { error.as_mut() } {
                error.set(failure.status as i32, &failure.message);
            }
            failure.status as i32
        }
    }
}
