//! What is known of a decoder's graphs before they are loaded.

use super::port::Port;
use crate::contract::{Dim, Signature, TensorSpec};
use crate::tensor::{DType, Tensor};

/// Shape of keys or values, rows and positions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    dtype: DType,
    heads: usize,
    width: usize,
}

impl Shape {
    pub fn of(spec: &TensorSpec) -> Result<Self, String> {
        match spec.shape.as_slice() {
            [_, Dim::Fixed(heads), _, Dim::Fixed(width)]
                if matches!(spec.dtype, DType::F32 | DType::F16 | DType::BF16) =>
            {
                Ok(Self {
                    dtype: spec.dtype,
                    heads: *heads,
                    width: *width,
                })
            }
            _ => Err(format!(
                "{} is {} of shape {}, expected floats of [batch, heads, positions, width] with heads and width fixed",
                spec.name,
                spec.dtype,
                spec.shape_text()
            )),
        }
    }

    /// Zeros, which the graph takes where there is no past.
    pub fn blank(self, rows: usize, positions: usize) -> Tensor {
        let bytes = rows * self.heads * positions * self.width * self.dtype.size().unwrap_or(0);
        let shape = vec![rows, self.heads, positions, self.width];
        Tensor::packed(self.dtype, shape, vec![0; bytes].into())
            .unwrap_or_else(|_| unreachable!("as long as its shape"))
    }
}

/// What is known of the graphs from their files: shapes of the cache, and that all that is needed is there.
#[derive(Debug)]
pub struct Layout {
    pub past: Vec<Shape>,
    pub source: Vec<Shape>,
    /// Both graphs in one, with a switch.
    pub merged: bool,
    pub encoder: bool,
}

impl Layout {
    /// `first` is the graph of the first step, where that is another one.
    ///
    /// # Errors
    /// A sentence that says which input or output is missing, or not known.
    pub fn read(next: &Signature, first: Option<&Signature>) -> Result<Self, String> {
        let (mut past, mut source) = (Vec::new(), Vec::new());
        for spec in &next.inputs {
            let port = Port::of_input(&spec.name)
                .ok_or_else(|| format!("the graph takes {}, which no task that writes text knows", spec.name))?;
            match port {
                Port::Past(i) => past.push((i, Shape::of(spec)?)),
                Port::Source(i) => source.push((i, Shape::of(spec)?)),
                Port::Ids | Port::Mask | Port::Positions | Port::StatesMask if spec.dtype != DType::I64 => {
                    return Err(format!("{} is {}, expected INT64", spec.name, spec.dtype));
                }
                _ => {}
            }
        }
        if past.is_empty() {
            return Err(
                "the graph takes no past_key_values; export the model with its cache, as a task that ends in -with-past"
                    .into(),
            );
        }
        let ports: Vec<Port> = next.inputs.iter().filter_map(|i| Port::of_input(&i.name)).collect();
        let of_encoder = |port: &Port| matches!(port, Port::States | Port::StatesMask | Port::Source(_));
        let layout = Self {
            past: in_order(past)?,
            source: in_order(source)?,
            merged: ports.contains(&Port::UseCache),
            encoder: ports.iter().any(of_encoder),
        };
        layout.check_outputs(next, first.is_none())?;
        if let Some(first) = first {
            if let Some(unknown) = first.inputs.iter().find(|i| Port::of_input(&i.name).is_none()) {
                return Err(format!(
                    "the graph of the first step takes {}, which no task that writes text knows",
                    unknown.name
                ));
            }
            layout.check_outputs(first, true)?;
        }
        Ok(layout)
    }

    /// Whether the graph takes anything of an encoder.
    pub const fn has_encoder(&self) -> bool {
        self.encoder
    }

    /// Whether the graph takes keys and values of an encoder's positions.
    pub fn has_source(&self) -> bool {
        !self.source.is_empty()
    }

    fn check_outputs(&self, graph: &Signature, first_step: bool) -> Result<(), String> {
        let missing = |name: &str| format!("the graph gives no {name}");
        if !graph.outputs.iter().any(|o| o.name == "logits") {
            return Err(missing("logits"));
        }
        let given: Vec<Port> = graph.outputs.iter().filter_map(|o| Port::of_output(&o.name)).collect();
        let past = (0..self.past.len()).map(Port::Past);
        let source = (0..if first_step { self.source.len() } else { 0 }).map(Port::Source);
        match past.chain(source).find(|port| !given.contains(port)) {
            Some(Port::Past(i)) => Err(missing(&format!("present.{} of the decoder", i / 2))),
            Some(_) => Err(missing("present of the encoder")),
            None => Ok(()),
        }
    }
}

