//! Keys and values of past positions. Rows of any blocks are joined, dropped and put in order by one gather.
//!
//! A row that is shorter than its neighbours stands at the end of the positions, with zeros before it that the
//! attention mask hides: the graph appends the new position at the end of all rows, so every row stays in one piece
//! and what a step gives is what the next one takes, without a copy, as long as nobody joins or leaves. A hidden
//! position weighs exactly nothing after the softmax, so a row's numbers do not depend on its neighbours.

use std::rc::Rc;

use crate::tensor::Tensor;

/// Where a row's positions stand in a block that is longer than the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// At the beginning: what an encoder gave of a source.
    Start,
    /// At the end: what grows by a position a step.
    End,
}

impl Align {
    /// How many of `all` positions come before the `own` ones.
    const fn before(self, all: usize, own: usize) -> usize {
        match self {
            Self::Start => 0,
            Self::End => all - own,
        }
    }
}

/// Tensors of shape `[rows, …, positions, width]`, of which each row fills as many positions as it has.
#[derive(Debug)]
pub struct Block {
    tensors: Vec<Tensor>,
    lengths: Vec<usize>,
    align: Align,
}

impl Block {
    pub const fn new(tensors: Vec<Tensor>, lengths: Vec<usize>, align: Align) -> Self {
        Self {
            tensors,
            lengths,
            align,
        }
    }

    pub const fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// Positions that each row fills.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Positions of the tensors, the hidden ones included.
    pub fn positions(&self) -> usize {
        self.tensors.first().map_or(0, positions)
    }

    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The block's rows, one place each.
    pub fn places(self: &Rc<Self>) -> impl Iterator<Item = Place> {
        (0..self.rows()).map(move |row| Place {
            block: Rc::clone(self),
            row,
        })
    }
}

/// One row of a block.
#[derive(Clone, Debug)]
pub struct Place {
    block: Rc<Block>,
    row: usize,
}

impl Place {
    pub fn length(&self) -> usize {
        self.block.lengths[self.row]
    }
}

/// What a row that is being written has behind it.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Keys and values of its own positions.
    pub past: Place,
    /// What the encoder gave of its source; nothing for models without an encoder.
    pub source: Place,
}

impl Seat {
    /// Positions of its own.
    pub fn length(&self) -> usize {
        self.past.length()
    }

    /// The past of `other` beside the source of this one. Beams of one source change their pasts only, so what the
    /// encoder gave is not copied when they do.
    #[must_use]
    pub fn with_past_of(&self, other: &Self) -> Self {
        Self {
            past: other.past.clone(),
            source: self.source.clone(),
        }
    }
}

/// These seats out of the blocks that they share with others: a seat that is kept keeps its whole block.
pub fn apart(seats: &[Seat]) -> Vec<Seat> {
    let past = joined(seats.iter().map(|seat| &seat.past));
    let source = joined(seats.iter().map(|seat| &seat.source));
    let places = past.places().zip(source.places());
    places.map(|(past, source)| Seat { past, source }).collect()
}

/// The rows of these places in one block: the block they stand in, where they are all its rows in order.
pub fn joined<'a>(places: impl Iterator<Item = &'a Place>) -> Rc<Block> {
    let places: Vec<&Place> = places.collect();
    let whole = |block: &Rc<Block>| {
        let in_order = |(row, place): (usize, &&Place)| place.row == row && Rc::ptr_eq(&place.block, block);
        block.rows() == places.len() && places.iter().enumerate().all(in_order)
    };
    match places.first() {
        Some(first) if whole(&first.block) => Rc::clone(&first.block),
        _ => Rc::new(gather(&places)),
    }
}

fn gather(places: &[&Place]) -> Block {
    let lengths: Vec<usize> = places.iter().map(|place| place.length()).collect();
    let first = places.first().map(|place| &place.block);
    let align = first.map_or(Align::End, |block| block.align);
    let tensors = first.map_or(0, |block| block.tensors.len());
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let tensors = (0..tensors).map(|t| gather_tensor(places, t, longest, align)).collect();
    Block::new(tensors, lengths, align)
}

fn gather_tensor(places: &[&Place], index: usize, longest: usize, align: Align) -> Tensor {
    let like = &places[0].block.tensors[index];
    let mut shape = like.shape().to_vec();
    let axis = shape.len() - 2;
    (shape[0], shape[axis]) = (places.len(), longest);
    let heads: usize = shape[1..axis].iter().product();
    let width = shape[axis + 1] * like.dtype().size().unwrap_or(0);
    let mut data = vec![0u8; places.len() * heads * longest * width];
    for (row, place) in places.iter().enumerate() {
        let tensor = &place.block.tensors[index];
        let (from, here) = (tensor.bytes().map_or(&[][..], |b| &b[..]), positions(tensor));
        let length = place.length();
        for head in 0..heads {
            let read = (place.row * heads + head) * here + place.block.align.before(here, length);
            let write = (row * heads + head) * longest + align.before(longest, length);
            let taken = &from[read * width..(read + length) * width];
            data[write * width..(write + length) * width].copy_from_slice(taken);
        }
    }
    Tensor::packed(like.dtype(), shape, data.into()).unwrap_or_else(|_| unreachable!("filled row by row"))
}

fn positions(tensor: &Tensor) -> usize {
    let shape = tensor.shape();
    shape[shape.len() - 2]
}

