//! The child's side for pipelines of this program: what `isolation = "process"` runs.
//!
//! One thread does all. A pipeline that lets requests join between its steps looks at the wire there: calls that came
//! join, pieces and answers that are ready go out.

mod answer;
mod calls;
mod input;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use super::VERSION;
use super::channel::{Channel, Waited};
use super::frame::{Frame, FrameError, Head, Kind, flags};
use super::memory::Own;
use super::message::{Failed, Hello};
use crate::contract::Contract;
use crate::error::Error;
use crate::pipeline::{Admit, Batch, Pipeline, ReplyReceiver, Request, RequestState, RunControl};

/// Why serving ended before it should.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the wire failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("the wire broke: {0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Protocol(&'static str),
    #[error("{0}")]
    Load(Error),
}

/// Memory of a slot, seen from this side.
#[derive(Default)]
struct Slot {
    input: Option<OwnedFd>,
    output: Option<Own>,
}

/// A call that the pipeline has and has not answered.
struct Open {
    head: Head,
    state: Arc<RequestState>,
    receiver: ReplyReceiver,
}

/// What this side has of the wire, and of the calls that came over it.
struct Side {
    channel: Channel,
    slots: Vec<Slot>,
    contract: Arc<Contract>,
    open: Vec<Open>,
    /// Calls for which there was no room in the run under way.
    late: VecDeque<Request>,
    /// The other side wants no more answers after those under way.
    stopped: bool,
    /// What went wrong with the wire while the pipeline ran.
    fault: Option<ServeError>,
}

/// Serves one pipeline over a socket until the other side stops it or goes.
///
/// # Errors
/// When the wire fails, or the pipeline cannot be built; the other side has been told then.
pub fn serve(
    socket: OwnedFd,
    load: impl FnOnce(&Hello) -> Result<(Arc<Contract>, Box<dyn Pipeline>), Error>,
) -> Result<(), ServeError> {
    let mut channel = Channel::new(socket, None);
    let Some(first) = next(&mut channel)? else {
        return Ok(());
    };
    if first.head.kind != Kind::Hello {
        return Err(ServeError::Protocol("the first message was no HELLO"));
    }
    let hello: Hello = serde_json::from_slice(&first.meta)
        .map_err(|_| ServeError::Protocol("HELLO cannot be read; both sides must be of one release"))?;
    let (contract, mut pipeline) = match load(&hello) {
        Ok(loaded) => loaded,
        Err(error) => return failed(&mut channel, error),
    };
    let loaded = serde_json::json!({"version": VERSION, "pid": std::process::id()}).to_string();
    tell(&mut channel, Kind::Loaded, loaded.as_bytes())?;
    if let Err(error) = pipeline.compile() {
        return failed(&mut channel, error);
    }
    tell(&mut channel, Kind::Ready, &[])?;
    let mut slots = Vec::new();
    slots.resize_with(hello.window.max(1), Slot::default);
    let side = Side {
        channel,
        slots,
        contract,
        open: Vec::new(),
        late: VecDeque::new(),
        stopped: false,
        fault: None,
    };
    answer_calls(&Rc::new(RefCell::new(side)), pipeline.as_mut(), hello.max_batch_size)
}

/// The next frame; `None` when the other side is gone.
fn next(channel: &mut Channel) -> Result<Option<Frame>, ServeError> {
    loop {
        if let Some(frame) = channel.next()? {
            return Ok(Some(frame));
        }
        if channel.wait(None)? == Waited::Closed {
            return Ok(None);
        }
    }
}

fn tell(channel: &mut Channel, kind: Kind, meta: &[u8]) -> Result<(), ServeError> {
    channel.send(Head::process(kind), meta, &[], None)?;
    Ok(channel.flush()?)
}

fn failed(channel: &mut Channel, error: Error) -> Result<(), ServeError> {
    let message = error.message().to_owned();
    let meta = serde_json::to_vec(&Failed { message }).unwrap_or_default();
    tell(channel, Kind::Failed, &meta)?;
    Err(ServeError::Load(error))
}

/// Runs the pipeline over calls that were sent together, until the other side stops it or goes.
fn answer_calls(side: &Rc<RefCell<Side>>, pipeline: &mut dyn Pipeline, most: usize) -> Result<(), ServeError> {
    while let Some(requests) = next_run(side)? {
        let source = Joining(Rc::clone(side));
        let control = Arc::new(RunControl::default());
        let mut batch = Batch::with_source(requests, most, Box::new(source), control);
        if let Err(error) = pipeline.run(&mut batch) {
            batch.iter_mut().for_each(|r| r.finish(Err(error.clone())));
        }
        drop(batch);
        let mut side = side.borrow_mut();
        side.tell_what_is_ready(true)?;
        if let Some(fault) = side.fault.take() {
            return Err(fault);
        }
    }
    Ok(())
}

/// One that came too late for the run before, else calls that were sent together; `None` when no more are to come.
fn next_run(side: &RefCell<Side>) -> Result<Option<Vec<Request>>, ServeError> {
    let mut side = side.borrow_mut();
    if let Some(late) = side.late.pop_front() {
        return Ok(Some(vec![late]));
    }
    let mut requests = Vec::new();
    while !side.stopped {
        let Some(frame) = next(&mut side.channel)? else { break };
        let more = frame.head.has(flags::MORE);
        requests.extend(side.take(frame)?);
        if !more && !requests.is_empty() {
            return Ok(Some(requests));
        }
    }
    Ok(None)
}

/// Lets calls join that came while the pipeline was at work.
struct Joining(Rc<RefCell<Side>>);

impl Admit for Joining {
    fn admit(&mut self, rows: usize) -> Vec<Request> {
        let mut side = self.0.borrow_mut();
        let joined = side.look(rows);
        joined.unwrap_or_else(|fault| {
            // Nobody will read an answer: what is under way ends as if its clients had left.
            side.open.iter().for_each(|open| open.state.cancel());
            side.fault.get_or_insert(fault);
            Vec::new()
        })
    }
}
