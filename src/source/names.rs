//! What a name among the inputs stands for: takes names as users write them, gives the inputs in the order in which they
//! are read. It looks at names and kinds of files, and opens none.
//!
//! - `-` is standard input, the name of a file is that file, whatever it is called.
//! - A folder stands for its files, in the order of their names: those whose extension tells a format, or all where a
//!   format is named. What is hidden (a dot in front) and what lies in folders within it is passed over.
//! - A pattern with `*`, `?` or `[` stands for the files that match, in the order of their names, for job files and
//!   shells that do not expand it. A dot in front, and `/`, must be written out.

use std::path::{Path, PathBuf};

use super::Input;
use crate::error::{Error, Result};
use crate::schema::Format;

/// The inputs that `names` stand for; `format` is the one that the user named.
///
/// # Errors
/// A folder or a pattern that stands for nothing, or that cannot be read.
pub fn inputs(names: &[String], format: Option<Format>) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for name in names {
        let path = Path::new(name);
        match name.as_str() {
            "-" => inputs.push(Input::Stdin),
            _ if path.is_dir() => inputs.extend(in_folder(path, format)?),
            pattern if is_pattern(pattern) && !path.exists() => inputs.extend(matching(pattern)?),
            _ => inputs.push(Input::named(name)),
        }
    }
    Ok(inputs)
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// The files of a folder.
fn in_folder(folder: &Path, format: Option<Format>) -> Result<impl Iterator<Item = Input>> {
    let failed = |cause| Error::input(format!("cannot look into the folder {}", folder.display())).because(cause);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_read = !name.starts_with('.') && (format.is_some() || Format::of_name(&name).is_some());
        if is_read && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    if files.is_empty() {
        let what = if format.is_some() { "files" } else { "files with an extension that tells a format, like .csv" };
        return Err(Error::input(format!(
            "the folder {0} has no {what}: name another one, or its files as a pattern like '{0}/*.log' with --format",
            folder.display()
        )));
    }
    Ok(in_order(files))
}

/// The files that match a pattern.
fn matching(pattern: &str) -> Result<impl Iterator<Item = Input>> {
    let options = glob::MatchOptions {
        require_literal_separator: true,
        require_literal_leading_dot: true,
        ..glob::MatchOptions::default()
    };
    let found = glob::glob_with(pattern, options).map_err(|cause| {
        Error::usage(format!("{pattern} is no pattern: * stands for any text, ? for one letter, [ab] for one of some"))
            .because(cause)
    })?;
    let mut files = Vec::new();
    for path in found {
        let path = path.map_err(|cause| Error::input(format!("cannot look for {pattern}")).because(cause))?;
        if path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::input(format!(
            "no file matches {pattern}: check it with ls, and mind the folder that it is read from"
        )));
    }
    Ok(in_order(files))
}

fn in_order(mut files: Vec<PathBuf>) -> impl Iterator<Item = Input> {
    files.sort();
    files.into_iter().map(Input::File)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub.csv")).unwrap();
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        for name in ["b.csv", "a.csv.gz", "c.log", ".d.csv", "_SUCCESS", "[e].csv", "sub.csv/f.csv"] {
            std::fs::write(folder.path().join(name), "x\n").unwrap();
        }
        folder
    }

    /// The inputs' names within the folder.
    fn names(folder: &Path, name: &str, format: Option<Format>) -> Result<Vec<String>> {
        let found = inputs(&[folder.join(name).to_string_lossy().into_owned()], format)?;
        let own = |input: &Input| input.name().rsplit_once('/').unwrap().1.to_owned();
        Ok(found.iter().map(own).collect())
    }

    #[test]
    fn a_folder_stands_for_its_files_in_the_order_of_their_names() {
        let folder = folder();
        assert_eq!(names(folder.path(), "", None).unwrap(), ["[e].csv", "a.csv.gz", "b.csv"]);
        let all = ["[e].csv", "_SUCCESS", "a.csv.gz", "b.csv", "c.log"];
        assert_eq!(names(folder.path(), "", Some(Format::Csv)).unwrap(), all);
    }

    #[test]
    fn a_pattern_stands_for_the_files_that_match() {
        let folder = folder();
        assert_eq!(names(folder.path(), "*.csv", None).unwrap(), ["[e].csv", "b.csv"]);
        assert_eq!(names(folder.path(), "[a-c].*", None).unwrap(), ["a.csv.gz", "b.csv", "c.log"]);
        assert_eq!(names(folder.path(), "?.log", None).unwrap(), ["c.log"]);
        assert_eq!(names(folder.path(), "*/*.csv", None).unwrap(), ["f.csv"]);
        assert_eq!(names(folder.path(), "[e].csv", None).unwrap(), ["[e].csv"], "a file of that name comes first");
        assert_eq!(names(folder.path(), "gone.csv", None).unwrap(), ["gone.csv"], "told when it is opened");
    }

    #[test]
    fn what_stands_for_nothing_is_refused_with_what_to_do() {
        let folder = folder();
        let refused = |name: &str, format| names(folder.path(), name, format).unwrap_err().to_string();
        assert!(refused("empty", None).contains("like .csv: name another one"));
        assert!(refused("empty", Some(Format::Csv)).contains("has no files:"));
        assert!(refused("*.parquet", None).contains("no file matches"));
        assert!(refused("a[.csv", None).contains("is no pattern"));
    }
}
