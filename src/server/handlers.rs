//! The pipeline behind closures: several handlers of one app share the context of a replica.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::stream::Stream;
use crate::error::Error;
use crate::payload::Output;
use crate::pipeline::{Batch, Build, Pipeline, ReplicaContext, Request};

/// Answers one request with the context of its replica.
pub type Handler<C> = Box<dyn Fn(&mut C, &mut Request) + Send + Sync>;
/// Makes the context of a replica, on its own thread.
pub type Init<C> = Box<dyn Fn(&ReplicaContext) -> Result<C, Error> + Send + Sync>;

/// A handler that answers once.
pub fn once<C, I, O, F>(f: F) -> Handler<C>
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize,
    F: Fn(&mut C, I) -> Result<O, Error> + Send + Sync + 'static,
{
    Box::new(move |context, request| {
        let answer = request
            .take_input()
            .into_typed::<I>()
            .and_then(|input| f(context, input));
        request.finish(answer.and_then(|value| Output::json(&value)));
    })
}

/// A handler that emits chunks.
pub fn streaming<C, I, F>(f: F) -> Handler<C>
where
    I: DeserializeOwned + Send + 'static,
    F: Fn(&mut C, I, &mut Stream<'_>) -> Result<(), Error> + Send + Sync + 'static,
{
    Box::new(move |context, request| {
        let ended = request
            .take_input()
            .into_typed::<I>()
            .and_then(|input| f(context, input, &mut Stream { request }));
        request.finish(ended.map(|()| Output::Chunks));
    })
}

/// An app: its init and its handlers.
pub struct App<C> {
    pub init: Init<C>,
    pub handlers: Arc<Vec<Handler<C>>>,
}

struct AppPipeline<C> {
    context: C,
    handlers: Arc<Vec<Handler<C>>>,
}

impl<C: 'static> Build for App<C> {
    fn build(&self, context: &ReplicaContext) -> Result<Box<dyn Pipeline>, Error> {
        Ok(Box::new(AppPipeline {
            context: (self.init)(context)?,
            handlers: Arc::clone(&self.handlers),
        }))
    }
}

impl<C> Pipeline for AppPipeline<C> {
    fn run(&mut self, batch: &mut Batch) -> Result<(), Error> {
        // Answered in place: what a panic leaves unanswered is still in the batch, and is told so.
        for request in batch.iter_mut().filter(|r| !r.is_cancelled()) {
            match self.handlers.get(request.handler()) {
                Some(handler) => handler(&mut self.context, request),
                None => request.finish(Err(Error::pipeline("the route has no handler"))),
            }
        }
        Ok(())
    }
}
