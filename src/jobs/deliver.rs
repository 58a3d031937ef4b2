//! Posts webhooks: takes the deliveries that are due, many at once and few to one host, and records what came of each.
//!
//! Schedule, order and durability are the store's: it hands out the oldest unsettled delivery of each job, and what is
//! not settled within its lease is due again. A server that lives holds what it is about to post; what a dead one had
//! taken is posted by another. So a post may come twice, with the same id, and none is lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use url::Url;

use super::store::{Delivery, JobStore, Posted};
use crate::webhook::{self, Client, PostFault, Reply, Secret, Verdict};

/// Posts under way at once.
const SLOTS: usize = 32;
/// Of these to one host: one that hangs leaves the rest to others.
const SLOTS_PER_HOST: usize = 4;
/// Deliveries taken and waiting for a slot, or posted.
const MOST_TAKEN: usize = 256;
/// Bytes of their bodies from which on no more are taken: an output of many megabytes may stand in each.
const MOST_HELD: usize = 64 * 1024 * 1024;
/// How long a taken delivery waits for a slot; then it is left to be due again, and makes room for other hosts.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How long taken deliveries are this server's own, unless jobs are so for a shorter time. Longer than the wait for a
/// slot, a post (15 s) and the tries to settle it together: a store that one server alone has need not be asked again.
const LEASE: Duration = Duration::from_secs(60);
/// How long to trust the store's word that nothing is due. Bounds how late a post is when that word was wrong.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between questions to a store that is away.
const AWAY: Duration = Duration::from_secs(1);
/// The pauses between tries to record a post. Then it is posted again once its lease is over.
const SETTLE_PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];
/// How long posts under way get when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// Delivers what a store says is due.
pub struct Deliverer {
    store: Arc<dyn JobStore>,
    client: Client,
    secret: Option<Secret>,
    slots: Semaphore,
    /// Bytes of bodies that are taken.
    held: AtomicUsize,
    grace: Duration,
    /// Taken deliveries by id, until they are settled.
    under_way: Mutex<HashMap<String, Delivery>>,
}

/// A delivery is under way as long as this is there.
struct UnderWay<'a> {
    deliverer: &'a Deliverer,
    id: String,
}

/// The body of a delivery that is taken, by its bytes.
struct Held(Arc<Deliverer>, usize);

impl Held {
    fn new(deliverer: &Arc<Deliverer>, delivery: &Delivery) -> Self {
        let bytes = delivery.body.len();
        deliverer.held.fetch_add(bytes, Ordering::Relaxed);
        Self(Arc::clone(deliverer), bytes)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(self.1, Ordering::Relaxed);
    }
}

impl Deliverer {
    pub fn new(store: Arc<dyn JobStore>, client: Client, secret: Option<Secret>) -> Self {
        let slots = Semaphore::new(SLOTS);
        Self {
            store,
            client,
            secret,
            slots,
            held: AtomicUsize::new(0),
            grace: GRACE,
            under_way: Mutex::default(),
        }
    }

