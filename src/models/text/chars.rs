//! A text that is cut by character positions, as offsets count.

pub struct Chars<'a> {
    text: &'a str,
    /// Byte offset of each character, and the length at the end.
    bytes: Vec<usize>,
}

impl<'a> Chars<'a> {
    pub fn new(text: &'a str) -> Self {
        let bytes = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
        Self { text, bytes }
    }

    /// Characters from a position up to another; what lies outside the text is left away.
    pub fn slice(&self, from: usize, to: usize) -> &'a str {
        let at = |i: usize| self.bytes.get(i).copied().unwrap_or(self.text.len());
        self.text.get(at(from)..at(to)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_characters_and_not_bytes() {
        let text = Chars::new("é Zoë!");
        assert_eq!(
            (text.slice(2, 5), text.slice(5, 99), text.slice(4, 2)),
            ("Zoë", "!", "")
        );
    }
}
