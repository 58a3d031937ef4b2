//! Images to labels.

use std::ops::Range;

use super::super::HfConfig;
use super::super::one_or_many::in_form;
use super::super::rows::{RowTask, Slice, even};
use super::super::scores::{self, Function};
use super::decode::{MAX_PIXELS, decode};
use super::endpoint::{Applied, Classified, Classify, Images, Label, Labels};
use super::pixels::Pixels;
use super::preprocess::{Plan, Tables, stack};
use super::source::Source;
use crate::contract::{Dim, Signature, TensorSpec};
use crate::device::DeviceKind;
use crate::error::{Error, Fault};
use crate::payload::Output;
use crate::tensor::{DType, Tensor};

pub struct ImageClassification {
    pub plan: Plan,
    pub tables: Tables,
    pub input: Input,
    pub output: String,
    pub function: Function,
    pub config: HfConfig,
}

/// The input of the graph that takes images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    name: String,
    dtype: DType,
    /// Height and width, where the graph fixes them.
    sides: [Option<usize>; 2],
}

/// The most pixels of all images of a request together. They are read one after the other, and their run waits.
const MAX_PIXELS_TOGETHER: u64 = 8 * MAX_PIXELS;
/// The most pixels of one image as the graph takes it, which are also the most of a run of several.
const MAX_AREA: usize = 1 << 24;
/// The most pixels of all images of a request as the graph takes them: a narrow image of few pixels becomes one of
/// many where its shorter side is made longer.
const MAX_AREA_TOGETHER: usize = 4 * MAX_AREA;
/// The side of the dummy run's image where no size is fixed.
const DUMMY_SIDE: usize = 224;

impl Input {
    /// # Errors
    /// A sentence that says what does not fit a task on images, or the images of this plan.
    pub fn read(signature: &Signature, plan: &Plan) -> Result<Self, String> {
        let names = || {
            let names: Vec<&str> = signature.inputs.iter().map(|spec| spec.name.as_str()).collect();
            names.join(", ")
        };
        let [spec] = signature.inputs.as_slice() else {
            return Err(format!(
                "the graph takes {}, and a task on images gives pixel_values alone; task = \"tensor\" in model.toml \
                 serves it by its tensors",
                names()
            ));
        };
        let TensorSpec { name, dtype, shape } = spec;
        if !matches!(dtype, DType::F32 | DType::F16 | DType::BF16) {
            return Err(format!(
                "the graph's input {name} is {dtype}, expected FP32, FP16 or BF16"
            ));
        }
        let wrong = || {
            format!(
                "the graph's input {name} is of shape {}, expected images of 3 channels: [batch, 3, height, width]",
                spec.shape_text()
            )
        };
        let [_, channels, height, width] = shape.as_slice() else {
            return Err(wrong());
        };
        if matches!(channels, Dim::Fixed(n) if *n != 3) {
            return Err(wrong());
        }
        let side = |dim: &Dim| match dim {
            Dim::Fixed(n) => Some(*n),
            Dim::Symbol(_) => None,
        };
        let input = Self {
            name: name.clone(),
            dtype: *dtype,
            sides: [side(height), side(width)],
        };
        match plan.fixed() {
            Some((height, width)) if !input.takes(height, width) => Err(format!(
                "preprocessor_config.json makes images of {width}×{height} pixels, and the graph's input {name} is of \
                 shape {}",
                spec.shape_text()
            )),
            _ => Ok(input),
        }
    }

    fn takes(&self, height: usize, width: usize) -> bool {
        let [tall, wide] = self.sides;
        tall.is_none_or(|n| n == height) && wide.is_none_or(|n| n == width)
    }
}

/// As the transformers pipeline chooses it.
pub fn function(config: &HfConfig) -> Function {
    let several = config.problem_type.as_deref() == Some("multi_label_classification");
    if several || config.label_count() == 1 {
        Function::Sigmoid
    } else {
        Function::Softmax
    }
}

