//! What texts that arrive, leave or are read slowly mean for those beside them, in steps of the decoder.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::{Arrivals, Ask, Reader, ask, request, serve};
use crate::payload::Chunk;
use crate::pipeline::{Event, Request};

/// So many requests arrive at once, while a call of `step` runs, the first being 1. For each, how many calls end before
/// its first token is there, that one included.
fn steps_until_first_tokens(asks: Vec<Ask>, most: usize, mixes: bool, at: usize, joiners: usize) -> Vec<usize> {
    let (requests, _readers): (Vec<Request>, Vec<Reader>) = asks.into_iter().map(|ask| request(ask, None)).unzip();
    let joiner = |_| request(ask("joiner", &[4], 1), Some(8));
    let (mut outside, mut readers): (VecDeque<Request>, Vec<Reader>) = (0..joiners).map(joiner).unzip();
    let arrivals = Arrivals::default();
    let first_tokens = Rc::new(RefCell::new(vec![None; joiners]));
    let (door, seen) = (arrivals.clone(), Rc::clone(&first_tokens));
    let mut calls = 0;
    let during = move |_: usize| {
        calls += 1;
        for (reader, first) in readers.iter_mut().zip(seen.borrow_mut().iter_mut()) {
            if first.is_none() && reader.receiver.try_next().is_some() {
                *first = Some(calls - at);
            }
        }
        if calls == at {
            door.0.borrow_mut().append(&mut outside);
        }
    };
    drop(serve(requests, most, mixes, arrivals, Box::new(during)));
    first_tokens.take().into_iter().map(Option::unwrap).collect()
}

#[test]
fn the_first_token_of_who_arrives_is_there_before_the_next_step() {
    for mixes in [true, false] {
        let eight = || -> Vec<Ask> { (0..8).map(|_| ask("long", &[30], 1)).collect() };
        assert_eq!(steps_until_first_tokens(eight(), 16, mixes, 3, 1), [1]);
        // And of all who arrive together.
        assert_eq!(steps_until_first_tokens(eight(), 16, mixes, 3, 8), [1; 8]);
    }
}

#[test]
fn who_arrives_has_the_first_place_that_is_free_before_the_many_in_line() {
    let many: Vec<usize> = (3..=40).collect();
    for mixes in [true, false] {
        // The shortest of those under way ends with the second step.
        let first = steps_until_first_tokens(vec![ask("many", &many, 1)], 8, mixes, 1, 1);
        assert_eq!(first, [2]);
    }
    // One of the many ends with each step, and another one of those who wait begins.
    let each = steps_until_first_tokens(vec![ask("many", &many, 1)], 8, true, 1, 3);
    assert_eq!(each, [2, 3, 4]);
    // Texts of one length end together: the next ones of the same request do not take all places again.
    for mixes in [true, false] {
        let first = steps_until_first_tokens(vec![ask("many", &[8; 40], 1)], 8, mixes, 1, 1);
        assert_eq!(first, [7]);
    }
}

#[test]
fn a_cancelled_text_has_no_row_in_the_next_step_and_who_waits_takes_its_place() {
    for mixes in [true, false] {
        let (long, gone) = request(ask("long", &[50; 3], 1), None);
        let (short, mut stayed) = request(ask("short", &[6], 1), None);
        let (joiner, mut came) = request(ask("joiner", &[5], 1), None);
        let arrivals = Arrivals::default();
        let (door, mut outside) = (arrivals.clone(), Some(joiner));
        let during = move |turn: usize| match turn {
            2 => door.0.borrow_mut().extend(outside.take()),
            4 => gone.state.cancel(),
            _ => {}
        };
        let noting = serve(vec![long, short], 2, mixes, arrivals, Box::new(during));
        let turns: [&[usize]; 8] = [&[1, 1], &[2, 2], &[3, 3], &[4, 4], &[5, 1], &[2], &[3], &[4]];
        assert_eq!(noting.decoder.turns.take(), turns);
        assert_eq!(noting.ends.take(), ["short", "joiner"]);
        assert_eq!((stayed.answer(), came.answer()), (Ok("[6]".into()), Ok("[5]".into())));
    }
}

/// The pieces that are there, in order.
fn pieces(reader: &mut Reader) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(Event::Chunk(Chunk::Json(chunk))) = reader.receiver.try_next() {
        let piece: serde_json::Value = serde_json::from_slice(&chunk).unwrap();
        all.push(piece["text"].as_str().unwrap().to_owned());
    }
    all
}

#[test]
fn a_slow_reader_holds_no_other_text_up_and_goes_on_where_it_was() {
    for mixes in [true, false] {
        let (paused, slow) = request(ask("slow", &[9], 1), Some(2));
        let (steady, mut other) = request(ask("steady", &[20], 1), None);
        let (joiner, mut came) = request(ask("joiner", &[4], 1), None);
        let arrivals = Arrivals::default();
        let (door, mut outside) = (arrivals.clone(), Some(joiner));
        let slow = Rc::new(RefCell::new((slow, Vec::new())));
        let read = Rc::clone(&slow);
        let during = move |turn: usize| {
            if turn == 1 {
                door.0.borrow_mut().extend(outside.take());
            }
            // The reader is away for eleven steps.
            if turn >= 12 {
                let (reader, told) = &mut *read.borrow_mut();
                told.extend(pieces(reader));
            }
        };
        let noting = serve(vec![paused, steady], 2, mixes, arrivals, Box::new(during));
        // Two chunks fill the buffer and a third waits: from the third step on the place is that of who arrived.
        let mut turns = vec![vec![1, 1], vec![2, 2], vec![3, 1], vec![4, 2], vec![5, 3]];
        turns.extend((6..=12).map(|length| vec![length]));
        turns.extend((13..=18).map(|length| vec![length - 10, length]));
        turns.push(vec![19]);
        assert_eq!(noting.decoder.turns.take(), turns);
        assert_eq!(noting.ends.take(), ["joiner", "slow", "steady"]);
        assert_eq!((other.answer(), came.answer()), (Ok("[20]".into()), Ok("[4]".into())));
        let mut slow = slow.borrow_mut();
        let (reader, told) = &mut *slow;
        told.extend(pieces(reader));
        assert_eq!(told.concat(), ["b"; 9].join(" "));
        assert_eq!(reader.answer(), Ok("[9]".into()));
    }
}
