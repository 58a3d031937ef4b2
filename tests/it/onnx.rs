//! Small ONNX models of tests, beside those that benchmarks have, too.

#[path = "../support/onnx.rs"]
mod shared;

pub use shared::{image_pool, mlp};

use shared::{AttributeProto, FLOAT, Graph, attribute, int};

/// Of `TensorProto.DataType`.
const INT64: i32 = 7;
const STRING: i32 = 8;
const BOOL: i32 = 9;

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

impl Graph {
    fn integers(&mut self, name: &str, dims: &[usize], values: &[i64]) {
        self.constant(name, INT64, dims, values.iter().flat_map(|v| v.to_le_bytes()));
    }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        ints: values.to_vec(),
        ..attribute(name, 7)
    }
}
