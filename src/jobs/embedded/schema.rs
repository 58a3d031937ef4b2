//! The tables of jobs.
//!
//! Times are microseconds since 1970, UTC. Bodies stand apart from the rows that change, so that a change of status
//! does not write a picture anew.

use rusqlite::Connection;

use crate::jobs::job::Status;
use crate::store::StoreError;
use crate::store::embedded::Schema;

pub const SCHEMA: Schema = Schema {
    name: "jobs",
    steps: &[concat!(
        // `turn` orders the queue: when the job was accepted, or put back behind what waited then.
        "CREATE TABLE jobs (
            seq INTEGER PRIMARY KEY,
            id BLOB NOT NULL UNIQUE,
            model TEXT NOT NULL,
            path TEXT NOT NULL,
            status INTEGER NOT NULL DEFAULT 0,
            turn INTEGER NOT NULL,
            created INTEGER NOT NULL,
            started INTEGER,
            finished INTEGER,
            attempts INTEGER NOT NULL DEFAULT 0,
            losses INTEGER NOT NULL DEFAULT 0,
            interruptions INTEGER NOT NULL DEFAULT 0,
            cancelling INTEGER NOT NULL DEFAULT 0,
            about TEXT NOT NULL,
            webhook TEXT,
            upload_webhook TEXT,
            idempotency_key TEXT,
            digest BLOB,
            progress TEXT,
            failure TEXT,
            answer_type TEXT
        );
        CREATE INDEX jobs_of_model ON jobs (model, id);
        CREATE INDEX jobs_in_status ON jobs (status, id);
        CREATE INDEX jobs_of_model_in_status ON jobs (model, status, id);
        CREATE INDEX jobs_waiting ON jobs (model, turn) WHERE status = 0;
        CREATE INDEX jobs_over ON jobs (finished) WHERE status >= 2;
        CREATE UNIQUE INDEX jobs_of_key ON jobs (idempotency_key) WHERE idempotency_key IS NOT NULL;
        CREATE TABLE inputs (job INTEGER PRIMARY KEY, body BLOB NOT NULL);
        CREATE TABLE answers (job INTEGER PRIMARY KEY, body BLOB NOT NULL);",
        // Unfinished jobs are counted as they come and go: counting 100,000 at each request would take too long.
        "CREATE TABLE backlogs (model TEXT PRIMARY KEY, jobs INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TRIGGER job_accepted AFTER INSERT ON jobs BEGIN
            INSERT INTO backlogs (model, jobs) VALUES (NEW.model, 1)
                ON CONFLICT (model) DO UPDATE SET jobs = jobs + 1;
        END;
        CREATE TRIGGER job_ended AFTER UPDATE OF status ON jobs WHEN OLD.status < 2 AND NEW.status >= 2 BEGIN
            UPDATE backlogs SET jobs = jobs - 1 WHERE model = NEW.model;
        END;",
        // `due` is when a delivery may be taken next. It has none while another one of its job stands before it, and
        // when it is settled.
        "CREATE TABLE deliveries (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            job BLOB NOT NULL,
            url TEXT NOT NULL,
            terminal INTEGER NOT NULL,
            state INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0,
            created INTEGER NOT NULL,
            at INTEGER NOT NULL,
            due INTEGER,
            status INTEGER,
            error TEXT
        );
        CREATE INDEX deliveries_of_job ON deliveries (job, state);
        CREATE INDEX deliveries_due ON deliveries (due) WHERE due IS NOT NULL;
        CREATE INDEX dead_letters ON deliveries (state) WHERE state = 2 AND terminal = 1;
        CREATE TABLE posts (delivery INTEGER PRIMARY KEY, body BLOB NOT NULL);",
    )],
    opened,
};

/// What ran ran on a server that died. It keeps its turn, which comes before those of all that waits. Deliveries under
/// way are due again.
fn opened(connection: &Connection) -> Result<(), StoreError> {
    let interrupted = connection.execute(
        "UPDATE jobs SET status = 0, interruptions = interruptions + 1 WHERE status = 1",
        (),
    )?;
    if interrupted > 0 {
        tracing::warn!("{interrupted} jobs ran when the server ended; they run again");
    }
    connection.execute("UPDATE deliveries SET due = at WHERE due IS NOT NULL", ())?;
    Ok(())
}

/// The number that tables have for a status. Those from 2 on are over.
pub const fn code(status: Status) -> u8 {
    match status {
        Status::Queued => 0,
        Status::Running => 1,
        Status::Succeeded => 2,
        Status::Failed => 3,
        Status::Cancelled => 4,
    }
}

pub fn status(code: u8) -> Result<Status, StoreError> {
    let known = Status::ALL.into_iter().find(|status| self::code(*status) == code);
    known.ok_or_else(|| StoreError::Broken(format!("a job of the store has status {code}, which means nothing")))
}
