//! Deliveries of webhooks, in their order.

use std::time::{Duration, Instant};

use super::{MINUTE, Stage, answer, dead, delivery, ending, ids};
use crate::jobs::store::{DeliveryState, Ending, Posted, Return};

pub async fn deliveries_of_a_job_are_made_one_after_another(stage: Stage) {
    // Progress is left out while the start is still to be told.
    let claim = stage.telling(&["a.start", "a.progress.1", "a.next"]).await;
    let other = stage.telling(&["b.start"]).await;
    let end = Ending {
        delivery: Some(delivery("a.completed", true)),
        ..ending(answer())
    };
    assert!(stage.finish(&claim.lease, end).await.unwrap());
    let due = stage.due_now().await;
    assert_eq!(ids(&due), ["a.start", "b.start"]);
    assert_eq!((due[0].job, due[1].job), (claim.job.id, other.job.id));
    assert_eq!(due[0].body, delivery("a.start", false).body);
    assert!(stage.due_now().await.is_empty(), "both are taken");
    stage.delivered(&due[0]).await;
    let due = stage.due_now().await;
    assert_eq!(ids(&due), ["a.next"]);
    stage.settle(&due[0], dead(Some(404), "not found")).await.unwrap();
    // The end is told at the time it has, which lies ahead here: once its turn has come, it is due at once.
    let due = stage.due_now().await;
    assert_eq!(ids(&due), ["a.completed"]);
    stage.delivered(&due[0]).await;
    assert!(stage.due_now().await.is_empty());
    let all = stage.deliveries(claim.job.id).await.unwrap();
    assert_eq!(ids(&all), ["a.start", "a.next", "a.completed"]);
    let states: Vec<_> = all.iter().map(|delivery| (delivery.state, delivery.status)).collect();
    assert_eq!(
        states,
        [
            (DeliveryState::Delivered, Some(204)),
            (DeliveryState::Dead, Some(404)),
            (DeliveryState::Delivered, Some(204))
        ]
    );
    assert_eq!(all[1].error.as_deref(), Some("not found"));
    assert_eq!((all[1].attempts, all[1].terminal, all[2].terminal), (1, false, true));
    let letters = stage.dead_letters(None, 10).await.unwrap();
    assert!(letters.is_empty(), "it was no terminal one");
}

pub async fn a_delivery_is_told_of_once_and_only_by_who_holds_the_job(stage: Stage) {
    let claim = stage.telling(&["a.start", "a.start"]).await;
    assert!(stage.put_back(&claim.lease, Return::Lost).await.unwrap());
    stage.tell(&claim.lease, delivery("a.late", false)).await.unwrap();
    let claim = stage.claim_one().await.unwrap();
    stage.tell(&claim.lease, delivery("a.start", false)).await.unwrap();
    let all = stage.deliveries(claim.job.id).await.unwrap();
    assert_eq!(ids(&all), ["a.start"]);
}

pub async fn the_wait_for_deliveries_ends_with_a_new_one_or_when_one_is_due(stage: Stage) {
    let began = Instant::now();
    stage.telling(&["a.start"]).await;
    stage.wait_due(MINUTE).await;
    let due = stage.due_now().await;
    assert_eq!(due.len(), 1);
    let again = Posted::Again {
        at: jiff::Timestamp::now() + Duration::from_millis(50),
        status: None,
        error: "refused".into(),
    };
    stage.settle(&due[0], again).await.unwrap();
    while stage.due_now().await.is_empty() {
        stage.wait_due(MINUTE).await;
    }
    assert!(began.elapsed() < MINUTE);
}
