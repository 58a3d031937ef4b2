//! A few connections that read beside the writer. In WAL mode they wait for nobody, and see what was committed.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::folder::Folder;
use crate::store::StoreError;

/// Reads are short; more connections than cores read no faster.
const MOST: usize = 4;

pub struct Readers {
    folder: Folder,
    idle: Mutex<Idle>,
    freed: Condvar,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    /// Idle and lent ones.
    open: usize,
}

/// Gives its connection back however its reader ends.
struct Lent<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Readers {
    pub fn new(folder: Folder) -> Self {
        Self {
            folder,
            idle: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Reads; waits where as many read as may.
    pub fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut lent = Lent {
            readers: self,
            connection: self.take(),
        };
        if lent.connection.is_none() {
            lent.connection = Some(self.folder.reader()?);
        }
        lent.connection
            .as_ref()
            .map_or_else(|| Err(super::database::gone()), work)
    }

    /// An idle connection, or the right to open another one.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle();
        loop {
            if let Some(connection) = idle.connections.pop() {
                return Some(connection);
            }
            if idle.open < MOST {
                idle.open += 1;
                return None;
            }
            idle = self.freed.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut idle = self.readers.idle();
        match self.connection.take() {
            Some(connection) => idle.connections.push(connection),
            // It could not be opened.
            None => idle.open -= 1,
        }
        drop(idle);
        self.readers.freed.notify_one();
    }
}