/// Which rows run together: at most `most` of them, of one length where lengths may not be mixed.
pub fn groups(lengths: &[usize], mixed: bool, most: usize) -> Vec<Vec<usize>> {
    let mut of_length: std::collections::BTreeMap<usize, Vec<usize>> = std::collections::BTreeMap::new();
    for (row, length) in lengths.iter().enumerate() {
        of_length.entry(if mixed { 0 } else { *length }).or_default().push(row);
    }
    let cut = |rows: Vec<usize>| rows.chunks(most.max(1)).map(<[usize]>::to_vec).collect::<Vec<_>>();
    of_length.into_values().flat_map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two heads of width 1; every value tells its row and position.
    fn block(lengths: &[usize], align: Align, tag: f32) -> Rc<Block> {
        let longest = lengths.iter().copied().max().unwrap();
        let mut data = Vec::new();
        for (row, length) in lengths.iter().enumerate() {
            for head in 0..2u8 {
                let before = align.before(longest, *length);
                data.extend((0..longest).map(|p| {
                    if !(before..before + length).contains(&p) {
                        return 0.0;
                    }
                    #[allow(clippy::cast_precision_loss, reason = "small")]
                    let place = (row * 100 + p - before) as f32;
                    tag + place + f32::from(head) * 0.5
                }));
            }
        }
        let tensor = Tensor::from_vec(vec![lengths.len(), 2, longest, 1], data).unwrap();
        Rc::new(Block::new(vec![tensor], lengths.to_vec(), align))
    }

    fn values(block: &Block) -> Vec<f32> {
        bytemuck::pod_collect_to_vec(block.tensors()[0].bytes().unwrap())
    }

    fn place(block: &Rc<Block>, row: usize) -> Place {
        block.places().nth(row).unwrap()
    }

    #[test]
    fn all_rows_in_order_are_the_block_itself() {
        let block = block(&[2, 1], Align::End, 0.0);
        let places: Vec<_> = block.places().collect();
        assert!(Rc::ptr_eq(&joined(places.iter()), &block));
        assert!(!Rc::ptr_eq(&joined(places.iter().rev()), &block));
        assert!(!Rc::ptr_eq(&joined(places.iter().take(1)), &block));
    }

    #[test]
    fn a_short_row_joins_at_the_end_with_zeros_before_it() {
        let (long, short) = (block(&[3], Align::End, 0.0), block(&[1], Align::End, 50.0));
        let both = joined([place(&long, 0), place(&short, 0)].iter());
        assert_eq!(both.lengths(), [3, 1]);
        assert_eq!(both.tensors()[0].shape(), [2, 2, 3, 1]);
        assert_eq!(values(&both), [0., 1., 2., 0.5, 1.5, 2.5, 0., 0., 50., 0., 0., 50.5]);
    }

    #[test]
    fn the_room_a_long_row_needed_goes_with_it() {
        let both = block(&[3, 1], Align::End, 0.0);
        let rest = joined([place(&both, 1)].iter());
        assert_eq!((rest.positions(), rest.lengths()), (1, &[1][..]));
        assert_eq!(values(&rest), [100., 100.5]);
    }

    #[test]
    fn what_an_encoder_gave_stands_at_the_beginning() {
        let (long, short) = (block(&[2], Align::Start, 0.0), block(&[1], Align::Start, 50.0));
        let both = joined([place(&short, 0), place(&long, 0)].iter());
        assert_eq!(values(&both), [50., 0., 50.5, 0., 0., 1., 0.5, 1.5]);
    }

    #[test]
    fn one_row_may_be_taken_many_times() {
        let one = block(&[2], Align::End, 0.0);
        let many = joined([place(&one, 0), place(&one, 0)].iter());
        assert_eq!(values(&many), [0., 1., 0.5, 1.5, 0., 1., 0.5, 1.5]);
    }

    #[test]
    fn beams_change_their_past_and_keep_their_source() {
        let (past, source) = (block(&[2, 2], Align::End, 0.0), block(&[1, 1], Align::Start, 9.0));
        let seats: Vec<Seat> = past
            .places()
            .zip(source.places())
            .map(|(past, source)| Seat { past, source })
            .collect();
        let moved = [seats[0].with_past_of(&seats[1]), seats[1].with_past_of(&seats[1])];
        assert!(Rc::ptr_eq(&joined(moved.iter().map(|s| &s.source)), &source));
        assert_eq!(values(&joined(moved.iter().map(|s| &s.past)))[..2], [100., 101.]);
    }

    #[test]
    fn a_seat_that_is_kept_lets_its_neighbours_go() {
        let (past, source) = (block(&[3, 1], Align::End, 0.0), block(&[1, 2], Align::Start, 9.0));
        let places = past.places().zip(source.places());
        let seats: Vec<Seat> = places.map(|(past, source)| Seat { past, source }).collect();
        let kept = apart(&seats[1..]);
        assert_eq!((kept.len(), kept[0].past.block.rows(), kept[0].length()), (1, 1, 1));
        assert_eq!(values(&kept[0].past.block), [100., 100.5]);
        assert_eq!(kept[0].source.length(), 2);
        assert!(Rc::ptr_eq(&apart(&seats)[0].past.block, &past));
        assert!(apart(&[]).is_empty());
    }

    #[test]
    fn a_block_without_tensors_still_has_rows() {
        let empty = Rc::new(Block::new(Vec::new(), vec![0, 0], Align::Start));
        let one = joined([place(&empty, 1)].iter());
        assert_eq!((one.rows(), one.positions()), (1, 0));
    }

    #[test]
    fn rows_are_grouped_by_length_only_where_they_must_be() {
        assert_eq!(groups(&[5, 3, 5], true, 8), [vec![0, 1, 2]]);
        assert_eq!(groups(&[5, 3, 5], true, 2), [vec![0, 1], vec![2]]);
        assert_eq!(groups(&[5, 3, 5], false, 8), [vec![1], vec![0, 2]]);
        assert!(groups(&[], true, 8).is_empty());
    }
}
