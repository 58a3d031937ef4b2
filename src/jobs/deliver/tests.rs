use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::*;
use crate::jobs::job::{Job, JobId, NewJob};
use crate::jobs::store::{
    Cancelled, Claim, DeliveryState, Ending, Filter, Inserted, JobEvent, Kept, Lease, NewDelivery, Return,
};
use crate::store::StoreError;
use crate::webhook::AllowList;
use crate::webhook::testing::{Answer, Listener};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Deliveries in memory. What is to be posted again is due at once: the schedule has tests of its own.
#[derive(Default)]
struct Memory {
    deliveries: Mutex<Vec<(Delivery, bool)>>,
    settled: Mutex<Vec<Posted>>,
    /// Questions that are answered with "away" first.
    away: Mutex<usize>,
    /// Ids that were held, once for each time.
    held: Mutex<Vec<String>>,
}

impl Memory {
    fn add(&self, job: u128, event: &str, url: &str, terminal: bool) {
        let job = Uuid::from_u128(job);
        let delivery = Delivery {
            id: format!("{job}.{event}"),
            job,
            url: url.to_owned(),
            body: Bytes::from_static(b"{\"type\":\"job.completed\"}"),
            created: Timestamp::UNIX_EPOCH,
            state: DeliveryState::Pending,
            attempts: 0,
            at: Timestamp::UNIX_EPOCH,
            error: None,
            status: None,
            terminal,
        };
        self.deliveries.lock().unwrap().push((delivery, false));
    }

    fn all(&self) -> Vec<Delivery> {
        let deliveries = self.deliveries.lock().unwrap();
        deliveries.iter().map(|(delivery, _)| delivery.clone()).collect()
    }

    fn is_settled(&self) -> bool {
        self.all()
            .iter()
            .all(|delivery| delivery.state != DeliveryState::Pending)
    }

    fn due_now(&self, most: usize) -> Vec<Delivery> {
        let mut deliveries = self.deliveries.lock().unwrap();
        let (mut seen, mut due) = (Vec::new(), Vec::new());
        for (delivery, is_taken) in deliveries.iter_mut() {
            if delivery.state != DeliveryState::Pending || seen.contains(&delivery.job) {
                continue;
            }
            seen.push(delivery.job);
            if !*is_taken && due.len() < most {
                *is_taken = true;
                due.push(delivery.clone());
            }
        }
        due
    }
}

#[async_trait]
impl JobStore for Memory {
    async fn due(&self, most: usize, _: Duration) -> Result<Vec<Delivery>, StoreError> {
        let mut away = self.away.lock().unwrap();
        if *away > 0 {
            *away -= 1;
            return Err(StoreError::Away("the store is away".to_owned()));
        }
        Ok(self.due_now(most))
    }

    async fn hold(&self, deliveries: &[Delivery], _: Duration) -> Result<(), StoreError> {
        let ids = deliveries.iter().map(|delivery| delivery.id.clone());
        self.held.lock().unwrap().extend(ids);
        Ok(())
    }

    async fn wait_due(&self, _: Duration) {
        sleep(Duration::from_millis(2)).await;
    }

    async fn settle(&self, delivery: &Delivery, posted: Posted) -> Result<(), StoreError> {
        let mut deliveries = self.deliveries.lock().unwrap();
        let (kept, is_taken) = deliveries.iter_mut().find(|(kept, _)| kept.id == delivery.id).unwrap();
        kept.attempts += 1;
        *is_taken = false;
        match &posted {
            Posted::Delivered { .. } => kept.state = DeliveryState::Delivered,
            Posted::Again { .. } => {}
            Posted::Dead { error, .. } => {
                kept.state = DeliveryState::Dead;
                kept.error = Some(error.clone());
            }
        }
        self.settled.lock().unwrap().push(posted);
        Ok(())
    }

    fn lease_time(&self) -> Duration {
        Duration::from_millis(30)
    }

    async fn insert(&self, _: NewJob, _: usize) -> Result<Inserted, StoreError> {
        unreachable!()
    }

    async fn get(&self, _: JobId) -> Result<Option<Job>, StoreError> {
        unreachable!()
    }

