//! What cases ask of stores again and again.

use super::{MINUTE, MODEL, delivery, new_job};
use crate::jobs::job::{Job, JobId};
use crate::jobs::store::{Claim, Delivery, Filter, Inserted, JobStore, Kept, Lease, Posted, Return};

impl dyn JobStore {
    pub async fn add(&self, model: &str) -> JobId {
        let job = new_job(model);
        let id = job.id;
        assert!(matches!(self.insert(job, 1000).await.unwrap(), Inserted::New));
        id
    }

    pub async fn job(&self, id: JobId) -> Job {
        self.get(id).await.unwrap().expect("a job")
    }

    pub async fn claim_one(&self) -> Option<Claim> {
        self.claim(MODEL, 1).await.unwrap().pop()
    }

    pub async fn kept(&self, lease: &Lease) -> Kept {
        let kept = self.keep(std::slice::from_ref(lease)).await.unwrap();
        assert_eq!(kept.len(), 1);
        kept[0]
    }

    /// The ids of all that waits, in the order of their claims.
    pub async fn queue(&self) -> Vec<JobId> {
        let claims = self.claim(MODEL, 1000).await.unwrap();
        for claim in &claims {
            assert!(self.put_back(&claim.lease, Return::Unrun).await.unwrap());
        }
        claims.iter().map(|claim| claim.job.id).collect()
    }

    pub async fn listed(&self, filter: Filter) -> Vec<JobId> {
        let jobs = self.list(&filter).await.unwrap();
        jobs.iter().map(|job| job.id).collect()
    }

    /// A running job with these deliveries.
    pub async fn telling(&self, ids: &[&str]) -> Claim {
        self.add(MODEL).await;
        let claim = self.claim_one().await.unwrap();
        for id in ids {
            self.tell(&claim.lease, delivery(id, false)).await.unwrap();
        }
        claim
    }

    /// Takes what is due, for longer than a test lasts.
    pub async fn due_now(&self) -> Vec<Delivery> {
        self.due(100, MINUTE).await.unwrap()
    }

    pub async fn delivered(&self, delivery: &Delivery) {
        let posted = Posted::Delivered { status: 204 };
        self.settle(delivery, posted).await.unwrap();
    }
}
