//! The demo models' folders behind Hostler and behind what one would write in Python: transformers' tokenizer and ONNX
//! Runtime in FastAPI (`make bench-peers`).

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::encoders;
use crate::folders::interpreter;
use crate::generation::{self, Record};
use crate::models::Body;
use crate::peer::{Peer, Running, ask};
use crate::peers;
use crate::setup::Setup;
use crate::stories::{self, MODEL};
use crate::targets::{Bound, Target};
use crate::turns::{self, Table};

/// What the filter is compared with.
pub const CASE: &str = "peers models";
/// The title of what [`texts`] measures.
pub const TEXTS: &str = "The same story writer behind FastAPI, texts of mixed length";

const FOLDER: &str = "benches/peers/models";
const HOSTLER: &str = "hostler, 2 replicas";
const FASTAPI: &str = "FastAPI on uvicorn, 2 workers";
const CONCURRENCY: [usize; 2] = [1, 32];
/// Texts under way at a time.
const TEXTS_AT: usize = 16;
const REPLICAS: usize = 2;
const BATCH: usize = 16;
/// Both sides must answer so many requests alike before they are measured.
const COMPARED: usize = 40;

const ANSWERER: Peer = Peer {
    name: FASTAPI,
    folder: FOLDER,
    script: "serve_question_answering.py",
    model: Some("models/question_answering"),
    path: "/",
};

const WRITER: Peer = Peer {
    name: FASTAPI,
    folder: FOLDER,
    script: "serve_stories.py",
    model: Some("models/stories"),
    path: "/",
};

/// Questions, one server at a time.
pub fn answers(setup: &Setup) -> Result<Table> {
    let python = python(setup)?;
    let requests = encoders::asked(setup)?;
    let body = Body::lines(setup, encoders::ANSWERER, &requests)?;
    let mut records: Vec<turns::Record> = Vec::new();
    let mut right = Vec::new();
    for round in 1..=setup.rounds {
        let what = format!("{CASE}, questions, {round} of {}", setup.rounds);
        let server = encoders::serve_answerer(setup)?;
        let url = server.url(encoders::ANSWERER);
        if right.is_empty() {
            right = results(&url, &requests)?;
        }
        peers::turn(setup, &what, (HOSTLER, &url, server.pid()), &body, &mut records)?;
        drop(server);
        let running = start(setup, &ANSWERER, &python, &requests, &right)?;
        let server = (FASTAPI, running.url.as_str(), running.pid());
        peers::turn(setup, &what, server, &body, &mut records)?;
    }
    Ok(Table {
        title: "The same question answerer behind FastAPI",
        bytes: body.bytes,
        mirrors: false,
        records,
    })
}

/// Texts, one server at a time.
pub fn texts(setup: &Setup) -> Result<Vec<Record>> {
    let python = python(setup)?;
    let requests = stories::mix();
    let side = |side| Record {
        side,
        at: TEXTS_AT,
        rounds: Vec::new(),
    };
    let (mut ours, mut theirs) = (side(HOSTLER), side(FASTAPI));
    let mut right = Vec::new();
    for round in 1..=setup.rounds {
        eprintln!("{CASE}, texts, {round} of {}", setup.rounds);
        let server = generation::serve(setup, REPLICAS, BATCH)?;
        let url = server.url(MODEL);
        if right.is_empty() {
            right = results(&url, &requests)?;
        }
        ours.rounds.push(stories::measure(setup, &url, server.pid(), TEXTS_AT)?);
        drop(server);
        let running = start(setup, &WRITER, &python, &requests, &right)?;
        let rates = stories::measure(setup, &running.url, running.pid(), TEXTS_AT)?;
        theirs.rounds.push(rates);
    }
    Ok(vec![ours, theirs])
}

fn python(setup: &Setup) -> Result<PathBuf> {
    interpreter(setup, "HOSTLER_PEER_MODELS_PYTHON", "peer-models", "make bench-peers")
}

/// Starts a peer and makes sure that it does the same work.
fn start(setup: &Setup, peer: &Peer, python: &Path, requests: &[Value], right: &[Value]) -> Result<Running> {
    let running = Running::start(setup, peer, python, requests[0].to_string().as_bytes())?;
    for ((answer, right), request) in results(&running.url, requests)?.iter().zip(right).zip(requests) {
        ensure!(
            answer == right,
            "{} answers {answer} to {request}, expected {right}",
            peer.script
        );
    }
    Ok(running)
}

/// What is answered to the first of the requests.
fn results(url: &str, requests: &[Value]) -> Result<Vec<Value>> {
    let asked = requests.iter().take(COMPARED);
    asked
        .map(|request| Ok(ask(url, request.to_string().as_bytes())?["results"].take()))
        .collect()
}

/// How far hostler is ahead.
pub fn targets(answers: &Table, texts: &[Record]) -> Vec<Target> {
    let target = |name, ours: Vec<f64>, theirs: Vec<f64>| Target {
        name,
        bound: Bound::AtLeast(1.0),
        unit: "",
        rounds: ours.iter().zip(theirs).map(|(a, b)| a / b).collect(),
    };
    let mut targets = Vec::new();
    for at in CONCURRENCY {
        let rates = |side| answers.rounds(side, at, |f| f.rate);
        let name = format!("question answering at {at}: requests/s, hostler ÷ FastAPI");
        targets.push(target(name, rates(HOSTLER), rates(FASTAPI)));
    }
    let tokens = |side| generation::tokens(texts, side, TEXTS_AT);
    let name = format!("text generation at {TEXTS_AT}: tokens/s, hostler ÷ FastAPI");
    targets.push(target(name, tokens(HOSTLER), tokens(FASTAPI)));
    targets
}
