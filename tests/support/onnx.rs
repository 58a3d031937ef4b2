//! Writes small ONNX models, so that tests and benchmarks need neither files nor Python.
//!
//! Field numbers are those of `onnx.proto`; only what models of tests use is declared. Knows nothing of the server.

use prost::Message;

const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;

/// Of `TensorProto.DataType`.
pub const FLOAT: i32 = 1;

/// Dense layers with a Relu between them: `x` f32 [batch, first] to `y` f32 [batch, last].
pub fn mlp(layers: &[usize], seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut graph = Graph::default();
    let width = |layer: usize| layers[layer].to_string();
    let dense = layers.len() - 1;
    graph.input("x", FLOAT, &["batch", &width(0)]);
    graph.output("y", FLOAT, &["batch", &width(dense)]);
    let mut from = "x".to_owned();
    for i in 0..dense {
        let to = if i + 1 == dense {
            "y".to_owned()
        } else {
            format!("sum{i}")
        };
        graph.dense(&format!("dense{i}"), &from, &to, layers[i], layers[i + 1], &mut random);
        if i + 1 < dense {
            from = format!("hidden{i}");
            graph.node("Relu", &[&to], &[&from], vec![]);
        }
    }
    graph.into_model("mlp")
}

/// Much input, little work: `image` f32 [batch, 3, 224, 224] to `scores` f32 [batch, 10].
pub fn image_pool() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut graph = Graph::default();
    graph.input("image", FLOAT, &["batch", "3", "224", "224"]);
    graph.output("scores", FLOAT, &["batch", "10"]);
    graph.node("GlobalAveragePool", &["image"], &["pooled"], vec![]);
    graph.node("Flatten", &["pooled"], &["flat"], vec![int("axis", 1)]);
    graph.dense("head", "flat", "scores", 3, 10, &mut random);
    graph.into_model("image_pool")
}

/// A graph that is being written.
#[derive(Default)]
pub struct Graph(pub GraphProto);

impl Graph {
    pub fn input(&mut self, name: &str, elem_type: i32, dims: &[&str]) {
        self.0.input.push(value(name, elem_type, dims));
    }

    pub fn output(&mut self, name: &str, elem_type: i32, dims: &[&str]) {
        self.0.output.push(value(name, elem_type, dims));
    }

    pub fn node(&mut self, op: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        self.0.node.push(NodeProto {
            input: names(inputs),
            output: names(outputs),
            op_type: op.into(),
            attribute,
        });
    }

    /// `to` = `from` · weights + bias. Weights shrink with the width, so that values keep their size.
    fn dense(&mut self, name: &str, from: &str, to: &str, rows: usize, columns: usize, random: &mut fastrand::Rng) {
        let scale = 1.0 / f32::from(u16::try_from(rows).unwrap_or(u16::MAX)).sqrt();
        let mut values = |n: usize| -> Vec<f32> { (0..n).map(|_| (random.f32() - 0.5) * scale).collect() };
        let (weights, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        self.floats(&weights, &[rows, columns], &values(rows * columns));
        self.floats(&bias, &[columns], &values(columns));
        self.node("Gemm", &[from, &weights, &bias], &[to], vec![]);
    }

    pub fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        self.constant(name, FLOAT, dims, values.iter().flat_map(|v| v.to_le_bytes()));
    }

    pub fn constant(&mut self, name: &str, data_type: i32, dims: &[usize], bytes: impl Iterator<Item = u8>) {
        self.0.initializer.push(TensorProto {
            dims: dims.iter().map(|n| i64::try_from(*n).unwrap_or(i64::MAX)).collect(),
            data_type,
            name: name.into(),
            raw_data: bytes.collect(),
        });
    }

    pub fn into_model(mut self, name: &str) -> Vec<u8> {
        self.0.name = name.into();
        let model = ModelProto {
            ir_version: IR_VERSION,
            graph: Some(self.0),
            opset_import: vec![OperatorSetId { version: OPSET }],
        };
        model.encode_to_vec()
    }
}

/// A dimension that is a number is fixed, any other text is a symbol.
fn value(name: &str, elem_type: i32, dims: &[&str]) -> ValueInfoProto {
    let dim = |text: &&str| Dimension {
        dim: Some(text.parse().map_or_else(|_| Dim::Param((*text).into()), Dim::Value)),
    };
    let shape = TensorShape {
        dim: dims.iter().map(dim).collect(),
    };
    let shape = Some(shape);
    let tensor_type = Some(TensorType { elem_type, shape });
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto { tensor_type }),
    }
}

pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        i: Some(i),
        ..attribute(name, 2)
    }
}

/// `code` is of `AttributeProto.AttributeType`.
pub fn attribute(name: &str, code: i32) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: code,
        ..Default::default()
    }
}

/// One line a field: its Rust type, then its type and number in `onnx.proto`.
macro_rules! messages {
    ($($name:ident { $($field:ident: $type:ty = ($($wire:tt)*);)* })*) => {$(
        #[derive(Message)]
        pub struct $name { $(#[prost($($wire)*)] pub $field: $type,)* }
    )*};
}

messages! {
    ModelProto {
        ir_version: i64 = (int64, tag = "1");
        graph: Option<GraphProto> = (message, optional, tag = "7");
        opset_import: Vec<OperatorSetId> = (message, repeated, tag = "8");
    }
    OperatorSetId {
        version: i64 = (int64, tag = "2");
    }
    GraphProto {
        node: Vec<NodeProto> = (message, repeated, tag = "1");
        name: String = (string, tag = "2");
        initializer: Vec<TensorProto> = (message, repeated, tag = "5");
        input: Vec<ValueInfoProto> = (message, repeated, tag = "11");
        output: Vec<ValueInfoProto> = (message, repeated, tag = "12");
    }
    NodeProto {
        input: Vec<String> = (string, repeated, tag = "1");
        output: Vec<String> = (string, repeated, tag = "2");
        op_type: String = (string, tag = "4");
        attribute: Vec<AttributeProto> = (message, repeated, tag = "5");
    }
    AttributeProto {
        name: String = (string, tag = "1");
        i: Option<i64> = (int64, optional, tag = "3");
        g: Option<GraphProto> = (message, optional, tag = "6");
        ints: Vec<i64> = (int64, repeated, tag = "8");
        r#type: i32 = (int32, tag = "20");
    }
    TensorProto {
        dims: Vec<i64> = (int64, repeated, tag = "1");
        data_type: i32 = (int32, tag = "2");
        name: String = (string, tag = "8");
        raw_data: Vec<u8> = (bytes = "vec", tag = "9");
    }
    ValueInfoProto {
        name: String = (string, tag = "1");
        r#type: Option<TypeProto> = (message, optional, tag = "2");
    }
    TypeProto {
        tensor_type: Option<TensorType> = (message, optional, tag = "1");
    }
    TensorType {
        elem_type: i32 = (int32, tag = "1");
        shape: Option<TensorShape> = (message, optional, tag = "2");
    }
    TensorShape {
        dim: Vec<Dimension> = (message, repeated, tag = "1");
    }
    Dimension {
        dim: Option<Dim> = (oneof = "Dim", tags = "1, 2");
    }
}

#[derive(prost::Oneof)]
pub enum Dim {
    #[prost(int64, tag = "1")]
    Value(i64),
    #[prost(string, tag = "2")]
    Param(String),
}
