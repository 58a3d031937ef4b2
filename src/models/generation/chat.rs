//! Chat templates: messages to the text a model was trained to go on from.
//!
//! Templates are Jinja, written for Python; what transformers gives them beside the language is here too.

use std::path::Path;

use jiff::Zoned;
use minijinja::value::Kwargs;
use minijinja::{Environment, ErrorKind, Value as Jinja};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use serde_json::{Map, Value};

/// The template of a folder, with the words it may use.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// `bos_token`, `eos_token` and the like.
    words: Map<String, Value>,
}

/// What the one template of an environment is called.
const NAME: &str = "chat";
/// Stands at the end of a message that the model is to go on with: its words alone may come again in what the
/// template writes behind it. The space tells whether the template trims messages.
const HERE: &str = "HERE_THE_MODEL_GOES_ON ";

/// One message of a chat.
pub trait Message: Serialize {
    /// Whether the model is to go on with this message, if it is the last one.
    fn is_the_models(&self) -> bool;
    fn text(&self) -> &str;
}

impl ChatTemplate {
    /// Reads `chat_template.jinja`, else the template in `tokenizer_config.json`; `None` where there is neither.
    ///
    /// # Errors
    /// When a file cannot be read, or the template is no Jinja.
    pub fn read(folder: &Path) -> Result<Option<Self>, String> {
        let config = match std::fs::read(folder.join("tokenizer_config.json")) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|e| format!("tokenizer_config.json is not what it should be: {e}"))?,
            Err(_) => Map::new(),
        };
        let own = std::fs::read_to_string(folder.join("chat_template.jinja")).ok();
        let Some(source) = own.or_else(|| template_of(&config)) else {
            return Ok(None);
        };
        Self::new(&source, words_of(&config)).map(Some)
    }

    fn new(source: &str, words: Map<String, Value>) -> Result<Self, String> {
        let mut environment = environment();
        environment
            .add_template_owned(NAME, without_marks(source))
            .map_err(|e| format!("the chat template is no Jinja template: {e}"))?;
        Ok(Self { environment, words })
    }

    /// The text of a chat, which ends where the model goes on: after the last message, if that is the model's own.
    ///
    /// # Errors
    /// What the template says against these messages.
    pub fn render<M: Message>(&self, messages: &[M]) -> Result<String, String> {
        let last = messages.last().filter(|m| m.is_the_models());
        let mut context = self.words.clone();
        let mut chat = serde_json::to_value(messages).map_err(|e| e.to_string())?;
        if let (Some(last), Some(message)) = (last, chat.as_array_mut().and_then(|all| all.last_mut())) {
            message["content"] = format!("{}{HERE}", last.text()).into();
        }
        context.insert("messages".to_owned(), chat);
        context.insert("add_generation_prompt".to_owned(), last.is_none().into());
        context.insert("tools".to_owned(), Value::Null);
        context.insert("documents".to_owned(), Value::Null);
        let text = self
            .environment
            .get_template(NAME)
            .and_then(|t| t.render(&context))
            .map_err(|e| told(&e))?;
        let Some(last) = last else { return Ok(text) };
        let end = text
            .rfind(HERE.trim_end())
            .filter(|end| text[..*end].contains(last.text().trim()))
            .ok_or("the chat template changes the last message, so the model cannot go on with it")?;
        let (chat, behind) = text.split_at(end);
        let kept = if behind.starts_with(HERE) {
            chat
        } else {
            chat.trim_end()
        };
        Ok(kept.to_owned())
    }
}

/// The word of `raise_exception`, else the fault itself.
fn told(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.to_string(), str::to_owned)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function(
        "raise_exception",
        |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        },
    );
    environment.add_function("strftime_now", |format: String| strftime(&format, &Zoned::now()));
    environment.add_filter("tojson", to_json);
    environment
}

/// One template, or the default one of a list.
fn template_of(config: &Map<String, Value>) -> Option<String> {
    match config.get("chat_template")? {
        Value::String(template) => Some(template.clone()),
        Value::Array(named) => {
            let default = named.iter().find(|t| t["name"] == "default").or(named.first())?;
            default["template"].as_str().map(str::to_owned)
        }
        _ => None,
    }
}

/// Special tokens stand as words or as objects with a `content`.
fn words_of(config: &Map<String, Value>) -> Map<String, Value> {
    let word = |(key, value): (&String, &Value)| {
        let text = value.as_str().or_else(|| value.get("content")?.as_str())?;
        key.ends_with("_token").then(|| (key.clone(), text.into()))
    };
    config.iter().filter_map(word).collect()
}

/// Leaves away the tags that mark the model's own text for training; what they enclose stays.
fn without_marks(source: &str) -> String {
    let mut text = source.to_owned();
    for name in ["generation", "endgeneration"] {
        for (open, close) in [("{%-", "-%}"), ("{%-", "%}"), ("{%", "-%}"), ("{%", "%}")] {
            // A tag that does nothing, and trims the same space.
            let nothing = format!("{open} if true {close}");
            let nothing = if name == "generation" {
                nothing
            } else {
                format!("{open} endif {close}")
            };
            text = text.replace(&format!("{open} {name} {close}"), &nothing);
        }
    }
    text
}

