//! Labelled tokens put together to words and entities, as the transformers pipeline does it. Pure functions.

use super::super::text::scores;
use super::endpoint::{Aggregation, Entity};

/// What the model labels so is nothing.
const OUTSIDE: &str = "O";

/// A token with the scores of all labels.
#[derive(Clone, Debug)]
pub struct Token {
    pub word: String,
    pub scores: Vec<f32>,
    /// Characters of the text it covers.
    pub start: usize,
    pub end: usize,
    pub index: usize,
    /// Whether it continues the word of the token before.
    pub subword: bool,
}

/// A token or a word, with the label it was given.
struct Labelled {
    label: String,
    score: f32,
    word: String,
    start: usize,
    end: usize,
    index: usize,
}

/// How labels are named and words are written.
pub trait Names {
    fn label(&self, place: usize) -> String;

    /// The text of words, or of tokens.
    fn text_of(&self, words: Vec<String>) -> String;
}

/// Entities in the order of the text, what is labelled `O` left out.
pub fn entities(tokens: Vec<Token>, how: Aggregation, names: &impl Names) -> Vec<Entity> {
    let all = match how {
        Aggregation::None => {
            let single = |token| alone(labelled(token, names));
            tokens.into_iter().map(single).collect()
        }
        Aggregation::Simple => grouped(tokens.into_iter().map(|t| labelled(t, names)).collect(), names),
        Aggregation::First | Aggregation::Average | Aggregation::Max => grouped(words(tokens, how, names), names),
    };
    let inside = |entity: &Entity| {
        [&entity.entity, &entity.entity_group]
            .iter()
            .all(|l| l.as_deref() != Some(OUTSIDE))
    };
    all.into_iter().filter(inside).collect()
}

fn labelled(token: Token, names: &impl Names) -> Labelled {
    let best = scores::highest(&token.scores);
    Labelled {
        label: names.label(best),
        score: token.scores.get(best).copied().unwrap_or(0.0),
        word: token.word,
        start: token.start,
        end: token.end,
        index: token.index,
    }
}

fn alone(token: Labelled) -> Entity {
    Entity {
        entity: Some(token.label),
        entity_group: None,
        score: token.score,
        index: Some(token.index),
        word: token.word,
        start: token.start,
        end: token.end,
    }
}

/// Tokens of one word under one label.
fn words(tokens: Vec<Token>, how: Aggregation, names: &impl Names) -> Vec<Labelled> {
    let mut groups: Vec<Vec<Token>> = Vec::new();
    for token in tokens {
        match groups.last_mut() {
            Some(word) if token.subword => word.push(token),
            _ => groups.push(vec![token]),
        }
    }
    groups.into_iter().map(|word| one_word(word, how, names)).collect()
}

fn one_word(tokens: Vec<Token>, how: Aggregation, names: &impl Names) -> Labelled {
    let scores = match how {
        Aggregation::Average => average(&tokens),
        Aggregation::Max => surest(&tokens).scores.clone(),
        _ => tokens[0].scores.clone(),
    };
    let (start, index) = (tokens[0].start, tokens[0].index);
    let end = tokens.last().map_or(start, |token| token.end);
    let word = names.text_of(tokens.into_iter().map(|token| token.word).collect());
    let whole = Token {
        word,
        scores,
        start,
        end,
        index,
        subword: false,
    };
    labelled(whole, names)
}

fn average(tokens: &[Token]) -> Vec<f32> {
    let labels = tokens[0].scores.len();
    (0..labels)
        .map(|label| mean(tokens.iter().map(|token| token.scores[label])))
        .collect()
}

/// The token with the highest score of all, the first of equal ones.
fn surest(tokens: &[Token]) -> &Token {
    let highest = |token: &Token| token.scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let tops: Vec<f32> = tokens.iter().map(highest).collect();
    &tokens[scores::highest(&tops)]
}

fn mean(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    #[allow(clippy::cast_precision_loss, reason = "tokens of one text")]
    let count = values.len() as f64;
    #[allow(clippy::cast_possible_truncation, reason = "scores are of 32 bits")]
    let mean = (values.map(f64::from).sum::<f64>() / count) as f32;
    mean
}

