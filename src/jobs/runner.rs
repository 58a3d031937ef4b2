//! Takes the jobs of one model and runs them as requests that wait behind interactive ones.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::run::{Run, put_back};
use super::shared::{Phase, Shared};
use super::store::{Claim, Return};
use crate::service::Model;

/// How often a model that is not ready is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// After a fault of the store. A call of one that is away costs little, and work goes on as soon as it is back.
const RETRY: Duration = Duration::from_millis(250);
/// How long to wait for word of a new job before looking oneself: jobs of servers that died are told by nobody.
const PATIENCE: Duration = Duration::from_secs(1);

/// Jobs of one model that are held at once, however many rows its replicas take: its queue has room for so many.
const MOST: usize = 1024;

/// Runs jobs until the server stops.
pub async fn run(shared: Arc<Shared>, model: Arc<Model>) {
    // So many that a replica finds its next batch waiting when it is done with one. What runs is held in memory and
    // counts against an interruption, so no more than that.
    let most = model.group.capacity().saturating_mul(2).clamp(1, MOST);
    // While clients wait for this model, the jobs of the other replicas are enough: each takes time of the front, too.
    let few = model.group.replicas().saturating_mul(2).clamp(1, most);
    let room = Arc::new(Semaphore::new(most));
    let mut away = false;
    while shared.phase() == Phase::Serving {
        if !model.group.serves() {
            shared.pause(LOOK).await;
            continue;
        }
        let barred = if model.group.is_asked() { most - few } else { 0 };
        let Some(mut permits) = wait_for_room(&room, barred, &shared).await else {
            break;
        };
        match shared.store.claim(&model.card.name, permits.num_permits()).await {
            Ok(claims) => {
                if std::mem::take(&mut away) {
                    tracing::info!(model = %model.card.name, "the store of jobs is back");
                }
                if claims.is_empty() {
                    drop(permits);
                    shared.or_stop(shared.store.wait(&model.card.name, PATIENCE)).await;
                    continue;
                }
                for claim in claims {
                    // Never more claims than were asked for; one that came all the same is run all the same.
                    let permit = permits.split(1);
                    tokio::spawn(begin(Arc::clone(&shared), claim, permit));
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(model = %model.card.name, "jobs wait: {error}");
                }
                drop(permits);
                shared.pause(RETRY).await;
            }
        }
    }
    // What runs ends, or is put back once patience is over.
    let all = u32::try_from(most).unwrap_or(u32::MAX);
    drop(room.acquire_many(all).await);
}

/// All the room there is beside what is barred, once there is some; `None` when the server stops.
async fn wait_for_room(room: &Arc<Semaphore>, barred: usize, shared: &Shared) -> Option<OwnedSemaphorePermit> {
    let least = u32::try_from(barred + 1).unwrap_or(u32::MAX);
    let free = Arc::clone(room).acquire_many_owned(least);
    let mut permits = shared.or_stop(free).await?.ok()?;
    while let Ok(more) = Arc::clone(room).try_acquire_owned() {
        permits.merge(more);
    }
    drop(permits.split(barred));
    Some(permits)
}

async fn begin(shared: Arc<Shared>, claim: Claim, permit: Option<OwnedSemaphorePermit>) {
    let lease = claim.lease.clone();
    let entry = shared.running.begin(&lease);
    let run = Run::new(&shared, claim, &entry.calls).complete();
    // Contracts decode with code of their authors. A job that panics there counts as one that ended its replica, or it
    // would stand as running for as long as this server lives.
    if AssertUnwindSafe(run).catch_unwind().await.is_err() {
        tracing::error!(job = %lease.job, "a panic while a job was decoded or recorded");
        put_back(&shared, &lease, Return::Lost).await;
    }
    drop(entry);
    drop(permit);
}
