//! Deliveries of webhooks: any server posts what is due, one of a job at a time, and the oldest first.

use std::time::Duration;

use jiff::Timestamp;
use redis::Value;
use tokio::time::sleep;

use super::RedisJobs;
use super::queue::{millis, with_delivery};
use super::row::{Row, broken};
use crate::jobs::job::JobId;
use crate::jobs::store::{Delivery, Lease, MOST_BYTES, NewDelivery, Posted};
use crate::store::StoreError;

/// Bodies up to this size come with their deliveries, of which there may be hundreds; longer ones are read one by one.
const SHORT: usize = 64 * 1024;
/// How long to wait where it cannot be said for how long.
const UNKNOWN: Duration = Duration::from_secs(1);

impl RedisJobs {
    pub(super) async fn add_delivery(&self, lease: &Lease, delivery: &NewDelivery) -> Result<(), StoreError> {
        let call = self.of_lease(&self.scripts.tell, lease).repeatable();
        let call = call.arg(Timestamp::now().to_string());
        with_delivery(call, Some(delivery)).run().await?;
        Ok(())
    }

    pub(super) async fn take_due(&self, most: usize, lease: Duration) -> Result<Vec<Delivery>, StoreError> {
        let call = self.redis.call(&self.scripts.due).number(most).number(millis(lease));
        let mut taken = Vec::new();
        for row in Row::all(call.number(SHORT).number(MOST_BYTES).run().await?)? {
            match self.whole_delivery(row).await {
                Ok(delivery) => taken.push(delivery),
                // The others are taken as well, and have to be posted; this one is due again when its lease is over.
                Err(error) => tracing::warn!(%error, "a delivery cannot be read"),
            }
        }
        Ok(taken)
    }

    pub(super) async fn hold_deliveries(&self, deliveries: &[Delivery], lease: Duration) -> Result<(), StoreError> {
        let call = self.redis.call(&self.scripts.hold).repeatable().number(millis(lease));
        let call = deliveries.iter().fold(call, |call, delivery| {
            call.arg(delivery.job.to_string())
                .arg(&delivery.id)
                .number(delivery.attempts)
        });
        call.run().await?;
        Ok(())
    }

    async fn whole_delivery(&self, row: Row) -> Result<Delivery, StoreError> {
        let (mut delivery, left_out) = row.delivery()?;
        if left_out > 0 {
            let mut command = redis::cmd("HGET");
            let key = self.redis.key(&format!("delivery:{}", delivery.id));
            command.arg(key).arg("body");
            match self.redis.read(&command, left_out).await? {
                Value::BulkString(body) => delivery.body = body.into(),
                _ => return Err(broken("a delivery without a body")),
            }
        }
        Ok(delivery)
    }

    pub(super) async fn wait_until_due(&self, patience: Duration) {
        let call = self.redis.call(&self.scripts.next_due).repeatable();
        match call.run().await {
            Ok(Value::Int(wait)) => {
                // Below zero: nothing is under way.
                let wait = u64::try_from(wait).map_or(patience, Duration::from_millis);
                if !wait.is_zero() {
                    self.due.wait(&self.redis, patience.min(wait)).await;
                }
            }
            _ => sleep(patience.min(UNKNOWN)).await,
        }
    }

    pub(super) async fn settle_delivery(&self, delivery: &Delivery, posted: Posted) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let (what, at, status, error) = match posted {
            Posted::Delivered { status } => ("delivered", now, Some(status), String::new()),
            Posted::Again { at, status, error } => ("again", at, status, error),
            Posted::Dead { status, error } => ("dead", now, status, error),
        };
        // Told as a span: the Redis has a clock of its own.
        let wait = at.as_millisecond().saturating_sub(now.as_millisecond()).max(0);
        let call = self
            .redis
            .call(&self.scripts.settle)
            .arg(&delivery.id)
            .arg(what)
            .arg(at.to_string())
            .number(wait)
            .arg(status.map(|status| status.to_string()).unwrap_or_default())
            .arg(error);
        call.run().await?;
        Ok(())
    }

    pub(super) async fn deliveries_of(&self, job: JobId) -> Result<Vec<Delivery>, StoreError> {
        let call = self.redis.call(&self.scripts.deliveries).repeatable();
        deliveries(call.arg(job.to_string()).run().await?)
    }

    pub(super) async fn list_dead_letters(
        &self,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let call = self.redis.call(&self.scripts.dead_letters).repeatable();
        deliveries(call.arg(before.unwrap_or_default()).number(limit).run().await?)
    }

    pub(super) async fn resend_dead_letter(&self, id: &str) -> Result<bool, StoreError> {
        let call = self.redis.call(&self.scripts.resend).arg(id);
        Ok(call.arg(Timestamp::now().to_string()).run().await? == Value::Int(1))
    }
}

/// Deliveries without their bodies.
fn deliveries(answer: Value) -> Result<Vec<Delivery>, StoreError> {
    let rows = Row::all(answer)?.into_iter();
    rows.map(|row| row.delivery().map(|(delivery, _)| delivery)).collect()
}
