//! Requests as rows, rows as runs. A request is answered as soon as the last of its rows has run: who brings one row
//! does not wait for the runs of who brings many.

use std::collections::VecDeque;
use std::sync::Arc;

use super::RowTask;
use super::ports::Ports;
use crate::backend::onnx::{RunEach, Runs};
use crate::device::DeviceKind;
use crate::error::{Error, Kind};
use crate::pipeline::{Batch, Pipeline, Request};
use crate::tensor::Tensor;

/// A task on one device, owned by one replica.
pub struct RowPipeline<T: RowTask, S> {
    pub session: S,
    pub ports: Ports,
    pub task: Arc<T>,
    pub max_batch_size: usize,
    pub device: DeviceKind,
}

/// A request with its rows and, as runs end, what was read of them.
struct Work<T: RowTask> {
    request: Request,
    asked: T::Request,
    rows: Vec<T::Row>,
    read: Vec<Option<T::Read>>,
}

impl<T: RowTask> Work<T> {
    /// Whether somebody still waits for an answer.
    fn is_wanted(&self) -> bool {
        !self.request.is_finished() && !self.request.is_cancelled()
    }

    /// Answers where all rows have run.
    fn settle(&mut self, task: &T) {
        if self.request.is_finished() || self.read.iter().any(Option::is_none) {
            return;
        }
        let read = std::mem::take(&mut self.read).into_iter().flatten().collect();
        self.request.finish(task.answer(&self.asked, &self.rows, read));
    }
}

/// Where a row is: the number of its request, and its own in there.
type Place = (usize, usize);

/// The runs that are made of a batch.
struct Cut<'a, T: RowTask> {
    task: &'a T,
    ports: &'a Ports,
    work: Vec<Work<T>>,
    /// Runs that have not begun.
    left: VecDeque<Vec<Place>>,
    /// The rows of those that have.
    begun: Vec<Vec<Place>>,
}

impl<T: RowTask> Cut<'_, T> {
    fn rows(&self, places: &[Place]) -> Vec<&T::Row> {
        places.iter().map(|(i, j)| &self.work[*i].rows[*j]).collect()
    }

    fn fail(&mut self, places: &[Place], error: &Error) {
        places
            .iter()
            .for_each(|(i, _)| self.work[*i].request.finish(Err(error.clone())));
    }
}

impl<T: RowTask> Runs for Cut<'_, T> {
    fn next(&mut self) -> Option<Vec<Tensor>> {
        while let Some(mut places) = self.left.pop_front() {
            // Many rows take many runs; who left meanwhile, or has his answer, is passed over.
            places.retain(|(i, _)| self.work[*i].is_wanted());
            if places.is_empty() {
                continue;
            }
            match self.ports.tensors(self.task, &self.rows(&places)) {
                Ok(tensors) => {
                    self.begun.push(places);
                    return Some(tensors);
                }
                Err(error) => self.fail(&places, &error),
            }
        }
        None
    }

    fn done(&mut self, run: usize, outputs: Result<Vec<Tensor>, Error>) {
        let places = std::mem::take(&mut self.begun[run]);
        let answers = outputs.and_then(|tensors| {
            self.ports.read(&tensors, places.len(), |n, outputs| {
                let (i, j) = places[n];
                self.task.read(&self.work[i].asked, &self.work[i].rows[j], outputs)
            })
        });
        match answers {
            Ok(answers) => {
                for ((i, j), answer) in places.iter().zip(answers) {
                    match answer {
                        Ok(read) => self.work[*i].read[*j] = Some(read),
                        Err(error) => self.work[*i].request.finish(Err(error)),
                    }
                }
                places.iter().for_each(|(i, _)| self.work[*i].settle(self.task));
            }
            Err(error) => self.fail(&places, &error),
        }
    }
}

impl<T: RowTask, S: RunEach> RowPipeline<T, S> {
    fn prepare(&self, mut request: Request) -> Option<Work<T>> {
        let asked = request.take_input().into_typed::<T::Request>();
        match asked.and_then(|asked| Ok((self.task.rows(&asked)?, asked))) {
            Ok((rows, asked)) => {
                let read = rows.iter().map(|_| None).collect();
                Some(Work {
                    request,
                    asked,
                    rows,
                    read,
                })
            }
            Err(error) => {
                request.finish(Err(error));
                None
            }
        }
    }