    async fn list(&self, _: &Filter) -> Result<Vec<Job>, StoreError> {
        unreachable!()
    }

    async fn claim(&self, _: &str, _: usize) -> Result<Vec<Claim>, StoreError> {
        unreachable!()
    }

    async fn wait(&self, _: &str, _: Duration) {
        unreachable!()
    }

    async fn keep(&self, _: &[Lease]) -> Result<Vec<Kept>, StoreError> {
        unreachable!()
    }

    async fn put_back(&self, _: &Lease, _: Return) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn finish(&self, _: &Lease, _: Ending) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn cancel(&self, _: JobId, _: Timestamp, _: Option<NewDelivery>) -> Result<Cancelled, StoreError> {
        unreachable!()
    }

    async fn unfinished(&self, _: &str) -> Result<usize, StoreError> {
        unreachable!()
    }

    async fn forget(&self, _: Timestamp) -> Result<usize, StoreError> {
        unreachable!()
    }

    async fn publish(&self, _: &Lease, _: Vec<JobEvent>) -> Result<(), StoreError> {
        unreachable!()
    }

    async fn events(&self, _: JobId, _: u64, _: Duration) -> Result<Vec<(u64, JobEvent)>, StoreError> {
        unreachable!()
    }

    async fn tell(&self, _: &Lease, _: NewDelivery) -> Result<(), StoreError> {
        unreachable!()
    }

    async fn deliveries(&self, _: JobId) -> Result<Vec<Delivery>, StoreError> {
        unreachable!()
    }

    async fn dead_letters(&self, _: Option<&str>, _: usize) -> Result<Vec<Delivery>, StoreError> {
        unreachable!()
    }

    async fn resend(&self, _: &str) -> Result<bool, StoreError> {
        unreachable!()
    }
}

fn deliverer(store: &Arc<Memory>) -> Deliverer {
    let client = Client::new(AllowList::parse("127.0.0.1").unwrap()).unwrap();
    let store: Arc<dyn JobStore> = Arc::<Memory>::clone(store);
    Deliverer {
        grace: Duration::from_millis(50),
        ..Deliverer::new(store, client, Some(Secret::parse(SECRET).unwrap()))
    }
}

