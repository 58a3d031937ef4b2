//! Keys and values that end with their process: for tests, of this crate and of authors.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Entry, KeyValue, StoreError};

/// An engine without a disk.
#[derive(Default)]
pub struct Memory {
    held: Mutex<HashMap<(String, String), Held>>,
}

struct Held {
    entry: Entry,
    until: Option<Instant>,
}

type Map = HashMap<(String, String), Held>;

impl Memory {
    /// The map without what is over.
    fn lock(&self) -> MutexGuard<'_, Map> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        held.retain(|_, one| one.until.is_none_or(|until| now < until));
        held
    }
}

fn put(map: &mut Map, place: (String, String), entry: &Entry, ttl: Option<Duration>) {
    let held = Held {
        entry: entry.clone(),
        until: ttl.map(|ttl| Instant::now() + ttl),
    };
    map.insert(place, held);
}

fn place(namespace: &str, key: &str) -> (String, String) {
    (namespace.to_owned(), key.to_owned())
}

impl KeyValue for Memory {
    fn get(&self, namespace: &str, key: &str) -> Result<Option<Entry>, StoreError> {
        Ok(self.lock().get(&place(namespace, key)).map(|one| one.entry.clone()))
    }

    fn set(&self, namespace: &str, key: &str, value: &Entry, ttl: Option<Duration>) -> Result<(), StoreError> {
        put(&mut self.lock(), place(namespace, key), value, ttl);
        Ok(())
    }

    fn delete(&self, namespace: &str, key: &str) -> Result<bool, StoreError> {
        Ok(self.lock().remove(&place(namespace, key)).is_some())
    }

    fn increment(&self, namespace: &str, key: &str, by: i64) -> Result<i64, StoreError> {
        let mut map = self.lock();
        let one = map.entry(place(namespace, key)).or_insert_with(|| Held {
            entry: Entry::Json(Value::from(0)),
            until: None,
        });
        let before = match &one.entry {
            Entry::Json(value) => value.as_i64(),
            Entry::Bytes(_) => None,
        };
        let before = before.ok_or_else(|| StoreError::Refused(format!("{key:?} holds no integer of 64 bits")))?;
        let sum = before
            .checked_add(by)
            .ok_or_else(|| StoreError::Refused(format!("{key:?} would be past 64 bits")))?;
        one.entry = Entry::Json(Value::from(sum));
        Ok(sum)
    }

    fn compare_and_set(
        &self,
        namespace: &str,
        key: &str,
        expected: Option<&Entry>,
        value: Option<&Entry>,
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let (mut map, place) = (self.lock(), place(namespace, key));
        if map.get(&place).map(|one| &one.entry) != expected {
            return Ok(false);
        }
        match value {
            Some(value) => put(&mut map, place, value, ttl),
            None => drop(map.remove(&place)),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::store::Store;

    fn entry(value: Value) -> Entry {
        Entry::Json(value)
    }

    #[test]
    fn each_model_has_keys_of_its_own() {
        let engine = Arc::new(Memory::default());
        let (one, other) = (Store::new(engine.clone(), "one"), Store::new(engine, "other"));
        one.set("key", &entry(json!([1, null])), None).unwrap();
        assert_eq!(one.get("key").unwrap(), Some(entry(json!([1, null]))));
        assert_eq!(other.get("key").unwrap(), None);
        assert!(!other.delete("key").unwrap());
        assert!(one.delete("key").unwrap());
    }

    #[test]
    fn what_is_no_integer_is_not_added_to() {
        let store = Store::new(Arc::new(Memory::default()), "model");
        assert_eq!(store.increment("n", i64::MAX).unwrap(), i64::MAX);
        assert!(matches!(store.increment("n", 1), Err(StoreError::Refused(_))));
        assert_eq!(store.increment("n", i64::MIN).unwrap(), -1);
        store.set("n", &Entry::Bytes("1".into()), None).unwrap();
        assert!(matches!(store.increment("n", 1), Err(StoreError::Refused(_))));
    }

    #[test]
    fn a_key_is_exchanged_only_where_it_holds_what_was_expected() {
        let store = Store::new(Arc::new(Memory::default()), "model");
        let (one, two) = (entry(json!(1)), Entry::Bytes("2".into()));
        let swap =
            |expected: Option<&Entry>, value: Option<&Entry>| store.compare_and_set("key", expected, value, None);
        assert!(swap(None, Some(&one)).unwrap());
        assert!(!swap(None, Some(&two)).unwrap());
        assert!(swap(Some(&one), Some(&two)).unwrap());
        assert!(!swap(Some(&one), None).unwrap());
        assert!(swap(Some(&two), None).unwrap());
        assert_eq!(store.get("key").unwrap(), None);
    }

    #[test]
    fn keys_and_times_have_bounds() {
        let store = Store::new(Arc::new(Memory::default()), "model");
        for key in [String::new(), "k".repeat(1025)] {
            assert!(matches!(store.get(&key), Err(StoreError::Refused(_))), "{key}");
        }
        for ttl in [Duration::ZERO, Duration::MAX] {
            let set = store.set("key", &entry(json!(1)), Some(ttl));
            assert!(matches!(set, Err(StoreError::Refused(_))), "{ttl:?}");
        }
        store
            .set("key", &entry(json!(1)), Some(Duration::from_nanos(1)))
            .unwrap();
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(store.get("key").unwrap(), None);
    }
}