/// Neighbours of one label as one entity; a label that begins with `B-` begins a new one.
fn grouped(words: Vec<Labelled>, names: &impl Names) -> Vec<Entity> {
    let mut groups: Vec<Vec<Labelled>> = Vec::new();
    for word in words {
        let (begins, tag) = prefix(&word.label);
        let last = groups.last().and_then(|group| group.last());
        let continues = !begins && last.is_some_and(|last| prefix(&last.label).1 == tag);
        match groups.last_mut() {
            Some(group) if continues => group.push(word),
            _ => groups.push(vec![word]),
        }
    }
    groups.into_iter().map(|group| one_entity(group, names)).collect()
}

/// Whether a label begins an entity, and the label without its prefix. One without a prefix continues.
fn prefix(label: &str) -> (bool, &str) {
    match label.strip_prefix("B-") {
        Some(tag) => (true, tag),
        None => (false, label.strip_prefix("I-").unwrap_or(label)),
    }
}

fn one_entity(words: Vec<Labelled>, names: &impl Names) -> Entity {
    let first = &words[0];
    // Whatever stands before the first hyphen goes, not only the prefixes that tell beginnings.
    let group = first
        .label
        .split_once('-')
        .map_or(&*first.label, |(_, rest)| rest)
        .to_owned();
    let (start, end) = (first.start, words.last().map_or(first.end, |last| last.end));
    Entity {
        entity: None,
        entity_group: Some(group),
        score: mean(words.iter().map(|word| word.score)),
        index: None,
        word: names.text_of(words.into_iter().map(|word| word.word).collect()),
        start,
        end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;

    impl Names for Plain {
        fn label(&self, place: usize) -> String {
            ["O", "B-PER", "I-PER", "B-LOC"][place].to_owned()
        }

        fn text_of(&self, words: Vec<String>) -> String {
            words.join(" ").replace(" ##", "")
        }
    }

    /// Tokens one character apart; each with the label of its score's place.
    fn tokens(all: &[(&str, [f32; 4])]) -> Vec<Token> {
        let token = |(index, (word, scores)): (usize, &(&str, [f32; 4]))| Token {
            word: (*word).to_owned(),
            scores: scores.to_vec(),
            start: index * 2,
            end: index * 2 + 1,
            index,
            subword: word.starts_with("##"),
        };
        all.iter().enumerate().map(token).collect()
    }

    fn told(all: &[(&str, [f32; 4])], how: Aggregation) -> Vec<(String, String, f32)> {
        let name = |e: Entity| (e.entity.or(e.entity_group).unwrap_or_default(), e.word, e.score);
        entities(tokens(all), how, &Plain).into_iter().map(name).collect()
    }

    const NAMES: [(&str, [f32; 4]); 4] = [
        ("An", [0.1, 0.6, 0.2, 0.1]),
        ("##na", [0.1, 0.0, 0.9, 0.0]),
        ("in", [0.7, 0.1, 0.1, 0.1]),
        ("Lyon", [0.2, 0.1, 0.1, 0.6]),
    ];

    #[test]
    fn tokens_of_one_label_are_one_entity() {
        let none = told(&NAMES, Aggregation::None);
        let labels: Vec<_> = none
            .iter()
            .map(|(label, word, _)| (label.as_str(), word.as_str()))
            .collect();
        assert_eq!(labels, [("B-PER", "An"), ("I-PER", "##na"), ("B-LOC", "Lyon")]);
        let simple = told(&NAMES, Aggregation::Simple);
        assert_eq!(simple[0], ("PER".into(), "Anna".into(), 0.75));
        assert_eq!((simple.len(), simple[1].1.as_str()), (2, "Lyon"));
    }

    #[test]
    fn a_word_has_one_label_whatever_its_tokens_say() {
        let torn = [("Ly", [0.5, 0.1, 0.0, 0.4]), ("##on", [0.0, 0.1, 0.0, 0.9])];
        assert!(told(&torn, Aggregation::First).is_empty());
        for how in [Aggregation::Average, Aggregation::Max] {
            let found = told(&torn, how);
            assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("LOC", "Lyon"));
        }
        assert!((told(&torn, Aggregation::Average)[0].2 - 0.65).abs() < 1e-6);
    }

    #[test]
    fn two_beginnings_are_two_entities() {
        let begun = [("Ann", [0.0, 1.0, 0.0, 0.0]), ("Bob", [0.0, 1.0, 0.0, 0.0])];
        assert_eq!(told(&begun, Aggregation::Simple).len(), 2);
    }
}
