//! What comes alone or in a list. Requests and answers have types of their own for it and no generic one: each has
//! its name and its texts in the docs, and a generic type would be named after its parameters there.

use crate::error::{Error, Fault};

/// An answer in the form its request had: one where no list was sent. `one` and `many` are the variants of its type.
pub fn in_form<T, A>(mut items: Vec<T>, listed: bool, one: impl FnOnce(T) -> A, many: impl FnOnce(Vec<T>) -> A) -> A {
    match items.pop() {
        Some(only) if !listed => one(only),
        last => {
            items.extend(last);
            many(items)
        }
    }
}

/// Whether a list has a length that a request may have; `thing` is what it holds, in the singular.
///
/// # Errors
/// When it is empty or too long, with the field that holds it.
pub fn check_count(field: &str, thing: &str, count: usize, most: usize) -> Result<(), Error> {
    let message = match count {
        0 => format!("is an empty list; send at least one {thing}"),
        n if n > most => format!("holds {n} {thing}s, at most {most} are taken; send several requests"),
        _ => return Ok(()),
    };
    Err(Error::faults(vec![Fault::at(&[field], message, "length")]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Form {
        One(u8),
        Many(Vec<u8>),
    }

    #[test]
    fn an_answer_has_the_form_of_its_request() {
        let form = |items: &[u8], listed| in_form(items.to_vec(), listed, Form::One, Form::Many);
        assert_eq!(form(&[7], false), Form::One(7));
        assert_eq!(form(&[7], true), Form::Many(vec![7]));
        assert_eq!(form(&[1, 2, 3], true), Form::Many(vec![1, 2, 3]));
        assert_eq!(form(&[], true), Form::Many(Vec::new()));
    }

    #[test]
    fn a_list_is_neither_empty_nor_too_long() {
        let told = |count| {
            check_count("text", "text", count, 2)
                .err()
                .map(|e| e.detail()[0].msg.clone())
        };
        assert_eq!((told(1), told(2)), (None, None));
        assert_eq!(told(0).as_deref(), Some("is an empty list; send at least one text"));
        let long = "holds 3 texts, at most 2 are taken; send several requests";
        assert_eq!(told(3).as_deref(), Some(long));
    }
}
