//! A decoder that gives the same scores each time, and what becomes of requests that come together.

mod company;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use serde_json::json;

use super::super::beam::{BeamOptions, BeamSearch, EarlyStopping};
use super::super::cache::{Align, Block, groups};
use super::super::decoder;
use super::super::processors::Processors;
use super::super::sampling::Choice;
use super::super::stop::StopStrings;
use super::super::writer::{Beams, Kind, Line};
use super::*;
use crate::payload::Payload;
use crate::pipeline::{Admit, ReplyReceiver, RequestState, RunControl, stream, unary};

/// Texts of so many tokens each, of which so many beams are followed.
struct Ask {
    name: &'static str,
    tokens: Vec<usize>,
    beams: usize,
}

fn ask(name: &'static str, tokens: &[usize], beams: usize) -> Ask {
    Ask {
        name,
        tokens: tokens.to_vec(),
        beams,
    }
}

struct Text {
    tokens: usize,
    beams: usize,
    at_the_end: bool,
}

/// The names of requests, in the order in which they are answered.
type Ends = Rc<RefCell<Vec<&'static str>>>;

struct Info {
    name: &'static str,
    ends: Ends,
}

/// Writes what is asked for, and notes which rows each step has.
struct Noting {
    decoder: Numb,
    tokenizer: Tokenizer,
    ends: Ends,
}

/// Gives the same scores for every row.
struct Numb {
    mixes: bool,
    /// Positions behind each row of each turn: 1 for a text that has just begun.
    turns: RefCell<Vec<Vec<usize>>>,
    during: During,
}

/// What happens as a step begins; is told the number of the turn, from 1.
type During = Box<dyn FnMut(usize)>;

/// Requests that have arrived and wait.
#[derive(Clone, Default)]
struct Arrivals(Rc<RefCell<VecDeque<Request>>>);

impl Admit for Arrivals {
    fn admit(&mut self, rows: usize) -> Vec<Request> {
        let mut waiting = self.0.borrow_mut();
        let taken = rows.min(waiting.len());
        waiting.drain(..taken).collect()
    }
}

/// A client's end of a request.
struct Reader {
    state: Arc<RequestState>,
    receiver: ReplyReceiver,
}

impl Reader {
    /// Tokens of the request's texts, or the fault.
    fn answer(&mut self) -> Result<String, String> {
        let text = |output| match output {
            Output::Json(text) => String::from_utf8(text.to_vec()).unwrap(),
            _ => panic!("not JSON"),
        };
        let last = self.receiver.try_last().unwrap();
        last.result.map(text).map_err(|e| e.to_string())
    }
}

/// A request whose answer is read as a stream, with a buffer of so many chunks, or at once.
fn request(ask: Ask, buffer: Option<usize>) -> (Request, Reader) {
    let now = Instant::now();
    let (reply, receiver) = buffer.map_or_else(|| unary(now), |buffer| stream(now, buffer));
    let state = RequestState::new(Payload::Typed(Box::new(ask)));
    let request = Request::new("test".into(), 1, Arc::clone(&state), reply);
    (request, Reader { state, receiver })
}

/// Has a word for each token.
fn words() -> Tokenizer {
    let text = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1, "c": 2, "d": 3}, "unk_token": "a"},
    });
    text.to_string().parse().unwrap()
}

struct Nothing;

impl Interrupt for Nothing {
    fn interrupt(&self) {}
    fn reset(&self) {}
}

const SCORES: [f32; 4] = [0.0, 1.0, 0.5, 0.25];

fn seats(lengths: Vec<usize>) -> Vec<Seat> {
    let source = Rc::new(Block::new(Vec::new(), vec![0; lengths.len()], Align::Start));
    let past = Rc::new(Block::new(Vec::new(), lengths, Align::End));
    let places = past.places().zip(source.places());
    places.map(|(past, source)| Seat { past, source }).collect()
}

impl Steps for Numb {
    fn mixes(&self) -> bool {
        self.mixes
    }

    fn groups(&self, seats: &[&Seat], most: usize) -> Vec<Vec<usize>> {
        let lengths: Vec<usize> = seats.iter().map(|seat| seat.length()).collect();
        self.turns.borrow_mut().push(lengths.clone());
        groups(&lengths, self.mixes, most)
    }

    fn step(&mut self, rows: &[&Seat], _: &[u32]) -> Result<decoder::Stepped, Error> {
        let turn = self.turns.borrow().len();
        (self.during)(turn);
        Ok(decoder::Stepped {
            logits: vec![SCORES.to_vec(); rows.len()],
            seats: seats(rows.iter().map(|seat| seat.length() + 1).collect()),
        })
    }
}

impl Noting {
    fn writer(&self, text: &Text) -> Result<Writer, Error> {
        if text.tokens == 0 {
            return Err(Error::pipeline("there is nothing to write"));
        }
        let max_length = text.tokens + 1;
        let rules = Processors {
            max_length,
            prompt: 1,
            ..Processors::default()
        };
        let kind = if text.beams > 1 {
            let options = BeamOptions {
                beams: text.beams,
                length_penalty: 1.0,
                early_stopping: EarlyStopping::Never,
                max_length,
                eos: Vec::new(),
            };
            Kind::Beams(Beams::new(BeamSearch::new(options, &[0]), rules))
        } else {
            let line = Line::new(
                &[0],
                &[],
                rules,
                Choice::Greedy,
                StopStrings::default(),
                &self.tokenizer,
            );
            Kind::Line(line.read_at_the_end(text.at_the_end))
        };
        let seat = seats(vec![1]).remove(0);
        Ok(Writer::begin(kind, SCORES.to_vec(), seat, &self.tokenizer))
    }
}

