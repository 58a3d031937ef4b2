//! Keys and values in the database: JSON is kept as text, bytes as a blob.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::{Value as Column, ValueRef};
use serde_json::Value;

use super::{Database, Schema};
use crate::store::{Entry, KeyValue, StoreError};

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

/// Keys whose time is over and that are deleted beside a write, so that they do not pile up.
const SWEPT: i64 = 100;

/// [`KeyValue`] in a [`Database`] that has [`SCHEMA`].
pub struct EmbeddedKv(Arc<Database>);

impl EmbeddedKv {
    pub fn new(database: Arc<Database>) -> Self {
        Self(database)
    }
}

/// Where a value stands.
struct Place {
    namespace: String,
    key: String,
}

impl KeyValue for EmbeddedKv {
    fn get(&self, namespace: &str, key: &str) -> Result<Option<Entry>, StoreError> {
        let place = Place::new(namespace, key);
        Ok(self.0.blocking_read(|connection| place.entry(connection))?.flatten())
    }

    fn set(&self, namespace: &str, key: &str, value: &Entry, ttl: Option<Duration>) -> Result<(), StoreError> {
        let place = Place::new(namespace, key);
        let column = column(value);
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
        let column = value.map(column);
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

impl Place {
    fn new(namespace: &str, key: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            key: key.to_owned(),
        }
    }

    fn entry(&self, connection: &Connection) -> Result<Option<Entry>, StoreError> {
        let mut statement = connection.prepare_cached(
            "SELECT value FROM kv WHERE namespace = ?1 AND key = ?2 AND (expires IS NULL OR expires > ?3)",
        )?;
        let mut rows = statement.query((&self.namespace, &self.key, now()))?;
        match rows.next()? {
            Some(row) => entry(row.get_ref(0)?).map(Some),
            None => Ok(None),
        }
    }

    fn put(&self, connection: &Connection, value: &Column, ttl: Option<Duration>) -> Result<(), StoreError> {
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

    fn delete(&self, connection: &Connection) -> Result<(), StoreError> {
        connection
            .prepare_cached("DELETE FROM kv WHERE namespace = ?1 AND key = ?2")?
            .execute((&self.namespace, &self.key))?;
        Ok(())
    }

    fn increment(&self, connection: &Connection, by: i64) -> Result<i64, StoreError> {
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

fn column(entry: &Entry) -> Column {
    match entry {
        Entry::Json(value) => Column::Text(value.to_string()),
        Entry::Bytes(bytes) => Column::Blob(bytes.to_vec()),
    }
}

fn entry(value: ValueRef<'_>) -> Result<Entry, StoreError> {
    let broken = || StoreError::Broken("the store holds a value that is neither JSON nor bytes".into());
    match value {
        ValueRef::Text(text) => serde_json::from_slice::<Value>(text)
            .map(Entry::Json)
            .map_err(|_| broken()),
        ValueRef::Blob(bytes) => Ok(Entry::Bytes(Bytes::copy_from_slice(bytes))),
        _ => Err(broken()),
    }
}

fn now() -> i64 {
    Timestamp::now().as_microsecond()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::LONGEST_TTL;
    use crate::store::Store;

    struct Fixture {
        store: Store,
        other: Store,
        database: Arc<Database>,
        folder: tempfile::TempDir,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(folder.path(), &[SCHEMA]);
        let engine = Arc::new(EmbeddedKv::new(Arc::clone(&database)));
        Fixture {
            store: Store::new(Arc::clone(&engine) as Arc<dyn KeyValue>, "digits"),
            other: Store::new(engine, "letters"),
            database,
            folder,
        }
    }

    fn json(value: Value) -> Entry {
        Entry::Json(value)
    }

    /// As if a day had gone by.
    fn a_day_later(database: &Database) {
        database
            .blocking_write(|connection| {
                connection.execute("UPDATE kv SET expires = expires - 86400000000", ())?;
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn values_come_back_as_they_were_and_stay_after_the_end() {
        let fixture = fixture();
        let bytes = Entry::Bytes(Bytes::from_static(b"\0\xff"));
        fixture
            .store
            .set("a", &json(json!({"b": [1, 2.5, null]})), None)
            .unwrap();
        fixture.store.set("b", &bytes, None).unwrap();
        assert_eq!(fixture.other.get("a").unwrap(), None);
        assert_eq!(fixture.store.get("b").unwrap(), Some(bytes));
        let folder = fixture.folder;
        drop((fixture.store, fixture.other, fixture.database));
        let again = EmbeddedKv::new(Database::new(folder.path(), &[SCHEMA]));
        assert_eq!(
            again.get("digits", "a").unwrap(),
            Some(json(json!({"b": [1, 2.5, null]})))
        );
    }

    #[test]
    fn looking_makes_no_database() {
        let Fixture { store, folder, .. } = fixture();
        assert_eq!(store.get("a").unwrap(), None);
        assert!(!store.delete("a").unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_key_whose_time_is_over_is_not_there() {
        let Fixture {
            store,
            database,
            folder: _folder,
            ..
        } = fixture();
        let hour = Some(Duration::from_secs(3600));
        for key in ["a", "b", "c", "d"] {
            store.set(key, &json(json!(5)), hour).unwrap();
        }
        assert_eq!(store.get("a").unwrap(), Some(json(json!(5))));
        assert_eq!(store.increment("a", 1).unwrap(), 6);
        a_day_later(&database);
        assert_eq!(store.get("a").unwrap(), None);
        assert!(!store.delete("b").unwrap());
        assert!(store.compare_and_set("c", None, Some(&json(json!(1))), None).unwrap());
        assert_eq!(store.increment("a", 1).unwrap(), 1);
        a_day_later(&database);
        assert_eq!(
            store.get("a").unwrap(),
            Some(json(json!(1))),
            "it lost its time with its value"
        );
        store.set("e", &json(json!(5)), hour).unwrap();
        let kept = |connection: &Connection| -> Result<i64, StoreError> {
            Ok(connection.query_row("SELECT count(*) FROM kv", (), |row| row.get(0))?)
        };
        assert_eq!(database.blocking_read(kept).unwrap(), Some(3), "d is swept");
    }

    #[test]
    fn setting_without_a_time_takes_the_time_away() {
        let Fixture {
            store,
            database,
            folder: _folder,
            ..
        } = fixture();
        store.set("a", &json(json!(1)), Some(LONGEST_TTL)).unwrap();
        store.set("a", &json(json!(1)), Some(Duration::from_secs(1))).unwrap();
        store.set("a", &json(json!(2)), None).unwrap();
        a_day_later(&database);
        assert_eq!(store.get("a").unwrap(), Some(json(json!(2))));
    }

    #[test]
    fn increments_add_up_whoever_makes_them() {
        let Fixture {
            store, folder: _folder, ..
        } = fixture();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| assert!(store.increment("n", 2).is_ok())));
            }
        });
        assert_eq!(store.get("n").unwrap(), Some(json(json!(400))));
        assert_eq!(store.increment("n", -500).unwrap(), -100);
    }

    #[test]
    fn only_integers_within_bounds_are_added_to() {
        let Fixture {
            store, folder: _folder, ..
        } = fixture();
        store.set("text", &json(json!("5")), None).unwrap();
        store
            .set("bytes", &Entry::Bytes(Bytes::from_static(b"5")), None)
            .unwrap();
        store.set("most", &json(json!(i64::MAX)), None).unwrap();
        for key in ["text", "bytes", "most"] {
            let refused = store.increment(key, 1);
            assert!(matches!(refused, Err(StoreError::Refused(_))), "{key}: {refused:?}");
        }
        assert_eq!(store.get("most").unwrap(), Some(json(json!(i64::MAX))));
    }

    #[test]
    fn compare_and_set_changes_what_it_expects() {
        let Fixture {
            store, folder: _folder, ..
        } = fixture();
        let (one, two) = (json(json!({"a": 1, "b": 1})), json(json!(2)));
        assert!(!store.compare_and_set("a", Some(&one), Some(&two), None).unwrap());
        assert!(store.compare_and_set("a", None, Some(&one), None).unwrap());
        assert!(!store.compare_and_set("a", None, Some(&two), None).unwrap());
        // The order of keys is no part of a JSON value.
        let same = json(json!({"b": 1, "a": 1}));
        assert!(store.compare_and_set("a", Some(&same), Some(&two), None).unwrap());
        assert_eq!(store.get("a").unwrap(), Some(two.clone()));
        assert!(!store.compare_and_set("a", Some(&one), None, None).unwrap());
        assert!(store.compare_and_set("a", Some(&two), None, None).unwrap());
        assert_eq!(store.get("a").unwrap(), None);
    }

    #[test]
    fn keys_have_bounds() {
        let Fixture {
            store, folder: _folder, ..
        } = fixture();
        for key in [String::new(), "a".repeat(1025)] {
            assert!(matches!(store.get(&key), Err(StoreError::Refused(_))));
        }
        store.set(&"a".repeat(1024), &json(json!(1)), None).unwrap();
    }
}
