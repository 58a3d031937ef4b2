//! Numbers of JSON texts.

use super::elements::Scalar;

/// A number as it is written: digits × 10^exponent.
pub struct Number {
    negative: bool,
    digits: u64,
    exponent: i32,
    is_integer: bool,
    /// There are more digits than fit, or the exponent is larger than any that counts.
    exceeds: bool,
}

/// Powers of ten that a double holds exactly.
const EXACT: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// So many digits always fit.
const FIT: usize = 19;
/// Larger exponents are zero or infinite, whatever the digits.
const LARGEST: i32 = 10_000;

impl Number {
    /// A number at the start of `text`, by the grammar of JSON, and its length.
    #[inline]
    pub fn read(text: &[u8]) -> Option<(Self, usize)> {
        let mut rest = text;
        let negative = matches!(rest, [b'-', ..]);
        if negative {
            rest = &rest[1..];
        }
        let (mut digits, whole) = (0, rest);
        rest = few_digits(rest, &mut digits);
        let mut count = whole.len() - rest.len();
        // At least one digit, and no zero before others.
        if count == 0 || (count > 1 && whole[0] == b'0') {
            return None;
        }
        let (mut places, mut power) = (0, 0);
        let mut is_integer = true;
        if let [b'.', fraction @ ..] = rest {
            rest = many_digits(fraction, &mut digits);
            places = fraction.len() - rest.len();
            if places == 0 {
                return None;
            }
            count += places;
            is_integer = false;
        }
        if let [b'e' | b'E', exponent @ ..] = rest {
            (power, rest) = power_of(exponent)?;
            is_integer = false;
        }
        let number = Self {
            negative,
            digits,
            exponent: power.saturating_sub(i32::try_from(places).ok()?),
            is_integer,
            exceeds: count > FIT || power.abs() > LARGEST,
        };
        Some((number, text.len() - rest.len()))
    }

    /// The number, whose text is `text`, as an element of a tensor; `None` where it is none of that type.
    #[inline]
    pub fn element<T: Scalar>(&self, text: &[u8]) -> Option<T> {
        if self.is_integer && !self.exceeds {
            return match (self.negative, self.digits) {
                (false, digits) => T::from_u64(digits),
                (true, 0) => T::from_f64(-0.0),
                (true, digits) => T::from_i64(0_i64.checked_sub_unsigned(digits)?),
            };
        }
        T::from_f64(self.value(text)?)
    }

    /// The nearest double; `None` where it would be infinite. A product or quotient of two numbers that doubles hold
    /// exactly is rounded once, so it is the nearest one; of other numbers the standard library finds it in their text.
    #[inline]
    fn value(&self, text: &[u8]) -> Option<f64> {
        match EXACT.get(self.exponent.unsigned_abs() as usize) {
            Some(power) if !self.exceeds && self.digits < 1 << 53 => {
                #[allow(clippy::cast_precision_loss, reason = "fewer than 53 bits are exact")]
                let digits = self.digits as f64;
                let value = if self.exponent < 0 {
                    digits / power
                } else {
                    digits * power
                };
                Some(if self.negative { -value } else { value })
            }
            _ => {
                let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
                value.is_finite().then_some(value)
            }
        }
    }
}

/// Puts the digits at the start of `text` behind those that are there; gives what stands after them.
#[inline]
fn few_digits<'a>(mut text: &'a [u8], digits: &mut u64) -> &'a [u8] {
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        *digits = digits.wrapping_mul(10).wrapping_add(u64::from(*digit - b'0'));
        text = rest;
    }
    text
}

/// The same, faster where they are many.
#[inline]
fn many_digits<'a>(mut text: &'a [u8], digits: &mut u64) -> &'a [u8] {
    while let Some((eight, rest)) = text.split_first_chunk()
        && let Some(eight) = eight_digits(*eight)
    {
        *digits = digits.wrapping_mul(100_000_000).wrapping_add(eight);
        text = rest;
    }
    few_digits(text, digits)
}

/// The value of eight digits, all at once: each byte is looked at beside the others, then neighbours are put together
/// as pairs, pairs as fours, and fours as the whole.
#[inline]
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    const HIGH: u64 = u64::from_le_bytes([0xF0; 8]);
    const SIX: u64 = u64::from_le_bytes([6; 8]);
    let digits = u64::from_le_bytes(text) ^ ZEROS;
    // 0 to 9, and still below 16 with 6 added.
    if (digits | digits.wrapping_add(SIX)) & HIGH != 0 {
        return None;
    }
    let pairs = (digits * 10 + (digits >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    Some((fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF)
}

/// What stands behind the `e` of a number, and what after it.
#[cold]
fn power_of(text: &[u8]) -> Option<(i32, &[u8])> {
    let (negative, whole) = match text {
        [sign @ (b'+' | b'-'), rest @ ..] => (*sign == b'-', rest),
        _ => (false, text),
    };
    let mut digits = 0;
    let rest = few_digits(whole, &mut digits);
    let power = match whole.len() - rest.len() {
        0 => return None,
        1..=FIT => i32::try_from(digits).unwrap_or(i32::MAX),
        // More digits than fit are more than enough.
        _ => i32::MAX,
    };
    Some((if negative { -power } else { power }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn eight_digits_are_eight_and_digits() {
        assert_eq!(eight_digits(*b"01234567"), Some(1_234_567));
        assert_eq!(eight_digits(*b"99999999"), Some(99_999_999));
        for other in [
            b"1234567.",
            b"/2345678",
            b"1234:678",
            b"12345678".map(|b| b | 0x80).as_ref().try_into().unwrap(),
        ] {
            assert_eq!(eight_digits(*other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn eight_characters_are_read_as_the_standard_library_does(text in r"[0-9]{8}|[ -~]{8}") {
            let bytes: [u8; 8] = text.as_bytes().try_into().unwrap();
            let all_digits = text.bytes().all(|b| b.is_ascii_digit());
            prop_assert_eq!(eight_digits(bytes), all_digits.then(|| text.parse().unwrap()));
        }
    }
}
