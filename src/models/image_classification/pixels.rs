//! An image in memory.

use std::ops::Range;

/// Red, green and blue of 8 bits each, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    pub width: usize,
    pub height: usize,
    /// `width * height * 3` values.
    pub rgb: Vec<u8>,
}

impl Pixels {
    pub fn black(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            rgb: vec![0; width * height * 3],
        }
    }

    pub fn row(&self, row: usize) -> &[u8] {
        let length = self.width * 3;
        &self.rgb[row * length..(row + 1) * length]
    }

    /// These columns and rows.
    #[must_use]
    pub fn part(&self, columns: &Range<usize>, rows: &Range<usize>) -> Self {
        let bytes = columns.start * 3..columns.end * 3;
        let rgb: Vec<u8> = rows
            .clone()
            .flat_map(|row| &self.row(row)[bytes.clone()])
            .copied()
            .collect();
        Self {
            width: columns.len(),
            height: rows.len(),
            rgb,
        }
    }

    /// A black image of this size with this one in it, `left` and `top` from its corner.
    #[must_use]
    pub fn framed(&self, width: usize, height: usize, left: usize, top: usize) -> Self {
        let mut whole = Self::black(width, height);
        let rows = whole.rgb.chunks_exact_mut(width * 3).skip(top);
        for (into, from) in rows.zip(self.rgb.chunks_exact(self.width * 3)) {
            into[left * 3..][..from.len()].copy_from_slice(from);
        }
        whole
    }
}
