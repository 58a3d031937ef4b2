//! Beam search over one source, as transformers does it: the same candidates, the same rules of when a text counts
//! as finished and when the search is over, in the same precision.

use super::processors::log_softmax;

/// When the search may end before its texts are as long as they may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlyStopping {
    /// When no running beam is likely to beat a finished one, going by its score so far.
    No,
    /// As soon as there are as many finished texts as beams.
    Yes,
    /// When no running beam can beat a finished one, however long it gets.
    Never,
}

/// What a search is run with.
#[derive(Clone, Debug)]
pub struct BeamOptions {
    pub beams: usize,
    /// A finished text's score is divided by its length to this power.
    pub length_penalty: f64,
    pub early_stopping: EarlyStopping,
    /// Tokens at which a text ends at the latest, the prompt's included.
    pub max_length: usize,
    pub eos: Vec<u32>,
}

/// A text and the sum of its log-probabilities, or that sum over its length once it is finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    pub ids: Vec<u32>,
    pub score: f32,
}

/// Where a beam of the next step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The beam of this step that it continues.
    pub beam: usize,
    pub token: u32,
}

/// Far below every score, and yet a number: candidates that are out of the question are still in an order.
const OUT: f32 = -1.0e9;

/// A search under way.
#[derive(Clone, Debug)]
pub struct BeamSearch {
    options: BeamOptions,
    prompt: usize,
    running: Vec<Hypothesis>,
    /// The best finished texts, best first; places that are still free hold none.
    finished: Vec<Option<Hypothesis>>,
    /// Whether a running beam may still become better than a finished one.
    improvable: bool,
    over: bool,
}

struct Candidate {
    step: Step,
    score: f32,
    ends: bool,
}

impl BeamSearch {
    /// Begins with a prompt that all beams share.
    pub fn new(options: BeamOptions, prompt: &[u32]) -> Self {
        let running = |beam| Hypothesis {
            ids: prompt.to_vec(),
            // All beams are equal at first, so only one of them is continued.
            score: if beam == 0 { 0.0 } else { OUT },
        };
        Self {
            running: (0..options.beams).map(running).collect(),
            finished: vec![None; options.beams],
            prompt: prompt.len(),
            improvable: true,
            over: false,
            options,
        }
    }

    /// How many beams there are.
    pub const fn beams(&self) -> usize {
        self.options.beams
    }

    /// The tokens of a running beam.
    pub fn ids(&self, beam: usize) -> &[u32] {
        &self.running[beam].ids
    }

    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// The best finished text, or the best running one where none is finished.
    pub fn best(&self) -> &Hypothesis {
        self.finished[0].as_ref().unwrap_or(&self.running[0])
    }

    /// Takes the log-probabilities of each beam's next token, rules applied; tells what each beam of the next step
    /// continues, and with which token.
    pub fn step(&mut self, log_probabilities: &[Vec<f32>]) -> Vec<Step> {
        let candidates = self.candidates(log_probabilities);
        let ended = candidates.iter().all(|c| c.ends);
        let next = self.next_running(&candidates);
        self.finish(&candidates);
        let steps = next.iter().map(|(candidate, _)| candidate.step).collect();
        self.running = next
            .into_iter()
            .map(|(candidate, score)| Hypothesis {
                ids: self.continued(candidate.step),
                score,
            })
            .collect();
        self.improvable = self.improvable && self.may_improve();
        let full = self.options.early_stopping == EarlyStopping::Yes && self.is_full();
        self.over = !self.improvable || full || ended;
        steps
    }

    fn length(&self) -> usize {
        self.running[0].ids.len()
    }

    fn is_full(&self) -> bool {
        self.finished.iter().all(Option::is_some)
    }

    fn continued(&self, step: Step) -> Vec<u32> {
        let mut ids = Vec::with_capacity(self.length() + 1);
        ids.extend_from_slice(&self.running[step.beam].ids);
        ids.push(step.token);
        ids
    }

