//! What changes a model's scores before a token is chosen, in the order transformers applies it.

/// Rules for one text. The default changes nothing.
#[derive(Clone, Debug)]
pub struct Processors {
    /// Above 1, tokens that are there already get less likely.
    pub repetition_penalty: f32,
    /// No sequence of so many tokens comes twice; 0 allows all.
    pub no_repeat_ngram_size: usize,
    /// Sequences that must not be completed.
    pub bad_words: Vec<Vec<u32>>,
    /// Tokens, the prompt's included, before which the text may not end.
    pub min_length: usize,
    /// Tokens that end the text.
    pub eos: Vec<u32>,
    pub forced_bos: Option<u32>,
    /// What the last token must be one of, where the text reaches `max_length`.
    pub forced_eos: Vec<u32>,
    /// Tokens at which the text ends at the latest, the prompt's included.
    pub max_length: usize,
    pub suppressed: Vec<u32>,
    pub suppressed_at_begin: Vec<u32>,
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Log-probabilities again after all rules.
    pub renormalize: bool,
}

impl Default for Processors {
    fn default() -> Self {
        Self {
            repetition_penalty: 1.0,
            no_repeat_ngram_size: 0,
            bad_words: Vec::new(),
            min_length: 0,
            eos: Vec::new(),
            forced_bos: None,
            forced_eos: Vec::new(),
            max_length: usize::MAX,
            suppressed: Vec::new(),
            suppressed_at_begin: Vec::new(),
            prompt: 0,
            renormalize: false,
        }
    }
}

impl Processors {
    /// Changes the scores (logits, or log-probabilities for beams) of the token after `ids`.
    pub fn apply(&self, ids: &[u32], scores: &mut [f32]) {
        self.penalize_repetition(ids, scores);
        ban(scores, self.repeating(ids));
        ban(scores, self.completing_bad_words(ids));
        if ids.len() < self.min_length {
            ban(scores, self.eos.iter().copied());
        }
        if let Some(bos) = self.forced_bos.filter(|_| ids.len() == 1) {
            force(scores, &[bos]);
        }
        if !self.forced_eos.is_empty() && ids.len() + 1 == self.max_length {
            force(scores, &self.forced_eos);
        }
        ban(scores, self.suppressed.iter().copied());
        if ids.len() == self.begin() {
            ban(scores, self.suppressed_at_begin.iter().copied());
        }
        if self.renormalize {
            log_softmax(scores);
        }
    }

    /// Where the text begins: after a forced first token, if there is one.
    const fn begin(&self) -> usize {
        if self.prompt > 1 || self.forced_bos.is_none() {
            self.prompt
        } else {
            self.prompt + 1
        }
    }

    fn penalize_repetition(&self, ids: &[u32], scores: &mut [f32]) {
        if (self.repetition_penalty - 1.0).abs() < f32::EPSILON {
            return;
        }
        let mut once = ids.to_vec();
        once.sort_unstable();
        once.dedup();
        for id in once {
            if let Some(score) = scores.get_mut(id as usize) {
                *score = if *score < 0.0 {
                    *score * self.repetition_penalty
                } else {
                    *score / self.repetition_penalty
                };
            }
        }
    }

    /// Tokens that would repeat a sequence.
    fn repeating(&self, ids: &[u32]) -> Vec<u32> {
        let size = self.no_repeat_ngram_size;
        if size == 0 || ids.len() + 1 < size {
            return Vec::new();
        }
        let begun = &ids[ids.len() + 1 - size..];
        let repeats = |gram: &[u32]| (gram[..size - 1] == *begun).then(|| gram[size - 1]);
        ids.windows(size).filter_map(repeats).collect()
    }

    fn completing_bad_words(&self, ids: &[u32]) -> Vec<u32> {
        let completes = |word: &Vec<u32>| {
            let (last, before) = word.split_last()?;
            let ends_text = before.is_empty() && self.eos.contains(last);
            // As the reference has it, a word as long as the whole text is looked for, a longer one is not.
            let fits = before.is_empty() || word.len() <= ids.len();
            (fits && !ends_text && ids.ends_with(before)).then_some(*last)
        };
        self.bad_words.iter().filter_map(completes).collect()
    }
}

