//! Completions, the manual and help: what shells, man and terminals make of them.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![allow(clippy::print_stderr, reason = "a test that cannot be made on a machine says so")]

mod program;

use std::process::{Command, Stdio};

use program::Folder;

const COMMANDS: [&str; 12] = [
    "train",
    "sweep",
    "compare",
    "check",
    "predict",
    "generate",
    "inspect",
    "verify-resume",
    "devices",
    "bench",
    "completions",
    "man",
];

/// Feeds a program of this machine; `None` where there is none of the name, else its standard output, and whether it was
/// content and said nothing on standard error.
fn fed(name: &str, arguments: &[&str], input: &[u8]) -> Option<(String, bool)> {
    let folder = Folder::new();
    folder.file("input", input);
    let mut command = Command::new(name);
    command.args(arguments).stdin(std::fs::File::open(folder.path("input")).unwrap());
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    let Ok(output) = output else {
        eprintln!("skipped: no {name}");
        return None;
    };
    eprint!("{}", String::from_utf8_lossy(&output.stderr)); // a failing test shows it
    let is_content = output.status.success() && output.stderr.is_empty();
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), is_content))
}

#[test]
fn shells_can_read_their_completions() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = folder.run(&format!("completions {shell}")).fine().stdout;
        if let Some((_, is_content)) = fed(shell, &["-n"], &script) {
            assert!(is_content, "{shell} does not understand them");
        }
    }
}

#[test]
fn completions_know_every_command_and_the_values_of_options() {
    let folder = Folder::new();
    for (shell, has_values) in [("bash", true), ("zsh", true), ("fish", true), ("elvish", false), ("powershell", false)]
    {
        let ended = folder.run(&format!("completions {shell}")).fine();
        let values = ["hyperplane", "adagrad"].into_iter().filter(|_| has_values);
        for word in COMMANDS.into_iter().chain(["learning-rate", "checkpoint-every"]).chain(values) {
            assert!(ended.out().contains(word), "{shell}: {word}");
        }
    }
    let unknown = folder.run("completions tcsh");
    assert!(unknown.code == Some(2) && unknown.stderr.contains("possible values: bash"), "{}", unknown.stderr);
}

/// What bash offers behind a line whose last word is begun.
fn offered(script: &[u8], line: &[&str]) -> Option<String> {
    let words: String = line.iter().map(|word| format!(" '{word}'")).collect();
    let last = line.len() - 1;
    let ask = format!(
        "\nCOMP_WORDS=({words}); COMP_CWORD={last}\n_tidemill tidemill '{}' '{}'\necho \"${{COMPREPLY[@]}}\"\n",
        line[last],
        line[last - 1]
    );
    fed("bash", &[], &[script, ask.as_bytes()].concat()).map(|(out, _)| out)
}

#[test]
fn bash_offers_what_goes_on_from_a_word_that_is_begun() {
    let script = Folder::new().run("completions bash").fine().stdout;
    let Some(commands) = offered(&script, &["tidemill", "ver"]) else { return };
    assert_eq!(commands.trim(), "verify-resume");
    assert_eq!(offered(&script, &["tidemill", "train", "--learn"]).unwrap().trim(), "--learning-rate");
    assert_eq!(offered(&script, &["tidemill", "train", "--optimizer", "a"]).unwrap().trim(), "adagrad");
}

#[test]
fn every_command_has_a_page_that_groff_sets_without_a_warning() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("pages")).unwrap();
    assert!(folder.run("man pages").fine().stdout.is_empty());
    let all = COMMANDS.map(|command| format!("tidemill-{command}"));
    for name in all.iter().map(String::as_str).chain(["tidemill"]) {
        let page = folder.bytes(&format!("pages/{name}.1"));
        let text = String::from_utf8(page.clone()).unwrap();
        for part in [&format!(".TH {}", name.to_uppercase()), ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
            assert!(text.contains(part), "{name}: {part}");
        }
        if let Some((set, is_content)) = fed("groff", &["-ww", "-man", "-Tascii", "-P-cbou", "-rLL=80n"], &page) {
            assert!(is_content, "{name}");
            assert!(set.contains(&name.to_uppercase()) && set.contains("SYNOPSIS"), "{name}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path("pages")).unwrap().count(), COMMANDS.len() + 1);
}

#[test]
fn without_a_folder_all_pages_go_to_standard_output() {
    let folder = Folder::new();
    let pages = folder.run("man").fine();
    assert!(
        pages.out().contains(".TH TIDEMILL 1 ") && pages.out().contains(".TH TIDEMILL-TRAIN 1 "),
        "{}",
        pages.out()
    );
    assert_eq!(pages.out().matches(".TH ").count(), COMMANDS.len() + 1);
    folder.run("man nowhere").refused(&["nowhere", "make its folder first"]);
}

/// The help of a command, as on a terminal of 80 columns.
fn help(folder: &Folder, command: &str) -> String {
    let mut command = folder.command(&format!("{command} --help"));
    command.env("COLUMNS", "80");
    program::ended(command).fine().out().to_owned()
}

#[test]
fn help_fits_into_80_columns_and_names_its_values() {
    let folder = Folder::new();
    for command in COMMANDS.into_iter().chain([""]) {
        let help = help(&folder, command);
        assert!(help.contains("Usage: tidemill"), "{command}: {help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line:?} is wider than 80 columns");
            // A name with an underscore is a field's, which nobody has chosen for a reader.
            assert!(!line.trim_start().starts_with("--") || !line.contains('_'), "{command}: {line:?}");
        }
    }
}
