//! Values of columns.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::StoreError;

pub fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Refused(format!("what is to be kept cannot be written as JSON: {error}")))
}

pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Broken(format!("the store holds broken JSON: {error}")))
}

pub fn time(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|_| StoreError::Broken("the store holds an impossible time".into()))
}

/// A number of rows, as SQLite takes it.
pub fn rows(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
