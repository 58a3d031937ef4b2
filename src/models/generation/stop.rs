//! Stop strings: a text ends where one of them begins, and what might be the beginning of one is held back.

/// Looks for stop strings in a text that comes in pieces.
#[derive(Clone, Debug, Default)]
pub struct StopStrings {
    stops: Vec<String>,
    held: String,
    hit: bool,
}

impl StopStrings {
    /// Empty strings stop nothing.
    pub fn new(stops: Vec<String>) -> Self {
        Self {
            stops: stops.into_iter().filter(|s| !s.is_empty()).collect(),
            ..Self::default()
        }
    }

    /// Whether there are none to look for.
    pub const fn is_empty(&self) -> bool {
        self.stops.is_empty()
    }

    /// Whether a stop string came; from then on nothing passes.
    pub const fn hit(&self) -> bool {
        self.hit
    }

    /// Takes a piece; gives the text that is known to come before every stop string.
    pub fn push(&mut self, piece: &str) -> String {
        if self.hit {
            return String::new();
        }
        self.held.push_str(piece);
        let first = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(at) = first {
            self.hit = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let kept = self.may_begin();
        let rest = self.held.split_off(self.held.len() - kept);
        std::mem::replace(&mut self.held, rest)
    }

    /// The text has ended: gives what was held back.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end of the held text that may be the beginning of a stop string.
    fn may_begin(&self) -> usize {
        let longest = |stop: &String| {
            let inner = stop.char_indices().map(|(i, _)| i).skip(1);
            let inner = inner.take_while(|n| *n <= self.held.len());
            inner.filter(|n| self.held.ends_with(&stop[..*n])).max().unwrap_or(0)
        };
        self.stops.iter().map(longest).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(stops: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let mut stop = StopStrings::new(stops.iter().map(|s| (*s).to_owned()).collect());
        let mut out: Vec<String> = pieces.iter().map(|p| stop.push(p)).collect();
        out.push(stop.finish());
        (out, stop.hit())
    }

    #[test]
    fn without_stop_strings_all_passes_at_once() {
        assert_eq!(all(&[], &["a", "b"]).0, ["a", "b", ""]);
        assert_eq!(all(&[""], &["a"]).0, ["a", ""]);
    }

    #[test]
    fn a_stop_string_in_pieces_is_held_back_and_ends_the_text() {
        let (out, hit) = all(&["END"], &["one E", "N", "D two"]);
        assert_eq!((out.concat().as_str(), hit), ("one ", true));
        assert_eq!(out[0], "one ");
    }

    #[test]
    fn what_only_looked_like_one_comes_out_later() {
        let (out, hit) = all(&["END"], &["E", "N", "E", "."]);
        assert_eq!(out, ["", "", "EN", "E.", ""]);
        assert!(!hit);
        assert_eq!(all(&["END"], &["the EN"]).0, ["the ", "EN"]);
    }

    #[test]
    fn the_first_of_several_wins_and_characters_stay_whole() {
        assert_eq!(all(&["b", "ab"], &["xabc"]).0.concat(), "x");
        assert_eq!(all(&["é!"], &["caf\u{e9}", "?"]).0, ["caf", "é?", ""]);
    }

    proptest! {
        #[test]
        fn pieces_give_the_same_as_the_whole(text in "[ab]{0,20}", stop in "[ab]{1,4}", cut in 0usize..20) {
            let cut = cut.min(text.len());
            let (out, hit) = all(&[stop.as_str()], &[&text[..cut], &text[cut..]]);
            let whole = text.find(&stop).map_or(text.as_str(), |at| &text[..at]);
            prop_assert_eq!(out.concat(), whole);
            prop_assert_eq!(hit, text.contains(&stop));
        }
    }
}
