//! Where the variables come from: the process environment, and under it `.env` of the working
//! directory. It reads and never writes the environment, and knows no setting by name, only the
//! prefix they share.

use super::fault::Fault;
use super::table::PREFIX;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;

/// The file of the working directory that is read beside the environment.
pub(super) const DOTENV: &str = ".env";

/// The variables by name, each once, and what could not be read of them.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub vars: Vec<(String, String)>,
    pub faults: Vec<Fault>,
}

/// The variables of this process over those of the file at `dotenv`; a file that is not there is
/// fine.
pub(super) fn gather(dotenv: &Path) -> Collected {
    let (env, mut faults) = text_only(std::env::vars_os());
    let contents = read(dotenv).unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    let mut collected = collect(env.into_iter(), contents.as_deref());
    faults.append(&mut collected.faults);
    Collected { faults, ..collected }
}

/// Variables of other programs' making (`ORT_DYLIB_PATH`, `IPUOF_…`), by the same rule. What cannot be read is
/// left out here: `Settings::load` reports it.
pub fn environment() -> BTreeMap<String, String> {
    gather(Path::new(DOTENV)).vars.into_iter().collect()
}

/// `env` over the contents of a `.env` file. Of two lines with one name the later counts, as in a
/// shell.
pub(super) fn collect(env: impl Iterator<Item = (String, String)>, dotenv: Option<&str>) -> Collected {
    let mut faults = Vec::new();
    let mut vars = BTreeMap::new();
    if let Some(contents) = dotenv {
        for line in statements(contents) {
            match line {
                Ok((name, value)) => drop(vars.insert(name, value)),
                Err(fault) => faults.push(fault),
            }
        }
    }
    vars.extend(env);
    Collected {
        vars: vars.into_iter().collect(),
        faults,
    }
}

/// What of the environment is text. `std::env::vars` would panic at the first variable that is not,
/// though it be none of ours; a setting that is not is a fault.
fn text_only(vars: impl Iterator<Item = (OsString, OsString)>) -> (Vec<(String, String)>, Vec<Fault>) {
    let mut text = Vec::new();
    let mut faults = Vec::new();
    for (name, value) in vars {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => text.push((name, value)),
            (Ok(name), Err(_)) if name.starts_with(PREFIX) => {
                faults.push(Fault::new(name, "is not UTF-8 text, expected a value that is"));
            }
            _ => {}
        }
    }
    (text, faults)
}

fn read(path: &Path) -> Result<Option<String>, Fault> {
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| Fault::new(DOTENV, "is not UTF-8 text; save it as UTF-8")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::new(DOTENV, format!("cannot be read: {}", error.kind()))),
    }
}

/// The `NAME=VALUE` statements of a file; a fault for each that is none.
fn statements(contents: &str) -> Vec<Result<(String, String), Fault>> {
    // dotenvy takes the byte order mark away only where it sets the environment itself, and takes a
    // blank at the very end of a file, without a line feed behind, for an unfinished value.
    let contents = format!("{}\n", contents.trim_start_matches('\u{feff}').trim_end());
    let lines_read = Cell::new(0);
    let reader = LineByLine {
        rest: contents.as_bytes(),
        lines_read: &lines_read,
    };
    let mut found = Vec::new();
    for item in dotenvy::Iter::new(reader) {
        found.push(item.map_err(|error| match error {
            dotenvy::Error::LineParse(text, position) => {
                let span = text.strip_suffix('\n').unwrap_or(&text).matches('\n').count();
                let unclosed = position == text.len() && text.ends_with('\n');
                malformed(&contents, lines_read.get() - span.min(lines_read.get()), unclosed)
            }
            other => Fault::new(DOTENV, format!("cannot be read: {other}")),
        }));
    }
    found
}

/// A fault of the statement that begins in `line` (from 1). Its text is not repeated: it may hold a
/// secret.
fn malformed(contents: &str, line: usize, unclosed: bool) -> Fault {
    let text = contents
        .lines()
        .nth(line.saturating_sub(1))
        .unwrap_or_default()
        .trim_start();
    let text = text.strip_prefix("export ").unwrap_or(text);
    let name = text.split('=').next().unwrap_or_default().trim();
    let is_name = text.contains('=') && !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let place = if is_name {
        format!("{DOTENV} line {line} ({name})")
    } else {
        format!("{DOTENV} line {line}")
    };
    if unclosed {
        Fault::new(place, "a quote opens here that is never closed")
    } else {
        Fault::new(
            place,
            "expected NAME=VALUE; a value with spaces, quotes or backslashes goes between single quotes and holds \
             none itself",
        )
    }
}

