//! What a run of a decoder is fed, tensor by tensor.

use super::layout::Layout;
use super::port::Port;
use crate::models::generation::cache::Block;
use crate::tensor::{DType, Tensor};

/// What a run is fed.
pub struct Feed<'a> {
    pub layout: &'a Layout,
    pub ids: &'a [&'a [u32]],
    pub past: Option<&'a Block>,
    /// States of the encoder first, then keys and values of its positions once they are known.
    pub source: &'a Block,
}

impl Feed<'_> {
    /// Tokens of each row.
    pub fn width(&self) -> usize {
        self.ids.first().map_or(0, |row| row.len())
    }

    /// Positions that each row has behind it.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        let past = self.past;
        (0..self.ids.len()).map(move |row| past.map_or(0, |p| p.lengths()[row]))
    }

    pub fn tensor(&self, port: Port) -> Tensor {
        let (rows, width) = (self.ids.len(), self.width());
        let behind = self.past.map_or(0, Block::positions);
        match port {
            Port::Ids => {
                let ids = self.ids.iter().flat_map(|row| row.iter().map(|id| i64::from(*id)));
                integers(rows, width, ids.collect())
            }
            Port::Mask => {
                let row = |own: usize| ones(behind - own, own + width);
                integers(rows, behind + width, self.lengths().flat_map(row).collect())
            }
            Port::Positions => {
                let row = |own: usize| (own..own + width).map(|p| i64::try_from(p).unwrap_or(i64::MAX));
                integers(rows, width, self.lengths().flat_map(row).collect())
            }
            Port::StatesMask => {
                let all = self.source.positions();
                let row = |own: &usize| std::iter::repeat_n(1, *own).chain(std::iter::repeat_n(0, all - own));
                integers(rows, all, self.source.lengths().iter().flat_map(row).collect())
            }
            Port::States => self.source.tensors()[0].clone(),
            Port::UseCache => {
                let switch = vec![u8::from(self.past.is_some())];
                Tensor::packed(DType::Bool, vec![1], switch.into()).unwrap_or_else(|_| unreachable!("one byte"))
            }
            // A graph with a switch wants all its inputs, also those it does not look at.
            Port::Past(i) => self
                .past
                .map_or_else(|| self.layout.past[i].blank(rows, 1), |p| p.tensors()[i].clone()),
            Port::Source(i) => {
                let known = self.source.tensors().get(1 + i).cloned();
                known.unwrap_or_else(|| self.layout.source[i].blank(rows, 1))
            }
        }
    }
}

/// Zeros, then ones.
fn ones(hidden: usize, seen: usize) -> impl Iterator<Item = i64> {
    std::iter::repeat_n(0, hidden).chain(std::iter::repeat_n(1, seen))
}

fn integers(rows: usize, width: usize, data: Vec<i64>) -> Tensor {
    Tensor::from_vec(vec![rows, width], data).unwrap_or_else(|_| unreachable!("filled row by row"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::generation::cache::Align;

    #[test]
    fn rows_of_two_lengths_are_fed_their_own_positions() {
        let layout = Layout {
            past: Vec::new(),
            source: Vec::new(),
            merged: false,
            encoder: false,
        };
        let past = Tensor::from_vec(vec![2, 1, 3, 1], vec![0f32; 6]).unwrap();
        let past = Block::new(vec![past], vec![3, 1], Align::End);
        let source = Tensor::from_vec(vec![2, 2, 1], vec![0f32; 4]).unwrap();
        let source = Block::new(vec![source], vec![1, 2], Align::Start);
        let feed = Feed {
            layout: &layout,
            ids: &[&[7], &[8]],
            past: Some(&past),
            source: &source,
        };
        let given = |port| bytemuck::pod_collect_to_vec::<u8, i64>(feed.tensor(port).bytes().unwrap());
        assert_eq!(given(Port::Ids), [7, 8]);
        assert_eq!(given(Port::Positions), [3, 1]);
        assert_eq!(given(Port::Mask), [1, 1, 1, 1, 0, 0, 1, 1]);
        assert_eq!(given(Port::StatesMask), [1, 0, 1, 1]);
        assert_eq!(feed.tensor(Port::UseCache).bytes().unwrap().as_ref(), [1]);
    }
}
