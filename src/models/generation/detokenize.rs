//! Tokens to text as they come, without breaking a character.
//!
//! Only the end of the text is decoded at each token: a window of the last tokens, whose text is known up to some
//! point. A character whose bytes are not all there decodes to U+FFFD and is held back.

use tokenizers::Tokenizer;

/// Turns ids into text. A tokenizer, or a table in tests.
pub trait Vocabulary {
    /// The text of these tokens, special ones left out.
    fn text(&self, ids: &[u32]) -> String;
    /// Whether the token is one byte of a character that has no token of its own.
    fn is_byte(&self, id: u32) -> bool;
}

impl Vocabulary for Tokenizer {
    fn text(&self, ids: &[u32]) -> String {
        self.decode(ids, true).unwrap_or_default()
    }

    fn is_byte(&self, id: u32) -> bool {
        self.id_to_token(id)
            .is_some_and(|t| t.len() == 6 && t.starts_with("<0x") && t.ends_with('>'))
    }
}

/// The text of one row.
#[derive(Clone, Debug)]
pub struct Detokenizer {
    /// Tokens whose text may still change, and as many before them as give them their context.
    window: Vec<u32>,
    /// Characters of the window's text that are known: a byte that comes later may turn a known character of a run
    /// into one of another length, and the reference program counts characters then too.
    known: usize,
}

const INCOMPLETE: char = '\u{fffd}';

impl Detokenizer {
    /// What is written goes on after `prompt`, whose text is not told again.
    pub fn new(vocabulary: &impl Vocabulary, prompt: &[u32]) -> Self {
        Self {
            window: prompt.to_vec(),
            known: vocabulary.text(prompt).chars().count(),
        }
    }

    /// Takes a token; gives the text that is certain now.
    pub fn push(&mut self, vocabulary: &impl Vocabulary, id: u32) -> String {
        self.window.push(id);
        // A run of bytes is decoded as a whole: one byte more may turn the characters before it into nothing.
        if vocabulary.is_byte(id) {
            return String::new();
        }
        let text = vocabulary.text(&self.window);
        let certain = text.strip_suffix(INCOMPLETE).unwrap_or(&text);
        let fresh = self.beyond_known(certain);
        if certain.len() == text.len() {
            self.shorten(vocabulary);
        }
        fresh
    }

    /// Takes a token whose text nobody wants before the end.
    pub fn hold(&mut self, id: u32) {
        self.window.push(id);
    }

    /// No more tokens come: gives what was held back.
    pub fn finish(&mut self, vocabulary: &impl Vocabulary) -> String {
        self.beyond_known(&vocabulary.text(&self.window))
    }

    fn beyond_known(&mut self, text: &str) -> String {
        let fresh: String = text.chars().skip(self.known).collect();
        self.known += fresh.chars().count();
        fresh
    }

    /// Keeps so much of the window that the next token is decoded in its context: tokens that have text, since some
    /// decoders take the space before the first of them away.
    fn shorten(&mut self, vocabulary: &impl Vocabulary) {
        if self.window.len() <= 2 * CONTEXT {
            return;
        }
        let kept = &self.window[self.window.len() - CONTEXT..];
        let text = vocabulary.text(kept);
        if !text.is_empty() && !text.starts_with(INCOMPLETE) {
            self.known = text.chars().count();
            self.window = kept.to_vec();
        }
    }
}

