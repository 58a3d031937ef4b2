//! Python pipelines: what a process and a wire between server and pipeline cost.

use std::fs;

use anyhow::{Result, ensure};
use hostler::Tensor;
use reqwest::blocking::Client;
use serde_json::Value;

use crate::closure;
use crate::echo;
use crate::folders::{self, interpreter};
use crate::load::Target as Load;
use crate::models::{Body, random_values};
use crate::setup::Setup;
use crate::targets::{Bound, Target};
use crate::turns::{self, Contender, Record, Table};
use crate::wire::Wire;

const ECHO: &str = "Python echo";
const ARRAY: &str = "Python array, 150,528 FP32 there and back";
const PYTHON: &str = "hostler, Python";
const CLOSURE: &str = "hostler, native closure";
const FLOOR: &str = "echo";
const WIRE: &str = "the wire alone";
const SMALL: &[u8] = br#"{"id":7,"text":"something small","tags":["a","b"],"score":0.5}"#;
/// 602,112 bytes: an image of 3×224×224.
const ELEMENTS: usize = 150_528;

/// The cases that the filter lets through.
pub fn run(setup: &Setup) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    if setup.wants("python echo") {
        tables.push(echo(setup)?);
    }
    if setup.wants("python array") {
        tables.push(array(setup)?);
    }
    Ok(tables)
}

/// A small object there and back, beside the same in a closure.
fn echo(setup: &Setup) -> Result<Table> {
    let python = interpreter(setup, "HOSTLER_TEST_PYTHON", "python", "make python")?;
    let body = Body::of(setup, "small", "application/json", SMALL)?;
    let served = folders::serve(setup, "tests/python/hostler_echo", "echo", &python)?;
    let native = closure::start(setup)?;
    let urls = [served.url("echo"), native.url(closure::NAME)];
    for url in &urls {
        mirrored(url, &body)?;
    }
    let mut contenders = Vec::new();
    for at in [1, 32] {
        for (side, url, server) in [(PYTHON, &urls[0], &served), (CLOSURE, &urls[1], &native)] {
            let target = Load {
                url,
                pid: server.pid(),
                body: &body,
            };
            contenders.push(Contender { side, at, target });
        }
    }
    Ok(Table {
        title: ECHO,
        bytes: body.bytes,
        mirrors: false,
        records: turns::run(setup, "python echo", &contenders)?,
    })
}

/// A large array there and back, beside the same bytes from a handler that only reads and writes them.
fn array(setup: &Setup) -> Result<Table> {
    let python = interpreter(setup, "HOSTLER_TEST_PYTHON", "python", "make python")?;
    let values = random_values(&[ELEMENTS]);
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let body = Body::of(setup, "array", "application/octet-stream", &bytes)?;
    let served = folders::serve(setup, "benches/python/array", "array", &python)?;
    let floor = echo::start()?;
    let url = served.url("array");
    mirrored(&url, &body)?;
    let mut contenders = Vec::new();
    for at in [1, 4] {
        for (side, url, pid) in [(PYTHON, &url, served.pid()), (FLOOR, &floor.url, floor.pid())] {
            let target = Load { url, pid, body: &body };
            contenders.push(Contender { side, at, target });
        }
    }
    let mut records = turns::run(setup, "python array", &contenders)?;
    records.push(alone(setup, &values)?);
    Ok(Table {
        title: ARRAY,
        bytes: body.bytes,
        mirrors: true,
        records,
    })
}

/// The same array between a replica's thread and its process, without a front.
fn alone(setup: &Setup, values: &[f32]) -> Result<Record> {
    let array = Tensor::from_vec(vec![1, ELEMENTS], values.to_vec())?;
    let mut wire = Wire::start(setup, &setup.subfolder("python")?.join("array"))?;
    let mut rounds = Vec::new();
    for round in 1..=setup.rounds {
        eprintln!("python array, round {round} of {}: {WIRE}", setup.rounds);
        rounds.push(wire.measure(setup, &array)?);
    }
    Ok(Record {
        side: WIRE,
        at: 1,
        rounds,
    })
}

/// Makes sure that what is measured is an echo.
fn mirrored(url: &str, body: &Body) -> Result<()> {
    let sent = fs::read(&body.file)?;
    let request = Client::new()
        .post(url)
        .header("content-type", body.content_type)
        .header("accept", body.content_type);
    let got = request.body(sent.clone()).send()?.error_for_status()?.bytes()?;
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let same = got == sent || (json(&sent).is_some() && json(&got) == json(&sent));
    ensure!(same, "{url} gave {} bytes back, and not what it was sent", got.len());
    Ok(())
}

pub fn targets(tables: &[Table]) -> Vec<Target> {
    tables.iter().flat_map(of).collect()
}

fn of(table: &Table) -> Vec<Target> {
    if table.title == ECHO {
        let p50 = |side| table.rounds(side, 1, |f| f.p50);
        let added = p50(PYTHON).iter().zip(p50(CLOSURE)).map(|(a, b)| a - b).collect();
        vec![
            Target {
                name: "Python echo at 32".to_owned(),
                bound: Bound::AtLeast(20_000.0),
                unit: "requests/s",
                rounds: table.rounds(PYTHON, 32, |f| f.rate),
            },
            Target {
                name: "Python echo at 1: p50 − p50 of a native closure".to_owned(),
                bound: Bound::AtMost(100.0),
                unit: "µs",
                rounds: added,
            },
        ]
    } else {
        let target = |name: &str, side, at| Target {
            name: name.to_owned(),
            bound: Bound::AtLeast(2.0),
            unit: "GB/s",
            rounds: table.rounds(side, at, |f| table.gigabytes(f.rate)),
        };
        vec![
            target("Python array over the wire alone, in and out", WIRE, 1),
            target("Python array at 4 through HTTP, in and out", PYTHON, 4),
        ]
    }
}
