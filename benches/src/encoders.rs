//! Tasks on texts: what padding several requests into one run gains over a run a request.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::load::Target as Load;
use crate::models::Body;
use crate::server::{Config, Hostler};
use crate::setup::Setup;
use crate::targets::{Bound, Target};
use crate::turns::{self, Contender, Table};

/// The demo model's name.
pub const ANSWERER: &str = "question_answering";

const CONCURRENCY: usize = 32;

/// One model, and how it is served.
struct Case {
    /// What the filter is compared with.
    name: &'static str,
    title: &'static str,
    /// Where its folder is.
    models: &'static str,
    model: &'static str,
    request: fn(&Question) -> Value,
    replicas: usize,
    threads: usize,
    bound: Bound,
}

const QUESTION_ANSWERING: Case = Case {
    name: "encoders question_answering",
    title: "Question answering, contexts of 6 to 56 words",
    models: "models",
    model: ANSWERER,
    request: |case| json!({"question": case.question, "context": case.context}),
    replicas: 2,
    threads: 1,
    bound: Bound::AtLeast(2.0),
};

const CASES: [Case; 3] = [
    QUESTION_ANSWERING,
    Case {
        name: "encoders question_answering, 1 replica",
        title: "Question answering, 1 replica of 2 threads",
        replicas: 1,
        threads: 2,
        bound: Bound::Open,
        ..QUESTION_ANSWERING
    },
    Case {
        name: "encoders text_classification",
        title: "Text classification, a model of the tests with random weights",
        models: "tests/fixtures/models",
        model: "text_classification",
        request: |case| json!({"text": case.question}),
        bound: Bound::Open,
        ..QUESTION_ANSWERING
    },
];

const OFF: &str = "hostler, max_batch_size 1";
const ON: &str = "hostler, batching on";

/// One of the questions that the demo model was never trained on.
#[derive(Deserialize)]
struct Question {
    question: String,
    context: String,
}

/// A request of each of them, short and long, in the order of their file.
fn requests(setup: &Setup, case: &Case) -> Result<Vec<Value>> {
    let file = setup.root.join("tests/fixtures/qa_heldout.json");
    let questions: Vec<Question> = serde_json::from_slice(&fs::read(file)?).context("reading the questions")?;
    Ok(questions.iter().map(case.request).collect())
}

/// Requests of the question answerer.
pub fn asked(setup: &Setup) -> Result<Vec<Value>> {
    requests(setup, &QUESTION_ANSWERING)
}

/// The question answerer as it is measured here with batching on.
pub fn serve_answerer(setup: &Setup) -> Result<Hostler> {
    serve(setup, &QUESTION_ANSWERING, None)
}

pub struct Measured {
    pub table: Table,
    target: Target,
}

/// The cases that the filter lets through.
pub fn run(setup: &Setup) -> Result<Vec<Measured>> {
    CASES
        .iter()
        .filter(|case| setup.wants(case.name))
        .map(|case| measure(setup, case))
        .collect()
}

fn measure(setup: &Setup, case: &Case) -> Result<Measured> {
    let body = Body::lines(setup, case.model, &requests(setup, case)?)?;
    let (off, on) = (serve(setup, case, Some(1))?, serve(setup, case, None)?);
    let urls = [off.url(case.model), on.url(case.model)];
    let sides = [(OFF, &urls[0], &off), (ON, &urls[1], &on)];
    let contenders = sides.map(|(side, url, server)| Contender {
        side,
        at: CONCURRENCY,
        target: Load {
            url,
            pid: server.pid(),
            body: &body,
        },
    });
    let table = Table {
        title: case.title,
        bytes: body.bytes,
        mirrors: false,
        records: turns::run(setup, case.name, &contenders)?,
    };
    let rates = |side| table.rounds(side, CONCURRENCY, |f| f.rate);
    let target = Target {
        name: format!(
            "{} at {CONCURRENCY}: requests/s, batching on ÷ max_batch_size 1",
            case.name
        ),
        bound: case.bound,
        unit: "",
        rounds: rates(ON).iter().zip(rates(OFF)).map(|(a, b)| a / b).collect(),
    };
    Ok(Measured { table, target })
}

/// Without a size of batches it is the server's own.
fn serve(setup: &Setup, case: &Case, max_batch_size: Option<usize>) -> Result<Hostler> {
    let mut entry = json!({"model": case.model, "replicas": case.replicas, "threads": case.threads});
    if let Some(size) = max_batch_size {
        entry["max_batch_size"] = size.into();
    }
    let config = Config {
        models_dir: &setup.root.join(case.models),
        cache_dir: &setup.subfolder("cache")?,
        models: &json!([entry]),
    };
    Hostler::start(setup, &config)
}

pub fn targets(measured: Vec<Measured>) -> Vec<Target> {
    measured.into_iter().map(|one| one.target).collect()
}
