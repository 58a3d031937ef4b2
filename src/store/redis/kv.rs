//! Keys and values in Redis: `PREFIXkv:NAMESPACE:KEY`. JSON stands there as its text, so that integers can be added to;
//! bytes stand behind a zero byte, which begins no JSON.

use std::time::Duration;

use redis::{Cmd, RedisError, Value};

use super::{Redis, fault};
use crate::store::{Entry, KeyValue, StoreError};

const COMPARE_AND_SET: &str = include_str!("compare_and_set.lua");
/// What bytes begin with.
const BYTES: u8 = 0;
/// The longest time to live, some thousand years: Redis counts milliseconds since 1970 in 63 bits.
const LONGEST: Duration = Duration::from_secs(100_000_000_000);

impl KeyValue for Redis {
    fn get(&self, namespace: &str, key: &str) -> Result<Option<Entry>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(self.name(namespace, key));
        self.ask(&command, true)?.map(|text| decode(&text)).transpose()
    }

    fn set(&self, namespace: &str, key: &str, value: &Entry, ttl: Option<Duration>) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command.arg(self.name(namespace, key)).arg(encode(value)?);
        if let Some(millis) = ttl.map(millis) {
            command.arg("PX").arg(millis);
        }
        self.ask(&command, true)?;
        Ok(())
    }

    fn delete(&self, namespace: &str, key: &str) -> Result<bool, StoreError> {
        let mut command = redis::cmd("DEL");
        command.arg(self.name(namespace, key));
        let answer = self.pool.query(&command, false).map_err(|error| fault::told(&error))?;
        Ok(answer == Value::Int(1))
    }

    fn increment(&self, namespace: &str, key: &str, by: i64) -> Result<i64, StoreError> {
        let mut command = redis::cmd("INCRBY");
        command.arg(self.name(namespace, key)).arg(by);
        match self.pool.query(&command, false) {
            Ok(Value::Int(sum)) => Ok(sum),
            Ok(_) => Err(StoreError::Broken("Redis answers what is no sum".to_owned())),
            Err(error) => Err(unsummed(&error)),
        }
    }

    fn compare_and_set(
        &self,
        namespace: &str,
        key: &str,
        expected: Option<&Entry>,
        value: Option<&Entry>,
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let name = self.name(namespace, key);
        let value = value.map(encode).transpose()?;
        let mut guess = expected.map(encode).transpose()?;
        loop {
            let mut command = redis::cmd("EVAL");
            command.arg(COMPARE_AND_SET).arg(1).arg(&name);
            maybe(&mut command, guess.as_deref());
            maybe(&mut command, value.as_deref());
            match ttl.map(millis) {
                Some(millis) => command.arg(millis),
                None => command.arg(""),
            };
            let held = match self.pool.query(&command, false).map_err(|error| fault::told(&error))? {
                Value::Int(1) => return Ok(true),
                Value::BulkString(held) => held,
                _ => return Ok(false),
            };
            // The same value may have another text: members of an object in another order.
            let same = match expected {
                Some(expected) => decode(&held)? == *expected,
                None => false,
            };
            if !same || guess.as_ref() == Some(&held) {
                return Ok(false);
            }
            guess = Some(held);
        }
    }
}

impl Redis {
    /// Neither namespaces nor prefixes hold colons, so no two keys have one name.
    fn name(&self, namespace: &str, key: &str) -> String {
        self.key(&format!("kv:{namespace}:{key}"))
    }

    fn ask(&self, command: &Cmd, repeatable: bool) -> Result<Option<Vec<u8>>, StoreError> {
        match self.pool.query(command, repeatable) {
            Ok(Value::BulkString(text)) => Ok(Some(text)),
            Ok(_) => Ok(None),
            Err(error) => Err(fault::told(&error)),
        }
    }
}

fn maybe(command: &mut Cmd, value: Option<&[u8]>) {
    match value {
        Some(value) => command.arg("1").arg(value),
        None => command.arg("0").arg(""),
    };
}

/// At least one: Redis refuses a time to live of nothing.
fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.min(LONGEST).as_millis()).unwrap_or(u64::MAX).max(1)
}

fn encode(value: &Entry) -> Result<Vec<u8>, StoreError> {
    match value {
        Entry::Json(value) => {
            serde_json::to_vec(value).map_err(|error| StoreError::Refused(format!("a value is no JSON: {error}")))
        }
        Entry::Bytes(bytes) => {
            let mut text = Vec::with_capacity(1 + bytes.len());
            text.push(BYTES);
            text.extend_from_slice(bytes);
            Ok(text)
        }
    }
}

fn decode(text: &[u8]) -> Result<Entry, StoreError> {
    match text.split_first() {
        Some((&BYTES, bytes)) => Ok(Entry::Bytes(bytes.to_vec().into())),
        _ => serde_json::from_slice(text)
            .map(Entry::Json)
            .map_err(|_| StoreError::Broken("a key holds what is neither JSON nor bytes of this store".to_owned())),
    }
}

/// Why there is no sum.
fn unsummed(error: &RedisError) -> StoreError {
    match error.detail() {
        Some(detail) if detail.contains("not an integer") => {
            StoreError::Refused("the value of this key is no integer of 64 bits".to_owned())
        }
        Some(detail) if detail.contains("overflow") => StoreError::Refused("the sum passes 64 bits".to_owned()),
        _ => fault::told(error),
    }
}
