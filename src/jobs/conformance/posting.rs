//! Deliveries that are posted more than once, and those that are given up.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::{LONG, MODEL, Stage, dead, delivery, eventually, ids, now, succeeded};
use crate::jobs::store::{DeliveryState, NewDelivery, Posted};

/// A lease that is over soon.
const BRIEF: Duration = Duration::from_millis(50);

fn again(at: jiff::Timestamp) -> Posted {
    Posted::Again {
        at,
        status: Some(503),
        error: "busy".into(),
    }
}

pub async fn a_delivery_that_failed_waits_and_holds_back_the_next_one(stage: Stage) {
    let claim = stage.telling(&["a.start", "a.next"]).await;
    let due = stage.due_now().await;
    let at = now() + Duration::from_secs(3600);
    stage.settle(&due[0], again(at)).await.unwrap();
    assert!(stage.due_now().await.is_empty());
    let stage = stage.kill().await;
    assert!(stage.due_now().await.is_empty(), "a restart does not hurry it");
    let all = stage.deliveries(claim.job.id).await.unwrap();
    let first = &all[0];
    assert_eq!((first.state, first.attempts), (DeliveryState::Pending, 1));
    assert_eq!((first.at, first.status), (at, Some(503)));
    assert_eq!(first.error.as_deref(), Some("busy"));
}

pub async fn a_delivery_that_nobody_settles_is_due_again(stage: Stage) {
    stage.telling(&["a.start"]).await;
    assert_eq!(stage.due(100, Duration::ZERO).await.unwrap().len(), 1);
    let due = eventually("it is due again", async || stage.due_now().await.pop()).await;
    assert_eq!(due.id, "a.start");
    assert!(stage.due_now().await.is_empty());
    stage.delivered(&due).await;
    stage.settle(&due, dead(None, "late")).await.unwrap();
    let all = stage.deliveries(due.job).await.unwrap();
    assert_eq!((all[0].state, all[0].attempts), (DeliveryState::Delivered, 1));
    assert_eq!(all[0].status, Some(204));
}

pub async fn a_delivery_that_a_dead_server_took_is_taken_by_the_next(stage: Stage) {
    stage.add(MODEL).await;
    let claim = stage.claim_one().await.unwrap();
    let long = NewDelivery {
        // More than any store brings along with the rest of a delivery.
        body: Bytes::from(vec![b'x'; 1024 * 1024]),
        ..delivery("a.completed", true)
    };
    let end = succeeded(Some(long.clone()));
    assert!(stage.finish(&claim.lease, end).await.unwrap());
    assert_eq!(stage.due(1, BRIEF).await.unwrap().len(), 1);
    let stage = stage.kill().await;
    let taken = eventually("its lease is over", async || {
        let due = stage.due_now().await.pop();
        if due.is_none() {
            stage.wait_due(BRIEF).await;
        }
        due
    })
    .await;
    assert_eq!((taken.id, taken.body), (long.id, long.body));
}

pub async fn dead_letters_are_paged_and_sent_again(stage: Stage) {
    for id in ["a", "b", "c"] {
        stage.add(MODEL).await;
        let claim = stage.claim_one().await.unwrap();
        let end = succeeded(Some(delivery(id, true)));
        assert!(stage.finish(&claim.lease, end).await.unwrap());
    }
    for delivery in stage.due_now().await {
        stage.settle(&delivery, dead(Some(500), "no")).await.unwrap();
    }
    let page = stage.dead_letters(None, 2).await.unwrap();
    assert_eq!(ids(&page), ["c", "b"]);
    assert_eq!(ids(&stage.dead_letters(Some("b"), 2).await.unwrap()), ["a"]);
    assert!(stage.resend("b").await.unwrap());
    assert!(!stage.resend("b").await.unwrap(), "it is no dead letter now");
    assert!(!stage.resend("unknown").await.unwrap());
    let due = stage.due_now().await;
    assert_eq!(ids(&due), ["b"]);
    assert_eq!((due[0].attempts, due[0].state), (0, DeliveryState::Pending));
    stage.delivered(&due[0]).await;
    assert_eq!(ids(&stage.dead_letters(None, 9).await.unwrap()), ["c", "a"]);
}

pub async fn a_delivery_is_tried_again_given_up_and_sent_anew(stage: Stage) {
    let claim = stage.telling(&["a.start"]).await;
    let end = succeeded(Some(delivery("a.completed", true)));
    assert!(stage.finish(&claim.lease, end).await.unwrap());
    let start = stage.due_now().await.remove(0);
    // Only the terminal one becomes a dead letter; others make way.
    stage.settle(&start, dead(None, "no")).await.unwrap();
    assert!(stage.dead_letters(None, 10).await.unwrap().is_empty());
    let last = stage.due_now().await.remove(0);
    let at = now() + Duration::from_secs(1);
    stage.settle(&last, again(at)).await.unwrap();
    assert!(stage.due_now().await.is_empty());
    let tries = async {
        loop {
            stage.wait_due(Duration::MAX).await;
            if let Some(delivery) = stage.due_now().await.pop() {
                return delivery;
            }
        }
    };
    let last = timeout(LONG, tries).await.expect("it is due");
    assert_eq!((last.attempts, last.status, last.at), (1, Some(503), at));
    assert_eq!(last.error.as_deref(), Some("busy"));
    stage.settle(&last, dead(None, "gone")).await.unwrap();
    // What is settled is settled.
    let posted = Posted::Delivered { status: 200 };
    stage.settle(&last, posted.clone()).await.unwrap();
    let letters = stage.dead_letters(None, 10).await.unwrap();
    assert_eq!(ids(&letters), ["a.completed"]);
    assert_eq!(letters[0].state, DeliveryState::Dead);
    assert!(stage.dead_letters(Some("a.completed"), 10).await.unwrap().is_empty());
    assert!(stage.resend("a.completed").await.unwrap());
    assert!(!stage.resend("a.completed").await.unwrap());
    assert!(!stage.resend("a.start").await.unwrap());
    let last = stage.due_now().await.remove(0);
    assert_eq!((last.attempts, last.state), (0, DeliveryState::Pending));
    stage.settle(&last, posted).await.unwrap();
    let kept = stage.deliveries(claim.job.id).await.unwrap().remove(1);
    assert_eq!((kept.state, kept.attempts), (DeliveryState::Delivered, 1));
    assert_eq!(kept.error, None);
    assert!(stage.dead_letters(None, 10).await.unwrap().is_empty());
}