/// Keys and values of layers that are numbered from 0 without a gap.
fn in_order(mut shapes: Vec<(usize, Shape)>) -> Result<Vec<Shape>, String> {
    shapes.sort_by_key(|(i, _)| *i);
    match shapes.iter().enumerate().find(|(place, (i, _))| place != i) {
        Some((place, _)) => Err(format!("the graph takes no past_key_values of layer {}", place / 2)),
        None => Ok(shapes.into_iter().map(|(_, shape)| shape).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, shape: &[usize]) -> TensorSpec {
        let dim = |n: &usize| {
            if *n == 0 {
                Dim::Symbol("n".into())
            } else {
                Dim::Fixed(*n)
            }
        };
        let dtype = match shape.len() {
            1 => DType::Bool,
            2 => DType::I64,
            _ => DType::F32,
        };
        TensorSpec {
            name: name.into(),
            dtype,
            shape: shape.iter().map(dim).collect(),
        }
    }

    fn graph(inputs: &[&str], outputs: &[&str]) -> Signature {
        let input = |name: &&str| match Port::of_input(name) {
            Some(Port::Past(_) | Port::Source(_)) => spec(name, &[0, 2, 0, 4]),
            Some(Port::UseCache) => spec(name, &[1]),
            Some(Port::States) => spec(name, &[0, 0, 8]),
            _ => spec(name, &[0, 0]),
        };
        let output = |name: &&str| spec(name, &[0, 0, 0, 4]);
        Signature::new(inputs.iter().map(input).collect(), outputs.iter().map(output).collect())
    }

    #[test]
    fn the_three_layouts_are_read() {
        let past = ["input_ids", "past_key_values.0.key", "past_key_values.0.value"];
        let given = ["logits", "present.0.key", "present.0.value"];
        let one = Layout::read(&graph(&past, &given), None).unwrap();
        assert_eq!((one.past.len(), one.has_source(), one.merged), (2, false, false));
        let first = graph(&["input_ids"], &given);
        assert!(Layout::read(&graph(&past, &given), Some(&first)).is_ok());
        let merged = [&past[..], &["use_cache_branch"]].concat();
        assert!(Layout::read(&graph(&merged, &given), None).unwrap().merged);
    }

    #[test]
    fn an_encoders_keys_need_only_come_with_the_first_step() {
        let next = [
            "input_ids",
            "encoder_attention_mask",
            "past_key_values.0.decoder.key",
            "past_key_values.0.decoder.value",
            "past_key_values.0.encoder.key",
            "past_key_values.0.encoder.value",
        ];
        let own = ["logits", "present.0.decoder.key", "present.0.decoder.value"];
        let all = [&own[..], &["present.0.encoder.key", "present.0.encoder.value"]].concat();
        let first = ["input_ids", "encoder_hidden_states", "encoder_attention_mask"];
        let layout = Layout::read(&graph(&next, &own), Some(&graph(&first, &all))).unwrap();
        assert!(layout.has_source());
        let told = Layout::read(&graph(&next, &own), Some(&graph(&first, &own))).unwrap_err();
        assert!(told.contains("present of the encoder"), "{told}");
    }

    #[test]
    fn what_is_missing_or_unknown_is_told() {
        let told = |inputs: &[&str], outputs: &[&str]| Layout::read(&graph(inputs, outputs), None).unwrap_err();
        assert!(told(&["input_ids"], &["logits"]).contains("-with-past"));
        assert!(told(&["pixel_values"], &["logits"]).contains("pixel_values"));
        let past = ["past_key_values.0.key", "past_key_values.0.value"];
        assert!(told(&past, &["present.0.key", "present.0.value"]).contains("no logits"));
        assert!(told(&past, &["logits", "present.0.key"]).contains("present.0"));
        let gap = ["past_key_values.0.key", "past_key_values.1.value"];
        assert!(told(&gap, &["logits"]).contains("layer 0"));
    }
}
