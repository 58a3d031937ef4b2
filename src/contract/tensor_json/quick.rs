//! The usual body, lists of plain numbers under plain names, read a few times as fast as by a reader of any JSON.
//!
//! It reads nothing that the general reader would read otherwise. What it does not know, be it unusual or wrong, it
//! leaves to that one, which also tells what is wrong.

use super::elements::{Builder, Scalar};
use super::nested::Nested;
use super::number;
use crate::contract::signature::Signature;
use crate::tensor::{DType, Data, Element};

/// The inputs of a body, or `None` where the general reader has to look.
pub fn inputs(signature: &Signature, body: &[u8]) -> Option<Vec<Nested>> {
    let mut text = Text { body, at: 0 };
    let mut read: Vec<Option<Nested>> = signature.inputs.iter().map(|_| None).collect();
    text.token(b'{')?;
    loop {
        let name = text.name()?;
        text.token(b':')?;
        let place = signature.inputs.iter().position(|spec| spec.name.as_bytes() == name)?;
        // Of a name that comes twice the general reader knows what holds.
        let slot = read[place].is_none().then_some(&mut read[place])?;
        *slot = Some(text.tensor(signature.inputs[place].dtype)?);
        match text.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    text.peek().is_none().then_some(())?;
    read.into_iter().collect()
}

/// Lists deeper than any tensor's are not gone into.
const DEEPEST: usize = 16;

/// A body, and how far it was read.
struct Text<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Text<'a> {
    /// The next character that is no space; it is not read yet.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.body.get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                other => return Some(other),
            }
        }
    }

    /// The same, read.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let next = self.peek();
        self.at += 1;
        next
    }

    fn token(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// A name without escapes. It is compared with names that are UTF-8.
    fn name(&mut self) -> Option<&'a [u8]> {
        self.token(b'"')?;
        let rest = &self.body[self.at..];
        let end = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20))?;
        self.at += end + 1;
        (rest[end] == b'"').then_some(&rest[..end])
    }

    fn tensor(&mut self, dtype: DType) -> Option<Nested> {
        match dtype {
            DType::F32 => self.packed::<f32>(),
            DType::F64 => self.packed::<f64>(),
            DType::F16 => self.packed::<half::f16>(),
            DType::BF16 => self.packed::<half::bf16>(),
            DType::I8 => self.packed::<i8>(),
            DType::I16 => self.packed::<i16>(),
            DType::I32 => self.packed::<i32>(),
            DType::I64 => self.packed::<i64>(),
            DType::U8 => self.packed::<u8>(),
            DType::U16 => self.packed::<u16>(),
            DType::U32 => self.packed::<u32>(),
            DType::U64 => self.packed::<u64>(),
            DType::Bool | DType::Bytes => None,
        }
    }

    fn packed<T: Element + Scalar>(&mut self) -> Option<Nested> {
        // About what numbers with a comma take; never more of them than there are bytes.
        let mut builder = Builder::with_capacity((self.body.len() - self.at) / 8);
        self.token(b'[')?;
        self.list::<T>(&mut builder, 0)?;
        let (shape, elements) = builder.finish();
        Some(Nested {
            shape,
            data: Data::Packed(T::into_bytes(elements)),
        })
    }

    /// A list whose bracket was read.
    fn list<T: Scalar>(&mut self, builder: &mut Builder<T>, depth: usize) -> Option<()> {
        if depth == DEEPEST {
            return None;
        }
        builder.open(depth).ok()?;
        if self.peek()? == b']' {
            self.at += 1;
            return builder.close(depth, 0).ok();
        }
        let mut length = 0;
        loop {
            if self.peek()? == b'[' {
                self.at += 1;
                self.list(builder, depth + 1)?;
            } else {
                let (element, length) = number::read(&self.body[self.at..])?;
                self.at += length;
                builder.leaf(depth + 1, element).ok()?;
            }
            length += 1;
            match self.next()? {
                b',' => {}
                b']' => return builder.close(depth, length).ok(),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::decode::general;
    use super::*;
    use crate::contract::signature::tests::spec;

    fn signature(dtype: DType) -> Signature {
        Signature::new(vec![spec("x", dtype, &["n"])], vec![spec("y", dtype, &["n"])])
    }

    type Read = Option<Vec<(Vec<usize>, Data)>>;

    fn parts(read: Option<Vec<Nested>>) -> Read {
        read.map(|all| all.into_iter().map(|n| (n.shape, n.data)).collect())
    }

    /// What both readers make of a body; the quick one may know nothing of it.
    fn both(dtype: DType, body: &str) -> [Read; 2] {
        let signature = signature(dtype);
        [
            inputs(&signature, body.as_bytes()),
            general(&signature, body.as_bytes()),
        ]
        .map(parts)
    }

    const DTYPES: [DType; 6] = [DType::F32, DType::F64, DType::F16, DType::I64, DType::U64, DType::U8];

    #[test]
    fn usual_bodies_are_read_here() {
        for (dtype, body) in [
            (DType::F32, r#"{"x":[0.1,-2.5e-3,7,1e10]}"#),
            (DType::F64, " { \"x\" : [ [ 0.30000000000000004 , 1 ] ,\n[2,3] ] } "),
            (DType::F32, r#"{"x":[0.12345678901234567,1e-40,123456789012345678901]}"#),
            (DType::F32, r#"{"x":[]}"#),
            (DType::I64, r#"{"x":[[101,7592],[-1,0]]}"#),
            (DType::U8, r#"{"x":[0,255]}"#),
        ] {
            let [quick, general] = both(dtype, body);
            assert!(quick.is_some(), "{body}");
            assert_eq!(quick, general, "{body}");
        }
    }

    #[test]
    fn what_is_wrong_or_rare_is_left_to_the_general_reader() {
        for body in [
            "",
            "{}",
            "[1]",
            r#"{"x":[1]} 2"#,
            r#"{"x":[1],}"#,
            r#"{"x":[1,]}"#,
            r#"{"x":[1}"#,
            r#"{"x":1}"#,
            r#"{"x":[[1],2]}"#,
            r#"{"x":[1,[2]]}"#,
            r#"{"x":[[1],[2,3]]}"#,
            r#"{"x":[01]}"#,
            r#"{"x":[1.]}"#,
            r#"{"x":[.5]}"#,
            r#"{"x":[+1]}"#,
            r#"{"x":[-]}"#,
            r#"{"x":[1e]}"#,
            r#"{"x":[1e400]}"#,
            r#"{"x":[NaN]}"#,
            r#"{"x":[null]}"#,
            r#"{"z":[1]}"#,
            r#"{"x":[1],"x":[2]}"#,
            r#"{"\u0078":[1]}"#,
        ] {
            assert!(both(DType::F32, body)[0].is_none(), "{body}");
        }
        let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(100), "]".repeat(100));
        assert!(both(DType::F32, &deep)[0].is_none());
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_the_general_reader(
            numbers in prop::collection::vec(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?", 0..6),
            doubles in prop::collection::vec(any::<f64>().prop_filter("JSON has no other", |v| v.is_finite()), 0..4),
            singles in prop::collection::vec(any::<f32>().prop_filter("as above", |v| v.is_finite()), 0..4),
            integers in prop::collection::vec(any::<i64>(), 0..4),
        ) {
            let numbers = numbers.into_iter().chain(doubles.iter().map(|v| format!("{v:e}")));
            let numbers = numbers.chain(singles.iter().map(f32::to_string)).chain(integers.iter().map(i64::to_string));
            for number in numbers {
                for dtype in DTYPES {
                    let body = format!(r#"{{"x":[{number}]}}"#);
                    let [quick, general] = both(dtype, &body);
                    prop_assert!(quick.is_none() || quick == general, "{} {}", dtype, body);
                }
            }
        }

        #[test]
        fn it_takes_nothing_the_general_reader_refuses(body in r#"\{"x":[\[\]0-9,. eE+-]{0,12}\}?"#) {
            for dtype in DTYPES {
                let [quick, general] = both(dtype, &body);
                prop_assert!(quick.is_none() || quick == general, "{} {}", dtype, body);
            }
        }
    }
}
