use bytes::Bytes;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::*;
use crate::store::{LONGEST_TTL, Store};

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
