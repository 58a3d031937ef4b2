//! Keys and values in the database.

mod column;
mod place;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::{Database, Schema};
use crate::store::{Entry, KeyValue, StoreError};
use place::Place;

/// Times are microseconds since 1970, UTC.
pub const SCHEMA: Schema = Schema {
    name: "kv",
    steps: &["
        CREATE TABLE kv (
            namespace TEXT NOT NULL,
            key TEXT NOT NULL,
            value NOT NULL,
            expires INTEGER,
            UNIQUE (namespace, key)
        );
        CREATE INDEX kv_expiring ON kv (expires) WHERE expires IS NOT NULL;
    "],
    opened: |_| Ok(()),
};

/// [`KeyValue`] in a [`Database`] that has [`SCHEMA`].
pub struct EmbeddedKv(Arc<Database>);

impl EmbeddedKv {
    pub fn new(database: Arc<Database>) -> Self {
        Self(database)
    }
}

impl KeyValue for EmbeddedKv {
    fn get(&self, namespace: &str, key: &str) -> Result<Option<Entry>, StoreError> {
        let place = Place::new(namespace, key);
        Ok(self.0.blocking_read(|connection| place.entry(connection))?.flatten())
    }

    fn set(&self, namespace: &str, key: &str, value: &Entry, ttl: Option<Duration>) -> Result<(), StoreError> {
        let place = Place::new(namespace, key);
        let column = column::write(value);
        self.0
            .blocking_write(move |connection| place.put(connection, &column, ttl))
    }

    fn delete(&self, namespace: &str, key: &str) -> Result<bool, StoreError> {
        let place = Place::new(namespace, key);
        let deleted = self.0.blocking_write_if_there(move |connection| {
            // A key whose time is over is deleted all the same, but it was not there.
            let there = place.entry(connection)?.is_some();
            place.delete(connection)?;
            Ok(there)
        })?;
        Ok(deleted.unwrap_or(false))
    }

    fn increment(&self, namespace: &str, key: &str, by: i64) -> Result<i64, StoreError> {
        let place = Place::new(namespace, key);
        self.0.blocking_write(move |connection| place.increment(connection, by))
    }

    fn compare_and_set(
        &self,
        namespace: &str,
        key: &str,
        expected: Option<&Entry>,
        value: Option<&Entry>,
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let place = Place::new(namespace, key);
        let expected = expected.cloned();
        let column = value.map(column::write);
        self.0.blocking_write(move |connection| {
            if place.entry(connection)? != expected {
                return Ok(false);
            }
            match &column {
                Some(column) => place.put(connection, column, ttl)?,
                None => place.delete(connection)?,
            }
            Ok(true)
        })
    }
}