    /// The most likely continuations of all beams together, so many that enough go on when the best of them end.
    fn candidates(&self, log_probabilities: &[Vec<f32>]) -> Vec<Candidate> {
        let wanted = (self.options.eos.len() + 1).max(2) * self.options.beams;
        let last = self.length() + 1 >= self.options.max_length;
        let mut all: Vec<(f32, usize, usize)> = Vec::new();
        for (beam, (scores, running)) in log_probabilities.iter().zip(&self.running).enumerate() {
            let score = |(token, score): (usize, &f32)| (score + running.score, beam, token);
            all.extend(scores.iter().enumerate().map(score));
        }
        let order = |a: &(f32, usize, usize), b: &(f32, usize, usize)| {
            b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2))
        };
        if all.len() > wanted {
            all.select_nth_unstable_by(wanted, order);
            all.truncate(wanted);
        }
        all.sort_unstable_by(order);
        let candidate = |(score, beam, token): (f32, usize, usize)| {
            let token = u32::try_from(token).unwrap_or(u32::MAX);
            Candidate {
                step: Step { beam, token },
                score,
                ends: last || self.options.eos.contains(&token),
            }
        };
        all.into_iter().map(candidate).collect()
    }

    /// The best candidates that go on, with their scores.
    fn next_running<'a>(&self, candidates: &'a [Candidate]) -> Vec<(&'a Candidate, f32)> {
        let score = |c: &Candidate| if c.ends { c.score + OUT } else { c.score };
        let mut order: Vec<(&Candidate, f32)> = candidates.iter().map(|c| (c, score(c))).collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        order.truncate(self.options.beams);
        order
    }

    /// Takes candidates that end among the finished. Only the best of all count, as many as there are beams: what
    /// stands behind them is there to go on with.
    fn finish(&mut self, candidates: &[Candidate]) {
        let full = self.options.early_stopping == EarlyStopping::Yes && self.is_full();
        if !full && self.improvable {
            let weight = self.weight(self.length() + 1 - self.prompt);
            let possible = |c: &&Candidate| c.ends && c.score > f32::NEG_INFINITY;
            let ended = candidates.iter().take(self.options.beams).filter(possible);
            let ended: Vec<_> = ended
                .map(|c| {
                    Some(Hypothesis {
                        ids: self.continued(c.step),
                        score: c.score / weight,
                    })
                })
                .collect();
            self.finished.extend(ended);
        }
        let score = |h: &Option<Hypothesis>| h.as_ref().map_or(f32::NEG_INFINITY, |h| h.score);
        self.finished.sort_by(|a, b| score(b).total_cmp(&score(a)));
        self.finished.truncate(self.options.beams);
    }

    /// What a score of that many tokens is divided by.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "lengths are small; scores have 32 bits"
    )]
    fn weight(&self, tokens: usize) -> f32 {
        (tokens as f64).powf(self.options.length_penalty) as f32
    }

    /// Whether the best running beam may still beat the worst of the finished.
    fn may_improve(&self) -> bool {
        let longest = self.options.early_stopping == EarlyStopping::Never && self.options.length_penalty > 0.0;
        let length = if longest {
            self.options.max_length
        } else {
            self.length()
        };
        let best = self.running[0].score / self.weight(length - self.prompt);
        let worst = self.finished.iter().map(|h| h.as_ref().map_or(OUT, |h| h.score));
        best > worst.fold(f32::INFINITY, f32::min)
    }
}

