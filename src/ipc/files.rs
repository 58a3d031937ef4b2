//! Files of an answer on the wire: the JSON document with its gaps, then the files' bytes, one after the other.

use bytes::Bytes;

use super::message::PlacedFile;
use crate::payload::{FileOutput, Files};

/// Takes the body of an answer apart.
pub fn read(body: &Bytes, told: Vec<PlacedFile>) -> Result<Files, &'static str> {
    let mut places = Vec::with_capacity(told.len());
    let mut files = Vec::with_capacity(told.len());
    let sizes: Option<usize> = told.iter().try_fold(0_usize, |all, file| all.checked_add(file.size));
    let mut from = sizes.and_then(|sizes| body.len().checked_sub(sizes)).ok_or(SHORT)?;
    let text = body.slice(..from);
    for (number, file) in told.into_iter().enumerate() {
        places.extend(file.at.into_iter().map(|at| (at, number)));
        files.push(FileOutput {
            name: file.name,
            content_type: file.media,
            bytes: body.slice(from..from + file.size),
        });
        from += file.size;
    }
    Files::placed(text, files, places)
}

const SHORT: &str = "its files are longer than its body";

/// What is told of the files, and the body that goes with it.
pub fn written(files: &Files) -> (Vec<PlacedFile>, Vec<u8>) {
    let of = |number: usize| files.places().iter().filter(move |(_, file)| *file == number);
    let told = files.files().iter().enumerate().map(|(number, file)| PlacedFile {
        name: file.name.clone(),
        media: file.content_type.clone(),
        size: file.bytes.len(),
        at: of(number).map(|(at, _)| *at).collect(),
    });
    let mut body = files.text().to_vec();
    for file in files.files() {
        body.extend_from_slice(&file.bytes);
    }
    (told.collect(), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: &'static [u8]) -> FileOutput {
        FileOutput {
            name: name.to_owned(),
            content_type: "image/png".to_owned(),
            bytes: Bytes::from_static(bytes),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let some = vec![file("a.png", b"aaa"), file("b.png", b"")];
        for files in [
            Files::one(file("a.png", b"\x89PNG")),
            Files::list(some.clone()),
            Files::list(Vec::new()),
            Files::placed(r#"{"all":[,],"best":}"#, some, vec![(8, 0), (9, 1), (18, 0)]).unwrap(),
        ] {
            let (told, body) = written(&files);
            assert_eq!(read(&body.into(), told), Ok(files));
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let told = |size| PlacedFile {
            name: String::new(),
            media: "image/png".to_owned(),
            size,
            at: vec![0],
        };
        let body = Bytes::from_static(b"abc");
        assert_eq!(read(&body, vec![told(4)]), Err(SHORT));
        assert_eq!(read(&body, vec![told(usize::MAX), told(2)]), Err(SHORT));
        assert_eq!(read(&body, vec![told(3)]).unwrap().files()[0].bytes, body);
    }
}
