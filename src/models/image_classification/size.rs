//! What an image is resized to.

use serde_json::Value;

use super::families::Lone;

/// A size as `preprocessor_config.json` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Whatever the image was.
    Exact { height: usize, width: usize },
    /// The shorter side gets this length, the other follows.
    ShortestEdge(usize),
    /// The longer side gets this length, the other follows.
    LongestEdge(usize),
}

impl Size {
    /// Reads a number, a list of height and width, or an object.
    ///
    /// # Errors
    /// A sentence that says what was expected under `key`.
    pub fn read(key: &str, value: &Value, lone: Lone) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{key} of preprocessor_config.json is {value}, expected a number, or height and width, shortest_edge \
                 or longest_edge"
            )
        };
        let length = |value: Option<&Value>| value.and_then(Value::as_u64).and_then(length);
        let size = match (value, lone) {
            (Value::Number(_), Lone::Square) => length(Some(value)).map(Self::square),
            (Value::Number(_), Lone::ShortestEdge) => length(Some(value)).map(Self::ShortestEdge),
            (Value::Array(list), _) if list.len() == 2 => Self::exact(length(list.first()), length(list.last())),
            (Value::Object(fields), _) => {
                let field = |name: &str| length(fields.get(name));
                Self::exact(field("height"), field("width"))
                    .or_else(|| field("shortest_edge").map(Self::ShortestEdge))
                    .or_else(|| field("longest_edge").map(Self::LongestEdge))
            }
            _ => None,
        };
        size.ok_or_else(wrong)
    }

    pub const fn square(side: usize) -> Self {
        Self::Exact {
            height: side,
            width: side,
        }
    }

    fn exact(height: Option<usize>, width: Option<usize>) -> Option<Self> {
        Some(Self::Exact {
            height: height?,
            width: width?,
        })
    }

    /// Height and width of an image of this height and width, once resized.
    pub fn of(self, height: usize, width: usize) -> (usize, usize) {
        let (short, long) = (height.min(width), height.max(width));
        let (short, long) = match self {
            Self::Exact { height, width } => return (height, width),
            Self::ShortestEdge(edge) => (edge, share(edge, long, short)),
            Self::LongestEdge(edge) => (share(edge, short, long).max(1), edge),
        };
        if width <= height { (long, short) } else { (short, long) }
    }
}

/// The longest side that is taken for one: beyond it, images are no input of a classifier.
const LONGEST: u64 = 1 << 14;

fn length(value: u64) -> Option<usize> {
    usize::try_from(value).ok().filter(|_| (1..=LONGEST).contains(&value))
}

/// `edge * part / whole`, the fraction cut off.
#[allow(clippy::cast_possible_truncation, reason = "a length where another was")]
const fn share(edge: usize, part: usize, whole: usize) -> usize {
    // Lengths lie below 2³², and so does an edge: the product does not overflow 64 bits.
    (edge as u64 * part as u64 / whole as u64) as usize
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_a_size_is_read() {
        let read = |value: Value, lone| Size::read("size", &value, lone);
        assert_eq!(read(json!(30), Lone::Square), Ok(Size::square(30)));
        assert_eq!(read(json!(30), Lone::ShortestEdge), Ok(Size::ShortestEdge(30)));
        let exact = Size::Exact { height: 20, width: 30 };
        assert_eq!(read(json!([20, 30]), Lone::Square), Ok(exact));
        assert_eq!(read(json!({"height": 20, "width": 30}), Lone::ShortestEdge), Ok(exact));
        assert_eq!(
            read(json!({"shortest_edge": 9, "longest_edge": 90}), Lone::Square),
            Ok(Size::ShortestEdge(9))
        );
        assert_eq!(read(json!({"longest_edge": 9}), Lone::Square), Ok(Size::LongestEdge(9)));
        for wrong in [
            json!("big"),
            json!(0),
            json!(-1),
            json!({"height": 3}),
            json!([1, 2, 3]),
            json!(1_000_000),
        ] {
            let told = read(wrong, Lone::Square).unwrap_err();
            assert!(told.starts_with("size of preprocessor_config.json is "), "{told}");
        }
    }

    #[test]
    fn the_other_side_follows_and_is_cut_off() {
        assert_eq!(Size::ShortestEdge(10).of(3, 7), (10, 23));
        assert_eq!(Size::ShortestEdge(10).of(7, 3), (23, 10));
        assert_eq!(Size::ShortestEdge(10).of(5, 5), (10, 10));
        assert_eq!(Size::LongestEdge(10).of(3, 7), (4, 10));
        assert_eq!(Size::LongestEdge(10).of(700, 3), (10, 1));
        assert_eq!(Size::square(4).of(700, 3), (4, 4));
    }
}
