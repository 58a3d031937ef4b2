//! From the queue into a run, and back. A row with the attempt of a lease is that lease's: each claim counts one more.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};

use super::schema::code;
use super::{endings, reading};
use crate::jobs::job::Status;
use crate::jobs::store::{Claim, Kept, Lease, MOST_BYTES, Return};
use crate::store::StoreError;

pub fn claim(connection: &Connection, model: &str, most: usize, now: Timestamp) -> Result<Vec<Claim>, StoreError> {
    let (mut claims, mut bytes) = (Vec::new(), 0);
    while claims.len() < most
        && bytes < MOST_BYTES
        && let Some(seq) = next(connection, model)?
    {
        // Progress is that of a run; this is another one.
        connection
            .prepare_cached(
                "UPDATE jobs SET status = 1, attempts = attempts + 1, started = ?2, progress = NULL WHERE seq = ?1",
            )?
            .execute((seq, now.as_microsecond()))?;
        let job = match reading::by_seq(connection, seq) {
            Ok(Some(job)) => job,
            Ok(None) => continue,
            // One that cannot be read must not hold up all that stand behind it.
            Err(StoreError::Broken(told)) => {
                tracing::error!(model, seq, "a job is given up: {told}");
                endings::give_up(connection, seq, told, now)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        bytes += job.input.body.len();
        let lease = Lease {
            job: job.id,
            model: model.to_owned(),
            attempt: job.attempts,
        };
        claims.push(Claim { lease, job });
    }
    Ok(claims)
}

/// The first that waits: what was taken before it waits no more.
fn next(connection: &Connection, model: &str) -> Result<Option<i64>, StoreError> {
    let first = connection
        .prepare_cached("SELECT seq FROM jobs WHERE model = ?1 AND status = 0 ORDER BY turn, seq LIMIT 1")?
        .query_row([model], |row| row.get(0))
        .optional()?;
    Ok(first)
}

pub fn keep(connection: &Connection, leases: &[Lease]) -> Result<Vec<Kept>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT status, attempts, cancelling FROM jobs WHERE id = ?1")?;
    let mut kept = Vec::with_capacity(leases.len());
    for lease in leases {
        let row: Option<(u8, u32, bool)> = statement
            .query_row([lease.job.as_bytes()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        kept.push(match row {
            Some((status, attempt, cancelling)) if status == code(Status::Running) && attempt == lease.attempt => {
                if cancelling {
                    Kept::Cancelling
                } else {
                    Kept::Yes
                }
            }
            _ => Kept::Lost,
        });
    }
    Ok(kept)
}

pub fn put_back(connection: &Connection, lease: &Lease, why: Return, now: Timestamp) -> Result<bool, StoreError> {
    let held = (lease.job.as_bytes(), lease.attempt);
    let changed = match why {
        // Where it stood before.
        Return::Unrun => connection
            .prepare_cached(
                "UPDATE jobs SET status = 0, started = NULL WHERE id = ?1 AND status = 1 AND attempts = ?2",
            )?
            .execute(held)?,
        Return::Lost => connection
            .prepare_cached(
                "UPDATE jobs SET status = 0, losses = losses + 1, turn = ?3
                 WHERE id = ?1 AND status = 1 AND attempts = ?2",
            )?
            .execute((held.0, held.1, last_turn(connection, &lease.model, now)?))?,
    };
    Ok(changed == 1)
}

/// A turn behind all that waits, so that a job that ends replicas does not hold up those that would not.
fn last_turn(connection: &Connection, model: &str, at: Timestamp) -> Result<i64, StoreError> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT turn FROM jobs WHERE model = ?1 AND status = 0 ORDER BY turn DESC LIMIT 1")?
        .query_row([model], |row| row.get(0))
        .optional()?;
    // Of a clock that was set back, what waits may be ahead.
    Ok(last.map_or(0, |last| last.saturating_add(1)).max(at.as_microsecond()))
}
