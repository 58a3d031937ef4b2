//! Memory of a slot: a file without a name that both processes have, written by one and read by the other.
//!
//! It is read and written by calls and not mapped here: one copy either way, and nothing the other process does to
//! it, cutting it short among that, can reach the memory of this one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::{Errno, pread, pwrite};

/// Memory this side writes.
pub struct Own {
    fd: OwnedFd,
    size: u64,
}

impl Own {
    /// # Errors
    /// When the system has no memory or no descriptor left.
    pub fn new() -> io::Result<Self> {
        let fd = memfd_create(c"hostler-slot", MemfdFlags::CLOEXEC)?;
        Ok(Self { fd, size: 0 })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Makes room for `size` bytes. Rounded up, so that growing inputs do not grow it each time.
    ///
    /// # Errors
    /// When the system has no memory left.
    pub fn reserve(&mut self, size: u64) -> io::Result<()> {
        if size > self.size {
            let size = size.next_multiple_of(1 << 16);
            ftruncate(&self.fd, size)?;
            self.size = size;
        }
        Ok(())
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// When the system has no memory left.
    pub fn write(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match pwrite(&self.fd, bytes, offset) {
                Ok(n) => {
                    bytes = &bytes[n..];
                    offset += n as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The memory of a place with room for `size` bytes, made where there is none yet; tells whether it is new to the other
/// side.
///
/// # Errors
/// As [`Own::new`] and [`Own::reserve`].
pub fn with_room(place: &mut Option<Own>, size: u64) -> io::Result<(&mut Own, bool)> {
    let fresh = place.is_none();
    if fresh {
        *place = Some(Own::new()?);
    }
    let own = place.as_mut().ok_or(io::ErrorKind::NotFound)?;
    own.reserve(size)?;
    Ok((own, fresh))
}

/// Reads `size` bytes at `offset` of memory the other side writes.
///
/// # Errors
/// When the memory is shorter than that.
pub fn read(fd: BorrowedFd<'_>, offset: u64, size: usize) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    while bytes.len() < size {
        let at = offset + bytes.len() as u64;
        match pread(fd, spare_capacity(&mut bytes), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The allocator may have given more room than was asked for, and the memory may be longer.
    bytes.truncate(size);
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_past_the_end() {
        let mut own = Own::new().unwrap();
        own.reserve(5).unwrap();
        own.write(b"hello", 3).unwrap();
        assert_eq!(read(own.fd(), 3, 5).unwrap(), "hello");
        let end = own.size;
        assert_eq!(read(own.fd(), end, 1).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