impl Generator for Noting {
    type Info = Info;
    type Text = Text;
    type Decoder = Numb;

    fn read(&mut self, request: &mut Request) -> Result<Asked<Info, Text>, Error> {
        let Ask { name, tokens, beams } = request.take_input().into_typed::<Ask>()?;
        let (ends, at_the_end) = (Rc::clone(&self.ends), !request.is_stream());
        let text = |tokens| Text {
            tokens,
            beams,
            at_the_end,
        };
        Ok(Asked {
            info: Info { name, ends },
            texts: tokens.into_iter().map(text).collect(),
            rows: beams,
        })
    }

    fn length(text: &Text) -> usize {
        text.tokens
    }

    fn begin(&mut self, texts: Vec<Text>) -> Vec<Result<Writer, Error>> {
        texts.iter().map(|text| self.writer(text)).collect()
    }

    fn decoder(&mut self) -> &mut Numb {
        &mut self.decoder
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn interrupt(&self) -> Arc<dyn Interrupt> {
        Arc::new(Nothing)
    }

    fn answer(info: &Info, written: Vec<Written>) -> Result<Output, Error> {
        info.ends.borrow_mut().push(info.name);
        let tokens: Vec<usize> = written.iter().map(|w| w.ids.len()).collect();
        Output::json(&tokens)
    }
}

/// What became of requests that came together.
struct Outcome {
    /// Tokens of each request's texts, or the fault.
    answers: Vec<Result<String, String>>,
    ends: Vec<&'static str>,
    /// Rows of each step.
    rows: Vec<usize>,
}

/// Serves requests, and what arrives meanwhile.
fn serve(requests: Vec<Request>, most: usize, mixes: bool, arrivals: Arrivals, during: During) -> Noting {
    let mut noting = Noting {
        decoder: Numb {
            mixes,
            turns: RefCell::default(),
            during,
        },
        tokenizer: words(),
        ends: Ends::default(),
    };
    let control = Arc::new(RunControl::default());
    let mut batch = Batch::with_source(requests, most, Box::new(arrivals), control);
    run(&mut noting, &mut batch, most);
    noting
}

fn outcome(asks: Vec<Ask>, most: usize, mixes: bool) -> Outcome {
    let (requests, mut readers): (Vec<Request>, Vec<Reader>) = asks.into_iter().map(|ask| request(ask, None)).unzip();
    let noting = serve(requests, most, mixes, Arrivals::default(), Box::new(|_| {}));
    Outcome {
        answers: readers.iter_mut().map(Reader::answer).collect(),
        ends: noting.ends.take(),
        rows: noting.decoder.turns.take().iter().map(Vec::len).collect(),
    }
}

#[test]
fn of_many_texts_no_more_are_under_way_than_run_together() {
    for mixes in [true, false] {
        let many = outcome(vec![ask("many", &[5, 1, 9, 2, 2, 7, 3, 8, 4, 6], 1)], 4, mixes);
        assert_eq!(many.answers, [Ok("[5,1,9,2,2,7,3,8,4,6]".to_owned())]);
        assert_eq!(many.rows.iter().max(), Some(&4), "{:?}", many.rows);
    }
}

#[test]
fn beams_of_a_text_count_together_and_too_many_of_them_run_alone() {
    let narrow = outcome(vec![ask("narrow", &[3, 4, 5], 2)], 5, true);
    assert_eq!(narrow.answers, [Ok("[3,4,5]".to_owned())]);
    assert_eq!(narrow.rows.iter().max(), Some(&4), "{:?}", narrow.rows);
    let both = outcome(vec![ask("single", &[6, 6], 1), ask("wide", &[4, 4], 6)], 4, true);
    assert_eq!(both.answers, [Ok("[6,6]".to_owned()), Ok("[4,4]".to_owned())]);
    assert!(both.rows.iter().all(|rows| *rows <= 2 || *rows == 6), "{:?}", both.rows);
    assert_eq!(both.ends, ["single", "wide"]);
}

#[test]
fn one_text_does_not_wait_behind_the_many_of_another_request() {
    let both = outcome(vec![ask("many", &[8; 12], 1), ask("one", &[2], 1)], 4, true);
    assert_eq!(both.ends, ["one", "many"]);
    assert!(both.rows.iter().all(|rows| *rows <= 4), "{:?}", both.rows);
}

#[test]
fn texts_that_end_at_once_leave_none_behind() {
    let short = outcome(vec![ask("short", &[1; 9], 1)], 2, true);
    assert_eq!(short.answers, [Ok("[1,1,1,1,1,1,1,1,1]".to_owned())]);
    assert!(short.rows.is_empty(), "{:?}", short.rows);
}

#[test]
fn a_text_that_cannot_begin_is_the_fault_of_its_request_alone() {
    let both = outcome(vec![ask("bad", &[3, 0, 3], 1), ask("good", &[3], 1)], 2, true);
    assert!(both.answers[0].as_ref().unwrap_err().contains("nothing to write"));
    assert_eq!(both.answers[1], Ok("[3]".to_owned()));
}
