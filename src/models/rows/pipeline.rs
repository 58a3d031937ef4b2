//! Requests as rows, rows as runs. A request is answered as soon as the last of its rows has run: who brings one row
//! does not wait for the runs of who brings many.

use std::sync::Arc;

use super::RowTask;
use super::runner::RunRows;
use crate::device::DeviceKind;
use crate::error::{Error, Kind};
use crate::pipeline::{Batch, Pipeline, Request};

/// A task on one device, owned by one replica.
pub struct RowPipeline<T: RowTask, R> {
    pub runner: R,
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

impl<T: RowTask, R: RunRows> RowPipeline<T, R> {
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

    /// Runs the rows at these places (request, row) together.
    fn run_rows(&mut self, work: &mut [Work<T>], places: &[(usize, usize)]) {
        let Self { runner, task, .. } = self;
        let rows: Vec<&T::Row> = places.iter().map(|(i, j)| &work[*i].rows[*j]).collect();
        let result = runner.run(&**task, &rows, |n, outputs| {
            let (i, j) = places[n];
            task.read(&work[i].asked, &work[i].rows[j], outputs)
        });
        match result {
            Ok(answers) => {
                for ((i, j), answer) in places.iter().zip(answers) {
                    match answer {
                        Ok(read) => work[*i].read[*j] = Some(read),
                        Err(error) => work[*i].request.finish(Err(error)),
                    }
                }
                places.iter().for_each(|(i, _)| work[*i].settle(task));
            }
            Err(error) => places
                .iter()
                .for_each(|(i, _)| work[*i].request.finish(Err(error.clone()))),
        }
    }
}

impl<T: RowTask, R: RunRows> Pipeline for RowPipeline<T, R> {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        batch.control().set_interrupt(self.runner.interrupt());
        let mut work: Vec<Work<T>> = batch.drain().filter_map(|request| self.prepare(request)).collect();
        let mut places: Vec<(T::Key, (usize, usize))> = work
            .iter()
            .enumerate()
            .flat_map(|(i, w)| w.rows.iter().enumerate().map(move |(j, row)| (row, (i, j))))
            .map(|(row, place)| (self.task.key(row), place))
            .collect();
        // Rows of like keys share a run, so that little of it is padding.
        places.sort_by(|(a, _), (b, _)| a.cmp(b));
        let task = Arc::clone(&self.task);
        for alike in places.chunk_by(|(a, _), (b, _)| task.meet(a, b)) {
            let keys: Vec<&T::Key> = alike.iter().map(|(key, _)| key).collect();
            for run in task.runs(&keys, self.max_batch_size, self.device) {
                // Many rows take many runs; who left meanwhile, or has his answer, is passed over.
                let live: Vec<(usize, usize)> = alike[run]
                    .iter()
                    .map(|(_, place)| *place)
                    .filter(|(i, _)| work[*i].is_wanted())
                    .collect();
                if !live.is_empty() {
                    self.run_rows(&mut work, &live);
                }
            }
        }
        for mut rest in work {
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
        let Self { runner, task, .. } = self;
        let (asked, rows) = task.dummy()?;
        let views: Vec<&T::Row> = rows.iter().collect();
        let read = runner.run(&**task, &views, |n, outputs| task.read(&asked, &rows[n], outputs))?;
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

    /// Runs rows, and looks before each run who has an answer.
    struct Watched {
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

    impl RunRows for Watched {
        fn interrupt(&self) -> Arc<dyn Interrupt> {
            Arc::new(Nothing)
        }

        fn run<T: RowTask, A>(
            &mut self,
            _: &T,
            rows: &[&T::Row],
            mut read: impl FnMut(usize, &[Slice<'_>]) -> A,
        ) -> Result<Vec<A>, Error> {
            self.look();
            self.runs += 1;
            Ok((0..rows.len()).map(|n| read(n, &[])).collect())
        }
    }

    /// What each request was answered, and after how many runs.
    fn answered(asked: &[&[usize]], max_batch_size: usize) -> Vec<(usize, Result<String, String>)> {
        let (mut requests, mut receivers) = (Vec::new(), Vec::new());
        for numbers in asked {
            let (reply, receiver) = unary(Instant::now());
            let state = RequestState::new(Payload::Typed(Box::new(numbers.to_vec())));
            requests.push(Request::new("test".into(), 1, state, reply));
            receivers.push(receiver);
        }
        let runner = Watched {
            answers: receivers.iter().map(|_| None).collect(),
            receivers,
            runs: 0,
        };
        let mut pipeline = RowPipeline {
            runner,
            task: Arc::new(Numbers),
            max_batch_size,
            device: DeviceKind::Cpu,
        };
        pipeline.run(&mut Batch::new(requests)).unwrap();
        pipeline.runner.look();
        let text = |output| match output {
            Output::Json(text) => String::from_utf8(text.to_vec()).unwrap(),
            _ => panic!("not JSON"),
        };
        let plain =
            |(runs, result): (usize, Result<Output, Error>)| (runs, result.map(text).map_err(|e| e.to_string()));
        let answers = pipeline.runner.answers.into_iter();
        answers.map(|answer| plain(answer.unwrap())).collect()
    }

    #[test]
    fn a_request_is_answered_when_its_last_row_has_run() {
        let many: Vec<usize> = (1..=6).collect();
        let answers = answered(&[&many, &[2], &[0, 4], &[9]], 2);
        // Runs of two rows each: 0 1, 2 2, 3 4, 4 5, 6 9.
        let runs: Vec<usize> = answers.iter().map(|(runs, _)| *runs).collect();
        assert_eq!(runs, [5, 2, 4, 5]);
        let texts: Vec<&str> = answers.iter().map(|(_, text)| text.as_deref().unwrap()).collect();
        assert_eq!(texts, ["[1,2,3,4,5,6]", "[2]", "[0,4]", "[9]"]);
    }

    #[test]
    fn a_fault_is_that_of_its_request_and_told_at_once() {
        let answers = answered(&[&[13, 20], &[20, 21], &[]], 1);
        assert_eq!(answers[0].0, 1);
        assert!(answers[0].1.as_ref().unwrap_err().contains("13 is no number"));
        // The other row of the request with the fault has not run.
        assert_eq!(answers[1], (3, Ok("[20,21]".to_owned())));
        assert_eq!(answers[2], (3, Ok("[]".to_owned())));
    }
}
