//! Other servers of Python functions, each with the same function and the same interpreter (`make bench-peers`).

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::folders::{self, interpreter};
use crate::load::Target as Load;
use crate::models::Body;
use crate::peer::{Peer, Running, ask};
use crate::setup::Setup;
use crate::targets::{Bound, Target};
use crate::turns::{Record, Table};

/// Filters that begin so ask for comparisons with other servers and nothing else.
pub const FILTER: &str = "peers";
/// What the filter is compared with.
pub const CASE: &str = "peers function";

const FOLDER: &str = "benches/peers";
const HOSTLER: &str = "hostler, 2 replicas";
const CONCURRENCY: [usize; 2] = [1, 32];
const REQUEST: &[u8] = br#"{"text":"something small","numbers":[1,2,3,4,5,6,7,8]}"#;

const PEERS: [Peer; 4] = [
    Peer {
        name: "FastAPI on uvicorn, 2 workers",
        folder: FOLDER,
        script: "serve_fastapi.py",
        model: None,
        path: "/",
    },
    Peer {
        name: "potassium",
        folder: FOLDER,
        script: "serve_potassium.py",
        model: None,
        path: "/",
    },
    Peer {
        name: "mosec, 2 workers",
        folder: FOLDER,
        script: "serve_mosec.py",
        model: None,
        path: "/inference",
    },
    Peer {
        name: "LitServe, 2 workers",
        folder: FOLDER,
        script: "serve_litserve.py",
        model: None,
        path: "/",
    },
];

/// One server at a time, so that none is held up by what the others do while they idle; all of them in each round.
pub fn run(setup: &Setup) -> Result<Table> {
    let python = interpreter(setup, "HOSTLER_PEERS_PYTHON", "peers", "make bench-peers")?;
    let body = Body::of(setup, "peers", "application/json", REQUEST)?;
    let mut right: Value = serde_json::from_slice(REQUEST)?;
    right["total"] = 204.into();
    let mut records: Vec<Record> = Vec::new();
    for round in 1..=setup.rounds {
        let what = format!("peers, {round} of {}", setup.rounds);
        let server = folders::serve(setup, FOLDER, "peers", &python)?;
        let url = server.url("peers");
        let answer = ask(&url, REQUEST)?;
        ensure!(answer == right, "hostler answers {answer}, expected {right}");
        turn(setup, &what, (HOSTLER, &url, server.pid()), &body, &mut records)?;
        drop(server);
        for peer in &PEERS {
            let running = Running::start(setup, peer, &python, REQUEST)?;
            let answer = ask(&running.url, REQUEST)?;
            ensure!(answer == right, "{} answers {answer}, expected {right}", peer.name);
            let server = (peer.name, running.url.as_str(), running.pid());
            turn(setup, &what, server, &body, &mut records)?;
        }
    }
    Ok(Table {
        title: "The same Python function behind other servers",
        bytes: body.bytes,
        mirrors: false,
        records,
    })
}

/// One round of one server, added to what is known of it.
pub fn turn(
    setup: &Setup,
    what: &str,
    (side, url, pid): (&'static str, &str, u32),
    body: &Body,
    records: &mut Vec<Record>,
) -> Result<()> {
    for at in CONCURRENCY {
        eprintln!("{what}: {side}, {at}");
        let figures = Load { url, pid, body }.measure(setup, at)?;
        match records.iter_mut().find(|r| r.side == side && r.at == at) {
            Some(record) => record.rounds.push(figures),
            None => records.push(Record {
                side,
                at,
                rounds: vec![figures],
            }),
        }
    }
    Ok(())
}

/// How far hostler is ahead of each.
pub fn targets(table: &Table) -> Vec<Target> {
    let mut targets = Vec::new();
    for at in CONCURRENCY {
        let ours = table.rounds(HOSTLER, at, |f| f.rate);
        for peer in &PEERS {
            let theirs = table.rounds(peer.name, at, |f| f.rate);
            targets.push(Target {
                name: format!("requests/s at {at}, hostler ÷ {}", peer.name),
                bound: Bound::AtLeast(1.0),
                unit: "",
                rounds: ours.iter().zip(theirs).map(|(a, b)| a / b).collect(),
            });
        }
    }
    targets
}
