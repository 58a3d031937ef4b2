//! `SERVER_MODELS`: JSON text to the entries it lists, or every fault of it.
//! Knows the text and the entries beside each other, not the folders they name.

use super::entry::{self, ModelEntry};
use super::fault::{Fault, quoted};
use super::values::between;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

const VARIABLE: &str = "SERVER_MODELS";

/// Characters shown before and behind the place where JSON breaks off.
const EXCERPT: (usize, usize) = (30, 10);

/// The models that `text` lists, in its order; at least one, no name twice, no two on one path.
///
/// # Errors
/// Every fault of every entry; only broken JSON hides the others, for there are no entries then.
pub(super) fn parse(text: &str) -> Result<Vec<ModelEntry>, Vec<Fault>> {
    let (entries, faults) = read(text);
    if faults.is_empty() {
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    } else {
        Err(faults)
    }
}

/// What could be read of the models that `text` lists, each with its index, and every fault.
pub(super) fn read(text: &str) -> (Vec<(usize, ModelEntry)>, Vec<Fault>) {
    let json = unquoted(text);
    let listed = serde_json::from_str(json).map_err(|error| broken(text, json, &error));
    let items = match listed.and_then(|value| list(value).map_err(|problem| Fault::new(VARIABLE, problem))) {
        Ok(items) => items,
        Err(fault) => return (Vec::new(), vec![fault]),
    };
    let repeated = repeated_keys(json);
    let mut faults = Vec::new();
    let mut entries = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let (entry, mut found) = entry::read(index, item);
        let name = entry.as_ref().map_or("", |entry| entry.name.as_str());
        for key in repeated.get(index).into_iter().flatten() {
            let problem = format!("has the key {} twice, expected it once", quoted(key));
            found.push(Fault::new(entry::place(index, name), problem));
        }
        faults.append(&mut found);
        entries.extend(entry.map(|entry| (index, entry)));
    }
    faults.append(&mut same_names(&entries));
    faults.append(&mut same_paths(&entries));
    (entries, faults)
}

/// `text` without the quotes that `docker --env-file` keeps around a value.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    between(text, '\'')
        // A JSON string is no list: between double quotes stands a list that was quoted, or a fault
        // to be told as it is.
        .or_else(|| between(text, '"').filter(|inner| inner.starts_with('[')))
        .unwrap_or(text)
}

fn list(value: Value) -> Result<Vec<Value>, String> {
    const REMEDY: &str = r#"expected a list such as [{"model":"digits"}]"#;
    match value {
        Value::Array(items) if items.is_empty() => {
            Err(format!("read an empty list: there is nothing to serve, {REMEDY}"))
        }
        Value::Array(items) => Ok(items),
        Value::Object(_) => Err(format!("read an object, {REMEDY}: put square brackets around it")),
        other => Err(format!("read {}, {REMEDY}", super::fault::shorten(&other.to_string()))),
    }
}

/// The fault of a text that is no JSON; `json` is the part of `text` that was parsed.
fn broken(text: &str, json: &str, error: &serde_json::Error) -> Fault {
    if json.is_empty() {
        let problem = "read nothing, expected a JSON list; leave the variable unset for the demo models";
        return Fault::new(VARIABLE, problem);
    }
    // Both are slices of one string, so the difference of their addresses is what was cut off in
    // front.
    let start = json.as_ptr() as usize - text.as_ptr() as usize;
    let at = start + byte_offset(json, error);
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let character = before.chars().count();
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    let problem = format!(
        "is not valid JSON: {reason} at line {line}, column {column} (character {}), near {}{}",
        character + 1,
        excerpt(text, character),
        hint(json)
    );
    Fault::new(VARIABLE, problem)
}