/// Scores of a model's last position as log-probabilities, which beams add up.
pub fn log_probabilities(mut scores: Vec<f32>) -> Vec<f32> {
    log_softmax(&mut scores);
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    const EOS: u32 = 0;

    fn options(beams: usize, length_penalty: f64, early_stopping: EarlyStopping, max_length: usize) -> BeamOptions {
        BeamOptions {
            beams,
            length_penalty,
            early_stopping,
            max_length,
            eos: vec![EOS],
        }
    }

    /// Searches a model that is a function from tokens to probabilities.
    fn search(options: BeamOptions, model: impl Fn(&[u32]) -> Vec<f32>) -> (BeamSearch, usize) {
        let beams = options.beams;
        let mut search = BeamSearch::new(options, &[9]);
        let mut steps = 0;
        while !search.is_over() {
            let scores: Vec<Vec<f32>> = (0..beams)
                .map(|beam| model(&search.ids(beam)[1..]).iter().map(|p| p.ln()).collect())
                .collect();
            let taken = search.step(&scores);
            assert_eq!(taken.len(), beams);
            steps += 1;
        }
        (search, steps)
    }

    /// The likelier first token leads to the less likely text.
    fn trap(ids: &[u32]) -> Vec<f32> {
        match ids {
            [] => vec![0.001, 0.599, 0.4],
            [2] => vec![0.9, 0.05, 0.05],
            _ => vec![0.3, 0.4, 0.3],
        }
    }

    #[test]
    fn one_beam_is_greedy_and_two_see_further() {
        let (one, _) = search(options(1, 1.0, EarlyStopping::Yes, 3), trap);
        assert_eq!(one.best().ids, [9, 1, 1]);
        let (two, _) = search(options(2, 0.0, EarlyStopping::Never, 6), trap);
        assert_eq!(two.best().ids, [9, 2, EOS]);
        assert!((two.best().score - 0.36f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn a_score_is_divided_by_the_tokens_after_the_prompt() {
        let (found, _) = search(options(2, 1.0, EarlyStopping::Yes, 3), trap);
        assert_eq!(found.best().ids, [9, 2, EOS]);
        assert!((found.best().score - 0.36f32.ln() / 2.0).abs() < 1e-6);
    }

    #[test]
    fn a_high_penalty_favours_long_texts() {
        let even = |_: &[u32]| vec![0.4, 0.6];
        let (short, _) = search(options(2, 0.0, EarlyStopping::Never, 8), even);
        assert_eq!(short.best().ids, [9, EOS]);
        let (long, steps) = search(options(2, 3.0, EarlyStopping::Never, 8), even);
        assert_eq!((long.best().ids.len(), steps), (8, 7));
    }

    #[test]
    fn stopping_early_is_over_as_soon_as_all_beams_have_ended() {
        let model = |ids: &[u32]| match ids {
            [] => vec![0.2, 0.5, 0.3],
            _ => vec![0.9, 0.06, 0.04],
        };
        let (yes, steps) = search(options(2, 1.0, EarlyStopping::Yes, 20), model);
        assert_eq!((yes.best().ids.as_slice(), steps), (&[9, 1, EOS][..], 2));
        let (never, steps) = search(options(2, 1.0, EarlyStopping::Never, 20), model);
        assert_eq!(never.best().ids, yes.best().ids);
        assert!(steps >= 2);
    }

    #[test]
    fn the_longest_text_ends_without_an_end_token() {
        let (found, steps) = search(options(3, 1.0, EarlyStopping::No, 4), |_| vec![0.0, 0.5, 0.3, 0.2]);
        assert_eq!((found.best().ids.as_slice(), steps), (&[9, 1, 1, 1][..], 3));
    }

    #[test]
    fn steps_tell_which_beam_goes_on() {
        let mut search = BeamSearch::new(options(2, 1.0, EarlyStopping::No, 10), &[9]);
        let logs = |p: &[f32]| p.iter().map(|p| p.ln()).collect::<Vec<_>>();
        let first = search.step(&[logs(&[0.1, 0.6, 0.3]), logs(&[0.1, 0.6, 0.3])]);
        assert_eq!(first, [Step { beam: 0, token: 1 }, Step { beam: 0, token: 2 }]);
        // The second beam's continuations are all likelier than the first one's.
        let second = search.step(&[logs(&[0.8, 0.1, 0.1]), logs(&[0.0, 0.5, 0.5])]);
        assert_eq!(second, [Step { beam: 1, token: 1 }, Step { beam: 1, token: 2 }]);
        assert_eq!(search.ids(1), [9, 2, 2]);
    }
}
