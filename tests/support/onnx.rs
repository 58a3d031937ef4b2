//! Writes small ONNX models, so that tests and benchmarks need neither files nor Python.
//!
//! Field numbers are those of `onnx.proto`; only what these models use is declared. Knows nothing of the server.
#![allow(dead_code, reason = "each user takes the models it needs")]

use prost::Message;

const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;

/// `TensorProto.DataType`.
const FLOAT: i32 = 1;
const INT64: i32 = 7;
const STRING: i32 = 8;
const BOOL: i32 = 9;

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
    graph.node("Flatten", &["pooled"], &["flat"], vec![]);
    graph.dense("head", "flat", "scores", 3, 10, &mut random);
    graph.into_model("image_pool")
}

/// `y` = `x`, both f32 [batch, 1], after `iterations` products of 512×512 matrices (a few milliseconds each) when
/// any `x` is above 1, else at once. So it loads fast, since dummy inputs lie in 0..=1; a run can be ended between
/// two products.
pub fn slow(iterations: usize) -> Vec<u8> {
    let mut graph = Graph::default();
    graph.input("x", FLOAT, &["batch", "1"]);
    graph.output("y", FLOAT, &["batch", "1"]);
    graph.integers("iterations", &[], &[i64::try_from(iterations).unwrap_or(i64::MAX)]);
    graph.floats("one", &[], &[1.0]);
    graph.floats("zero", &[], &[0.0]);
    // The identity: no product overflows, however many there are.
    let size = 512;
    let diagonal: Vec<f32> = (0..size * size)
        .map(|i| if i % (size + 1) == 0 { 1.0 } else { 0.0 })
        .collect();
    graph.floats("matrix", &[size, size], &diagonal);
    graph.node("ReduceMax", &["x"], &["largest"], vec![int("keepdims", 0)]);
    graph.node("Greater", &["largest", "one"], &["wanted"], vec![]);
    graph.node("Cast", &["wanted"], &["factor"], vec![int("to", INT64.into())]);
    graph.node("Mul", &["iterations", "factor"], &["trips"], vec![]);
    let mut body = Graph::default();
    let square: &[&str] = &["512", "512"];
    body.input("iteration", INT64, &[]);
    body.input("condition", BOOL, &[]);
    body.input("state", FLOAT, square);
    body.output("again", BOOL, &[]);
    body.output("next", FLOAT, square);
    body.0.name = "body".into();
    body.node("Identity", &["condition"], &["again"], vec![]);
    body.node("MatMul", &["state", "matrix"], &["next"], vec![]);
    let body = AttributeProto {
        g: Some(body.0),
        ..attribute("body", 5)
    };
    graph.node("Loop", &["trips", "", "matrix"], &["end"], vec![body]);
    // The result must depend on the loop, or the optimiser drops it.
    graph.node("ReduceMean", &["end"], &["mean"], vec![int("keepdims", 0)]);
    graph.node("Mul", &["mean", "zero"], &["nothing"], vec![]);
    graph.node("Add", &["x", "nothing"], &["y"], vec![]);
    graph.into_model("slow")
}

/// A row's output depends on the other rows: `y` = `x` less the mean row, both f32 [batch, 4].
pub fn batch_variant() -> Vec<u8> {
    let mut graph = Graph::default();
    graph.input("x", FLOAT, &["batch", "4"]);
    graph.output("y", FLOAT, &["batch", "4"]);
    graph.node("ReduceMean", &["x"], &["mean"], vec![ints("axes", &[0])]);
    graph.node("Sub", &["x", "mean"], &["y"], vec![]);
    graph.into_model("batch_variant")
}

/// Takes one row and no more: `y` = `x` + 1, both f32 [1, 4].
pub fn fixed_batch() -> Vec<u8> {
    let mut graph = Graph::default();
    graph.input("x", FLOAT, &["1", "4"]);
    graph.output("y", FLOAT, &["1", "4"]);
    graph.floats("one", &[], &[1.0]);
    graph.node("Add", &["x", "one"], &["y"], vec![]);
    graph.into_model("fixed_batch")
}

/// Rows of any length: `y` f32 [batch] is the sum over `t` of `a` f32 [batch, t], plus `b` int64 [batch].
pub fn two_inputs() -> Vec<u8> {
    let mut graph = Graph::default();
    graph.input("a", FLOAT, &["batch", "t"]);
    graph.input("b", INT64, &["batch"]);
    graph.output("y", FLOAT, &["batch"]);
    graph.integers("axes", &[1], &[1]);
    graph.node("ReduceSum", &["a", "axes"], &["sum"], vec![int("keepdims", 0)]);
    graph.node("Cast", &["b"], &["added"], vec![int("to", FLOAT.into())]);
    graph.node("Add", &["sum", "added"], &["y"], vec![]);
    graph.into_model("two_inputs")
}

/// Words as they came: `words` to `same`, both string [batch].
pub fn strings() -> Vec<u8> {
    let mut graph = Graph::default();
    graph.input("words", STRING, &["batch"]);
    graph.output("same", STRING, &["batch"]);
    graph.node("Identity", &["words"], &["same"], vec![]);
    graph.into_model("strings")
}

/// Reads well and cannot be loaded, for want of its only operator: `x` to `y`, both f32 [batch, 2].
pub fn unknown_operator() -> Vec<u8> {
    let mut graph = Graph::default();
    graph.input("x", FLOAT, &["batch", "2"]);
    graph.output("y", FLOAT, &["batch", "2"]);
    graph.node("Perpetuum", &["x"], &["y"], vec![]);
    graph.into_model("unknown_operator")
}

#[derive(Default)]
struct Graph(GraphProto);

impl Graph {
    fn input(&mut self, name: &str, elem_type: i32, dims: &[&str]) {
        self.0.input.push(value(name, elem_type, dims));
    }

    fn output(&mut self, name: &str, elem_type: i32, dims: &[&str]) {
        self.0.output.push(value(name, elem_type, dims));
    }

    fn node(&mut self, op: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) {
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

    fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        self.constant(name, FLOAT, dims, values.iter().flat_map(|v| v.to_le_bytes()));
    }

    fn integers(&mut self, name: &str, dims: &[usize], values: &[i64]) {
        self.constant(name, INT64, dims, values.iter().flat_map(|v| v.to_le_bytes()));
    }

    fn constant(&mut self, name: &str, data_type: i32, dims: &[usize], bytes: impl Iterator<Item = u8>) {
        self.0.initializer.push(TensorProto {
            dims: dims.iter().map(|n| i64::try_from(*n).unwrap_or(i64::MAX)).collect(),
            data_type,
            name: name.into(),
            raw_data: bytes.collect(),
        });
    }

    fn into_model(mut self, name: &str) -> Vec<u8> {
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

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        i: Some(i),
        ..attribute(name, 2)
    }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        ints: values.to_vec(),
        ..attribute(name, 7)
    }
}

/// `code` is of `AttributeProto.AttributeType`.
fn attribute(name: &str, code: i32) -> AttributeProto {
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
        struct $name { $(#[prost($($wire)*)] $field: $type,)* }
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
enum Dim {
    #[prost(int64, tag = "1")]
    Value(i64),
    #[prost(string, tag = "2")]
    Param(String),
}
