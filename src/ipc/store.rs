//! What a child asks of the store, answered beside the wire: over a socket of its own and on threads of their own.
//!
//! The store blocks, and must hold up neither the answers to calls nor each other's. A child may ask at any time, also
//! while it loads or has no call. Knows nothing of where values are kept.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::frame::{self, Frame, Head, Kind};
use super::message::{Form, StoreMeta, StoredMeta, WireError};
use crate::error::Error;
use crate::store::{Entry, Store, StoreError};

/// Requests of one child that are worked on at once; more wait in its socket.
const THREADS: usize = 16;
/// Read at once.
const CHUNK: usize = 64 * 1024;
/// Bodies from this size on are not copied behind their header.
const COPY_BELOW: usize = 16 * 1024;

/// Answers one child. Dropped, it closes the socket.
pub struct Desk {
    socket: UnixStream,
}

impl Desk {
    /// Opens the socket and its first thread; gives the child's end.
    ///
    /// # Errors
    /// When the system gives no socket or no thread.
    pub fn open(store: &Store, replica: usize) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        let clerks = Arc::new(Clerks {
            store: store.clone(),
            replica,
            input: Mutex::new(Input {
                socket: ours.try_clone()?,
                bytes: BytesMut::new(),
                chunk: vec![0; CHUNK].into_boxed_slice(),
            }),
            output: Mutex::new(ours.try_clone()?),
            threads: AtomicUsize::new(0),
            free: AtomicUsize::new(0),
        });
        clerks.hire()?;
        Ok((Self { socket: ours }, theirs.into()))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // A thread that waits for the child would wait for ever where the child left its end to another process.
        drop(self.socket.shutdown(Shutdown::Both));
    }
}

/// The threads behind a desk: one reads, each works on the request it has read.
struct Clerks {
    store: Store,
    replica: usize,
    input: Mutex<Input>,
    output: Mutex<UnixStream>,
    threads: AtomicUsize,
    /// Those that read, or wait for their turn to.
    free: AtomicUsize,
}

struct Input {
    socket: UnixStream,
    bytes: BytesMut,
    chunk: Box<[u8]>,
}

impl Clerks {
    /// Starts one more thread, where there may be one.
    fn hire(self: &Arc<Self>) -> io::Result<()> {
        if self.threads.fetch_add(1, Ordering::AcqRel) >= THREADS {
            self.threads.fetch_sub(1, Ordering::AcqRel);
            return Ok(());
        }
        let clerk = Arc::clone(self);
        let name = format!("store/{}", self.replica);
        std::thread::Builder::new().name(name).spawn(move || clerk.serve())?;
        Ok(())
    }

    /// Until the socket is closed.
    fn serve(self: &Arc<Self>) {
        loop {
            self.free.fetch_add(1, Ordering::AcqRel);
            let asked = self.next();
            let others = self.free.fetch_sub(1, Ordering::AcqRel) - 1;
            let Ok(Some(frame)) = asked else {
                // Both ends are of one release: what is no request is a fault of ours, and nobody should wait for it.
                drop(lock(&self.output).shutdown(Shutdown::Both));
                return;
            };
            if others == 0 && self.hire().is_err() {
                self.threads.fetch_sub(1, Ordering::AcqRel);
            }
            if self.answer(&frame).is_err() {
                return;
            }
        }
    }

