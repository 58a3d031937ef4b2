//! How long a request waits that joins texts which are already being written: counted in steps, by the chunks that another
//! text receives meanwhile.

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::generation;
use crate::setup::Setup;
use crate::stats::{median, percentile};
use crate::stories::MODEL;
use crate::targets::{Bound, Target};

/// What the filter is compared with.
pub const CASE: &str = "generation, late joiner";

/// Long texts under way; each is begun anew when it ends.
const STREAMS: usize = 8;
const LONG: usize = 200;
const SHORT: usize = 8;
const JOINERS: usize = 40;
/// Microseconds between two joiners, drawn so that each comes at another moment of a step.
const PAUSE: Range<u64> = 20_000..80_000;
const STEPS: f64 = 3.0;

/// What was seen of the joiners of one round.
pub struct Round {
    /// Steps of the longest-running text while a joiner waited for its first chunk.
    pub steps: Vec<f64>,
    /// Milliseconds to the first chunk.
    pub waits: Vec<f64>,
    /// Milliseconds between two chunks of a text.
    pub step: f64,
}

impl Round {
    pub fn median(&self) -> f64 {
        median(&self.steps)
    }

    pub fn most(&self) -> f64 {
        self.steps.iter().copied().fold(0.0, f64::max)
    }
}

/// When the chunks of a text came.
type Chunks = Vec<Instant>;

/// One joiner: when it was sent, and when its first chunk came.
struct Joined {
    sent: Instant,
    came: Instant,
}

pub fn run(setup: &Setup) -> Result<Vec<Round>> {
    let server = generation::serve_many(setup)?;
    let url = server.url(MODEL);
    let rounds = 1..=setup.rounds;
    rounds
        .map(|round| {
            eprintln!("{CASE}, round {round} of {}", setup.rounds);
            measure(setup, &url, u64::try_from(round)?)
        })
        .collect()
}

fn measure(setup: &Setup, url: &str, seed: u64) -> Result<Round> {
    let client = Client::new();
    let over = AtomicBool::new(false);
    let streams = || -> Result<Vec<Chunks>> {
        let mut streams = Vec::new();
        while !over.load(Ordering::Relaxed) {
            streams.push(stream(&client, url, &story(LONG))?);
        }
        Ok(streams)
    };
    let (streams, joined) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..STREAMS).map(|_| scope.spawn(streams)).collect();
        std::thread::sleep(setup.warm_up);
        let joined = join_all(&client, url, seed);
        over.store(true, Ordering::Relaxed);
        let mut written = Vec::new();
        for thread in threads {
            written.extend(thread.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        anyhow::Ok((written, joined?))
    })?;
    let steps: Vec<f64> = joined.iter().filter_map(|one| steps(&streams, one)).collect();
    ensure!(
        2 * steps.len() > joined.len(),
        "most joiners had no text beside them that was under way all the time"
    );
    let gaps: Vec<f64> = streams
        .iter()
        .flat_map(|chunks| chunks.windows(2).map(|pair| milliseconds(pair[1] - pair[0])))
        .collect();
    Ok(Round {
        steps,
        waits: joined.iter().map(|one| milliseconds(one.came - one.sent)).collect(),
        step: median(&gaps),
    })
}

fn join_all(client: &Client, url: &str, seed: u64) -> Result<Vec<Joined>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let request = story(SHORT);
    (0..JOINERS)
        .map(|_| {
            std::thread::sleep(Duration::from_micros(random.u64(PAUSE)));
            let sent = Instant::now();
            let chunks = stream(client, url, &request)?;
            let came = *chunks.first().context("a joiner without a chunk")?;
            Ok(Joined { sent, came })
        })
        .collect()
}

/// Chunks that the longest-running text received while a joiner waited. Only texts that were under way from before to
/// after count: one that ends meanwhile has fewer.
fn steps(streams: &[Chunks], joined: &Joined) -> Option<f64> {
    let under_way = |chunks: &&Chunks| {
        let (first, last) = (chunks.first(), chunks.last());
        first.is_some_and(|at| *at < joined.sent) && last.is_some_and(|at| *at > joined.came)
    };
    let longest = streams
        .iter()
        .filter(under_way)
        .min_by_key(|chunks| chunks.first().copied())?;
    let meanwhile = longest.iter().filter(|at| (joined.sent..joined.came).contains(*at));
    Some(meanwhile.count() as f64)
}

fn story(tokens: usize) -> Value {
    json!({"prompt": "Once upon a time", "max_new_tokens": tokens, "temperature": 0})
}

/// Reads a stream of events to its end; gives the time of each chunk.
fn stream(client: &Client, url: &str, request: &Value) -> Result<Chunks> {
    let answer = client
        .post(url)
        .header("content-type", "application/json")
        .header("accept", "text/event-stream")
        .body(request.to_string())
        .send()?
        .error_for_status()?;
    let (mut chunks, mut ended) = (Vec::new(), false);
    for line in BufReader::new(answer).lines() {
        let line = line?;
        if let Some(event) = line.strip_prefix("event: ") {
            ensure!(event == "result", "a stream ended with the event {event}");
            ended = true;
        } else if line.starts_with("data: ") && !ended {
            chunks.push(Instant::now());
        }
    }
    ensure!(ended, "a stream ended without a result");
    Ok(chunks)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The `percent` of all rounds' waits.
pub fn wait(rounds: &[Round], percent: usize) -> f64 {
    let mut waits: Vec<f64> = rounds.iter().flat_map(|r| r.waits.iter().copied()).collect();
    waits.sort_by(f64::total_cmp);
    percentile(&waits, percent)
}

pub fn targets(rounds: &[Round]) -> Vec<Target> {
    let target = |name: &str, rounds| Target {
        name: format!("{CASE} beside {STREAMS}: first chunk after steps of the others, {name}"),
        bound: Bound::AtMost(STEPS),
        unit: "",
        rounds,
    };
    let most = rounds.iter().map(Round::most).fold(0.0, f64::max);
    vec![
        target("median", rounds.iter().map(Round::median).collect()),
        // Not the median of the maxima: the worst of all.
        target("maximum", vec![most]),
    ]
}
