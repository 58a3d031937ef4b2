//! A range of neighbouring IPUs.

use std::fmt;

/// Neighbouring IPUs, both ends included; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpuRange {
    first: u32,
    last: u32,
}

impl IpuRange {
    /// The widest range accepted. The largest system sold holds 1,024 IPUs (Bow Pod1024);
    /// the bound keeps a slip of the keyboard from becoming millions of devices.
    pub const MAX_COUNT: u32 = 4096;

    /// IPUs `first` to `last`, both included; `None` when the range runs
    /// backwards or is wider than [`Self::MAX_COUNT`].
    #[must_use]
    pub const fn new(first: u32, last: u32) -> Option<Self> {
        if last < first || last - first >= Self::MAX_COUNT {
            return None;
        }
        Some(Self { first, last })
    }

    /// One IPU.
    #[must_use]
    pub const fn single(ipu: u32) -> Self {
        Self { first: ipu, last: ipu }
    }

    /// The lowest IPU.
    #[must_use]
    pub const fn first(self) -> u32 {
        self.first
    }

    /// The highest IPU, itself included.
    #[must_use]
    pub const fn last(self) -> u32 {
        self.last
    }

    /// How many IPUs: at least 1.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.last - self.first + 1
    }

    /// Every IPU of the range, ascending.
    pub fn ipus(self) -> impl Iterator<Item = u32> {
        self.first..=self.last
    }

    /// The IPUs that both ranges hold.
    #[must_use]
    pub fn overlap(self, other: Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }
}

impl fmt::Display for IpuRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}
