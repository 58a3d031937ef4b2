//! Numbers of JSON texts as elements of a tensor.

use super::elements::Scalar;

/// So many digits always fit into 64 bits.
const FIT: usize = 19;

/// The number at the start of `text`, by the grammar of JSON, and its length; `None` where there is none, or none of
/// that type.
#[inline]
pub fn read<T: Scalar>(text: &[u8]) -> Option<(T, usize)> {
    let negative = text.first() == Some(&b'-');
    let whole = &text[usize::from(negative)..];
    let (digits, count) = digits(whole);
    // At least one digit, and no zero before others.
    if count == 0 || (count > 1 && whole[0] == b'0') {
        return None;
    }
    match &whole[count..] {
        [b'.', b'0'..=b'9', ..] | [b'e' | b'E', ..] => return nearest(text),
        [b'.', ..] => return None,
        _ if count > FIT => return nearest(text),
        _ => {}
    }
    let element = match (negative, digits) {
        (false, digits) => T::from_u64(digits),
        (true, 0) => T::from_f64(-0.0),
        (true, digits) => T::from_i64(0_i64.checked_sub_unsigned(digits)?),
    };
    Some((element?, usize::from(negative) + count))
}

/// The nearest double, where it is finite.
#[inline]
fn nearest<T: Scalar>(text: &[u8]) -> Option<(T, usize)> {
    let (value, length) = fast_float2::parse_partial::<f64, _>(text).ok()?;
    let element = value.is_finite().then(|| T::from_f64(value))?;
    Some((element?, length))
}

/// The value of the digits at the start of `text`, and how many there are.
#[inline]
fn digits(text: &[u8]) -> (u64, usize) {
    let (mut value, mut rest) = (0_u64, text);
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        value = value.wrapping_mul(10).wrapping_add(u64::from(*digit - b'0'));
        rest = after;
    }
    (value, text.len() - rest.len())
}