/// Runs until `done` holds, and stops.
async fn run_until(store: &Arc<Memory>, done: impl Fn() -> bool) {
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(deliverer(store).run(async move { drop(stopped.await) }));
    timeout(Duration::from_secs(10), async {
        while !done() {
            sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .unwrap();
    stop.send(()).unwrap();
    running.await.unwrap();
}

/// The value of a header of a request as it came.
fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let found = request
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_else(|| panic!("no {name} in {request}"))
}

#[tokio::test]
async fn what_is_due_is_posted_once_and_signed() {
    let listener = Listener::start(Answer::status(200)).await;
    let store = Arc::new(Memory::default());
    store.add(1, "completed", &listener.url("/hook"), true);
    run_until(&store, || store.is_settled()).await;
    let seen = listener.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        header(&seen[0], "webhook-id"),
        format!("{}.completed", Uuid::from_u128(1))
    );
    assert_eq!(header(&seen[0], "content-type"), "application/json");
    let at: i64 = header(&seen[0], "webhook-timestamp").parse().unwrap();
    let again = webhook::headers(
        Some(&Secret::parse(SECRET).unwrap()),
        header(&seen[0], "webhook-id"),
        Timestamp::from_second(at).unwrap(),
        b"{\"type\":\"job.completed\"}",
    );
    assert_eq!(header(&seen[0], "webhook-signature"), again[3].1);
    assert!(matches!(
        store.settled.lock().unwrap()[..],
        [Posted::Delivered { status: 200 }]
    ));
}

#[tokio::test]
async fn a_fault_is_posted_again_with_the_same_id() {
    let answers = vec![
        Answer::status(500),
        Answer::Close,
        Answer::status(429),
        Answer::status(202),
    ];
    let listener = Listener::start_with(answers).await;
    let store = Arc::new(Memory::default());
    store.add(1, "completed", &listener.url("/"), true);
    let began = Timestamp::now();
    run_until(&store, || store.is_settled()).await;
    let seen = listener.seen();
    assert_eq!(seen.len(), 4);
    assert!(
        seen.iter()
            .all(|post| header(post, "webhook-id") == header(&seen[0], "webhook-id"))
    );
    let settled = store.settled.lock().unwrap();
    match &settled[..] {
        [
            Posted::Again {
                at,
                status: Some(500),
                error,
            },
            Posted::Again { status: None, .. },
            Posted::Again { status: Some(429), .. },
            Posted::Delivered { status: 202 },
        ] => {
            assert_eq!(error, "the receiver answered 500");
            assert!(*at > began);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn events_of_a_job_keep_their_order_and_only_the_last_is_posted_again() {
    let answers = vec![Answer::status(500), Answer::status(503), Answer::status(200)];
    let listener = Listener::start_with(answers).await;
    let store = Arc::new(Memory::default());
    store.add(1, "start", &listener.url("/"), false);
    store.add(1, "completed", &listener.url("/"), true);
    run_until(&store, || store.is_settled()).await;
    let seen = listener.seen();
    let events: Vec<_> = seen
        .iter()
        .map(|post| header(post, "webhook-id").rsplit_once('.').unwrap().1)
        .collect();
    assert_eq!(events, ["start", "completed", "completed"]);
    let states: Vec<_> = store.all().iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [DeliveryState::Dead, DeliveryState::Delivered]);
}

#[tokio::test]
async fn what_another_try_does_not_mend_is_dead_at_once() {
    let gone = Listener::start(Answer::status(410)).await;
    let to_private = Listener::start(Answer::redirect(307, "http://10.0.0.1/")).await;
    let store = Arc::new(Memory::default());
    store.add(1, "completed", &gone.url("/"), true);
    store.add(2, "completed", &to_private.url("/"), true);
    store.add(3, "completed", "http://169.254.169.254/", true);
    run_until(&store, || store.is_settled()).await;
    let errors: Vec<_> = store
        .all()
        .into_iter()
        .map(|delivery| delivery.error.unwrap())
        .collect();
    assert_eq!(
        errors,
        [
            "the receiver answered 410",
            "the address redirects to an address that leads to 10.0.0.1, a private address, which \
             SERVER_WEBHOOK_ALLOW does not list",
            "the address leads to 169.254.169.254, a metadata address, which SERVER_WEBHOOK_ALLOW does not list",
        ]
    );
    assert_eq!((gone.seen().len(), to_private.seen().len()), (1, 1));
}

#[tokio::test]
async fn a_host_that_hangs_leaves_the_others_alone() {
    let silent = Listener::start(Answer::Silence).await;
    let quick = Listener::start(Answer::status(200)).await;
    let store = Arc::new(Memory::default());
    for job in 0..60 {
        store.add(job, "completed", &silent.url("/"), true);
    }
    for job in 100..140 {
        store.add(job, "completed", &quick.url("/"), true);
    }
    run_until(&store, || {
        quick.seen().len() == 40 && silent.seen().len() == SLOTS_PER_HOST
    })
    .await;
    assert_eq!(silent.seen().len(), SLOTS_PER_HOST);
}

#[tokio::test]
async fn a_store_that_was_away_is_asked_again() {
    let listener = Listener::start(Answer::status(200)).await;
    let store = Arc::new(Memory::default());
    *store.away.lock().unwrap() = 1;
    store.add(1, "completed", &listener.url("/"), true);
    run_until(&store, || store.is_settled()).await;
    assert_eq!(listener.seen().len(), 1);
}

#[tokio::test]
async fn what_is_under_way_is_held_until_it_is_settled() {
    let silent = Listener::start(Answer::Silence).await;
    let quick = Listener::start(Answer::status(200)).await;
    let store = Arc::new(Memory::default());
    store.add(1, "completed", &quick.url("/"), true);
    store.add(2, "completed", &silent.url("/"), true);
    let slow = format!("{}.completed", Uuid::from_u128(2));
    run_until(&store, || {
        let held = store.held.lock().unwrap();
        !quick.seen().is_empty() && held.ends_with(&[slow.clone(), slow.clone()])
    })
    .await;
}