impl ImageClassification {
    fn row(&self, images: &Images, place: usize, source: &Source, left: &mut Left) -> Result<Pixels, Error> {
        let fault = |message: String| Error::faults(vec![Fault::at(&images.path(place), message, "image")]);
        let file = source.bytes().map_err(fault)?;
        let image = decode(&file, MAX_PIXELS).map_err(fault)?;
        let area = u64::try_from(image.rgb.len() / 3).unwrap_or(u64::MAX);
        left.read = left.read.checked_sub(area).ok_or_else(|| {
            fault(format!(
                "the images of the request have more than {MAX_PIXELS_TOGETHER} pixels together; send several requests"
            ))
        })?;
        let (height, width) = self.plan.of(image.height, image.width);
        if !self.input.takes(height, width) || height.saturating_mul(width) > MAX_AREA {
            let message = format!(
                "has {}×{} pixels, and the model would see it with {width}×{height}, which it does not take",
                image.width, image.height
            );
            return Err(fault(message));
        }
        left.made = left.made.checked_sub(height * width).ok_or_else(|| {
            fault(format!(
                "the images of the request have more than {MAX_AREA_TOGETHER} pixels together as the model sees them; \
                 send several requests"
            ))
        })?;
        Ok(self.plan.apply(image))
    }
}

/// Pixels that the images of a request may still have.
struct Left {
    read: u64,
    made: usize,
}

impl RowTask for ImageClassification {
    type Request = Classify;
    type Row = Pixels;
    type Read = Vec<Label>;
    /// Height and width.
    type Key = (usize, usize);

    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn tensor(&self, input: &str, rows: &[&Pixels]) -> Option<Tensor> {
        let first = rows.first().filter(|_| input == self.input.name)?;
        let shape = vec![rows.len(), 3, first.height, first.width];
        let made = match self.input.dtype {
            DType::F16 => {
                let tables = self.tables.map(|table| table.map(half::f16::from_f32));
                Tensor::from_vec(shape, stack(rows, &self.plan, &tables))
            }
            DType::BF16 => {
                let tables = self.tables.map(|table| table.map(half::bf16::from_f32));
                Tensor::from_vec(shape, stack(rows, &self.plan, &tables))
            }
            _ => Tensor::from_vec(shape, stack(rows, &self.plan, &self.tables)),
        };
        Some(made.unwrap_or_else(|_| unreachable!("images of one size")))
    }

    fn key(&self, row: &Pixels) -> (usize, usize) {
        (row.height, row.width)
    }

    fn meet(&self, a: &(usize, usize), b: &(usize, usize)) -> bool {
        a == b
    }

    fn runs(&self, keys: &[&(usize, usize)], most: usize, _: DeviceKind) -> Vec<Range<usize>> {
        let area = keys.first().map_or(1, |(height, width)| height * width);
        even(keys.len(), most.min(MAX_AREA / area.max(1)))
    }

    fn rows(&self, request: &Classify) -> Result<Vec<Pixels>, Error> {
        request.image.check()?;
        let mut left = Left {
            read: MAX_PIXELS_TOGETHER,
            made: MAX_AREA_TOGETHER,
        };
        let images = request.image.all().iter().enumerate();
        images
            .map(|(place, source)| self.row(&request.image, place, source, &mut left))
            .collect()
    }

    fn read(&self, request: &Classify, _: &Pixels, outputs: &[Slice<'_>]) -> Result<Vec<Label>, Error> {
        let logits = outputs[0].values;
        let function = request.function_to_apply.map_or(self.function, Applied::function);
        let label = |place, score| Label {
            label: self.config.label(place),
            score,
        };
        scores::ranked(logits, function, request.top_k, label)
    }

    fn answer(&self, request: &Classify, _: &[Pixels], read: Vec<Vec<Label>>) -> Result<Output, Error> {
        let results = in_form(read, request.image.is_list(), Labels::One, Labels::Many);
        Output::json(&Classified { results })
    }

    fn dummy(&self) -> Result<(Classify, Vec<Pixels>), Error> {
        let [tall, wide] = self.input.sides;
        let image = Pixels::black(wide.unwrap_or(DUMMY_SIDE), tall.unwrap_or(DUMMY_SIDE));
        let asked = Classify {
            image: Images::Many(Vec::new()),
            top_k: None,
            function_to_apply: None,
        };
        Ok((asked, vec![self.plan.apply(image)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_chooses_the_function() {
        let function = |text: &str| function(&serde_json::from_str(text).unwrap());
        assert_eq!(function("{}"), Function::Softmax);
        assert_eq!(function(r#"{"num_labels": 1}"#), Function::Sigmoid);
        assert_eq!(
            function(r#"{"problem_type": "multi_label_classification"}"#),
            Function::Sigmoid
        );
        assert_eq!(
            function(r#"{"problem_type": "single_label_classification"}"#),
            Function::Softmax
        );
    }
}
