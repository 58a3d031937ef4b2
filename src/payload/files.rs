//! Files that a pipeline answers with: one, several, or some inside of a JSON document.
//!
//! The document is kept as its author's text with gaps where files stand. Whoever sends it puts something into the gaps:
//! the files themselves in base64, or records of where they were uploaded to. It is never parsed, so numbers keep their
//! digits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// A file of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOutput {
    /// What its author calls it, without folders; may be empty.
    pub name: String,
    /// A media type.
    pub content_type: String,
    pub bytes: Bytes,
}

/// Files, and the JSON document they stand in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    all: Vec<FileOutput>,
    text: Bytes,
    /// Where files stand, in the order of the text: the offset of the gap, and the number of the file.
    places: Vec<(usize, usize)>,
}

impl Files {
    /// One file that is the whole answer.
    pub fn one(file: FileOutput) -> Self {
        Self {
            all: vec![file],
            text: Bytes::new(),
            places: vec![(0, 0)],
        }
    }

    /// A list of files.
    pub fn list(files: Vec<FileOutput>) -> Self {
        let commas = ",".repeat(files.len().saturating_sub(1));
        Self {
            text: format!("[{commas}]").into(),
            places: (0..files.len()).map(|i| (i + 1, i)).collect(),
            all: files,
        }
    }

    /// A JSON document with gaps. A place is the offset of a gap in the text, and the number of the file that belongs
    /// there; a file may have several.
    ///
    /// # Errors
    /// When a place is outside of the text, or names a file that is not there.
    pub fn placed(
        text: impl Into<Bytes>,
        files: Vec<FileOutput>,
        mut places: Vec<(usize, usize)>,
    ) -> Result<Self, &'static str> {
        let text = text.into();
        places.sort_by_key(|(at, _)| *at);
        if places.last().is_some_and(|(at, _)| *at > text.len()) {
            return Err("a file stands outside of the document");
        }
        if places.iter().any(|(_, file)| *file >= files.len()) {
            return Err("the document names a file that is not there");
        }
        Ok(Self {
            all: files,
            text,
            places,
        })
    }

    pub fn files(&self) -> &[FileOutput] {
        &self.all
    }

    /// The document with its gaps.
    pub const fn text(&self) -> &Bytes {
        &self.text
    }

    /// Offsets of gaps, and the numbers of their files, in the order of the text.
    pub fn places(&self) -> &[(usize, usize)] {
        &self.places
    }

    /// The file that is the whole answer, where there is no document around it.
    pub fn only(&self) -> Option<&FileOutput> {
        match (self.all.as_slice(), self.places.as_slice()) {
            ([file], [(0, 0)]) if self.text.is_empty() => Some(file),
            _ => None,
        }
    }

    /// Whether the document is nothing but one file, or a list of files.
    pub fn is_flat(&self) -> bool {
        let plain = |byte: &u8| matches!(byte, b'[' | b']' | b',') || byte.is_ascii_whitespace();
        let mut lists = self.text.split(|byte| *byte == b'[').skip(1);
        self.text.iter().all(plain) && lists.nth(1).is_none()
    }

    /// The document with JSON for each file in its gaps.
    pub fn written<T: AsRef<[u8]>>(&self, json: &[T]) -> Bytes {
        let of = |file: usize| json.get(file).map_or(&b"null"[..], AsRef::as_ref);
        let size: usize = self.places.iter().map(|(_, file)| of(*file).len()).sum();
        let mut out = Vec::with_capacity(self.text.len() + size);
        let mut written = 0;
        for (at, file) in &self.places {
            out.extend_from_slice(&self.text[written..*at]);
            out.extend_from_slice(of(*file));
            written = *at;
        }
        out.extend_from_slice(&self.text[written..]);
        out.into()
    }

    /// The document with each file as an object of its name, its type and its bytes in base64.
    pub fn to_json(&self) -> Bytes {
        let json: Vec<String> = self.all.iter().map(FileOutput::to_json).collect();
        self.written(&json)
    }
}

impl FileOutput {
    fn to_json(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let (name, media) = (quoted(&self.name), quoted(&self.content_type));
        let mut json = String::with_capacity(name.len() + media.len() + self.bytes.len() / 3 * 4 + 40);
        for piece in ["{\"name\":", &name, ",\"type\":", &media, ",\"data\":\""] {
            json.push_str(piece);
        }
        STANDARD.encode_string(&self.bytes, &mut json);
        json.push_str("\"}");
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> FileOutput {
        FileOutput {
            name: name.to_owned(),
            content_type: "image/png".to_owned(),
            bytes: Bytes::from_static(b"\x89PNG"),
        }
    }

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_file_alone_and_files_in_a_list_are_objects_with_base64() {
        let one = Files::one(file("a \"b\".png"));
        assert_eq!(
            text(&one.to_json()),
            r#"{"name":"a \"b\".png","type":"image/png","data":"iVBORw=="}"#
        );
        assert_eq!(one.only(), Some(&file("a \"b\".png")));
        let two = Files::list(vec![file("a"), file("b")]);
        assert_eq!(text(&two.written(&["1", "2"])), "[1,2]");
        assert_eq!(two.only(), None);
        assert_eq!(text(&Files::list(vec![file("a")]).written(&["1"])), "[1]");
        assert_eq!(text(&Files::list(Vec::new()).to_json()), "[]");
    }

    #[test]
    fn gaps_are_filled_wherever_they_are_and_the_rest_is_kept() {
        let document = r#"{"images":[,],"best":,"seed":1.0e400}"#;
        let places = vec![(21, 0), (11, 0), (12, 1)];
        let files = Files::placed(document, vec![file("a"), file("b")], places).unwrap();
        assert_eq!(
            text(&files.written(&["A", "B"])),
            r#"{"images":[A,B],"best":A,"seed":1.0e400}"#
        );
        assert!(files.to_json().len() > document.len());
    }

    #[test]
    fn places_that_cannot_be_are_refused() {
        assert!(Files::placed("[]", vec![file("a")], vec![(3, 0)]).is_err());
        assert!(Files::placed("[]", vec![file("a")], vec![(1, 1)]).is_err());
        assert!(
            Files::placed("", vec![file("a")], vec![(0, 0)])
                .unwrap()
                .only()
                .is_some()
        );
    }

    #[test]
    fn a_list_of_files_is_flat_and_an_object_or_a_list_of_lists_is_not() {
        let flat = |document: &'static str, at: usize| {
            let files = Files::placed(document, vec![file("a")], vec![(at, 0)]);
            files.unwrap().is_flat()
        };
        assert!(flat("", 0) && flat("[]", 1) && flat("[ ]", 1));
        assert!(!flat("[[]]", 2) && !flat(r#"{"a":}"#, 5) && !flat("[1,]", 3));
    }
}
