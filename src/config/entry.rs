//! One entry of `SERVER_MODELS`: its keys, each with its own range.
//! Looks at this entry alone; what two entries must not share is judged in `models`.

use super::fault::{Fault, expected, nearest, quoted, shorten, told};
use super::names::{check_endpoint, check_name};
use super::values;
use crate::device::Device;
use serde_json::{Map, Value};
use std::time::Duration;

/// The keys an entry may have, as messages list them.
const KEYS: [&str; 9] = [
    "model",
    "replicas",
    "devices",
    "max_batch_size",
    "max_queue_delay_ms",
    "endpoint",
    "queue_size",
    "threads",
    "request_timeout",
];

/// A model to serve. What is none here is left to the model's manifest and then to what its folder
/// shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelEntry {
    /// The folder's name, key `model`; unique among the entries.
    pub name: String,
    /// How many replicas, from 1.
    pub replicas: Option<usize>,
    /// Where the replicas may run; never empty.
    pub devices: Option<Vec<Device>>,
    /// The most requests in a batch, from 1.
    pub max_batch_size: Option<usize>,
    /// How long a batch may wait to fill, key `max_queue_delay_ms` (milliseconds).
    pub max_queue_delay: Option<Duration>,
    /// A second path beside `/NAME`, with its leading slash.
    pub endpoint: Option<String>,
    /// Requests admitted at once, queued and running, from 1.
    pub queue_size: Option<usize>,
    /// Threads within one operator of a replica on the CPU, from 1.
    pub threads: Option<usize>,
    /// The longest time of a request, above zero, key `request_timeout` (seconds).
    pub request_timeout: Option<Duration>,
}

impl ModelEntry {
    /// An entry that says no more than which model.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }
}

/// Reads the entry at `index`, and every fault of it. What is at fault is left out of the entry, so
/// that the entries can still be compared; there is none at all where no usable name was read.
pub(super) fn read(index: usize, value: &Value) -> (Option<ModelEntry>, Vec<Fault>) {
    let Value::Object(map) = value else {
        let problem = format!(
            "read {}{}",
            shown(value),
            expected("an object such as {\"model\":\"digits\"}")
        );
        return (None, vec![Fault::new(place(index, ""), problem)]);
    };
    let given = map.get("model").and_then(Value::as_str).unwrap_or_default();
    let mut keys = Keys {
        place: place(index, given),
        map,
        faults: Vec::new(),
    };
    if map.get("model").is_none_or(Value::is_null) {
        keys.fault("has no \"model\", expected the name of a model folder".to_owned());
    }
    let entry = ModelEntry {
        name: keys.get("model", name).unwrap_or_default(),
        replicas: keys.get("replicas", count),
        devices: keys.devices(),
        max_batch_size: keys.get("max_batch_size", count),
        max_queue_delay: keys.get("max_queue_delay_ms", milliseconds),
        endpoint: keys.get("endpoint", endpoint),
        queue_size: keys.get("queue_size", count),
        threads: keys.get("threads", count),
        request_timeout: keys.get("request_timeout", seconds),
    };
    keys.unknown();
    ((!entry.name.is_empty()).then_some(entry), keys.faults)
}

/// How messages name an entry: `SERVER_MODELS[1] ("digits")`.
pub(super) fn place(index: usize, name: &str) -> String {
    if name.is_empty() {
        format!("SERVER_MODELS[{index}]")
    } else {
        format!("SERVER_MODELS[{index}] ({})", quoted(name))
    }
}

struct Keys<'a> {
    place: String,
    map: &'a Map<String, Value>,
    faults: Vec<Fault>,
}

impl Keys<'_> {
    fn fault(&mut self, problem: String) {
        self.faults.push(Fault::new(self.place.clone(), problem));
    }

    /// The value of `key`; absent and `null`, which templates write for an absent one, are the
    /// same.
    fn get<T>(&mut self, key: &str, parse: impl FnOnce(&Value) -> Result<T, String>) -> Option<T> {
        let value = self.map.get(key).filter(|value| !value.is_null())?;
        parse(value)
            .map_err(|rest| self.fault(format!("{key} is {}{rest}", shown(value))))
            .ok()
    }

    fn devices(&mut self) -> Option<Vec<Device>> {
        let list = self.get("devices", |value| match value {
            Value::Array(list) if list.is_empty() => Err(expected("at least one device, or no such key")),
            Value::Array(list) => Ok(list.clone()),
            Value::String(text) => {
                let parts: Vec<_> = text.split(',').map(|part| quoted(part.trim())).collect();
                Err(expected(format_args!("a list: [{}]", shorten(&parts.join(",")))))
            }
            _ => Err(expected("a list such as [\"cuda:0\",\"cuda:1\"]")),
        })?;
        let mut devices = Vec::with_capacity(list.len());
        for (at, value) in list.iter().enumerate() {
            match value.as_str().map(str::parse::<Device>) {
                Some(Ok(device)) => devices.push(device),
                Some(Err(error)) => {
                    let problem = told(&error, || {
                        format!("read {}{}", shown(value), expected("cpu, cuda:N or ipu:N"))
                    });
                    self.fault(format!("devices[{at}]: {problem}"));
                }
                None => {
                    let rest = expected("the name of a device such as \"cuda:0\"");
                    self.fault(format!("devices[{at}] is {}{rest}", shown(value)));
                }
            }
        }
        (devices.len() == list.len()).then_some(devices)
    }

    fn unknown(&mut self) {
        for key in self.map.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            let rest = match nearest(key, KEYS) {
                Some(near) => format!("; did you mean \"{near}\"?"),
                None => expected(format_args!("one of {}", KEYS.join(", "))),
            };
            self.faults.push(Fault::new(
                self.place.clone(),
                format!("unknown key {}{rest}", quoted(key)),
            ));
        }
    }
}

/// A value as JSON, cut to what a message can hold.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => shorten(&other.to_string()),
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| expected("a string"))
}

fn name(value: &Value) -> Result<String, String> {
    let name = text(value)?;
    check_name(name).map(|()| name.to_owned())
}

fn endpoint(value: &Value) -> Result<String, String> {
    let path = text(value)?;
    check_endpoint(path).map(|()| path.to_owned())
}

/// A whole number from 1, or a string of one, as tools write it that know no numbers.
fn count(value: &Value) -> Result<usize, String> {
    match value {
        Value::Number(number) => values::count(&number.to_string()),
        Value::String(text) => values::count(text.trim()),
        _ => values::count(""),
    }
}

fn seconds(value: &Value) -> Result<Duration, String> {
    let refuse = || expected("a number of seconds above zero, of at most 365 days");
    let seconds = value.as_f64().ok_or_else(refuse)?;
    values::seconds_of(seconds)
        .filter(|time| !time.is_zero())
        .ok_or_else(refuse)
}

fn milliseconds(value: &Value) -> Result<Duration, String> {
    let milliseconds = value.as_f64().and_then(|number| values::seconds_of(number / 1e3));
    milliseconds.ok_or_else(|| expected("a number of milliseconds from 0"))
}

#[cfg(test)]
mod tests;
