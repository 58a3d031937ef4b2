//! Requests to the demo model that writes stories, and clients that send them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use reqwest::blocking::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::process::cpu_time;
use crate::setup::Setup;
use crate::stats::percentile;

/// The folder under `models/`, and the model's name.
pub const MODEL: &str = "stories";

/// Tokens that are asked for: some answers are a sentence, some most of a story.
const LENGTHS: [usize; 8] = [8, 16, 24, 40, 64, 96, 128, 160];
const NAMES: [&str; 8] = ["Anna", "Ben", "Mia", "Tom", "Clara", "Paul", "Ida", "Hugo"];
/// What a request may wait for the others before it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one turn of a server gives.
#[derive(Clone, Copy)]
pub struct Rates {
    /// Tokens a second, of all answers together.
    pub tokens: f64,
    pub requests: f64,
    /// Milliseconds from request to whole answer.
    pub p50: f64,
    pub p99: f64,
    /// CPU time of the server a token, in microseconds.
    pub cpu: f64,
}

/// The part of an answer that is counted.
#[derive(Deserialize)]
struct Answer {
    generated_tokens: usize,
}

/// One answer, as its client saw it.
struct Told {
    at: Instant,
    took: Duration,
    tokens: usize,
}

/// Requests of mixed lengths, the same in every run; without drawing, so that their answers are the same too. Some texts
/// end before the tokens that were asked for.
pub fn mix() -> Vec<Value> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut requests: Vec<Value> = NAMES
        .iter()
        .flat_map(|name| LENGTHS.map(|tokens| (name, tokens)))
        .map(|(name, tokens)| {
            let prompt = match random.usize(..3) {
                0 => format!("Once upon a time there was a child called {name}"),
                1 => format!("{name} has a red"),
                _ => "Once upon a time".to_owned(),
            };
            json!({"prompt": prompt, "max_new_tokens": tokens, "temperature": 0})
        })
        .collect();
    random.shuffle(&mut requests);
    requests
}

/// Keeps as many requests of the mix under way as there are clients: a warm-up first, then what ends in the time that is
/// measured counts whole, which evens out with what is under way at its end.
pub fn measure(setup: &Setup, url: &str, pid: u32, clients: usize) -> Result<Rates> {
    let (mix, next, over) = (mix(), AtomicUsize::new(0), AtomicBool::new(false));
    let client = Client::builder().timeout(PATIENCE).build()?;
    let work = || -> Result<Vec<Told>> {
        let mut told = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let request = &mix[next.fetch_add(1, Ordering::Relaxed) % mix.len()];
            told.push(ask(&client, url, request)?);
        }
        Ok(told)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(work)).collect();
        std::thread::sleep(setup.warm_up);
        let (started, before) = (Instant::now(), cpu_time(pid));
        std::thread::sleep(setup.length);
        let (ended, after) = (Instant::now(), cpu_time(pid));
        over.store(true, Ordering::Relaxed);
        let mut told = Vec::new();
        for thread in threads {
            told.extend(thread.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        told.retain(|one| (started..ended).contains(&one.at));
        ensure!(!told.is_empty(), "{url} gave no answer in {:?}", setup.length);
        let seconds = (ended - started).as_secs_f64();
        let tokens: usize = told.iter().map(|one| one.tokens).sum();
        let mut times: Vec<f64> = told.iter().map(|one| one.took.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        Ok(Rates {
            tokens: tokens as f64 / seconds,
            requests: told.len() as f64 / seconds,
            p50: percentile(&times, 50),
            p99: percentile(&times, 99),
            cpu: after?.saturating_sub(before?).as_secs_f64() * 1e6 / tokens as f64,
        })
    })
}

fn ask(client: &Client, url: &str, request: &Value) -> Result<Told> {
    let sent = Instant::now();
    let answer = client
        .post(url)
        .header("content-type", "application/json")
        .body(request.to_string())
        .send()?
        .error_for_status()?
        .bytes()?;
    let Answer { generated_tokens } = serde_json::from_slice(&answer).context("reading an answer")?;
    let at = Instant::now();
    Ok(Told {
        at,
        took: at - sent,
        tokens: generated_tokens,
    })
}