    /// Delivers until `stop` is over; posts under way may then end within five seconds.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let this = Arc::new(self);
        let mut hosts: HashMap<String, Arc<Semaphore>> = HashMap::new();
        let mut posts = JoinSet::<()>::new();
        let mut is_away = false;
        // Ends when it is dropped.
        let mut holder = JoinSet::new();
        holder.spawn(Arc::clone(&this).keep_holding());
        loop {
            while let Some(ended) = posts.try_join_next() {
                tell_panic(ended);
            }
            let room = if this.held.load(Ordering::Relaxed) < MOST_HELD {
                MOST_TAKEN.saturating_sub(posts.len())
            } else {
                0
            };
            let taken = this.take(room, &mut is_away).await;
            let is_more = room > 0 && taken.len() == room;
            hosts.retain(|_, gate| Arc::strong_count(gate) > 1);
            for delivery in taken {
                let gate = hosts.entry(host(&delivery.url)).or_insert_with(gate);
                let held = Held::new(&this, &delivery);
                let post = Arc::clone(&this).deliver(Arc::clone(gate), delivery);
                posts.spawn(async move {
                    post.await;
                    drop(held);
                });
            }
            let pause = async {
                match (is_more, is_away) {
                    (true, _) => {}
                    (false, true) => sleep(AWAY).await,
                    (false, false) => this.store.wait_due(PATIENCE).await,
                }
            };
            tokio::select! {
                biased;
                () = &mut stop => break,
                // The next delivery of the same job may be due now.
                Some(ended) = posts.join_next() => tell_panic(ended),
                () = pause, if room > 0 => {}
            }
        }
        this.slots.close();
        for gate in hosts.values() {
            gate.close();
        }
        let rest = async { while posts.join_next().await.is_some() {} };
        if timeout(this.grace, rest).await.is_err() {
            tracing::info!("webhooks were under way at the end; they are posted again after the next start");
        }
    }

    /// What is due, nothing when the store is away.
    async fn take(&self, room: usize, is_away: &mut bool) -> Vec<Delivery> {
        if room == 0 {
            return Vec::new();
        }
        match self.store.due(room, self.lease()).await {
            Ok(due) => {
                if std::mem::take(is_away) {
                    tracing::info!("webhooks are delivered again");
                }
                due
            }
            Err(error) => {
                if !std::mem::replace(is_away, true) {
                    tracing::warn!("webhooks wait for the store: {error}");
                }
                Vec::new()
            }
        }
    }

    /// While this server lives, nobody else posts what is under way here.
    async fn keep_holding(self: Arc<Self>) {
        loop {
            sleep(self.lease() / 3).await;
            let held: Vec<Delivery> = self.under_way().values().cloned().collect();
            if held.is_empty() {
                continue;
            }
            if let Err(error) = self.store.hold(&held, self.lease()).await {
                tracing::debug!("webhooks under way cannot be held, and may be posted twice: {error}");
            }
        }
    }

    fn lease(&self) -> Duration {
        self.store.lease_time().min(LEASE)
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<String, Delivery>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn deliver(self: Arc<Self>, gate: Arc<Semaphore>, delivery: Delivery) {
        let _under_way = UnderWay::begin(&self, &delivery);
        // The host's slot first: who waits for a host that hangs must not hold one of all.
        let turn = async { (gate.acquire().await, self.slots.acquire().await) };
        let Ok((Ok(_to_host), Ok(_of_all))) = timeout(LONGEST_WAIT, turn).await else {
            return;
        };
        let headers = webhook::headers(self.secret.as_ref(), &delivery.id, Timestamp::now(), &delivery.body);
        let result = self.client.post(&delivery.url, &headers, delivery.body.clone()).await;
        let posted = outcome(&delivery, &result, Timestamp::now(), fastrand::f64());
        match &posted {
            Posted::Delivered { .. } => {}
            Posted::Again { error, at, .. } => {
                tracing::debug!("webhook {}: {error}; posted again at {at}", delivery.id);
            }
            Posted::Dead { error, .. } => tracing::warn!("webhook {} is given up: {error}", delivery.id),
        }
        self.settle(&delivery, posted).await;
    }

    async fn settle(&self, delivery: &Delivery, posted: Posted) {
        for pause in SETTLE_PAUSES {
            match self.store.settle(delivery, posted.clone()).await {
                Ok(()) => return,
                Err(error) => tracing::debug!("webhook {} cannot be recorded: {error}", delivery.id),
            }
            sleep(pause).await;
        }
        if let Err(error) = self.store.settle(delivery, posted).await {
            tracing::warn!("webhook {} was posted and may be posted again: {error}", delivery.id);
        }
    }
}

impl<'a> UnderWay<'a> {
    fn begin(deliverer: &'a Deliverer, delivery: &Delivery) -> Self {
        let id = delivery.id.clone();
        deliverer.under_way().insert(id.clone(), delivery.clone());
        Self { deliverer, id }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.deliverer.under_way().remove(&self.id);
    }
}

/// What to record of a post. `delivery.attempts` counts the posts before it.
fn outcome(delivery: &Delivery, result: &Result<Reply, PostFault>, now: Timestamp, jitter: f64) -> Posted {
    let (status, asked, error) = match result {
        Ok(reply) => {
            let told = format!("the receiver answered {}", reply.status);
            (Some(reply.status), reply.retry_after, told)
        }
        Err(PostFault::Failed(told)) => (None, None, told.clone()),
        Err(refused) => {
            let error = refused.to_string();
            return Posted::Dead { status: None, error };
        }
    };
    let verdict = webhook::judge(delivery.attempts.saturating_add(1), status, asked, jitter);
    match (verdict, status) {
        (Verdict::Delivered, Some(status)) => Posted::Delivered { status },
        (Verdict::Again(wait), _) if delivery.terminal => {
            let at = now.checked_add(wait).unwrap_or(now);
            Posted::Again { at, status, error }
        }
        _ => Posted::Dead { status, error },
    }
}

/// What counts as one receiver: host and port.
fn host(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.authority().to_owned())
}

fn gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(SLOTS_PER_HOST))
}

fn tell_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!("a webhook's task ended badly: {error}");
    }
}

#[cfg(test)]
mod tests;
