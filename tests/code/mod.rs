//! The source files as text to be searched: comments, strings and tests taken out, lines left where they are.

use std::path::{Path, PathBuf};

/// A file under `src`.
pub struct File {
    /// Its path under `src`.
    pub name: String,
    /// All of it.
    pub text: String,
    /// Without comments, the inside of strings, and its tests.
    pub code: String,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under `src`, by name.
pub fn sources() -> Vec<File> {
    let (mut folders, mut files) = (vec![root().join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(file(&path));
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(files.len() > 50, "the sources were not found");
    files
}

fn file(path: &PathBuf) -> File {
    let name = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().replace('\\', "/");
    let text = std::fs::read_to_string(path).unwrap();
    let code = without_tests(&without_comments(&text));
    File { name, text, code }
}

impl File {
    /// The first part of its path: the stage that it belongs to.
    pub fn stage(&self) -> &str {
        self.name.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// Every path behind `crate::` or, in the program, `tidemill::`.
    pub fn uses(&self) -> Vec<String> {
        let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let mut uses = Vec::new();
        for root in ["crate::", "tidemill::"] {
            for (at, _) in self.code.match_indices(root) {
                let path: String = self.code[at + root.len()..].chars().take_while(|&c| is_path(c)).collect();
                assert!(!path.is_empty(), "{}: write {root} without braces", self.name);
                // `pub(in crate::...)` and `$crate` are not used.
                uses.push(path);
            }
        }
        uses
    }
}

/// Blanks out comments, and what stands within strings and characters.
pub fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let end = match &bytes[at..] {
            [b'/', b'/', ..] => at + bytes[at..].iter().take_while(|&&byte| byte != b'\n').count(),
            [b'r', b'"', ..] => raw_end(bytes, at, 0),
            [b'r', b'#', b'"', ..] => raw_end(bytes, at, 1),
            [b'"', ..] => string_end(bytes, at),
            [b'\'', b'\\', ..] => at + 2 + bytes[at + 2..].iter().skip(1).take_while(|&&b| b != b'\'').count() + 2,
            [b'\'', _, b'\'', ..] => at + 3,
            _ => at,
        };
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|&byte| if byte == b'\n' { byte } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8(out).unwrap()
}

fn raw_end(bytes: &[u8], start: usize, hashes: usize) -> usize {
    let close = if hashes == 0 { &b"\""[..] } else { b"\"#" };
    let from = start + 2 + hashes;
    from + bytes[from..].windows(close.len()).position(|window| window == close).unwrap() + close.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// Blanks out every item behind `#[cfg(test)]`.
pub fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let end = block_end(&out, start).unwrap_or(out.len());
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

/// Behind the brace that closes the first one from `start` on.
fn block_end(code: &str, start: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in code[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(start + at + 1),
            '}' => depth -= 1,
            ';' if depth == 0 => return Some(start + at + 1),
            _ => {}
        }
    }
    None
}

/// Name and number of lines of every function.
pub fn functions(code: &str) -> Vec<(String, usize)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let name: String = code[at + 3..].chars().take_while(|&c| is_name(c)).collect();
        let is_word = code[..at].chars().next_back().is_none_or(|c| !is_name(c));
        if name.is_empty() || !is_word {
            continue;
        }
        // An array type in the arguments may hold a `;`, never a brace: the body is the first block.
        let Some(body) = code[at..].find('{') else { continue };
        let end = block_end(code, at + body).unwrap_or(code.len());
        found.push((name, code[at..end].lines().count()));
    }
    found
}
