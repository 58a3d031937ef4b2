//! The socket: frames and file descriptors, never a wait for the one direction while the other is full.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use super::frame::{self, Frame, FrameError, Head, flags};

/// Read at once. Many small answers come in one, and a large one takes few.
const CHUNK: usize = 256 * 1024;
/// Bodies from this size on are sent from where they lie.
const COPY_BELOW: usize = 16 * 1024;
/// Descriptors that may come with one read.
const DESCRIPTORS: usize = 64;

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Bytes arrived.
    Data,
    /// The time was over.
    TimedOut,
    /// The other side has closed, or the process watched has ended; what it sent before has been read.
    Closed,
}

/// One end of the wire.
pub struct Channel {
    socket: OwnedFd,
    /// Becomes readable when the process at the other end has ended.
    ends: Option<OwnedFd>,
    input: BytesMut,
    descriptors: VecDeque<OwnedFd>,
    output: Vec<u8>,
    scratch: Box<[u8]>,
    closed: bool,
}

impl Channel {
    /// `ends` is a process descriptor: a socket stays open as long as any process has its other end, the process
    /// itself may be gone by then.
    pub fn new(socket: OwnedFd, ends: Option<OwnedFd>) -> Self {
        Self {
            socket,
            ends,
            input: BytesMut::new(),
            descriptors: VecDeque::new(),
            output: Vec::new(),
            scratch: vec![0; CHUNK].into_boxed_slice(),
            closed: false,
        }
    }

    /// Adds a frame to what the next flush sends; one with a descriptor or a large body is sent now.
    ///
    /// # Errors
    /// When the other side is gone, or the frame is too long for the wire.
    pub fn send(&mut self, head: Head, meta: &[u8], body: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let header = head
            .encode(meta.len(), body.len())
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        if let Some(fd) = fd {
            // The descriptor travels with the first byte of its own frame.
            self.flush()?;
            self.output.extend_from_slice(&header);
            self.output.extend_from_slice(meta);
            return self.write_out(body, Some(fd));
        }
        self.output.extend_from_slice(&header);
        self.output.extend_from_slice(meta);
        if body.len() >= COPY_BELOW {
            return self.write_out(body, None);
        }
        self.output.extend_from_slice(body);
        Ok(())
    }

    /// Sends what is waiting to go.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn flush(&mut self) -> io::Result<()> {
        self.write_out(&[], None)
    }

    /// Sends the output buffer and a tail after it. While the socket is full, what arrives is read: the other side
    /// may be unable to read on before it has written.
    fn write_out(&mut self, tail: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let total = self.output.len() + tail.len();
        let (mut sent, mut fd) = (0, fd);
        while sent < total {
            let head = self.output.get(sent..).unwrap_or_default();
            let rest = tail.get(sent.saturating_sub(self.output.len())..).unwrap_or_default();
            match send_once(self.socket.as_fd(), head, rest, fd) {
                Ok(n) => {
                    sent += n;
                    fd = None;
                }
                Err(Errno::AGAIN) => {
                    if self.wait_for(PollFlags::IN | PollFlags::OUT, None)? == Waited::Closed {
                        return Err(io::ErrorKind::BrokenPipe.into());
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.output.clear();
        Ok(())
    }

    /// The next whole frame that has arrived.
    ///
    /// # Errors
    /// When the bytes are no frame.
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(mut frame) = frame::take(&mut self.input)? else {
            return Ok(None);
        };
        if frame.head.has(flags::FD) {
            frame.fd = Some(self.descriptors.pop_front().ok_or(FrameError::NoDescriptor)?);
        }
        Ok(Some(frame))
    }

    /// Waits for bytes until a point in time and reads them.
    ///
    /// # Errors
    /// Of the system.
    pub fn wait(&mut self, end: Option<Instant>) -> io::Result<Waited> {
        // Often the bytes are there already: one call less.
        if self.read()? {
            return Ok(Waited::Data);
        }
        self.wait_for(PollFlags::IN, end)
    }

    fn wait_for(&mut self, what: PollFlags, end: Option<Instant>) -> io::Result<Waited> {
        loop {
            if self.closed {
                return Ok(Waited::Closed);
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let (socket, ended) = self.poll(what, left)?;
            if socket.contains(PollFlags::IN) && self.read()? {
                return Ok(Waited::Data);
            }
            if socket.contains(PollFlags::OUT) && !what.difference(PollFlags::IN).is_empty() {
                return Ok(Waited::Data);
            }
            if ended || socket.intersects(PollFlags::HUP | PollFlags::ERR) {
                // What was sent before the end is still there to be read.
                let read = self.read()?;
                self.closed = !read;
                return Ok(if read { Waited::Data } else { Waited::Closed });
            }
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(Waited::TimedOut);
            }
        }
    }

    fn poll(&self, what: PollFlags, left: Option<Duration>) -> io::Result<(PollFlags, bool)> {
        let timeout = left.map(|left| Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        let socket = PollFd::new(&self.socket, what);
        let seen = match &self.ends {
            Some(ends) => {
                let mut watched = [socket, PollFd::new(ends, PollFlags::IN)];
                poll(&mut watched, timeout.as_ref()).map(|_| (watched[0].revents(), !watched[1].revents().is_empty()))
            }
            None => {
                let mut watched = [socket];
                poll(&mut watched, timeout.as_ref()).map(|_| (watched[0].revents(), false))
            }
        };
        match seen {
            Err(Errno::INTR) => Ok((PollFlags::empty(), false)),
            other => other.map_err(Into::into),
        }
    }

    /// Reads what has arrived, without waiting. False when nothing has.
    fn read(&mut self) -> io::Result<bool> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut self.scratch)];
        let how = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        match recvmsg(&self.socket, &mut parts, &mut control, how) {
            Ok(message) if message.bytes == 0 => {
                self.closed = true;
                Ok(false)
            }
            Ok(message) => {
                for part in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(fds) = part {
                        self.descriptors.extend(fds);
                    }
                }
                self.input.extend_from_slice(&self.scratch[..message.bytes]);
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            // The other side ended with bytes of ours unread.
            Err(Errno::CONNRESET) => {
                self.closed = true;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn send_once(socket: BorrowedFd<'_>, head: &[u8], tail: &[u8], fd: Option<BorrowedFd<'_>>) -> Result<usize, Errno> {
    let parts = [IoSlice::new(head), IoSlice::new(tail)];
    let how = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    let Some(fd) = fd else {
        return sendmsg(socket, &parts, &mut SendAncillaryBuffer::default(), how);
    };
    let fds = [fd];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(socket, &parts, &mut control, how)
}