/// Hands out one line a read and counts them: dotenvy's errors do not say where they are, and
/// through its buffer nothing else would.
struct LineByLine<'a> {
    rest: &'a [u8],
    lines_read: &'a Cell<usize>,
}

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self
            .rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(self.rest.len(), |at| at + 1);
        let taken = line.min(buffer.len());
        buffer[..taken].copy_from_slice(&self.rest[..taken]);
        self.rest = &self.rest[taken..];
        if taken == line && taken > 0 {
            self.lines_read.set(self.lines_read.get() + 1);
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(contents: &str) -> (Vec<(String, String)>, Vec<String>) {
        let collected = collect(std::iter::empty(), Some(contents));
        let faults = collected.faults.iter().map(ToString::to_string).collect();
        (collected.vars, faults)
    }

    fn value(contents: &str, name: &str) -> String {
        let (vars, faults) = parse(contents);
        assert_eq!(faults, [""; 0], "{contents}");
        vars.into_iter().find(|(n, _)| n == name).unwrap().1
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    const GENERAL: &str = "expected NAME=VALUE; a value with spaces, quotes or backslashes goes between single quotes \
                           and holds none itself";

    #[test]
    fn the_environment_comes_before_the_file() {
        let env = [pair("SERVER_PORT", "1"), pair("HOME", "/home")];
        let collected = collect(env.into_iter(), Some("SERVER_PORT=2\nSERVER_HOST=::1\n"));
        assert_eq!(
            collected.vars,
            [
                pair("HOME", "/home"),
                pair("SERVER_HOST", "::1"),
                pair("SERVER_PORT", "1")
            ]
        );
        assert!(collected.faults.is_empty());
    }

    #[test]
    fn no_file_and_an_empty_file_are_fine() {
        for dotenv in [
            None,
            Some(""),
            Some("\n\n"),
            Some("# nothing\n   # here"),
            Some("\u{feff}"),
        ] {
            let collected = collect(std::iter::empty(), dotenv);
            assert!(collected.vars.is_empty() && collected.faults.is_empty(), "{dotenv:?}");
        }
    }

    #[test]
    fn a_value_in_single_quotes_spans_lines() {
        let contents = "SERVER_MODELS='[\n  {\"model\": \"digits\"},\n\n# kept: inside the quotes\n]'\nSERVER_PORT=1\n";
        assert_eq!(
            value(contents, "SERVER_MODELS"),
            "[\n  {\"model\": \"digits\"},\n\n# kept: inside the quotes\n]"
        );
        assert_eq!(value(contents, "SERVER_PORT"), "1");
        let windows = contents.replace('\n', "\r\n");
        assert!(value(&windows, "SERVER_MODELS").ends_with("\r\n]"));
    }

    #[test]
    fn nothing_is_replaced_between_single_quotes() {
        assert_eq!(value(r"A='$HOME ${HOME} \n \\ # x'", "A"), r"$HOME ${HOME} \n \\ # x");
    }

    #[test]
    fn names_are_replaced_outside_and_between_double_quotes() {
        assert_eq!(value("A=x\nB=\"$A ${A}\"\n", "B"), "x x");
        assert_eq!(value("A=x\nB=$A/y\n", "B"), "x/y");
        assert_eq!(value("A=x\nB='$A'\n", "B"), "$A");
        assert_eq!(value("A=\"a\\nb \\\"c\\\" \\$d\"\n", "A"), "a\nb \"c\" $d");
    }

    #[test]
    fn comments_exports_and_repeats() {
        assert_eq!(value("A=a # comment, don't mind\n", "A"), "a");
        assert_eq!(value("A=a#b\n", "A"), "a#b");
        assert_eq!(value("export A=1\n", "A"), "1");
        assert_eq!(value("A=1\nA=2\n", "A"), "2");
        assert_eq!(value("A=\nB=1", "A"), "");
        assert_eq!(value("  A = 1  ", "A"), "1");
    }

    #[test]
    fn a_byte_order_mark_and_a_missing_last_line_feed_do_no_harm() {
        assert_eq!(value("\u{feff}A=1", "A"), "1");
        assert_eq!(value("A=1 ", "A"), "1");
    }

    #[test]
    fn json_without_quotes_around_loses_its_own() {
        // Why the parser of SERVER_MODELS explains missing double quotes.
        assert_eq!(value("A=[{\"model\":\"digits\"}]\n", "A"), "[{model:digits}]");
    }

    #[test]
    fn a_malformed_line_is_named_and_its_value_is_not_shown() {
        let (vars, faults) = parse("# head\nA=1\nSERVER_STORE_URL=redis://u:hunter2@h x\nB=2\n");
        assert_eq!(vars, [pair("A", "1"), pair("B", "2")]);
        assert_eq!(faults, [format!(".env line 3 (SERVER_STORE_URL): {GENERAL}")]);
    }

    #[test]
    fn every_malformed_line_is_reported() {
        let (vars, faults) = parse("A='x\ny'\nSERVER_MAX_BODY=64 MiB\n\nno value\n=1\nexport B=a b\nC=3\n");
        assert_eq!(vars, [pair("A", "x\ny"), pair("C", "3")]);
        assert_eq!(
            faults,
            [
                format!(".env line 3 (SERVER_MAX_BODY): {GENERAL}"),
                format!(".env line 5: {GENERAL}"),
                format!(".env line 6: {GENERAL}"),
                format!(".env line 7 (B): {GENERAL}"),
            ]
        );
    }

    #[test]
    fn a_malformed_value_of_several_lines_is_named_by_its_first() {
        let (_, faults) = parse("A=1\nB='x\ny\nz' w\nC=1\n");
        assert_eq!(faults, [format!(".env line 2 (B): {GENERAL}")]);
    }

    #[test]
    fn an_unclosed_quote_is_named_where_it_opens() {
        for open in ["'", "\""] {
            let (_, faults) = parse(&format!("A=1\nSERVER_MODELS={open}[\n  {{}}\n\nB=2\n\n"));
            assert_eq!(
                faults,
                [".env line 2 (SERVER_MODELS): a quote opens here that is never closed"]
            );
        }
    }

    #[test]
    fn a_line_longer_than_any_buffer_counts_once() {
        let contents = format!("A='{}'\nB=a b\n", "x".repeat(100_000));
        let (vars, faults) = parse(&contents);
        assert_eq!(vars[0].1.len(), 100_000);
        assert_eq!(faults, [format!(".env line 2 (B): {GENERAL}")]);
    }

    #[test]
    fn no_cut_of_a_file_panics() {
        let contents = "# c\nexport A='[\n {\"m\": \"é\"}\n]' # d\nB=\"$A \\n ${X}\"\nC=\\ x y\n";
        for (at, _) in contents.char_indices() {
            parse(&contents[..at]);
            parse(&contents[at..]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_a_setting_that_is_no_text_is_a_fault() {
        use std::os::unix::ffi::OsStringExt as _;
        let broken = || OsString::from_vec(vec![0xff]);
        let vars = [
            (OsString::from("OTHER"), broken()),
            (OsString::from("SERVER_HOST"), broken()),
            (broken(), OsString::from("x")),
            (OsString::from("SERVER_PORT"), OsString::from("1")),
        ];
        let (text, faults) = text_only(vars.into_iter());
        assert_eq!(text, [pair("SERVER_PORT", "1")]);
        assert_eq!(
            faults,
            [Fault::new("SERVER_HOST", "is not UTF-8 text, expected a value that is")]
        );
    }

    #[test]
    fn files_that_cannot_be_read_are_faults_and_missing_ones_are_not() {
        let folder = std::env::temp_dir().join(format!("config-source-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(read(&folder.join("absent")), Ok(None));
        assert!(
            read(&folder)
                .unwrap_err()
                .to_string()
                .starts_with(".env: cannot be read: ")
        );
        let file = folder.join("file");
        std::fs::write(&file, [0xff]).unwrap();
        assert_eq!(
            read(&file).unwrap_err().to_string(),
            ".env: is not UTF-8 text; save it as UTF-8"
        );
        std::fs::write(&file, "SERVER_TEST_ONLY=1").unwrap();
        assert!(gather(&file).vars.contains(&pair("SERVER_TEST_ONLY", "1")));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
