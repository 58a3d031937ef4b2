//! Jobs in SQLite: what every store does, and what this one alone can show of its files.

mod files;

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tempfile::TempDir;

use super::{EmbeddedJobs, SCHEMA};
use crate::jobs::conformance::{Ground, LONG, MODEL, Stage};
use crate::jobs::job::JobId;
use crate::jobs::store::JobStore;
use crate::store::StoreError;
use crate::store::embedded::Database;

/// The folder of a server.
struct Folder {
    folder: TempDir,
    /// As long as its server lives.
    database: Weak<Database>,
}

impl Folder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            database: Weak::new(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn database(&self) -> Arc<Database> {
        self.database.upgrade().expect("a server")
    }

    /// The jobs of a server that begins now. Another test may spawn a process at this moment, which holds a copy of the
    /// lock until it runs its program.
    async fn open(&mut self) -> Arc<dyn JobStore> {
        let database = Database::new(self.path(), &[SCHEMA]);
        self.database = Arc::downgrade(&database);
        let store: Arc<dyn JobStore> = Arc::new(EmbeddedJobs::new(database));
        let began = Instant::now();
        while let Err(StoreError::Away(told)) = store.unfinished(MODEL).await {
            assert!(began.elapsed() < LONG, "{told}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        store
    }
}

#[async_trait]
impl Ground for Folder {
    /// The next server has what stands on disk at this moment.
    async fn kill(&mut self, store: Arc<dyn JobStore>) -> Arc<dyn JobStore> {
        let folder = tempfile::tempdir().unwrap();
        for name in ["hostler.sqlite3", "hostler.sqlite3-wal"] {
            std::fs::copy(self.path().join(name), folder.path().join(name)).unwrap();
        }
        drop(store);
        self.folder = folder;
        self.open().await
    }

    async fn restart(&mut self, store: Arc<dyn JobStore>) -> Arc<dyn JobStore> {
        drop(store);
        self.open().await
    }

    async fn damage(&self, id: JobId) {
        let work = move |connection: &rusqlite::Connection| -> Result<usize, StoreError> {
            let sql = "UPDATE jobs SET about = '{' WHERE id = ?1";
            Ok(connection.execute(sql, [id.as_bytes()])?)
        };
        let damaged = self.database().write(work, |_| ()).await;
        assert_eq!(damaged.unwrap(), 1);
    }
}

async fn stage() -> Stage {
    let mut folder = Folder::new();
    let store = folder.open().await;
    Stage::new(folder, store)
}

mod conformance {
    crate::jobs::conformance::for_store!(crate::jobs::embedded::tests::stage);
}