/// Where in `json` the parser stopped. serde_json gives a line from 1 and the bytes of it that were
/// read, the wrong one included unless the text ended.
fn byte_offset(json: &str, error: &serde_json::Error) -> usize {
    let line_start = match error.line() {
        0 | 1 => 0,
        line => json
            .match_indices('\n')
            .nth(line - 2)
            .map_or(json.len(), |(at, _)| at + 1),
    };
    let mut at = line_start + error.column();
    if !error.is_eof() {
        at = at.saturating_sub(1);
    }
    at = at.min(json.len());
    while !json.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A few characters around the one at `character`.
fn excerpt(text: &str, character: usize) -> String {
    let (before, behind) = EXCERPT;
    let first = character.saturating_sub(before);
    let length = character - first + behind;
    let mut rest = text.chars().skip(first);
    let part: String = rest.by_ref().take(length).collect();
    let front = if first > 0 { "…" } else { "" };
    let back = if rest.next().is_some() { "…" } else { "" };
    quoted(&format!("{front}{part}{back}"))
}

/// What usually happened to a text like this.
fn hint(json: &str) -> &'static str {
    if !json.contains(['[', '{']) {
        r#"; expected a list such as [{"model":"digits"}]"#
    } else if json.starts_with('\'') {
        "; the quote at the start is never closed: docker --env-file takes a value on one line only"
    } else if !json.contains('"') && json.contains('\'') {
        "; strings in JSON stand between double quotes"
    } else if !json.contains('"') {
        "; its double quotes are gone: put the whole value between single quotes, in .env as in a shell"
    } else {
        ""
    }
}

fn same_names(entries: &[(usize, ModelEntry)]) -> Vec<Fault> {
    let mut first = BTreeMap::new();
    let mut faults = Vec::new();
    for (index, entry) in entries {
        let earlier = *first.entry(entry.name.as_str()).or_insert(index);
        if earlier != index {
            let problem = format!(
                "is the model of {VARIABLE}[{earlier}] again, expected one entry a model: \"replicas\" says how many run"
            );
            faults.push(Fault::new(entry::place(*index, &entry.name), problem));
        }
    }
    faults
}

/// Endpoints that are another model's path, or the one below it that takes background jobs.
fn same_paths(entries: &[(usize, ModelEntry)]) -> Vec<Fault> {
    let below = |path: &str| [path.to_owned(), format!("{path}/background")];
    // Names first: an endpoint is the one to move, whichever entry comes first.
    let mut owners = BTreeMap::new();
    for (index, entry) in entries {
        for path in below(&format!("/{}", entry.name)) {
            owners.entry(path).or_insert((*index, entry.name.as_str()));
        }
    }
    let mut faults = Vec::new();
    for (index, entry) in entries {
        let Some(endpoint) = &entry.endpoint else {
            continue;
        };
        if *endpoint == format!("/{}", entry.name) {
            continue;
        }
        let paths = below(endpoint);
        match paths.iter().find_map(|path| owners.get(path)) {
            Some((other, name)) => {
                let problem = format!(
                    "endpoint is {}, which collides with a path of {}, expected a path of its own",
                    quoted(endpoint),
                    entry::place(*other, name)
                );
                faults.push(Fault::new(entry::place(*index, &entry.name), problem));
            }
            None => owners.extend(paths.map(|path| (path, (*index, entry.name.as_str())))),
        }
    }
    faults
}

/// The keys that stand twice in each entry: a JSON map would silently keep the later. Nothing where
/// an entry is no object, which is a fault already.
fn repeated_keys(json: &str) -> Vec<BTreeSet<String>> {
    let entries: Vec<RepeatedKeys> = serde_json::from_str(json).unwrap_or_default();
    entries.into_iter().map(|entry| entry.0).collect()
}

struct RepeatedKeys(BTreeSet<String>);

impl<'de> Deserialize<'de> for RepeatedKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RepeatedKeysVisitor)
    }
}

struct RepeatedKeysVisitor;

impl<'de> Visitor<'de> for RepeatedKeysVisitor {
    type Value = RepeatedKeys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RepeatedKeys, A::Error> {
        let mut seen = BTreeSet::new();
        let mut repeated = BTreeSet::new();
        while let Some((key, IgnoredAny)) = map.next_entry::<String, _>()? {
            if !seen.insert(key.clone()) {
                repeated.insert(key);
            }
        }
        Ok(RepeatedKeys(repeated))
    }
}

#[cfg(test)]
mod tests;
