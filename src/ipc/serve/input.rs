//! What a call brings becomes the pipeline's input.

use super::super::frame::Frame;
use super::super::message::CallMeta;
use super::super::tensors;
use super::Side;
use crate::error::Error;
use crate::payload::{Payload, Raw, Tensors};
use crate::tensor::Tensor;

impl Side {
    pub(super) fn input(&self, frame: &Frame, meta: &CallMeta<'_>) -> Result<Payload, Error> {
        let Some(placed) = &meta.tensors else {
            return self.body_input(frame, meta);
        };
        let slot = self.slots.get(usize::from(frame.head.slot));
        let memory = slot.and_then(|slot| slot.input.as_ref());
        let read = placed.iter().map(|placed| tensors::read(frame, memory, placed));
        Ok(Payload::Tensors(Tensors {
            tensors: read.collect::<Result<Vec<Tensor>, Error>>()?,
            // The other side adds and takes away the batch axis.
            implicit_batch: false,
        }))
    }

    /// JSON, or a body of one of the other media types that the contract takes.
    fn body_input(&self, frame: &Frame, meta: &CallMeta<'_>) -> Result<Payload, Error> {
        let media = meta.content_type.as_deref();
        match media.filter(|media| self.contract.bodies.take(media)) {
            None => self.contract.decode(&frame.body),
            Some(media) => self.contract.decode_media(Raw {
                body: frame.body.clone(),
                content_type: Some(media.to_owned()),
                query: meta.query.as_deref().map(str::to_owned),
                ..Raw::default()
            }),
        }
    }
}
