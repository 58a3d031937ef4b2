//! One key in the database: its statements.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::Value as Column;

use super::column;
use crate::store::{Entry, StoreError};

/// Keys whose time is over and that are deleted beside a write, so that they do not pile up.
const SWEPT: i64 = 100;

/// Where a value stands.
pub struct Place {
    namespace: String,
    key: String,
}

impl Place {
    pub fn new(namespace: &str, key: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            key: key.to_owned(),
        }
    }

    pub fn entry(&self, connection: &Connection) -> Result<Option<Entry>, StoreError> {
        let mut statement = connection.prepare_cached(
            "SELECT value FROM kv WHERE namespace = ?1 AND key = ?2 AND (expires IS NULL OR expires > ?3)",
        )?;
        let mut rows = statement.query((&self.namespace, &self.key, now()))?;
        match rows.next()? {
            Some(row) => column::read(row.get_ref(0)?).map(Some),
            None => Ok(None),
        }
    }

    pub fn put(&self, connection: &Connection, value: &Column, ttl: Option<Duration>) -> Result<(), StoreError> {
        let now = now();
        let expires = ttl.map(|ttl| now.saturating_add(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX)));
        if expires.is_some() {
            connection
                .prepare_cached("DELETE FROM kv WHERE rowid IN (SELECT rowid FROM kv WHERE expires <= ?1 LIMIT ?2)")?
                .execute((now, SWEPT))?;
        }
        connection
            .prepare_cached(
                "INSERT INTO kv (namespace, key, value, expires) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, expires = excluded.expires",
            )?
            .execute((&self.namespace, &self.key, value, expires))?;
        Ok(())
    }

    pub fn delete(&self, connection: &Connection) -> Result<(), StoreError> {
        connection
            .prepare_cached("DELETE FROM kv WHERE namespace = ?1 AND key = ?2")?
            .execute((&self.namespace, &self.key))?;
        Ok(())
    }

    pub fn increment(&self, connection: &Connection, by: i64) -> Result<i64, StoreError> {
        let old = match self.entry(connection)? {
            None => {
                // One whose time is over goes, and its time with it.
                self.delete(connection)?;
                None
            }
            Some(Entry::Json(value)) => Some(value.as_i64().ok_or_else(no_integer)?),
            Some(Entry::Bytes(_)) => return Err(no_integer()),
        };
        let sum = old
            .unwrap_or(0)
            .checked_add(by)
            .ok_or_else(|| StoreError::Refused("the sum does not fit into 64 bits".into()))?;
        connection
            .prepare_cached(
                "INSERT INTO kv (namespace, key, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value",
            )?
            .execute((&self.namespace, &self.key, sum.to_string()))?;
        Ok(sum)
    }
}

fn no_integer() -> StoreError {
    StoreError::Refused("only an integer can be added to, and the key holds something else".into())
}

fn now() -> i64 {
    Timestamp::now().as_microsecond()
}
