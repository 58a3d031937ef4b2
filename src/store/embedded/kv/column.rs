//! A value as a column: JSON is kept as text, bytes as a blob.

use bytes::Bytes;
use rusqlite::types::{Value as Column, ValueRef};
use serde_json::Value;

use crate::store::{Entry, StoreError};

pub fn write(entry: &Entry) -> Column {
    match entry {
        Entry::Json(value) => Column::Text(value.to_string()),
        Entry::Bytes(bytes) => Column::Blob(bytes.to_vec()),
    }
}

pub fn read(value: ValueRef<'_>) -> Result<Entry, StoreError> {
    let broken = || StoreError::Broken("the store holds a value that is neither JSON nor bytes".into());
    match value {
        ValueRef::Text(text) => serde_json::from_slice::<Value>(text)
            .map(Entry::Json)
            .map_err(|_| broken()),
        ValueRef::Blob(bytes) => Ok(Entry::Bytes(Bytes::copy_from_slice(bytes))),
        _ => Err(broken()),
    }
}
