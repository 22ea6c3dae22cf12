//! A page of the documentation as its reader takes it: commands to type, job files, what comes out.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

/// Something on a page that a test looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// The remark in front of it that readers do not see.
    pub mark: Mark,
    pub kind: Kind,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lines to type into a shell.
    Commands,
    /// A job file, or a piece of one.
    Job,
    /// What a command prints.
    Printed,
    /// Anything else.
    Other,
}

/// What a remark in front of a block says of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Mark {
    #[default]
    None,
    /// `<!-- not run: why -->`: its commands need what a test has not.
    NotRun(String),
    /// `<!-- exact -->`: what the commands before it print, line for line among others.
    Exact,
    /// `<!-- file: name -->`: what a file of this name holds that later commands read.
    File(String),
}

/// The parts of a page, in its order.
pub fn parts(text: &str) -> Vec<Part> {
    let lines: Vec<&str> = text.lines().collect();
    let (mut parts, mut mark, mut at) = (Vec::new(), Mark::None, 0);
    while at < lines.len() {
        let line = lines[at];
        let start = at + 1;
        if let Some(word) = fence(line) {
            let end = (start..lines.len()).find(|&end| lines[end].trim() == "```").unwrap_or(lines.len());
            let text = lines[start..end].join("\n");
            parts.push(Part { line: start, mark: std::mem::take(&mut mark), kind: kind_of(word), text });
            at = end + 1;
        } else if is_command(line) {
            let end = (at..lines.len()).find(|&end| !lines[end].starts_with("    ")).unwrap_or(lines.len());
            let text = lines[at..end].iter().map(|line| &line[4..]).collect::<Vec<_>>().join("\n");
            parts.push(Part { line: start, mark: std::mem::take(&mut mark), kind: Kind::Commands, text });
            at = end;
        } else {
            mark = if line.trim().is_empty() { mark } else { mark_of(line) };
            at += 1;
        }
    }
    parts
}

/// The word behind the ticks that open a block.
fn fence(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("```")
}

fn kind_of(word: &str) -> Kind {
    match word {
        "sh" => Kind::Commands,
        "toml" => Kind::Job,
        "text" => Kind::Printed,
        _ => Kind::Other,
    }
}

/// Whether an indented line is one to type.
fn is_command(line: &str) -> bool {
    let words = ["tidemill ", "cargo ", "mkfifo ", "cat ", "vw "];
    line.strip_prefix("    ").is_some_and(|line| words.iter().any(|word| line.starts_with(word)))
}

fn mark_of(line: &str) -> Mark {
    let Some(said) = line.trim().strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) else {
        return Mark::None;
    };
    match said.split_once(": ") {
        Some(("not run", why)) => Mark::NotRun(why.to_owned()),
        Some(("file", name)) => Mark::File(name.to_owned()),
        _ if said == "exact" => Mark::Exact,
        _ => panic!("a remark that means nothing: {line}"),
    }
}

/// The commands of a block, one each: without remarks, and with those that go on over several lines in one piece.
pub fn commands(text: &str) -> Vec<String> {
    let whole = text.replace("\\\n", " ");
    let commands = whole.lines().map(|line| line.split("   #").next().unwrap().trim().to_owned());
    commands.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}