    /// Which rows share a run: those of like keys, so that little of it is padding, and no more than leave each of
    /// the runs that go on at once its part.
    fn cut(&self, work: &[Work<T>]) -> (VecDeque<Vec<Place>>, usize) {
        let mut places: Vec<(T::Key, Place)> = work
            .iter()
            .enumerate()
            .flat_map(|(i, w)| w.rows.iter().enumerate().map(move |(j, row)| (row, (i, j))))
            .map(|(row, place)| (self.task.key(row), place))
            .collect();
        places.sort_by(|(a, _), (b, _)| a.cmp(b));
        // All that are under way at once are no more than one run takes.
        let together = self.max_batch_size.min(places.len());
        let width = self.session.width(together);
        let most = together.div_ceil(width);
        let mut runs = VecDeque::new();
        for alike in places.chunk_by(|(a, _), (b, _)| self.task.meet(a, b)) {
            let keys: Vec<&T::Key> = alike.iter().map(|(key, _)| key).collect();
            let cut = self.task.runs(&keys, most, self.device).into_iter();
            runs.extend(cut.map(|run| alike[run].iter().map(|(_, place)| *place).collect::<Vec<_>>()));
        }
        (runs, width)
    }
}

impl<T: RowTask, S: RunEach> Pipeline for RowPipeline<T, S> {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        batch.control().set_interrupt(self.session.interrupt());
        let work: Vec<Work<T>> = batch.drain().filter_map(|request| self.prepare(request)).collect();
        let (left, width) = self.cut(&work);
        let mut cut = Cut {
            task: &*self.task,
            ports: &self.ports,
            left,
            begun: Vec::new(),
            work,
        };
        self.session.run_each(&mut cut, width);
        for mut rest in cut.work {
            // What made no rows at all has its answer here.
            rest.settle(&self.task);
            if !rest.request.is_finished() {
                let gone = Error::new(Kind::Cancelled, "nobody waits for this answer");
                rest.request.finish(Err(gone));
            }
        }
        Ok(())
    }

    fn compile(&mut self) -> Result<(), Error> {
        let (asked, rows) = self.task.dummy()?;
        let views: Vec<&T::Row> = rows.iter().collect();
        let inputs = self.ports.tensors(&*self.task, &views)?;
        let outputs = self.session.prepare(&inputs, self.max_batch_size > 1)?;
        let task = &self.task;
        let read = self
            .ports
            .read(&outputs, rows.len(), |n, outputs| task.read(&asked, &rows[n], outputs))?;
        read.into_iter().collect::<Result<Vec<_>, _>>().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::Slice;
    use super::*;
    use crate::payload::{Output, Payload};
    use crate::pipeline::{Interrupt, ReplyReceiver, RequestState, unary};
    use crate::tensor::Tensor;

    /// Rows are numbers, which are their keys too.
    struct Numbers;

    impl RowTask for Numbers {
        type Request = Vec<usize>;
        type Row = usize;
        type Read = usize;
        type Key = usize;

        fn outputs(&self) -> Vec<&str> {
            Vec::new()
        }

        fn tensor(&self, _: &str, _: &[&usize]) -> Option<Tensor> {
            None
        }

        fn key(&self, row: &usize) -> usize {
            *row
        }

        fn meet(&self, _: &usize, _: &usize) -> bool {
            true
        }

        fn rows(&self, request: &Vec<usize>) -> Result<Vec<usize>, Error> {
            Ok(request.clone())
        }

        fn read(&self, _: &Vec<usize>, row: &usize, _: &[Slice<'_>]) -> Result<usize, Error> {
            if *row == 13 {
                return Err(Error::pipeline("13 is no number"));
            }
            Ok(*row)
        }

        fn answer(&self, _: &Vec<usize>, _: &[usize], read: Vec<usize>) -> Result<Output, Error> {
            Output::json(&read)
        }

        fn dummy(&self) -> Result<(Vec<usize>, Vec<usize>), Error> {
            Ok((vec![1], vec![1]))
        }
    }

    struct Nothing;

    impl Interrupt for Nothing {
        fn interrupt(&self) {}
        fn reset(&self) {}
    }

    /// Makes runs, the last first of those that go on at once, and looks before each who has an answer.
    struct Watched {
        width: usize,
        receivers: Vec<ReplyReceiver>,
        /// Answers and how many runs there had been before they were seen.
        answers: Vec<Option<(usize, Result<Output, Error>)>>,
        runs: usize,
    }

    impl Watched {
        fn look(&mut self) {
            for (receiver, answer) in self.receivers.iter_mut().zip(&mut self.answers) {
                if answer.is_none() {
                    *answer = receiver.try_last().map(|last| (self.runs, last.result));
                }
            }
        }
    }

    impl RunEach for Watched {
        fn width(&self, rows: usize) -> usize {
            self.width.min(rows).max(1)
        }

        fn run_each(&mut self, runs: &mut dyn Runs, width: usize) {
            let mut begun = 0;
            loop {
                let together = (0..width).map_while(|_| runs.next()).count();
                if together == 0 {
                    return;
                }
                for run in (begun..begun + together).rev() {
                    self.look();
                    self.runs += 1;
                    runs.done(run, Ok(Vec::new()));
                }
                begun += together;
            }
        }

        fn interrupt(&self) -> Arc<dyn Interrupt> {
            Arc::new(Nothing)
        }

        fn prepare(&mut self, _: &[Tensor], _: bool) -> Result<Vec<Tensor>, Error> {
            Ok(Vec::new())
        }
    }

    /// What each request was answered, and after how many runs.
    fn answered(asked: &[&[usize]], max_batch_size: usize, width: usize) -> Vec<(usize, Result<String, String>)> {
        let (mut requests, mut receivers) = (Vec::new(), Vec::new());
        for numbers in asked {
            let (reply, receiver) = unary(Instant::now());
            let state = RequestState::new(Payload::Typed(Box::new(numbers.to_vec())));
            requests.push(Request::new("test".into(), 1, state, reply));
            receivers.push(receiver);
        }
        let session = Watched {
            width,
            answers: receivers.iter().map(|_| None).collect(),
            receivers,
            runs: 0,
        };
        let mut pipeline = RowPipeline {
            session,
            ports: Ports::default(),
            task: Arc::new(Numbers),
            max_batch_size,
            device: DeviceKind::Cpu,
        };
        pipeline.run(&mut Batch::new(requests)).unwrap();
        pipeline.session.look();
        let text = |output| match output {
            Output::Json(text) => String::from_utf8(text.to_vec()).unwrap(),
            _ => panic!("not JSON"),
        };
        let plain =
            |(runs, result): (usize, Result<Output, Error>)| (runs, result.map(text).map_err(|e| e.to_string()));
        let answers = pipeline.session.answers.into_iter();
        answers.map(|answer| plain(answer.unwrap())).collect()
    }

    #[test]
    fn a_request_is_answered_when_its_last_row_has_run() {
        let many: Vec<usize> = (1..=6).collect();
        let answers = answered(&[&many, &[2], &[0, 4], &[9]], 2, 1);
        // Runs of two rows each: 0 1, 2 2, 3 4, 4 5, 6 9.
        let runs: Vec<usize> = answers.iter().map(|(runs, _)| *runs).collect();
        assert_eq!(runs, [5, 2, 4, 5]);
        let texts: Vec<&str> = answers.iter().map(|(_, text)| text.as_deref().unwrap()).collect();
        assert_eq!(texts, ["[1,2,3,4,5,6]", "[2]", "[0,4]", "[9]"]);
    }

    #[test]
    fn a_fault_is_that_of_its_request_and_told_at_once() {
        let answers = answered(&[&[13, 20], &[20, 21], &[]], 1, 1);
        assert_eq!(answers[0].0, 1);
        assert!(answers[0].1.as_ref().unwrap_err().contains("13 is no number"));
        // The other row of the request with the fault has not run.
        assert_eq!(answers[1], (3, Ok("[20,21]".to_owned())));
        assert_eq!(answers[2], (3, Ok("[]".to_owned())));
    }

    #[test]
    fn runs_that_go_on_at_once_each_have_their_part_of_the_rows() {
        let numbers: Vec<Vec<usize>> = (0..5).map(|n| vec![n]).collect();
        let asked: Vec<&[usize]> = numbers.iter().map(Vec::as_slice).collect();
        // Two runs for two at once, 0 1 2 and 3 4, of which the second ends first.
        let answers = answered(&asked, 8, 2);
        let runs: Vec<usize> = answers.iter().map(|(runs, _)| *runs).collect();
        assert_eq!(runs, [2, 2, 2, 1, 1]);
        let texts: Vec<&str> = answers.iter().map(|(_, text)| text.as_deref().unwrap()).collect();
        assert_eq!(texts, ["[0]", "[1]", "[2]", "[3]", "[4]"]);
        // As many as there are rows, where rows are few.
        assert_eq!(answered(&asked[..2], 8, 4)[1].0, 1);
    }
}
