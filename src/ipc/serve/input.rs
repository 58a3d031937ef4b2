//! What a call brings becomes the pipeline's input.

use super::super::frame::Frame;
use super::super::message::CallMeta;
use super::super::tensors;
use super::Side;
use crate::error::Error;
use crate::payload::{About, Payload, Tensors};
use crate::tensor::Tensor;

impl Side {
    pub(super) fn input(&self, frame: &Frame, meta: &CallMeta<'_>) -> Result<Payload, Error> {
        let Some(placed) = &meta.tensors else {
            let about = About {
                content_type: meta.content_type.as_deref().map(str::to_owned),
                query: meta.query.as_deref().map(str::to_owned),
                ..About::default()
            };
            return self.contract.decode_request(frame.body.clone(), about);
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
}
