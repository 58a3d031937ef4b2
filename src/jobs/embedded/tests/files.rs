//! Files and rows: who holds them, what is left in them, and what the next server makes of them.

use super::*;
use crate::jobs::conformance::accepting::look;
use crate::jobs::conformance::{MINUTE, answer, delivery, ending, ids, new_job};
use crate::jobs::job::Status;
use crate::jobs::store::{Ending, JobEvent, Kept, Return};

#[tokio::test]
async fn looking_makes_no_database() {
    let mut folder = Folder::new();
    let store = folder.open().await;
    look(store.as_ref()).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn another_server_with_the_folder_is_told_so() {
    let mut folder = Folder::new();
    let store = folder.open().await;
    let id = store.add(MODEL).await;
    let second = EmbeddedJobs::new(Database::new(folder.path(), &[SCHEMA]));
    assert!(matches!(second.get(id).await, Err(StoreError::Away(_))));
    let inserted = second.insert(new_job(MODEL), 9).await;
    assert!(matches!(inserted, Err(StoreError::Away(_))));
    assert!(matches!(second.claim(MODEL, 9).await, Err(StoreError::Away(_))));
    let store = folder.restart(store).await;
    assert_eq!(store.job(id).await.id, id);
}

#[tokio::test]
async fn what_ran_is_queued_as_soon_as_the_next_server_begins() {
    for is_killed in [true, false] {
        let mut folder = Folder::new();
        let store = folder.open().await;
        let (first, second) = (store.add(MODEL).await, store.add(MODEL).await);
        let before = store.claim_one().await.unwrap().lease;
        assert_eq!(before.job, first);
        let store = if is_killed {
            folder.kill(store).await
        } else {
            folder.restart(store).await
        };
        let job = store.job(first).await;
        assert_eq!((job.status, job.interruptions, job.losses), (Status::Queued, 1, 0));
        assert_eq!(store.job(second).await.interruptions, 0);
        // The earlier run has no say any more, before the next claim or after it.
        assert!(!store.finish(&before, ending(answer())).await.unwrap());
        assert_eq!(store.kept(&before).await, Kept::Lost);
        let again = store.claim_one().await.unwrap();
        assert_eq!((again.job.id, again.lease.attempt), (first, 2));
        assert!(!store.finish(&before, ending(answer())).await.unwrap());
        assert!(!store.put_back(&before, Return::Lost).await.unwrap());
        assert_eq!(store.kept(&before).await, Kept::Lost);
        let store = folder.restart(store).await;
        assert_eq!(store.job(first).await.interruptions, 2);
    }
}

#[tokio::test]
async fn of_a_job_that_ended_before_this_server_the_last_event_is_left() {
    let mut folder = Folder::new();
    let store = folder.open().await;
    let id = store.add(MODEL).await;
    let claim = store.claim_one().await.unwrap();
    assert!(store.finish(&claim.lease, ending(answer())).await.unwrap());
    let store = folder.restart(store).await;
    let last = store.events(id, 3, MINUTE).await.unwrap();
    assert_eq!(last, [(1, JobEvent::Status(Status::Succeeded))]);
    assert!(store.events(id, 1, MINUTE).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_server_had_taken_to_post_is_due_once_the_next_begins() {
    let mut folder = Folder::new();
    let store = folder.open().await;
    store.telling(&["a.start"]).await;
    assert_eq!(store.due(100, Duration::ZERO).await.unwrap().len(), 1);
    assert_eq!(store.due_now().await.len(), 1);
    assert!(store.due_now().await.is_empty());
    // Whoever took it died.
    let store = folder.kill(store).await;
    let due = store.due_now().await;
    assert_eq!(ids(&due), ["a.start"]);
}

#[tokio::test]
async fn a_forgotten_job_leaves_no_rows() {
    let mut folder = Folder::new();
    let store = folder.open().await;
    let (old, queued) = (store.add(MODEL).await, store.add(MODEL).await);
    let claim = store.claim_one().await.unwrap();
    let end = Ending {
        delivery: Some(delivery("old.completed", true)),
        ..ending(answer())
    };
    let at = end.at;
    assert!(store.finish(&claim.lease, end).await.unwrap());
    assert_eq!(store.forget(at).await.unwrap(), 0);
    // It stays for as long as somebody is to be told of it, and no longer.
    let later = at + Duration::from_secs(1);
    assert_eq!(store.forget(later).await.unwrap(), 0);
    let pending = store.deliveries(old).await.unwrap();
    store.delivered(&pending[0]).await;
    assert_eq!(store.forget(later).await.unwrap(), 1);
    let database = folder.database();
    for (table, left) in [
        ("jobs", 1),
        ("inputs", 1),
        ("answers", 0),
        ("deliveries", 0),
        ("posts", 0),
    ] {
        let rows = database.read(move |connection| {
            let sql = format!("SELECT count(*) FROM {table}");
            Ok(connection.query_row(&sql, (), |row| row.get::<_, i64>(0))?)
        });
        assert_eq!(rows.await.unwrap(), Some(left), "{table}");
    }
    assert_eq!(store.job(queued).await.status, Status::Queued);
}