/// Tokens that are kept as context. A character has four bytes at most.
const CONTEXT: usize = 5;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Every token is one byte; those from 1000 on are bytes of the fall-back kind, 999 is special.
    struct Bytes;

    impl Vocabulary for Bytes {
        fn text(&self, ids: &[u32]) -> String {
            let mut out = String::new();
            let mut run = Vec::new();
            let plain: Vec<u8> = ids
                .iter()
                .filter(|id| **id < 256)
                .map(|id| u8::try_from(*id).unwrap())
                .collect();
            if ids.iter().all(|id| *id < 1000) {
                return String::from_utf8_lossy(&plain).into_owned();
            }
            let flush = |run: &mut Vec<u8>, out: &mut String| {
                match std::str::from_utf8(run) {
                    Ok(text) => out.push_str(text),
                    Err(_) => run.iter().for_each(|_| out.push(INCOMPLETE)),
                }
                run.clear();
            };
            for id in ids {
                if *id >= 1000 {
                    run.push(u8::try_from(*id - 1000).unwrap());
                } else {
                    flush(&mut run, &mut out);
                    out.push(char::from_u32(*id).unwrap());
                }
            }
            flush(&mut run, &mut out);
            out
        }

        fn is_byte(&self, id: u32) -> bool {
            id >= 1000
        }
    }

    fn pieces(prompt: &str, ids: &[u32]) -> Vec<String> {
        let prompt: Vec<u32> = prompt.bytes().map(u32::from).collect();
        let mut detokenizer = Detokenizer::new(&Bytes, &prompt);
        let mut out: Vec<String> = ids.iter().map(|id| detokenizer.push(&Bytes, *id)).collect();
        out.push(detokenizer.finish(&Bytes));
        out
    }

    fn ids(text: &[u8]) -> Vec<u32> {
        text.iter().map(|b| u32::from(*b)).collect()
    }

    #[test]
    fn a_character_comes_when_its_last_byte_does() {
        let out = pieces("", &ids("a😀b".as_bytes()));
        assert_eq!(out, ["a", "", "", "", "😀", "b", ""]);
    }

    #[test]
    fn the_prompt_is_not_told_again() {
        assert_eq!(pieces("Héllo", &ids(b" you")).concat(), " you");
    }

    #[test]
    fn bytes_that_never_become_a_character_are_told_as_the_decoder_tells_them() {
        for bytes in [
            &b"a\xffb"[..],
            b"\xf0\x9f",
            b"\xf0\x9f\xf0\x9fz",
            b"\xc3\xc3\xa9",
            b"\xff\xff\xff\xff\xff\xff!",
        ] {
            assert_eq!(
                pieces("", &ids(bytes)).concat(),
                String::from_utf8_lossy(bytes),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn long_texts_are_the_same_as_when_decoded_at_once() {
        let text = "Ein längerer Text, mit 😀 und é und עברית. ".repeat(20);
        assert_eq!(pieces("x", &ids(text.as_bytes())).concat(), text);
    }

    #[test]
    fn special_tokens_have_no_text_and_do_not_take_the_context_away() {
        let mut written = ids(b"abcdefghijkl");
        written.extend([999; 30]);
        written.extend(ids(b"mno"));
        assert_eq!(pieces("", &written).concat(), "abcdefghijklmno");
    }

    #[test]
    fn a_run_of_fall_back_bytes_is_told_when_it_is_over() {
        let bytes: Vec<u32> = "é".bytes().map(|b| u32::from(b) + 1000).collect();
        let out = pieces("", &[bytes[0], bytes[1], u32::from(b'!')]);
        assert_eq!(out, ["", "", "é!", ""]);
        // Valid bytes before an invalid one are lost with it, as the decoder has it.
        let out = pieces("", &[bytes[0], bytes[1], 1000 + 0xf0, u32::from(b'!')]);
        assert_eq!(out.concat(), "\u{fffd}\u{fffd}\u{fffd}!");
    }

    #[test]
    fn pieces_of_a_byte_level_tokenizer_hold_whole_characters() {
        let file = "tests/fixtures/models/text_generation_pair/tokenizer.json";
        let tokenizer = Tokenizer::from_file(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let text = "a😀שלום é 👩\u{200d}👩\u{200d}👧";
        let encoding = tokenizer.encode(text, false).unwrap();
        assert!(encoding.len() > 2 * text.chars().count(), "{:?}", encoding.get_tokens());
        let mut detokenizer = Detokenizer::new(&tokenizer, &[]);
        let ids = encoding.get_ids().iter();
        let mut out: Vec<String> = ids.map(|id| detokenizer.push(&tokenizer, *id)).collect();
        out.push(detokenizer.finish(&tokenizer));
        assert_eq!(out.concat(), text);
        assert!(out.iter().all(|piece| !piece.contains(INCOMPLETE)), "{out:?}");
    }

    #[test]
    fn a_prompt_that_ends_in_fall_back_bytes_takes_nothing_away() {
        let prompt: Vec<u32> = "🦊".bytes().map(|b| u32::from(b) + 1000).collect();
        let mut detokenizer = Detokenizer::new(&Bytes, &prompt);
        let mut out = detokenizer.push(&Bytes, 1000 + 0xf0);
        out += &detokenizer.push(&Bytes, u32::from(b'!'));
        // The fox is lost to the invalid run, whose characters but one are new.
        assert_eq!(out, "\u{fffd}\u{fffd}\u{fffd}\u{fffd}!");
    }
}
