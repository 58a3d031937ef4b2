//! The keys of uploaded files: `PREFIX/MODEL/YYYY/MM/DD/ID-N.EXTENSION`. Nothing of a request is in them. Pure.

use jiff::Timestamp;
use object_store::path::Path;

use crate::payload::FileOutput;

/// Longer extensions are none.
const LONGEST_EXTENSION: usize = 10;

/// What a key is made of, beside its file.
pub struct Origin<'a> {
    pub model: &'a str,
    /// Of the run, and of no other; no client gives it.
    pub id: String,
    /// The day is that of UTC.
    pub at: Timestamp,
}

/// The key of the file that is the `number`th of its answer, counted from 0.
pub fn key(prefix: &Path, origin: &Origin<'_>, number: usize, file: &FileOutput) -> Path {
    let mut folder = prefix.clone().join(plain(origin.model));
    for part in origin.at.strftime("%Y/%m/%d").to_string().split('/') {
        folder = folder.join(part);
    }
    folder.join(format!("{}-{number}.{}", plain(&origin.id), extension(file)))
}

/// Letters, digits and marks that mean nothing to a file system, a URL or a shell.
fn plain(text: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || "-_".contains(c) {
            c
        } else {
            '_'
        }
    };
    text.chars().map(kept).collect()
}

/// The extension of the file's name, else the usual one of its type.
pub fn extension(file: &FileOutput) -> String {
    let named = file.name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    let usable =
        |end: &String| (1..=LONGEST_EXTENSION).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_alphanumeric());
    named
        .filter(usable)
        .unwrap_or_else(|| usual(&file.content_type).to_owned())
}

fn usual(content_type: &str) -> &'static str {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    // Where the table of all extensions has a rare one first.
    match essence {
        "image/jpeg" => "jpg",
        "audio/mpeg" => "mp3",
        "audio/wav" | "audio/x-wav" => "wav",
        "video/mp4" => "mp4",
        "text/plain" => "txt",
        "application/octet-stream" => "bin",
        other => mime_guess::get_mime_extensions_str(other)
            .and_then(|known| known.first().copied())
            .unwrap_or("bin"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content_type: &str) -> FileOutput {
        FileOutput {
            name: name.to_owned(),
            content_type: content_type.to_owned(),
            bytes: bytes::Bytes::new(),
        }
    }

    #[test]
    fn a_key_tells_model_day_and_run() {
        let origin = Origin {
            model: "stable.diffusion",
            id: "0199-1".to_owned(),
            at: "2026-03-04T23:59:59Z".parse().unwrap(),
        };
        let prefix = Path::parse("out/pictures").unwrap();
        let made = key(&prefix, &origin, 2, &file("cat.PNG", "image/png"));
        assert_eq!(made.as_ref(), "out/pictures/stable_diffusion/2026/03/04/0199-1-2.png");
        let made = key(&Path::default(), &origin, 0, &file("", "audio/wav"));
        assert_eq!(made.as_ref(), "stable_diffusion/2026/03/04/0199-1-0.wav");
    }

    #[test]
    fn what_could_leave_the_folder_does_not() {
        let origin = Origin {
            model: "../m",
            id: "../../etc/x y%".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        };
        let made = key(&Path::default(), &origin, 0, &file("x./../../passwd", "image/png"));
        assert_eq!(made.as_ref(), "___m/1970/01/01/______etc_x_y_-0.png");
    }

    #[test]
    fn extensions_come_from_the_name_or_from_the_type() {
        for (name, content_type, expected) in [
            ("a.tar.gz", "application/gzip", "gz"),
            ("a.JPEG", "image/jpeg", "jpeg"),
            ("a", "image/jpeg", "jpg"),
            ("", "image/png", "png"),
            ("", "text/plain; charset=utf-8", "txt"),
            ("a.way-too-long-to-be-one", "image/webp", "webp"),
            ("a.", "application/x-nobody-knows", "bin"),
            ("a.é", "application/octet-stream", "bin"),
        ] {
            assert_eq!(extension(&file(name, content_type)), expected, "{name} {content_type}");
        }
    }
}
