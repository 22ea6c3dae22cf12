//! What Tidemill is built from: licences, places and compilers of the crates that this machine compiles. `deny.toml` asks
//! the same of all platforms, and for known faults.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::process::Command;

use serde_json::Value;

/// What asks for no more than to be named, as in `deny.toml`.
const LICENCES: [&str; 8] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Crates with another one.
const EXCEPTIONS: [(&str, &str); 1] = [("tiny-keccak", "CC0-1.0")];

/// What a program says, run in the crate's folder.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every crate that is compiled for this machine, with Tidemill among them.
fn packages() -> Vec<Value> {
    let about = said("rustc", &["-vV"]);
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata =
        ["metadata", "--format-version", "1", "--offline", "--locked", "--all-features", "--filter-platform", host];
    let mut found: Value = serde_json::from_str(&said(env!("CARGO"), &metadata)).unwrap();
    let packages = std::mem::take(found["packages"].as_array_mut().unwrap());
    assert!(packages.len() > 100, "{} packages", packages.len());
    packages
}

/// Whether a crate may be used under one of `allowed`: `OR` is a choice, `AND` asks for both, and brackets bind.
fn is_free(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let expression = expression.replace('/', " OR ");
    let any = |part: &str| part.split(" OR ").any(|one| allowed(one.trim_matches(['(', ')', ' '])));
    match expression.split_once(") AND ") {
        Some((first, second)) => any(first) && any(second),
        None => expression.split(" AND ").all(any),
    }
}

#[test]
fn every_licence_asks_for_no_more_than_to_be_named() {
    let mut faults = Vec::new();
    for package in packages().iter().filter(|package| !package["source"].is_null()) {
        let (name, licence) = (package["name"].as_str().unwrap(), package["license"].as_str().unwrap_or("none"));
        let allowed = |one: &str| LICENCES.contains(&one) || EXCEPTIONS.contains(&(name, one));
        if !is_free(licence, &allowed) {
            faults.push(format!("{name}: {licence}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn expressions_of_licences_are_read_as_they_are_meant() {
    let allowed = |one: &str| ["MIT", "Zlib"].contains(&one);
    for free in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "MIT AND Zlib", "(GPL-3.0 OR MIT) AND Zlib"] {
        assert!(is_free(free, &allowed), "{free}");
    }
    for other in ["GPL-3.0", "none", "MIT AND GPL-3.0", "GPL-3.0/ISC", "(GPL-3.0 OR MIT) AND ISC"] {
        assert!(!is_free(other, &allowed), "{other}");
    }
}

#[test]
fn the_list_of_licences_is_that_of_cargo_deny() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml")).unwrap();
    let deny: toml::Value = toml::from_str(&text).unwrap();
    let allowed: Vec<_> =
        deny["licenses"]["allow"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
    assert_eq!(allowed, LICENCES);
    let exceptions = deny["licenses"]["exceptions"].as_array().unwrap().iter();
    let exceptions: Vec<_> =
        exceptions.map(|one| (one["crate"].as_str().unwrap(), one["allow"][0].as_str().unwrap())).collect();
    assert_eq!(exceptions, EXCEPTIONS);
}

#[test]
fn every_crate_comes_from_the_registry() {
    for package in packages().iter().filter(|package| !package["source"].is_null()) {
        let source = package["source"].as_str().unwrap();
        assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{}", package["name"]);
    }
}

/// A compiler's version, to be compared.
fn version(text: &str) -> Vec<u32> {
    text.split('.').take(2).map(|part| part.parse().unwrap()).collect()
}

#[test]
fn no_crate_asks_for_a_newer_compiler_than_tidemill_does() {
    let packages = packages();
    let own = packages.iter().find(|package| package["source"].is_null()).unwrap();
    let own = version(own["rust_version"].as_str().unwrap());
    for package in &packages {
        if let Some(asked) = package["rust_version"].as_str() {
            assert!(version(asked) <= own, "{} asks for {asked}", package["name"]);
        }
    }
}
