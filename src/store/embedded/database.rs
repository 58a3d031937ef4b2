//! The database as those who keep something in it see it: opened at need, written by one thread, read by a few.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::folder::Folder;
use super::readers::Readers;
use super::schema::{self, Schema};
use super::writer::Writer;
use crate::store::StoreError;

/// How long a failure to open the database stands before it is tried again. Between, calls fail at once.
const AGAIN: Duration = Duration::from_secs(1);

/// A database that is opened when it is first needed.
///
/// Calls without `blocking_` are for tasks; those with it block their thread for as long as a disk may take.
pub struct Database {
    folder: Folder,
    schemas: Vec<Schema>,
    open: OnceLock<Arc<Open>>,
    failed: Mutex<Option<Failed>>,
}

/// Dropped in this order: when the writer closes its connection, it is the last, and SQLite tidies up.
struct Open {
    readers: Readers,
    writer: Writer,
}

struct Failed {
    at: Instant,
    error: StoreError,
}

/// What a call does where there is no database yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    Make,
    Leave,
}

impl Database {
    /// Touches nothing yet.
    pub fn new(folder: &Path, schemas: &[Schema]) -> Arc<Self> {
        Arc::new(Self {
            folder: Folder::new(folder),
            schemas: schemas.to_vec(),
            open: OnceLock::new(),
            failed: Mutex::new(None),
        })
    }

    /// Writes, and makes the database where there is none. What `work` did is undone when it fails. `done` is called
    /// once it is on disk, whether or not the caller still waits, in the order of the writes, on the writer's thread.
    ///
    /// # Errors
    /// When the database cannot be had, or the commit fails; what `work` gives.
    pub async fn write<T, W, D>(self: &Arc<Self>, work: W, done: D) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        D: FnOnce(&T) + Send + 'static,
    {
        let open = self.opened(Absent::Make).await?.ok_or_else(gone)?;
        open.write(work, done).await
    }

    /// As [`Database::write`]; `None` where there is no database yet.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn write_if_there<T, W, D>(self: &Arc<Self>, work: W, done: D) -> Result<Option<T>, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        D: FnOnce(&T) + Send + 'static,
    {
        match self.opened(Absent::Leave).await? {
            Some(open) => open.write(work, done).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads what was committed; `None` where there is no database yet.
    ///
    /// # Errors
    /// When the database cannot be had; what `work` gives.
    pub async fn read<T, W>(self: &Arc<Self>, work: W) -> Result<Option<T>, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let this = Arc::clone(self);
        blocking(move || this.blocking_read(work)).await
    }

    /// As [`Database::write`], for a thread that may wait.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub fn blocking_write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let open = self.blocking_opened(Absent::Make)?.ok_or_else(gone)?;
        open.blocking_write(work)
    }

    /// As [`Database::write_if_there`], for a thread that may wait.
    ///
    /// # Errors
    /// As [`Database::write`].
    pub fn blocking_write_if_there<T, W>(&self, work: W) -> Result<Option<T>, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        match self.blocking_opened(Absent::Leave)? {
            Some(open) => open.blocking_write(work).map(Some),
            None => Ok(None),
        }
    }

    /// As [`Database::read`], for a thread that may wait.
    ///
    /// # Errors
    /// As [`Database::read`].
    pub fn blocking_read<T, W>(&self, work: W) -> Result<Option<T>, StoreError>
    where
        W: FnOnce(&Connection) -> Result<T, StoreError>,
    {
        match self.blocking_opened(Absent::Leave)? {
            Some(open) => open.readers.with(work).map(Some),
            None => Ok(None),
        }
    }

    async fn opened(self: &Arc<Self>, absent: Absent) -> Result<Option<Arc<Open>>, StoreError> {
        if let Some(open) = self.open.get() {
            return Ok(Some(Arc::clone(open)));
        }
        let this = Arc::clone(self);
        blocking(move || this.blocking_opened(absent)).await
    }

    fn blocking_opened(&self, absent: Absent) -> Result<Option<Arc<Open>>, StoreError> {
        if let Some(open) = self.open.get() {
            return Ok(Some(Arc::clone(open)));
        }
        let mut failed = self.failed();
        // Somebody else may have opened it while this one waited for the guard.
        if let Some(open) = self.open.get() {
            return Ok(Some(Arc::clone(open)));
        }
        if let Some(failed) = failed.as_ref()
            && failed.at.elapsed() < AGAIN
        {
            return Err(failed.error.clone());
        }
        if absent == Absent::Leave && !self.folder.may_hold_database() {
            return Ok(None);
        }
        match Open::new(&self.folder, &self.schemas) {
            Ok(open) => {
                *failed = None;
                Ok(Some(Arc::clone(self.open.get_or_init(|| Arc::new(open)))))
            }
            Err(error) => {
                *failed = Some(Failed {
                    at: Instant::now(),
                    error: error.clone(),
                });
                Err(error)
            }
        }
    }

    fn failed(&self) -> MutexGuard<'_, Option<Failed>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn new(folder: &Folder, schemas: &[Schema]) -> Result<Self, StoreError> {
        folder.make()?;
        let lock = folder.lock()?;
        let mut connection = folder.writer()?;
        schema::bring_up(&mut connection, schemas)?;
        folder.sync()?;
        Ok(Self {
            readers: Readers::new(folder.clone()),
            writer: Writer::start(connection, lock)?,
        })
    }

    async fn write<T, W, D>(&self, work: W, done: D) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        D: FnOnce(&T) + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.writer.send(work, move |made| {
            if let Ok(value) = &made {
                done(value);
            }
            // The caller may have left.
            let _ = reply.send(made);
        })?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    fn blocking_write<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        self.writer.send(work, move |made| {
            let _ = reply.send(made);
        })?;
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }
}

/// What those are told who still call when the server ends.
pub(super) fn gone() -> StoreError {
    StoreError::Away("the store is closed: the server stops".into())
}

async fn blocking<T, W>(work: W) -> Result<T, StoreError>
where
    T: Send + 'static,
    W: FnOnce() -> Result<T, StoreError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => Err(StoreError::Broken("the store failed by a fault of the server".into())),
        Err(_) => Err(gone()),
    }
}
