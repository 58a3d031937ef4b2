//! The folder of a database: made where it is missing, held by one server, its connections.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::store::StoreError;

const DATABASE: &str = "hostler.sqlite3";
const LOCK: &str = "hostler.lock";

/// How long a connection waits for another program that looks into the file.
const BUSY: Duration = Duration::from_secs(5);
/// Statements a connection keeps prepared: more than all rooms have.
const STATEMENTS: usize = 128;

#[derive(Clone)]
pub struct Folder(Arc<Path>);

impl Folder {
    pub fn new(path: &Path) -> Self {
        // SQLite reads a name that begins with `file:` as an address; an absolute path never does.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self(path.into())
    }

    /// False only where there certainly is none.
    pub fn may_hold_database(&self) -> bool {
        !matches!(self.database().try_exists(), Ok(false))
    }

    /// Makes the folder. It holds what clients sent: one that is made here is its owner's alone.
    pub fn make(&self) -> Result<(), StoreError> {
        if self.0.is_dir() {
            return Ok(());
        }
        let made = self.0.parent().map_or(Ok(()), std::fs::create_dir_all);
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        match made.and_then(|()| builder.create(&self.0)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(told("made", &error)),
            _ => Ok(()),
        }
    }

    /// Holds the folder until the file is dropped, or its process ends.
    pub fn lock(&self) -> Result<File, StoreError> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(self.0.join(LOCK))
            .map_err(|error| told("written", &error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(StoreError::Away(
                "another server holds the folder of the store; give each its own SERVER_STORE_URL, or let them share a \
                 Redis"
                    .into(),
            )),
            Err(TryLockError::Error(error)) => Err(told("locked", &error)),
        }
    }

    /// The connection that writes; makes the database.
    pub fn writer(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = self.connect(flags)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // On macOS fsync alone does not reach the platter; elsewhere these mean nothing.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
        // 16 MiB of log before it is brought into the database, and no more than 64 MiB left lying after a rush.
        connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        connection.pragma_update(None, "cache_size", -16 * 1024)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(connection)
    }

    /// A connection that reads. There must be a writer.
    pub fn reader(&self) -> Result<Connection, StoreError> {
        self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
    }

    fn connect(&self, flags: OpenFlags) -> Result<Connection, StoreError> {
        let connection = Connection::open_with_flags(self.database(), flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }

    /// Puts the names of the folder and of the files in it on disk. SQLite does so for its log alone.
    pub fn sync(&self) -> Result<(), StoreError> {
        sync(&self.0).map_err(|error| told("written", &error))?;
        // A parent may be closed to this user, who then did not make the folder either.
        if let Some(parent) = self.0.parent() {
            let _ = sync(parent);
        }
        Ok(())
    }

    fn database(&self) -> PathBuf {
        self.0.join(DATABASE)
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn told(verb: &str, error: &io::Error) -> StoreError {
    StoreError::Away(format!(
        "the folder of the store (SERVER_STORE_URL) cannot be {verb}: {error}"
    ))
}
