//! Keys and values that replicas share and that outlive them, in a namespace for each model.
//!
//! Calls block: they are made from replicas' threads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::StoreError;

/// What is kept under a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    Json(Value),
    Bytes(Bytes),
}

impl Entry {
    /// A value written as JSON.
    ///
    /// # Errors
    /// When it cannot be JSON (a map with keys that are no text, for one).
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, StoreError> {
        serde_json::to_value(value)
            .map(Self::Json)
            .map_err(|e| StoreError::Refused(format!("the value cannot be kept as JSON: {e}")))
    }

    /// The value of what was kept as JSON.
    ///
    /// # Errors
    /// When bytes were kept, or another type of value.
    pub fn into_typed<T: DeserializeOwned>(self) -> Result<T, StoreError> {
        match self {
            Self::Json(value) => serde_json::from_value(value)
                .map_err(|e| StoreError::Broken(format!("the key holds a value of another type: {e}"))),
            Self::Bytes(_) => Err(StoreError::Broken("the key holds bytes and no JSON".to_owned())),
        }
    }
}

/// The most bytes of a key.
pub const LONGEST_KEY: usize = 1024;
/// The longest time to live: a hundred years. What is to stay has none.
pub const LONGEST_TTL: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// The engine behind a [`Store`].
pub trait KeyValue: Send + Sync + 'static {
    /// `None` for a key that was never set, or whose time is over.
    ///
    /// # Errors
    /// When the store is away; so for all.
    fn get(&self, namespace: &str, key: &str) -> Result<Option<Entry>, StoreError>;

    /// Sets a key; without a time to live it stays.
    fn set(&self, namespace: &str, key: &str, value: &Entry, ttl: Option<Duration>) -> Result<(), StoreError>;

    /// Whether there was such a key.
    fn delete(&self, namespace: &str, key: &str) -> Result<bool, StoreError>;

    /// Adds to an integer, which is 0 where there is none, in one step; gives the sum. Time to live is as it was.
    fn increment(&self, namespace: &str, key: &str, by: i64) -> Result<i64, StoreError>;

    /// Sets (`Some`) or deletes (`None`) a key if it holds `expected` (`None`: if it is not there), in one step. Whether
    /// it did.
    fn compare_and_set(
        &self,
        namespace: &str,
        key: &str,
        expected: Option<&Entry>,
        value: Option<&Entry>,
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError>;
}

/// The keys and values of one model. Cheap to clone; calls block for as long as the store takes.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use hostler::Store;
/// use hostler::store::{Entry, Memory, StoreError};
///
/// # fn main() -> Result<(), StoreError> {
/// // A replica gets its own from `ReplicaContext::store`.
/// let store = Store::new(Arc::new(Memory::default()), "greeter");
/// store.set("last", &Entry::json(&["Ada", "Grace"])?, Some(Duration::from_secs(60)))?;
/// let last: Option<Vec<String>> = store.get("last")?.map(Entry::into_typed).transpose()?;
/// assert_eq!(last.unwrap_or_default(), ["Ada", "Grace"]);
/// assert_eq!(store.increment("greeted", 2)?, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Store {
    engine: Arc<dyn KeyValue>,
    namespace: Arc<str>,
}

impl Store {
    pub fn new(engine: Arc<dyn KeyValue>, namespace: impl Into<Arc<str>>) -> Self {
        Self {
            engine,
            namespace: namespace.into(),
        }
    }

    /// What a key holds; `None` when it was never set, or its time is over.
    ///
    /// # Errors
    /// A key that is empty or longer than 1,024 bytes; a store that is away. So for all.
    pub fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.engine.get(&self.namespace, check(key)?)
    }

    /// Sets a key; without a time to live it stays.
    ///
    /// # Errors
    /// As [`Store::get`]; a time to live of nothing, or of more than a hundred years.
    pub fn set(&self, key: &str, value: &Entry, ttl: Option<Duration>) -> Result<(), StoreError> {
        self.engine.set(&self.namespace, check(key)?, value, check_ttl(ttl)?)
    }

    /// Deletes a key; whether there was one.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn delete(&self, key: &str) -> Result<bool, StoreError> {
        self.engine.delete(&self.namespace, check(key)?)
    }

    /// Adds to an integer, which is 0 where there is none, in one step, whoever else does; gives the sum.
    ///
    /// # Errors
    /// As [`Store::get`]; a value that is no integer, or a sum past 64 bits.
    pub fn increment(&self, key: &str, by: i64) -> Result<i64, StoreError> {
        self.engine.increment(&self.namespace, check(key)?, by)
    }

    /// Sets (`Some`) or deletes (`None`) a key if it holds `expected` (`None`: if it is not there), in one step; whether
    /// it did.
    ///
    /// # Errors
    /// As [`Store::set`].
    pub fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Entry>,
        value: Option<&Entry>,
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        self.engine
            .compare_and_set(&self.namespace, check(key)?, expected, value, check_ttl(ttl)?)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

fn check(key: &str) -> Result<&str, StoreError> {
    if key.is_empty() || key.len() > LONGEST_KEY {
        let told = format!("a key has 1 to {LONGEST_KEY} bytes, this one has {}", key.len());
        return Err(StoreError::Refused(told));
    }
    Ok(key)
}

fn check_ttl(ttl: Option<Duration>) -> Result<Option<Duration>, StoreError> {
    match ttl {
        Some(ttl) if ttl.is_zero() || ttl > LONGEST_TTL => Err(StoreError::Refused(format!(
            "a time to live is above 0 s and at most a hundred years, not {} s; leave it out for ever",
            ttl.as_secs_f64()
        ))),
        ttl => Ok(ttl),
    }
}