fn ban(scores: &mut [f32], ids: impl IntoIterator<Item = u32>) {
    for id in ids {
        if let Some(score) = scores.get_mut(id as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
}

fn force(scores: &mut [f32], ids: &[u32]) {
    scores.fill(f32::NEG_INFINITY);
    for id in ids {
        if let Some(score) = scores.get_mut(*id as usize) {
            *score = 0.0;
        }
    }
}

/// Turns scores into log-probabilities. Scores that are all minus infinity stay as they are.
pub fn log_softmax(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if max == f32::NEG_INFINITY {
        return;
    }
    let sum: f32 = scores.iter().map(|s| (s - max).exp()).sum();
    let log = sum.ln();
    scores.iter_mut().for_each(|s| *s = *s - max - log);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: f32 = f32::NEG_INFINITY;

    fn applied(rules: &Processors, ids: &[u32], scores: &[f32]) -> Vec<f32> {
        let mut scores = scores.to_vec();
        rules.apply(ids, &mut scores);
        scores
    }

    #[test]
    fn the_default_changes_nothing() {
        assert_eq!(applied(&Processors::default(), &[0, 1], &[1., -2., 3.]), [1., -2., 3.]);
    }

    #[test]
    fn a_penalty_counts_once_and_moves_away_from_likely() {
        let rules = Processors {
            repetition_penalty: 2.0,
            ..Processors::default()
        };
        assert_eq!(applied(&rules, &[0, 0, 1, 9], &[4., -2., 3.]), [2., -4., 3.]);
    }

    #[test]
    fn sequences_do_not_come_twice() {
        let rules = |size| Processors {
            no_repeat_ngram_size: size,
            ..Processors::default()
        };
        let scores = [1.; 5];
        // 1 2 came, 1 stands at the end: 2 is barred.
        assert_eq!(applied(&rules(2), &[1, 2, 3, 1], &scores), [1., 1., NO, 1., 1.]);
        assert_eq!(applied(&rules(3), &[1, 2, 3, 1], &scores), scores);
        assert_eq!(applied(&rules(3), &[1, 2, 3, 1, 2], &scores), [1., 1., 1., NO, 1.]);
        // Of size 1, nothing comes twice.
        assert_eq!(applied(&rules(1), &[0, 4], &scores), [NO, 1., 1., 1., NO]);
        assert_eq!(applied(&rules(4), &[0, 4], &scores), scores);
    }

    #[test]
    fn bad_words_are_barred_where_they_would_be_complete() {
        let rules = Processors {
            bad_words: vec![vec![3], vec![1, 2], vec![0], vec![]],
            eos: vec![0],
            ..Processors::default()
        };
        let scores = [1.; 4];
        assert_eq!(applied(&rules, &[2, 1], &scores), [1., 1., NO, NO]);
        assert_eq!(applied(&rules, &[1, 0], &scores), [1., 1., 1., NO]);
        assert_eq!(applied(&rules, &[1], &scores), [1., 1., 1., NO]);
    }

    #[test]
    fn the_text_does_not_end_before_its_least_length() {
        let rules = Processors {
            min_length: 3,
            eos: vec![1, 7],
            ..Processors::default()
        };
        assert_eq!(applied(&rules, &[0, 0], &[1., 1.]), [1., NO]);
        assert_eq!(applied(&rules, &[0, 0, 0], &[1., 1.]), [1., 1.]);
    }

    #[test]
    fn first_and_last_tokens_are_forced() {
        let rules = Processors {
            forced_bos: Some(2),
            forced_eos: vec![1],
            max_length: 4,
            ..Processors::default()
        };
        assert_eq!(applied(&rules, &[0], &[5., 6., 7.]), [NO, NO, 0.]);
        assert_eq!(applied(&rules, &[0, 2], &[5., 6., 7.]), [5., 6., 7.]);
        assert_eq!(applied(&rules, &[0, 2, 2], &[5., 6., 7.]), [NO, 0., NO]);
    }

    #[test]
    fn some_tokens_never_come_and_some_not_at_first() {
        let rules = Processors {
            suppressed: vec![0],
            suppressed_at_begin: vec![1],
            prompt: 2,
            ..Processors::default()
        };
        assert_eq!(applied(&rules, &[5, 5], &[1., 1., 1.]), [NO, NO, 1.]);
        assert_eq!(applied(&rules, &[5, 5, 5], &[1., 1., 1.]), [NO, 1., 1.]);
    }

    #[test]
    fn log_probabilities_add_up_to_one() {
        let mut scores = [1., 2., NO, 3.];
        log_softmax(&mut scores);
        let sum: f32 = scores.iter().map(|s| s.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        assert!((scores[3] - scores[0] - 2.0).abs() < 1e-6);
        let mut none = [NO, NO];
        log_softmax(&mut none);
        assert!(none.iter().all(|score| score.is_infinite()));
    }
}
