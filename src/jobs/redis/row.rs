//! What scripts answer, as jobs and deliveries. The order of the fields is that of `row` and `delivery_row` in
//! `scripts/prelude.lua`.

use std::str::FromStr;

use bytes::Bytes;
use redis::Value;
use serde::de::DeserializeOwned;

use crate::jobs::job::{Answer, Input, Job, JobId, Outcome, Status};
use crate::jobs::store::{Delivery, DeliveryState};
use crate::store::StoreError;

/// Where the row of a job has its attempts and its id.
const ATTEMPTS: usize = 9;
const JOB: usize = 20;

/// Fields of an answer; each is taken once.
pub(super) struct Row(Vec<Value>);

/// A job, and how many bytes of its bodies were left out.
pub(super) struct Read {
    pub job: Job,
    pub left_out: usize,
}

pub(super) fn broken(what: &str) -> StoreError {
    StoreError::Broken(format!("what Redis keeps of a job cannot be read: {what}"))
}

impl Row {
    /// None where there is no such job.
    pub fn of(value: Value) -> Result<Option<Self>, StoreError> {
        match value {
            Value::Array(fields) => Ok(Some(Self(fields))),
            Value::Nil => Ok(None),
            _ => Err(broken("no row")),
        }
    }

    /// The rows of a list.
    pub fn all(value: Value) -> Result<Vec<Self>, StoreError> {
        let Value::Array(rows) = value else {
            return Err(broken("no rows"));
        };
        rows.into_iter().filter_map(|row| Self::of(row).transpose()).collect()
    }

    pub fn take(&mut self, at: usize) -> Value {
        self.0.get_mut(at).map(std::mem::take).unwrap_or_default()
    }

    fn bytes(&mut self, at: usize) -> Option<Bytes> {
        match self.take(at) {
            Value::BulkString(bytes) => Some(bytes.into()),
            _ => None,
        }
    }

    pub fn text(&mut self, at: usize) -> Result<Option<String>, StoreError> {
        match self.take(at) {
            Value::BulkString(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| broken("no text")),
            Value::SimpleString(text) => Ok(Some(text)),
            Value::Int(number) => Ok(Some(number.to_string())),
            _ => Ok(None),
        }
    }

    fn parsed<T: FromStr>(&mut self, at: usize) -> Result<Option<T>, StoreError> {
        let Some(text) = self.text(at)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| broken(&format!("field {at}")))
    }

    fn json<T: DeserializeOwned>(&mut self, at: usize) -> Result<Option<T>, StoreError> {
        let Some(text) = self.text(at)? else { return Ok(None) };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|_| broken(&format!("field {at}")))
    }

    /// The id of a job.
    pub fn id(&self) -> Result<JobId, StoreError> {
        self.peek(JOB).ok_or_else(|| broken("no id"))
    }

    /// The number of a job's run.
    pub fn attempt(&self) -> Result<u32, StoreError> {
        self.peek(ATTEMPTS).ok_or_else(|| broken("no attempts"))
    }

    /// A field that stays where it is.
    fn peek<T: FromStr>(&self, at: usize) -> Option<T> {
        match self.0.get(at)? {
            Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }

    pub fn job(mut self) -> Result<Read, StoreError> {
        let missing = |what: &'static str| move || broken(what);
        let status = self.text(2)?.and_then(|name| Status::by_name(&name));
        let status = status.ok_or_else(missing("no status"))?;
        let about = self.json(3)?.ok_or_else(missing("no request"))?;
        let outcome = match status {
            Status::Queued | Status::Running => None,
            Status::Succeeded => Some(Outcome::Succeeded(Answer {
                content_type: self.text(14)?.ok_or_else(missing("no media type"))?,
                body: Bytes::new(),
            })),
            Status::Failed => Some(Outcome::Failed(self.json(15)?.ok_or_else(missing("no failure"))?)),
            Status::Cancelled => Some(Outcome::Cancelled),
        };
        let lengths: (usize, usize) = (self.parsed(16)?.unwrap_or(0), self.parsed(17)?.unwrap_or(0));
        let (body, answer) = (self.bytes(18), self.bytes(19));
        let left_out = body.as_ref().map_or(lengths.0, |_| 0) + answer.as_ref().map_or(lengths.1, |_| 0);
        let mut job = Job {
            id: self.parsed(JOB)?.ok_or_else(missing("no id"))?,
            model: self.text(0)?.ok_or_else(missing("no model"))?,
            path: self.text(1)?.ok_or_else(missing("no path"))?,
            status,
            input: Input {
                body: Bytes::new(),
                about,
            },
            webhook: self.json(4)?,
            upload_webhook: self.text(5)?,
            created: self.parsed(6)?.ok_or_else(missing("no time"))?,
            started: self.parsed(7)?,
            finished: self.parsed(8)?,
            attempts: self.parsed(ATTEMPTS)?.unwrap_or(0),
            losses: self.parsed(10)?.unwrap_or(0),
            interruptions: self.parsed(11)?.unwrap_or(0),
            progress: self.json(12)?,
            cancelling: self.text(13)?.is_some(),
            outcome,
        };
        put_bodies(&mut job, body, answer);
        Ok(Read { job, left_out })
    }

    /// A delivery, and how many bytes of its body were left out.
    pub fn delivery(mut self) -> Result<(Delivery, usize), StoreError> {
        let missing = |what: &'static str| move || broken(what);
        let state = match self.text(3)?.as_deref() {
            Some("pending") => DeliveryState::Pending,
            Some("delivered") => DeliveryState::Delivered,
            Some("dead") => DeliveryState::Dead,
            _ => return Err(broken("no state")),
        };
        let length: usize = self.parsed(11)?.unwrap_or(0);
        let body = self.bytes(9);
        let left_out = body.as_ref().map_or(length, |_| 0);
        let delivery = Delivery {
            id: self.text(10)?.ok_or_else(missing("no id"))?,
            job: self.parsed(0)?.ok_or_else(missing("no job"))?,
            url: self.text(1)?.ok_or_else(missing("no address"))?,
            body: body.unwrap_or_default(),
            created: self.parsed(2)?.ok_or_else(missing("no time"))?,
            state,
            attempts: self.parsed(4)?.unwrap_or(0),
            at: self.parsed(5)?.ok_or_else(missing("no time"))?,
            error: self.text(6)?,
            status: self.parsed(7)?,
            terminal: self.text(8)?.as_deref() == Some("1"),
        };
        Ok((delivery, left_out))
    }
}

/// Puts into a job the bodies that were read.
pub(super) fn put_bodies(job: &mut Job, body: Option<Bytes>, answer: Option<Bytes>) {
    if let Some(body) = body {
        job.input.body = body;
    }
    if let (Some(Outcome::Succeeded(kept)), Some(answer)) = (&mut job.outcome, answer) {
        kept.body = answer;
    }
}

/// Bodies of an input and of an answer, where there are such.
type Bodies = (Option<Bytes>, Option<Bytes>);

/// The bodies of a job, which were read by themselves. None when it was forgotten meanwhile.
pub(super) fn bodies(value: Value) -> Result<Option<Bodies>, StoreError> {
    let Some(mut row) = Row::of(value)? else {
        return Ok(None);
    };
    let (body, answer) = (row.bytes(0), row.bytes(1));
    Ok(body.is_some().then_some((body, answer)))
}