    /// The next request; `None` when the child has left.
    fn next(&self) -> io::Result<Option<Frame>> {
        let mut input = lock(&self.input);
        let Input { socket, bytes, chunk } = &mut *input;
        loop {
            if let Some(frame) = frame::take(bytes).map_err(io::Error::other)? {
                return Ok(Some(frame).filter(|frame| frame.head.kind == Kind::Store));
            }
            match socket.read(chunk) {
                Ok(0) => return Ok(None),
                Ok(n) => bytes.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn answer(&self, frame: &Frame) -> io::Result<()> {
        let done = catch_unwind(AssertUnwindSafe(|| ask(&self.store, frame)));
        let panicked = "the store panicked; the log has the details";
        let done = done.unwrap_or_else(|_| Err(StoreError::Broken(panicked.to_owned())));
        let (form, body, error) = match done {
            Ok((form, body)) => (form, body, None),
            Err(error) => (None, Bytes::new(), Some(told(error))),
        };
        let meta = if form.is_none() && error.is_none() {
            Vec::new()
        } else {
            serde_json::to_vec(&StoredMeta { form, error })?
        };
        let head = Head {
            call: frame.head.call,
            ..Head::process(Kind::Stored)
        };
        let header = head.encode(meta.len(), body.len()).map_err(io::Error::other)?;
        let mut output = lock(&self.output);
        if body.len() < COPY_BELOW {
            return output.write_all(&[&header[..], &meta, &body].concat());
        }
        output.write_all(&[&header[..], &meta].concat())?;
        output.write_all(&body)
    }
}

/// No thread can leave half of a change behind: a poisoned lock is as good as another.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fault as an uncaught one would answer a call.
fn told(error: StoreError) -> WireError {
    let error = Error::from(error);
    WireError {
        kind: error.kind().name().to_owned(),
        message: error.message().to_owned(),
        detail: Vec::new(),
    }
}

/// Does what a request asks for.
fn ask(store: &Store, frame: &Frame) -> Result<(Option<Form>, Bytes), StoreError> {
    let asked = serde_json::from_slice(&frame.meta);
    let asked: StoreMeta =
        asked.map_err(|e| StoreError::Refused(format!("the store cannot read what is asked: {e}")))?;
    match asked {
        StoreMeta::Get { key } => match store.get(&key)? {
            Some(entry) => written(entry),
            None => Ok((None, Bytes::new())),
        },
        StoreMeta::Set { key, form, ttl } => {
            store.set(&key, &entry(form, frame.body.clone())?, time(ttl)?)?;
            Ok((None, Bytes::new()))
        }
        StoreMeta::Delete { key } => Ok(result(store.delete(&key)?.to_string())),
        StoreMeta::Increment { key, by } => Ok(result(store.increment(&key, by)?.to_string())),
        StoreMeta::CompareAndSet {
            key,
            expected,
            expected_size,
            form,
            ttl,
        } => {
            let mut rest = frame.body.clone();
            if expected_size > rest.len() {
                let told = "the store cannot read what is asked: a value is longer than the body";
                return Err(StoreError::Refused(told.to_owned()));
            }
            let before = rest.split_to(expected_size);
            let expected = expected.map(|form| entry(form, before)).transpose()?;
            let value = form.map(|form| entry(form, rest)).transpose()?;
            let done = store.compare_and_set(&key, expected.as_ref(), value.as_ref(), time(ttl)?)?;
            Ok(result(done.to_string()))
        }
    }
}

fn result(json: String) -> (Option<Form>, Bytes) {
    (None, json.into())
}

fn entry(form: Form, body: Bytes) -> Result<Entry, StoreError> {
    match form {
        Form::Bytes => Ok(Entry::Bytes(body)),
        Form::Json => serde_json::from_slice(&body)
            .map(Entry::Json)
            .map_err(|e| StoreError::Refused(format!("the value is no JSON that the store can keep: {e}"))),
    }
}

fn written(entry: Entry) -> Result<(Option<Form>, Bytes), StoreError> {
    match entry {
        Entry::Bytes(bytes) => Ok((Some(Form::Bytes), bytes)),
        Entry::Json(value) => serde_json::to_vec(&value)
            .map(|text| (Some(Form::Json), text.into()))
            .map_err(|e| StoreError::Broken(format!("the value cannot be written as JSON: {e}"))),
    }
}

fn time(ttl: Option<f64>) -> Result<Option<Duration>, StoreError> {
    let refused = |_| StoreError::Refused("a time to live is a number of seconds above 0".to_owned());
    ttl.map(Duration::try_from_secs_f64).transpose().map_err(refused)
}

#[cfg(test)]
mod tests;
