//! One child and its wire, from the first message to readiness.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::VERSION;
use super::channel::{Channel, Waited};
use super::child::{Child, Launch};
use super::frame::{Frame, FrameError, Head, Kind, flags};
use super::memory::{self, Own};
use super::message::{Failed, Hello, Loaded};
use super::store::Desk;
use crate::error::{Error, Kind as ErrorKind};
use crate::pipeline::{ReplicaContext, Wake};
use crate::store::Store;

/// How far a child has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Stage {
    Loading,
    Loaded,
    Ready,
}

/// Memory of a place among the calls under way.
#[derive(Default)]
struct Slot {
    input: Option<Own>,
    output: Option<OwnedFd>,
}

/// A child and its wire.
pub struct Process {
    pub child: Child,
    pub channel: Channel,
    slots: Vec<Slot>,
    stage: Stage,
    started: Instant,
    /// Answers what the child asks of the store.
    _desk: Option<Desk>,
}

/// Between the end of a child's socket and its own.
const LAST_MOMENT: Duration = Duration::from_millis(50);
/// A child that was told to stop may take so long before it is killed.
const FAREWELL: Duration = Duration::from_millis(500);

impl Process {
    /// Starts the child and tells it what it is to be.
    pub fn start(
        launch: &Launch,
        hello: &Hello,
        store: Option<&Store>,
        context: &ReplicaContext,
        wake: Wake,
    ) -> Result<Self, Error> {
        let program = launch
            .program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let (child, channel) = Child::start(launch, context, wake)
            .map_err(|e| Error::pipeline(format!("{program} cannot be started: {e}")))?;
        let opened = store.map(|store| Desk::open(store, context.replica)).transpose();
        let opened = opened.map_err(|e| Error::pipeline(format!("the replica gets no way to the store: {e}")))?;
        let (desk, line) = opened.unzip();
        let mut process = Self {
            child,
            channel,
            slots: (0..hello.window.max(1)).map(|_| Slot::default()).collect(),
            stage: Stage::Loading,
            started: Instant::now(),
            _desk: desk,
        };
        let meta = serde_json::to_vec(hello).map_err(|e| Error::pipeline(e.to_string()))?;
        let mut head = Head::process(Kind::Hello);
        if line.is_some() {
            head.flags |= flags::FD;
        }
        let sent = process.channel.send(head, &meta, &[], line.as_ref().map(AsFd::as_fd));
        sent.and_then(|()| process.channel.flush())
            .map_err(|_| process.lost("before it had said a word"))?;
        Ok(process)
    }

    pub const fn started(&self) -> Instant {
        self.started
    }

    /// Waits until the child has come to `stage`.
    pub fn reach(&mut self, stage: Stage, end: Instant) -> Result<(), Error> {
        while self.stage < stage {
            match self.next(end)? {
                Some(frame) => self.advance(&frame)?,
                None => {
                    let doing = if self.stage == Stage::Loading {
                        "loading"
                    } else {
                        "compiling"
                    };
                    let waited = self.started.elapsed().as_secs();
                    self.child.kill();
                    return Err(Error::pipeline(format!(
                        "the replica's process was still {doing} after {waited} s and was killed; start_timeout in \
                         model.toml or SERVER_WAIT_TIMEOUT grants it more"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Looks whether the child is ready, without waiting.
    pub fn is_ready(&mut self) -> Result<bool, Error> {
        while self.stage < Stage::Ready {
            let Some(frame) = self.next(Instant::now())? else {
                return Ok(false);
            };
            self.advance(&frame)?;
        }
        Ok(true)
    }

    fn advance(&mut self, frame: &Frame) -> Result<(), Error> {
        match frame.head.kind {
            Kind::Loaded => {
                let loaded: Loaded = serde_json::from_slice(&frame.meta).unwrap_or_default();
                if loaded.version != VERSION {
                    return Err(Error::pipeline(format!(
                        "the replica's process speaks version {} of the wire, the server {VERSION}",
                        loaded.version
                    )));
                }
                self.stage = Stage::Loaded;
                Ok(())
            }
            Kind::Ready => {
                self.stage = Stage::Ready;
                Ok(())
            }
            Kind::Failed => {
                let failed: Failed = serde_json::from_slice(&frame.meta).unwrap_or_default();
                Err(Error::pipeline(failed.message))
            }
            other => Err(Error::pipeline(format!(
                "the replica's process sent {other:?} before it was ready"
            ))),
        }
    }

    /// The next frame; `None` when it did not come in time.
    pub fn next(&mut self, end: Instant) -> Result<Option<Frame>, Error> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(Some(frame));
            }
            match self.channel.wait(Some(end)) {
                Ok(Waited::Data) => {}
                Ok(Waited::TimedOut) => return Ok(None),
                Ok(Waited::Closed) | Err(_) => {
                    let doing = match self.stage {
                        Stage::Loading => "while it was loading",
                        Stage::Loaded => "while it was compiling",
                        Stage::Ready => "while it was serving",
                    };
                    return Err(self.lost(doing));
                }
            }
        }
    }

    /// A frame that has been read already.
    pub fn buffered(&mut self) -> Result<Option<Frame>, Error> {
        self.channel.next().map_err(|broken| {
            self.child.kill();
            broke(&broken)
        })
    }

    /// The error of a child that is gone.
    pub fn lost(&mut self, when: &str) -> Error {
        // Its socket closes a moment before it ends: whoever kills it in between learns nothing.
        self.child.ends_within(LAST_MOMENT);
        let how = self.child.kill();
        Error::new(
            ErrorKind::ReplicaLost,
            format!("the replica's process ended {when}, {how}; the log has its output; try again"),
        )
    }

    /// The memory of a slot for tensors of a call, with room for `size` bytes; tells whether it is new to the child.
    pub fn input_memory(&mut self, slot: u16, size: u64) -> io::Result<(&mut Own, bool)> {
        memory::with_room(&mut self.slots[usize::from(slot)].input, size)
    }

    /// Sends the head and meta of a call whose tensors lie in its slot's memory.
    pub fn send_in_memory(&mut self, mut head: Head, meta: &[u8], fresh: bool) -> io::Result<()> {
        head.flags |= flags::SLOT;
        let own = self.slots[usize::from(head.slot)].input.as_ref();
        match own.filter(|_| fresh) {
            Some(own) => {
                head.flags |= flags::FD;
                self.channel.send(head, meta, &[], Some(own.fd()))
            }
            None => self.channel.send(head, meta, &[], None),
        }
    }

    /// Takes note of what an answer says of its slot's memory.
    pub fn settle(&mut self, frame: &mut Frame) {
        let Some(slot) = self.slots.get_mut(usize::from(frame.head.slot)) else {
            return;
        };
        if let Some(fd) = frame.fd.take() {
            slot.output = Some(fd);
        }
        if frame.head.has(flags::KEPT) {
            slot.input = None;
        }
    }

    /// The memory of a slot that answers lie in.
    pub fn output_memory(&self, slot: u16) -> Option<&OwnedFd> {
        self.slots.get(usize::from(slot))?.output.as_ref()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.child.has_ended() {
            let told = self.channel.send(Head::process(Kind::Stop), &[], &[], None);
            if told.and_then(|()| self.channel.flush()).is_ok() {
                self.child.ends_within(FAREWELL);
            }
        }
    }
}

fn broke(broken: &FrameError) -> Error {
    Error::new(
        ErrorKind::ReplicaLost,
        format!("the replica's process broke the wire ({broken}) and was killed"),
    )
}
