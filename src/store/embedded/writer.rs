//! The one thread that writes: what waits shares a transaction and its fsync.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::database::gone;
use crate::store::StoreError;

/// Writes of one transaction. An fsync takes about a millisecond, a write some tens of microseconds: more would make
/// the first wait without saving much of the last ones' time.
const MOST: usize = 256;
/// No transaction is kept open for longer than this, and the write that is under way then.
const LONGEST: Duration = Duration::from_millis(20);

/// The thread, and the way to it. Dropped, it commits what was sent and ends.
pub struct Writer {
    writes: Option<Sender<Box<dyn Write>>>,
    thread: Option<JoinHandle<()>>,
}

/// A write on its way. The queue has no bound of its own: who sends waits for the answer, so there are no more than
/// requests under way.
trait Write: Send {
    /// Inside the transaction. What it did is undone when it fails.
    fn make(&mut self, connection: &Connection) -> Result<(), StoreError>;

    /// After the transaction's end.
    fn tell(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Pending<T, W, R> {
    work: Option<W>,
    made: Option<Result<T, StoreError>>,
    reply: R,
}

impl<T, W, R> Write for Pending<T, W, R>
where
    T: Send,
    W: FnOnce(&Connection) -> Result<T, StoreError> + Send,
    R: FnOnce(Result<T, StoreError>) + Send,
{
    fn make(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let made = work(connection);
        let fault = made.as_ref().err().cloned();
        self.made = Some(made);
        fault.map_or(Ok(()), Err)
    }

    fn tell(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { made, reply, .. } = *self;
        reply(match (made, committed) {
            (Some(Ok(made)), Ok(())) => Ok(made),
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            // It panicked.
            (None, Ok(())) => Err(StoreError::Broken("a write failed by a fault of the server".into())),
        });
    }
}

impl Writer {
    /// `lock` is held until the connection is closed.
    pub fn start(connection: Connection, lock: File) -> Result<Self, StoreError> {
        let (writes, queue) = channel();
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || {
            run(connection, &queue);
            drop(lock);
        });
        match thread {
            Ok(thread) => Ok(Self {
                writes: Some(writes),
                thread: Some(thread),
            }),
            Err(error) => Err(StoreError::Away(format!(
                "the system gives the store no thread: {error}"
            ))),
        }
    }

    /// Sends a write. `reply` is called on the writer's thread once it is on disk, or has failed.
    pub fn send<T, W, R>(&self, work: W, reply: R) -> Result<(), StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        R: FnOnce(Result<T, StoreError>) + Send + 'static,
    {
        let write = Box::new(Pending::<T, W, R> {
            work: Some(work),
            made: None,
            reply,
        });
        let sent = self.writes.as_ref().map(|writes| writes.send(write));
        if matches!(sent, Some(Ok(()))) {
            Ok(())
        } else {
            Err(gone())
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.writes = None;
        if let Some(thread) = self.thread.take() {
            // A panic of it was told of when it happened.
            let _ = thread.join();
        }
    }
}

fn run(mut connection: Connection, queue: &Receiver<Box<dyn Write>>) {
    while let Ok(first) = queue.recv() {
        let mut writes = vec![first];
        let committed = transact(&mut connection, queue, &mut writes);
        if let Err(error) = &committed {
            tracing::warn!(writes = writes.len(), "a transaction of the store failed: {error}");
        }
        for write in writes {
            // A panic in a reply must not end the thread.
            let _ = catch_unwind(AssertUnwindSafe(|| write.tell(committed.clone())));
        }
    }
}

/// Makes what waits in one transaction, beginning with the only one in `writes`, to which the others are added.
fn transact(
    connection: &mut Connection,
    queue: &Receiver<Box<dyn Write>>,
    writes: &mut Vec<Box<dyn Write>>,
) -> Result<(), StoreError> {
    let began = Instant::now();
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        // Each alone would wait as long as this one has, and fail as well.
        .inspect_err(|_| writes.extend(queue.try_iter()))?;
    while let Some(write) = writes.last_mut() {
        make(&transaction, write.as_mut())?;
        if writes.len() >= MOST || began.elapsed() >= LONGEST {
            break;
        }
        match queue.try_recv() {
            Ok(write) => writes.push(write),
            Err(_) => break,
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Makes one write in a savepoint.
///
/// # Errors
/// When the transaction is lost, and all writes in it.
fn make(connection: &Connection, write: &mut dyn Write) -> Result<(), StoreError> {
    connection.prepare_cached("SAVEPOINT one")?.execute(())?;
    let made = catch_unwind(AssertUnwindSafe(|| write.make(connection)));
    if connection.is_autocommit() {
        // A full disk, for one: SQLite undid the whole transaction, not this write alone.
        let lost = || StoreError::Broken("a transaction of the store was lost".into());
        return Err(made.ok().and_then(Result::err).unwrap_or_else(lost));
    }
    if !matches!(made, Ok(Ok(()))) {
        connection.prepare_cached("ROLLBACK TO one")?.execute(())?;
    }
    connection.prepare_cached("RELEASE one")?.execute(())?;
    Ok(())
}