/// JSON as Python writes it: a space after commas and colons, no character escaped that need not be.
#[allow(clippy::needless_pass_by_value, reason = "as filters are called")]
fn to_json(value: &Jinja, indent: Option<usize>, options: Kwargs) -> Result<String, minijinja::Error> {
    let named: Option<usize> = options.get("indent")?;
    // Of the others, which Python knows, templates use `ensure_ascii=False`, and that is how it is done here.
    let failed = |e: serde_json::Error| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string());
    let mut out = Vec::new();
    match indent.or(named) {
        Some(width) => {
            let indent = " ".repeat(width);
            let formatter = PrettyFormatter::with_indent(indent.as_bytes());
            let mut writer = serde_json::Serializer::with_formatter(&mut out, formatter);
            value.serialize(&mut writer).map_err(failed)?;
        }
        None => {
            let mut writer = serde_json::Serializer::with_formatter(&mut out, Spaced);
            value.serialize(&mut writer).map_err(failed)?;
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Spaces after commas and colons.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        writer.write_all(if first { &b""[..] } else { b", " })
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        writer.write_all(if first { &b""[..] } else { b", " })
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

/// The date and time of this machine, by the letters that chat templates use.
fn strftime(format: &str, time: &Zoned) -> Result<String, minijinja::Error> {
    let wrong = |e: jiff::Error| minijinja::Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {e}"));
    jiff::fmt::strtime::format(format, time).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Plain {
        role: &'static str,
        content: &'static str,
    }

    impl Message for Plain {
        fn is_the_models(&self) -> bool {
            self.role == "assistant"
        }

        fn text(&self) -> &str {
            self.content
        }
    }

    fn render(template: &str, messages: &[(&'static str, &'static str)]) -> Result<String, String> {
        let words = words_of(
            json!({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "x": 1})
                .as_object()
                .unwrap(),
        );
        let messages: Vec<Plain> = messages
            .iter()
            .map(|&(role, content)| Plain { role, content })
            .collect();
        ChatTemplate::new(template, words)?.render(&messages)
    }

    const ROLES: &str = "{{ bos_token }}{% for m in messages %}\n    {% if m['role'] == 'user' %}\n[U] {{ m.content.strip() }}\n    {%- else %}\n[A] {{ m['content'] }}{{ eos_token }}\n    {%- endif %}\n{% endfor %}{% if add_generation_prompt %}[A]{% endif %}";

    #[test]
    fn blocks_are_trimmed_and_python_methods_work() {
        let text = render(ROLES, &[("user", " hi "), ("assistant", "yo"), ("user", "so?")]).unwrap();
        assert_eq!(text, "<s>[U] hi[A] yo</s>[U] so?[A]");
    }

    #[test]
    fn the_model_goes_on_with_a_last_message_of_its_own() {
        let text = render(ROLES, &[("user", "hi"), ("assistant", "Well, ")]).unwrap();
        assert_eq!(text, "<s>[U] hi[A] Well, ");
        let trimming = ROLES.replace("m['content'] }}", "m['content'] | trim }}");
        let text = render(&trimming, &[("user", "hi"), ("assistant", "Well, ")]).unwrap();
        assert_eq!(text, "<s>[U] hi[A] Well,");
    }

    #[test]
    fn words_that_come_again_behind_the_last_message_are_not_taken_for_it() {
        for said in ["s", "/", ""] {
            let text = render(ROLES, &[("user", "hi"), ("assistant", said)]).unwrap();
            assert_eq!(text, format!("<s>[U] hi[A] {said}"));
        }
        let silent = "{% for m in messages %}{{ m.role }}{% endfor %}";
        assert!(
            render(silent, &[("assistant", "yo")])
                .unwrap_err()
                .contains("cannot go on")
        );
    }

    #[test]
    fn a_template_may_refuse_messages_in_its_own_words() {
        let template = "{% if messages[0]['role'] != 'user' %}{{ raise_exception('begin with the user') }}{% endif %}";
        assert_eq!(render(template, &[("system", "x")]).unwrap_err(), "begin with the user");
        assert!(render("{% for %}", &[]).unwrap_err().contains("no Jinja"));
    }

    #[test]
    fn json_is_written_as_python_writes_it() {
        let template = "{{ messages | tojson }}{{ messages[0] | tojson(indent=2) }}{% for k, v in messages[0].items() %}{{ k }}{% endfor %}";
        assert_eq!(
            render(template, &[("user", "<é>")]).unwrap(),
            "[{\"role\": \"user\", \"content\": \"<é>\"}]{\n  \"role\": \"user\",\n  \"content\": \"<é>\"\n}rolecontent"
        );
    }

    #[test]
    fn marks_of_the_models_text_and_loop_controls_are_understood() {
        let template = "{% for m in messages %}{% if loop.index0 == 1 %}{% break %}{% endif %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}";
        assert_eq!(render(template, &[("user", "a"), ("user", "b")]).unwrap(), "a");
        let template =
            "{% set ns = namespace(n=0) %}{% for m in messages[1:] %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}";
        assert_eq!(render(template, &[("user", "a"), ("user", "b")]).unwrap(), "1");
    }

    #[test]
    fn the_default_of_several_templates_is_taken() {
        let config =
            json!({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]});
        assert_eq!(template_of(config.as_object().unwrap()).as_deref(), Some("d"));
        assert_eq!(template_of(&Map::new()), None);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds| Zoned::new(jiff::Timestamp::from_second(seconds).unwrap(), jiff::tz::TimeZone::UTC);
        assert_eq!(strftime("%d %b %Y", &at(1_721_952_000)).unwrap(), "26 Jul 2024");
        assert_eq!(strftime("%Y-%m-%d %-H", &at(951_782_400)).unwrap(), "2000-02-29 0");
        assert!(strftime("%!", &at(0)).is_err());
    }
}
