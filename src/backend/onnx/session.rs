//! One session, owned by one replica: tensors in, tensors out, and a way to end a run from another thread.

use std::sync::Arc;

use ort::session::{RunOptions, Session, SessionInputValue};

use super::convert;
use crate::error::Error;
use crate::pipeline::Interrupt;
use crate::tensor::Tensor;

/// A loaded model on one device.
pub struct OnnxSession {
    session: Session,
    output_names: Vec<String>,
    interrupt: Arc<Terminate>,
}

/// Ends a run between two of its nodes.
struct Terminate(RunOptions);

impl Interrupt for Terminate {
    fn interrupt(&self) {
        drop(self.0.terminate());
    }

    fn reset(&self) {
        drop(self.0.unterminate());
    }
}

impl OnnxSession {
    pub(super) fn new(session: Session) -> ort::Result<Self> {
        let output_names = session.outputs().iter().map(|o| o.name().to_owned()).collect();
        Ok(Self {
            session,
            output_names,
            interrupt: Arc::new(Terminate(RunOptions::new()?)),
        })
    }

    /// Names of the inputs, in the order [`OnnxSession::run`] takes them.
    pub fn input_names(&self) -> impl Iterator<Item = &str> {
        self.session.inputs().iter().map(ort::value::Outlet::name)
    }

    /// Names of the outputs, in the order [`OnnxSession::run`] gives them.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        self.output_names.iter().map(String::as_str)
    }

    /// Ends the run that is under way, from any thread.
    pub fn interrupt(&self) -> Arc<dyn Interrupt> {
        Arc::clone(&self.interrupt) as Arc<dyn Interrupt>
    }

    /// Runs one tensor per input, in the order of the inputs; gives one per output.
    ///
    /// # Errors
    /// What ONNX Runtime reports: shapes that do not fit inside the graph, a run that was ended, no memory.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        self.run_inner(inputs)
            .map_err(|e| Error::pipeline(format!("the model could not run: {}", first_line(&e))))
    }

    fn run_inner(&mut self, inputs: &[Tensor]) -> ort::Result<Vec<Tensor>> {
        let values = inputs
            .iter()
            .map(convert::input)
            .collect::<ort::Result<Vec<SessionInputValue<'_>>>>()?;
        let mut outputs = self.session.run_with_options(&values[..], &self.interrupt.0)?;
        self.output_names
            .iter()
            .map(|name| {
                outputs
                    .remove(name)
                    .ok_or_else(|| ort::Error::new(format!("output {name} is missing")))
            })
            .map(|value| convert::output(value?))
            .collect()
    }
}

/// Later lines of the runtime's messages hold source paths of its build.
fn first_line(error: &ort::Error) -> String {
    error.message().lines().next().unwrap_or("no message").to_owned()
}
