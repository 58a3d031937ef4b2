//! Logits to answers, as the transformers pipeline decodes them. Pure functions.
//!
//! Masked before the softmax; the classification token takes part in it and is struck out after; candidates
//! are the best spans of a window; equal texts add up over windows.

use super::super::text::Chars;
use super::endpoint::Span;
use super::windows::Window;

/// Start and end logits of a window.
pub type Logits = (Vec<f32>, Vec<f32>);

/// What a masked logit becomes, as in the reference.
const MASKED: f32 = -10_000.0;

/// The `top_k` best answers over all windows. `logits` holds start and end logits of each window.
pub fn answers(windows: &[Window], logits: &[Logits], context: &str, top_k: usize, max_answer_len: usize) -> Vec<Span> {
    let text = Chars::new(context);
    let mut found: Vec<(String, Span)> = Vec::new();
    for (window, (start, end)) in windows.iter().zip(logits) {
        let start = probabilities(start, &window.allowed);
        let end = probabilities(end, &window.allowed);
        // More than are asked for, since several spans may be one answer once they are aligned to words.
        for (score, s, e) in best_spans(&start, &end, max_answer_len, top_k * 2 + 10) {
            let (from, to) = (window.chars[s].0, window.chars[e].1);
            let answer = text.slice(from, to).to_owned();
            let folded = answer.to_lowercase();
            match found.iter_mut().find(|(known, _)| *known == folded) {
                Some((_, span)) => span.score += f64::from(score),
                None => found.push((
                    folded,
                    Span {
                        answer,
                        score: f64::from(score),
                        start: from,
                        end: to,
                    },
                )),
            }
        }
    }
    let mut spans: Vec<Span> = found.into_iter().map(|(_, span)| span).collect();
    spans.sort_by(|a, b| b.score.total_cmp(&a.score));
    spans.truncate(top_k);
    spans
}

fn probabilities(logits: &[f32], allowed: &[bool]) -> Vec<f32> {
    let masked: Vec<f32> = logits
        .iter()
        .zip(allowed)
        .map(|(l, ok)| if *ok { *l } else { MASKED })
        .collect();
    let max = masked.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut exp: Vec<f32> = masked.iter().map(|l| (l - max).exp()).collect();
    let sum: f32 = exp.iter().sum();
    exp.iter_mut().for_each(|p| *p /= sum);
    if let Some(first) = exp.first_mut() {
        *first = 0.0;
    }
    exp
}

/// The `k` best spans (score, first token, last token), best first; spans of no probability are left out.
fn best_spans(start: &[f32], end: &[f32], max_len: usize, k: usize) -> Vec<(f32, usize, usize)> {
    let mut spans = Vec::new();
    for (s, p) in start.iter().enumerate().filter(|(_, p)| **p > 0.0) {
        for (e, q) in end.iter().enumerate().take(s.saturating_add(max_len)).skip(s) {
            let score = p * q;
            if score > 0.0 {
                spans.push((score, s, e));
            }
        }
    }
    spans.sort_by(|a, b| b.0.total_cmp(&a.0));
    spans.truncate(k);
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(chars: &[(usize, usize)]) -> Window {
        let n = chars.len();
        let allowed = (0..n).map(|i| i != 1).collect();
        Window {
            ids: vec![0; n],
            type_ids: vec![0; n],
            allowed,
            chars: chars.to_vec(),
        }
    }

    #[test]
    fn the_best_span_wins_and_what_is_masked_never_does() {
        let window = window(&[(0, 0), (0, 5), (0, 2), (3, 6)]);
        let logits = (vec![0., 99., 1., 5.], vec![0., 99., 1., 5.]);
        let found = answers(&[window], &[logits], "ab cde", 2, 15);
        assert_eq!(found[0].answer, "cde");
        assert_eq!((found[0].start, found[0].end), (3, 6));
        assert!(found[0].score > found[1].score);
    }

    #[test]
    fn an_answer_is_no_longer_than_allowed() {
        let window = window(&[(0, 0), (0, 0), (0, 1), (2, 3), (4, 5)]);
        let logits = (vec![-9., 0., 9., 0., 0.], vec![-9., 0., 0., 0., 9.]);
        let spans = |len| {
            answers(
                std::slice::from_ref(&window),
                std::slice::from_ref(&logits),
                "a b c",
                1,
                len,
            )
        };
        assert_eq!(spans(3)[0].answer, "a b c");
        assert_ne!(spans(2)[0].answer, "a b c");
    }

    #[test]
    fn equal_answers_of_two_windows_add_up_and_characters_are_counted_not_bytes() {
        let one = || window(&[(0, 0), (0, 0), (2, 5)]);
        let logits = || (vec![0., 0., 0.], vec![0., 0., 0.]);
        let found = answers(&[one(), one()], &[logits(), logits()], "é Zoë!", 1, 15);
        assert_eq!(found[0].answer, "Zoë");
        assert!((found[0].score - 0.5).abs() < 1e-6, "{found:?}");
    }
}
