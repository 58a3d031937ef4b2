//! Other servers of Python functions, each with the same function and the same interpreter (`make bench-peers`).

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::blocking::Client;
use serde_json::Value;

use crate::folders::{self, interpreter};
use crate::load::Target as Load;
use crate::models::Body;
use crate::process::Guard;
use crate::server::free_port;
use crate::setup::Setup;
use crate::targets::{Bound, Target};
use crate::turns::{Record, Table};

/// The filter that asks for this and nothing else.
pub const FILTER: &str = "peers";

const FOLDER: &str = "benches/peers";
const HOSTLER: &str = "hostler, 2 replicas";
const CONCURRENCY: [usize; 2] = [1, 32];
const REQUEST: &[u8] = br#"{"text":"something small","numbers":[1,2,3,4,5,6,7,8]}"#;
/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a server that was asked to stop may take.
const GRACE: Duration = Duration::from_secs(5);

/// `python SCRIPT PORT` serves at a path.
struct Peer {
    name: &'static str,
    script: &'static str,
    path: &'static str,
}

const PEERS: [Peer; 4] = [
    Peer {
        name: "FastAPI on uvicorn, 2 workers",
        script: "serve_fastapi.py",
        path: "/",
    },
    Peer {
        name: "potassium",
        script: "serve_potassium.py",
        path: "/",
    },
    Peer {
        name: "mosec, 2 workers",
        script: "serve_mosec.py",
        path: "/inference",
    },
    Peer {
        name: "LitServe, 2 workers",
        script: "serve_litserve.py",
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
        let answer = ask(&url, &body)?;
        ensure!(answer == right, "hostler answers {answer}, expected {right}");
        turn(setup, &what, (HOSTLER, &url, server.pid()), &body, &mut records)?;
        drop(server);
        for peer in &PEERS {
            let running = Running::start(setup, peer, &python, &body)?;
            let answer = ask(&running.url, &body)?;
            ensure!(answer == right, "{} answers {answer}, expected {right}", peer.name);
            let server = (peer.name, running.url.as_str(), running.process.id());
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
fn turn(
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

struct Running {
    process: Guard,
    url: String,
}

impl Running {
    fn start(setup: &Setup, peer: &Peer, python: &Path, body: &Body) -> Result<Self> {
        let port = free_port()?;
        let log = setup.subfolder("logs")?.join(format!("{port}.log"));
        let out = File::create(&log)?;
        let mut command = Command::new(python);
        command
            .args([peer.script, &port.to_string()])
            .current_dir(setup.root.join(FOLDER))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // Its workers end with it: they are of its group.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let started = Instant::now();
        let mut running = Self {
            process: Guard(command.spawn().with_context(|| format!("starting {}", peer.name))?),
            url: format!("http://127.0.0.1:{port}{}", peer.path),
        };
        while ask(&running.url, body).is_err() {
            if started.elapsed() > PATIENCE || running.process.0.try_wait()?.is_some() {
                bail!(
                    "{} did not start\n{}",
                    peer.name,
                    fs::read_to_string(&log).unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // The first answer may come while another worker still imports.
        std::thread::sleep(Duration::from_secs(1));
        Ok(running)
    }
}

impl Drop for Running {
    /// Asks before it kills: servers of several processes leave semaphores behind when they are killed.
    fn drop(&mut self) {
        let group = self.process.id().to_string();
        let send = |signal: &str| {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &format!("kill -s {signal} -- -{group}")])
                .stderr(Stdio::null());
            // Gone already, at worst.
            drop(shell.status());
        };
        send("TERM");
        let asked = Instant::now();
        while asked.elapsed() < GRACE && matches!(self.process.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        send("KILL");
    }
}

fn ask(url: &str, body: &Body) -> Result<Value> {
    let request = Client::new().post(url).header("content-type", body.content_type);
    let answer = request.body(fs::read(&body.file)?).send()?.error_for_status()?;
    Ok(serde_json::from_slice(&answer.bytes()?)?)
}
