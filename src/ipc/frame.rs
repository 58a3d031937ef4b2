//! The frame: a header of 16 bytes, a JSON object, a body. Pure.

use std::os::fd::OwnedFd;

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of the header.
pub const HEADER: usize = 16;
/// A longer frame is no frame of ours; large tensors do not travel in frames.
pub const LONGEST: usize = 1 << 30;

/// What a frame is for. The numbers are the wire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Hello = 1,
    Call = 2,
    Cancel = 3,
    Stop = 4,
    Stored = 5,
    Loaded = 16,
    Ready = 17,
    Failed = 18,
    Answer = 19,
    Chunk = 20,
    Store = 21,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Hello,
        Self::Call,
        Self::Cancel,
        Self::Stop,
        Self::Stored,
        Self::Loaded,
        Self::Ready,
        Self::Failed,
        Self::Answer,
        Self::Chunk,
        Self::Store,
    ];
}

/// Bits of the header's flags.
pub mod flags {
    /// A file descriptor came with the frame: the new memory of its slot; with HELLO, the child's end of the store's
    /// socket.
    pub const FD: u8 = 0x01;
    /// Tensor bytes lie in the slot's memory.
    pub const SLOT: u8 = 0x02;
    /// Another call of the same batch follows.
    pub const MORE: u8 = 0x04;
    /// The pipeline kept a view of the input: its memory must not be written again.
    pub const KEPT: u8 = 0x08;
}

/// What the header says beside the lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub kind: Kind,
    pub flags: u8,
    pub slot: u16,
    /// 0 for messages of the process itself.
    pub call: u32,
}

impl Head {
    /// A message of the process itself.
    pub const fn process(kind: Kind) -> Self {
        Self {
            kind,
            flags: 0,
            slot: 0,
            call: 0,
        }
    }

    pub const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The header of a frame with so many bytes of meta and body.
    ///
    /// # Errors
    /// When the frame would be longer than the wire allows.
    pub fn encode(self, meta: usize, body: usize) -> Result<[u8; HEADER], FrameError> {
        let size = meta + body;
        let (Ok(size32), Ok(meta)) = (u32::try_from(size), u32::try_from(meta)) else {
            return Err(FrameError::TooLong(size));
        };
        if size > LONGEST {
            return Err(FrameError::TooLong(size));
        }
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&size32.to_le_bytes());
        header[4] = self.kind as u8;
        header[5] = self.flags;
        header[6..8].copy_from_slice(&self.slot.to_le_bytes());
        header[8..12].copy_from_slice(&self.call.to_le_bytes());
        header[12..].copy_from_slice(&meta.to_le_bytes());
        Ok(header)
    }
}

/// A frame that arrived.
#[derive(Debug)]
pub struct Frame {
    pub head: Head,
    /// A JSON object, or empty.
    pub meta: Bytes,
    pub body: Bytes,
    pub fd: Option<OwnedFd>,
}

/// Why bytes are no frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame of {0} bytes is longer than the wire allows")]
    TooLong(usize),
    #[error("a frame of the unknown kind {0}")]
    UnknownKind(u8),
    #[error("a frame whose meta is longer than itself")]
    Lengths,
    #[error("a frame announces a descriptor that did not come")]
    NoDescriptor,
}

/// Takes the next whole frame off the front of `input`; its descriptor is not looked for.
///
/// # Errors
/// When the bytes are no frame: the two sides have lost each other.
pub fn take(input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let Some(header) = input.get(..HEADER) else {
        return Ok(None);
    };
    let mut reader = header;
    let size = reader.get_u32_le() as usize;
    let kind = reader.get_u8();
    let flags = reader.get_u8();
    let slot = reader.get_u16_le();
    let call = reader.get_u32_le();
    let meta = reader.get_u32_le() as usize;
    if size > LONGEST {
        return Err(FrameError::TooLong(size));
    }
    if meta > size {
        return Err(FrameError::Lengths);
    }
    let known = Kind::ALL.into_iter().find(|k| *k as u8 == kind);
    let kind = known.ok_or(FrameError::UnknownKind(kind))?;
    if input.len() < HEADER + size {
        return Ok(None);
    }
    input.advance(HEADER);
    let mut payload = input.split_to(size).freeze();
    let meta = payload.split_to(meta);
    Ok(Some(Frame {
        head: Head {
            kind,
            flags,
            slot,
            call,
        },
        meta,
        body: payload,
        fd: None,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(head: Head, meta: &[u8], body: &[u8]) -> Vec<u8> {
        [&head.encode(meta.len(), body.len()).unwrap()[..], meta, body].concat()
    }

    #[test]
    fn what_is_no_frame_is_told() {
        let mut unknown = BytesMut::from(&[0, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..]);
        assert_eq!(take(&mut unknown).unwrap_err(), FrameError::UnknownKind(99));
        let mut long = BytesMut::from(&[0xff; HEADER][..]);
        assert!(matches!(take(&mut long).unwrap_err(), FrameError::TooLong(_)));
        let mut lengths = BytesMut::from(&[1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0][..]);
        assert_eq!(take(&mut lengths).unwrap_err(), FrameError::Lengths);
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_cut(
            calls in proptest::collection::vec((0u32..9, 0u16..4, proptest::collection::vec(any::<u8>(), 0..40)), 1..6),
            cut in 1usize..30,
        ) {
            let head = |call, slot| Head { kind: Kind::Call, flags: flags::MORE, slot, call };
            let sent: Vec<u8> = calls.iter().flat_map(|(call, slot, body)| written(head(*call, *slot), b"{}", body)).collect();
            let (mut input, mut read) = (BytesMut::new(), Vec::new());
            for piece in sent.chunks(cut) {
                input.extend_from_slice(piece);
                while let Some(frame) = take(&mut input).unwrap() {
                    prop_assert_eq!(&frame.meta[..], b"{}");
                    read.push((frame.head.call, frame.head.slot, frame.body.to_vec()));
                }
            }
            prop_assert_eq!(read, calls);
        }
    }
}
