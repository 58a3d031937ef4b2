//! Clients that submit jobs through everything, each until it is accepted, and what they were told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// The model that sleeps.
pub const PATH: &str = "/trouble_sleep";
const CLIENTS: u64 = 4;
/// So many jobs are sent as fast as they are taken: some stand in the queue from then on.
const RUSH: u64 = 100;
/// The longest pause of a client between later ones, in milliseconds.
const PAUSE: u64 = 100;
/// The longest of them as long as a test waits for more jobs to stand in the queue.
const SHORTER: u64 = 10;
/// For each so many waiting jobs, clients pause that long once more: what a soak leaves must end soon after it.
const MANY: usize = 100;
/// How long a run takes, in milliseconds.
const RUN: std::ops::Range<u64> = 30..90;
/// What an answer may take: a server that was stopped gives none.
const PATIENCE: Duration = Duration::from_secs(1);
/// Before a job is sent again.
const AGAIN: Duration = Duration::from_millis(20);

/// Clients under way.
pub struct Load {
    book: Arc<Book>,
    clients: Vec<JoinHandle<()>>,
}

/// What was told of the jobs that were submitted.
pub struct Told {
    /// Ids by rows.
    pub jobs: BTreeMap<u64, String>,
    /// Tries whose connection broke, or whose answer did not come.
    pub broken: usize,
    /// Jobs that turned out to be accepted by such a try.
    pub replayed: usize,
    /// Tries that were answered with 503 and `Retry-After`.
    pub refused: usize,
}

struct Book {
    webhook: String,
    least: u64,
    /// The servers of now.
    servers: Mutex<Vec<String>>,
    jobs: Mutex<BTreeMap<u64, String>>,
    next: AtomicU64,
    /// The longest pause of now.
    pause: AtomicU64,
    over: AtomicBool,
    broken: AtomicUsize,
    replayed: AtomicUsize,
    refused: AtomicUsize,
}

impl Load {
    /// Clients that submit until [`Load::finish`], and at least so many jobs, all with a webhook below this address.
    /// They wait until they are told of a server.
    pub fn start(webhook: &str, least: u64, luck: &mut Rng) -> Self {
        // This process may hold no server that did it.
        hostler::webhook::prepare_tls();
        let book = Arc::new(Book {
            webhook: webhook.to_owned(),
            least,
            servers: Mutex::default(),
            jobs: Mutex::default(),
            next: AtomicU64::new(0),
            pause: AtomicU64::new(PAUSE),
            over: AtomicBool::new(false),
            broken: AtomicUsize::new(0),
            replayed: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        });
        let clients = (0..CLIENTS).map(|_| tokio::spawn(Arc::clone(&book).client(luck.fork())));
        let clients = clients.collect();
        Self { book, clients }
    }

    /// Where to submit from now on.
    pub fn servers(&self, urls: Vec<String>) {
        *self.book.servers.lock().unwrap() = urls;
    }

    /// So many jobs wait now.
    pub fn ease(&self, queued: usize) {
        let times = u64::try_from((queued / MANY).max(1)).unwrap();
        self.book.pause.store(times * PAUSE, Ordering::SeqCst);
    }

    /// Too few jobs wait, until [`Load::ease`] is called: on a slow machine those of the first rush are over already.
    pub fn hurry(&self) {
        self.book.pause.store(SHORTER, Ordering::SeqCst);
    }

    /// Tries so far that were answered with 503.
    pub fn refused(&self) -> usize {
        self.book.refused.load(Ordering::SeqCst)
    }

    /// Waits until each job that was begun is accepted.
    pub async fn finish(self) -> Told {
        self.book.over.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
        Told {
            jobs: self.book.jobs.lock().unwrap().clone(),
            broken: self.book.broken.load(Ordering::SeqCst),
            replayed: self.book.replayed.load(Ordering::SeqCst),
            refused: self.book.refused.load(Ordering::SeqCst),
        }
    }
}

impl Book {
    async fn client(self: Arc<Self>, mut luck: Rng) {
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        while let Some(row) = self.row() {
            let seconds = Duration::from_millis(luck.u64(RUN)).as_secs_f64();
            let webhook = format!("{}/{row}", self.webhook);
            let body = json!({"row": row, "seconds": seconds, "webhook": webhook}).to_string();
            let id = loop {
                if let Some(id) = self.submit(&http, row, &body, &mut luck).await {
                    break id;
                }
                tokio::time::sleep(AGAIN).await;
            };
            self.jobs.lock().unwrap().insert(row, id);
            if row >= RUSH {
                let pause = luck.u64(0..=self.pause.load(Ordering::SeqCst));
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        }
    }

    /// The next one, if there is to be another.
    fn row(&self) -> Option<u64> {
        let enough = self.next.load(Ordering::SeqCst) >= self.least && self.over.load(Ordering::SeqCst);
        (!enough).then(|| self.next.fetch_add(1, Ordering::SeqCst))
    }

    /// The id of the job, unless it has to be sent again.
    async fn submit(&self, http: &reqwest::Client, row: u64, body: &str, luck: &mut Rng) -> Option<String> {
        let servers = self.servers.lock().unwrap().clone();
        let url = luck.choice(servers)?;
        let request = http
            .post(format!("{url}{PATH}"))
            .header("prefer", "respond-async")
            .header("idempotency-key", format!("row {row}"))
            .body(body.to_owned());
        let answer = async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, response.json::<Value>().await?))
        };
        let Ok((status, headers, told)) = answer.await else {
            self.broken.fetch_add(1, Ordering::SeqCst);
            return None;
        };
        match status {
            202 => {
                let again = headers.contains_key("idempotent-replayed");
                self.replayed.fetch_add(usize::from(again), Ordering::SeqCst);
                Some(told["id"].as_str().unwrap().to_owned())
            }
            503 => {
                assert!(headers.contains_key("retry-after"), "{told}");
                self.refused.fetch_add(1, Ordering::SeqCst);
                None
            }
            _ => panic!("{status}: {told}"),
        }
    }
}
