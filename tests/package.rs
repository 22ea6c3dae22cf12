//! What is shipped: everything that builds the program, tests it and explains it, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::path::Path;
use std::process::Command;

/// The files of the package, as Cargo would put them into it.
fn shipped() -> Vec<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["package", "--list", "--offline", "--allow-dirty"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line.replace('\\', "/")).collect()
}

/// Every file below a folder of the crate, by its path from the crate's root.
fn below(folder: &str) -> Vec<String> {
    let (root, mut found) = (Path::new(env!("CARGO_MANIFEST_DIR")), Vec::new());
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/")),
            }
        }
    }
    found
}

#[test]
fn what_the_program_is_built_from_and_explained_by_is_shipped() {
    let shipped = shipped();
    let needed = ["src", "shaders", "examples", "docs", "tests/golden", "tests/formats"].map(below).concat();
    assert!(needed.len() > 200, "{} files", needed.len());
    for file in needed.iter().map(String::as_str).chain(["README.md", "CHANGELOG.md", "ARCHITECTURE.md", "Cargo.lock"])
    {
        assert!(shipped.iter().any(|name| name == file), "{file} is not in the package");
    }
}

#[test]
fn nothing_is_shipped_that_only_this_repository_needs() {
    for file in shipped() {
        for folder in [".ci", ".git", "fuzz", "proptest-regressions", "target"] {
            assert!(!file.starts_with(folder), "{file} is in the package");
        }
    }
}
