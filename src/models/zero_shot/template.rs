//! The sentence that a label makes, out of a template with `{}` in its place.

/// A template that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    before: String,
    after: String,
}

impl Template {
    /// `{}` or `{0}` is the label's place, `{{` and `}}` are braces.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut parts = vec![String::new()];
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (plain, tail) = rest.split_at(at);
            push(&mut parts, plain);
            let braces = ["{{", "}}"].into_iter().find(|pair| tail.starts_with(pair));
            let place = ["{}", "{0}"].into_iter().find(|place| tail.starts_with(place));
            rest = match (braces, place) {
                (Some(pair), _) => {
                    push(&mut parts, &pair[..1]);
                    &tail[2..]
                }
                (None, Some(place)) => {
                    parts.push(String::new());
                    &tail[place.len()..]
                }
                (None, None) => return Err("holds a brace that is no {}; write {{ or }} for a brace".into()),
            };
        }
        push(&mut parts, rest);
        match <[String; 2]>::try_from(parts) {
            Ok([before, after]) => Ok(Self { before, after }),
            Err(parts) if parts.len() < 2 => Err("holds no {} in the place of the label".into()),
            Err(_) => Err("holds {} more than once".into()),
        }
    }

    pub fn with(&self, label: &str) -> String {
        format!("{}{label}{}", self.before, self.after)
    }
}

fn push(parts: &mut [String], text: &str) {
    if let Some(last) = parts.last_mut() {
        last.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_stands_in_its_place() {
        let made = |template: &str| Template::read(template).map(|t| t.with("a {}"));
        assert_eq!(made("This is {}."), Ok("This is a {}.".into()));
        assert_eq!(made("{0}"), Ok("a {}".into()));
        assert_eq!(made("{{é}} {} {{"), Ok("{é} a {} {".into()));
    }

    #[test]
    fn what_is_no_template_is_told() {
        let told = |template: &str| Template::read(template).unwrap_err();
        assert!(told("").starts_with("holds no {}"));
        assert!(told("{{}}").starts_with("holds no {}"));
        assert!(told("{} or {}").contains("more than once"));
        for wrong in ["{label}", "{", "a } b", "{}}"] {
            assert!(told(wrong).contains("is no {}"), "{wrong}");
        }
    }
}
