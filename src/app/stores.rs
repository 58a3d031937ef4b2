//! The stores that the settings name, and the jobs that are kept in them.

use std::sync::Arc;

use super::AppError;
use crate::config::Settings;
use crate::jobs::embedded::{self, EmbeddedJobs};
use crate::jobs::redis::RedisJobs;
use crate::jobs::store::JobStore;
use crate::jobs::{JobSettings, Jobs, Webhooks};
use crate::service::Service;
use crate::store::KeyValue;
use crate::store::embedded::{Database, EmbeddedKv, KV_SCHEMA};
use crate::store::redis::Redis;
use crate::upload::Uploader;
use crate::webhook::Client;

/// Where values and jobs are kept. Made without touching a disk or a network: what is away is told when it is used.
#[derive(Clone)]
pub struct Stores {
    pub values: Arc<dyn KeyValue>,
    pub jobs: Arc<dyn JobStore>,
}

impl Stores {
    /// # Errors
    /// An address that cannot be read.
    pub fn of(settings: &Settings) -> Result<Self, AppError> {
        let Some(folder) = settings.store_url.file_path() else {
            let redis = Redis::open(settings.store_url.expose())
                .map_err(|e| AppError::Settings(vec![format!("SERVER_STORE_URL: {e}")]))?;
            return Ok(Self {
                values: Arc::clone(&redis) as Arc<dyn KeyValue>,
                jobs: Arc::new(RedisJobs::new(redis, settings.job_lease)),
            });
        };
        let database = Database::new(&folder, &[KV_SCHEMA, embedded::SCHEMA]);
        Ok(Self {
            values: Arc::new(EmbeddedKv::new(Arc::clone(&database))),
            jobs: Arc::new(EmbeddedJobs::new(database)),
        })
    }
}

/// Starts what runs jobs and tells webhooks of them; gives the client that knows which addresses will do, too.
///
/// # Errors
/// When the client of webhooks cannot be made.
pub fn start_jobs(
    stores: Stores,
    service: &Arc<Service>,
    uploader: Uploader,
    settings: &Settings,
) -> Result<(Arc<Jobs>, Client), AppError> {
    let client = Client::new(settings.webhook_allow.clone())
        .map_err(|reason| AppError::System(std::io::Error::other(format!("webhooks cannot be sent: {reason}"))))?;
    let webhooks = Webhooks {
        client: client.clone(),
        secret: settings.webhook_secret.clone(),
    };
    let kept = JobSettings {
        ttl: settings.job_ttl,
        backlog: settings.job_backlog,
    };
    let jobs = Jobs::start(stores.jobs, Arc::clone(service), kept, webhooks, uploader);
    Ok((Arc::new(jobs), client))
}
