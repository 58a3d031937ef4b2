//! Reading jobs and their events.

use std::time::Duration;

use redis::Value;
use tokio::time::timeout;

use super::RedisJobs;
use super::queue::WHOLE;
use super::row::{Read, Row, bodies, broken, put_bodies};
use crate::jobs::job::{Job, JobId, Status};
use crate::jobs::store::{Filter, JobEvent, Lease};
use crate::store::StoreError;

/// The number of a job's first event, that it is queued.
const FIRST: u64 = 1;

impl RedisJobs {
    pub(super) async fn get_job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let call = self.redis.call(&self.scripts.get).repeatable();
        let answer = call.arg(id.to_string()).number(WHOLE).run().await?;
        self.whole(answer).await
    }

    pub(super) async fn list_jobs(&self, filter: &Filter) -> Result<Vec<Job>, StoreError> {
        let (mut jobs, mut rest) = (Vec::new(), filter.clone());
        while rest.limit > 0 {
            let rows = self.page(&rest).await?;
            let is_last = rows.len() < rest.limit;
            for row in rows {
                let id = row.id()?;
                rest.before = Some(id);
                match row.job() {
                    Ok(read) => jobs.push(read.job),
                    // Left out, and makes room for one that can be read.
                    Err(error) => tracing::error!(job = %id, "a job is not listed: {error}"),
                }
            }
            if is_last {
                break;
            }
            rest.limit = filter.limit - jobs.len();
        }
        Ok(jobs)
    }

    /// Rows of jobs, newest first.
    async fn page(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        let call = self
            .redis
            .call(&self.scripts.list)
            .repeatable()
            .number(filter.limit)
            .arg(filter.before.map(|id| id.to_string()).unwrap_or_default())
            .arg(filter.model.as_deref().unwrap_or_default())
            .arg(filter.status.map(Status::name).unwrap_or_default());
        Row::all(call.run().await?)
    }

    /// A job of a row, long bodies included. None where there is none, or no more.
    pub(super) async fn whole(&self, row: Value) -> Result<Option<Job>, StoreError> {
        match Row::of(row)? {
            Some(row) => self.with_bodies(row.job()?).await,
            None => Ok(None),
        }
    }

    /// Adds what is too long to come along. None where the job was forgotten meanwhile.
    pub(super) async fn with_bodies(&self, mut read: Read) -> Result<Option<Job>, StoreError> {
        if read.left_out > 0 {
            let mut command = redis::cmd("HMGET");
            let key = self.redis.key(&format!("job:{}", read.job.id));
            command.arg(key).arg("body").arg("answer");
            let Some((body, answer)) = bodies(self.redis.read(&command, read.left_out).await?)? else {
                return Ok(None);
            };
            put_bodies(&mut read.job, body, answer);
        }
        Ok(Some(read.job))
    }

    pub(super) async fn publish_events(&self, lease: &Lease, events: &[JobEvent]) -> Result<(), StoreError> {
        let unwritten = |error: serde_json::Error| StoreError::Refused(format!("an event cannot be written: {error}"));
        let mut call = self.of_lease(&self.scripts.publish, lease);
        let mut told = false;
        for event in events {
            let progress = match event {
                // Told by the script that changes it.
                JobEvent::Status(_) => continue,
                JobEvent::Progress(progress) => serde_json::to_string(progress).map_err(unwritten)?,
                JobEvent::Chunk(_) => String::new(),
            };
            call = call.arg(serde_json::to_string(event).map_err(unwritten)?).arg(progress);
            told = true;
        }
        if told {
            call.run().await?;
        }
        Ok(())
    }

    pub(super) async fn events_after(
        &self,
        id: JobId,
        after: u64,
        patience: Duration,
    ) -> Result<Vec<(u64, JobEvent)>, StoreError> {
        let story = self.read_events(id, after).await?;
        if story.over || !story.events.is_empty() || patience.is_zero() {
            return Ok(story.events);
        }
        let found = timeout(patience, self.await_events(id, after)).await;
        found.unwrap_or(Ok(Vec::new()))
    }

    async fn await_events(&self, id: JobId, after: u64) -> Result<Vec<(u64, JobEvent)>, StoreError> {
        // What came before there was an ear is read when it begins to hear.
        let mut ear = self.redis.listen(&format!("events:{id}"));
        loop {
            let story = self.read_events(id, after).await?;
            if story.over || !story.events.is_empty() {
                return Ok(story.events);
            }
            ear.heard().await;
        }
    }

    async fn read_events(&self, id: JobId, after: u64) -> Result<Story, StoreError> {
        let call = self.redis.call(&self.scripts.events).repeatable();
        let answer = call.arg(id.to_string()).number(after).run().await?;
        let mut row = Row::of(answer)?.ok_or_else(|| broken("no events"))?;
        let (over, whole) = (row.take(0) == Value::Int(1), row.take(1) == Value::Int(1));
        let mut events = Vec::new();
        for entry in Row::all(row.take(2))? {
            events.push(event(entry)?);
        }
        // Kept nowhere, since every story begins so. Not where the beginning was cut off.
        if whole && events.first().is_none_or(|(number, _)| *number == FIRST + 1) {
            events.insert(0, (FIRST, JobEvent::Status(Status::Queued)));
        }
        Ok(Story { over, events })
    }
}

/// What happened to a job.
struct Story {
    /// Nothing more will come.
    over: bool,
    events: Vec<(u64, JobEvent)>,
}

/// An entry of a stream: its id, and the field `event`.
fn event(mut row: Row) -> Result<(u64, JobEvent), StoreError> {
    let id = row.text(0)?.unwrap_or_default();
    let number = id.split('-').next().and_then(|number| number.parse().ok());
    let text = match Row::of(row.take(1))? {
        Some(mut fields) => fields.text(1)?.unwrap_or_default(),
        None => String::new(),
    };
    let event = serde_json::from_str(&text).map_err(|_| broken("an event"))?;
    Ok((number.ok_or_else(|| broken("an event's number"))?, event))
}
