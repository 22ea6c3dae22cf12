//! Every command in the documentation does what its page says, and every job file is one.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod page;
mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use page::{Kind, Mark, Part, commands, parts};
use parquet::arrow::ArrowWriter;
use program::{Folder, ended, map_records, stream};
use tidemill::config::Options;
use tidemill::source::synthetic::Generator;

const LISTENS: &str = "waits for records until a signal ends it; tests/live.rs does the same";
const TAKES_MINUTES: &str = "takes minutes";
const NO_DATA: &str = "the data are not part of the repository";
const OTHER: &str = "another program that need not be there";

/// Commands that are not run: the page, how they begin, and why. Pages that say so themselves have the same reason.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("README.md", "cargo test", "this is what it runs"),
    ("README.md", "mkfifo clicks", LISTENS),
    ("README.md", "tidemill train app.log.csv --follow", LISTENS),
    ("README.md", "tidemill train --listen", LISTENS),
    ("README.md", "tidemill train w1.csv", NO_DATA),
    ("README.md", "tidemill train w2.tsv", NO_DATA),
    ("README.md", "tidemill train w3.csv", NO_DATA),
    ("docs/guide.md", "cargo install", TAKES_MINUTES),
    ("docs/guide.md", "tidemill bench", TAKES_MINUTES),
    ("docs/gpu.md", "tidemill bench", TAKES_MINUTES),
    ("docs/guide.md", "tidemill train app.csv --follow", LISTENS),
    ("docs/guide.md", "tidemill train --listen", LISTENS),
    ("docs/from-vowpal-wabbit.md", "vw ", OTHER),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages: at the top, about the program, and beside the examples.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    for folder in ["docs", "examples"] {
        let found = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let names = found.map(|name| format!("{folder}/{}", name.to_string_lossy()));
        pages.extend(names.filter(|name| name.ends_with(".md")));
    }
    pages.sort();
    pages
}

fn parts_of(page: &str) -> Vec<Part> {
    parts(&std::fs::read_to_string(root().join(page)).unwrap())
}

/// Why a command is not run, if it is not.
fn not_run(page: &str, command: &str) -> Option<&'static str> {
    let found = NOT_RUN.iter().find(|(of, start, _)| *of == page && command.starts_with(start));
    found.map(|(_, _, why)| *why)
}

/// A folder with all that the pages name: small made-up data, and the examples.
fn with_data() -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("examples")).unwrap();
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let from: PathBuf = entry.unwrap().path();
        std::fs::copy(&from, folder.path("examples").join(from.file_name().unwrap())).unwrap();
    }
    let clicks = stream(Generator::Clicks, 3000);
    for name in ["clicks.csv", "tomorrow.csv", "friday.csv"] {
        folder.file(name, &clicks);
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, clicks.as_bytes()).unwrap();
    folder.file("clicks.csv.gz", packed.finish().unwrap());
    folder.file("events.csv", clicks.replacen("site", "country", 1));
    let payments = stream(Generator::Fraud, 3000).replacen("time,", "paid_at,", 1);
    folder.file("pay.parquet", parquet(&payments));
    with_flights(&folder);
    with_outcomes(&folder);
    folder
}

fn with_flights(folder: &Folder) {
    let airports = ["AMS", "CDG", "FRA", "LHR", "MAD"];
    let flight = |at: usize| {
        let (from, to) = (airports[at % 5], airports[at / 5 % 5]);
        (format!("2026-03-{:02}T{:02}:15:00,{}", 1 + at / 24 % 28, at % 24, at * 37 % 60), from, to)
    };
    let rows = |end: &dyn Fn(usize) -> String| (0..1000).map(end).collect::<Vec<_>>().join("\n");
    let delayed = rows(&|at| {
        let (start, from, to) = flight(at);
        format!("{start},{},{from},{to}", 300 + at % 700)
    });
    let flights = format!("date,delay,distance,origin,destination\n{delayed}\n");
    folder.file("flights.parquet", parquet(&flights));
    let late = map_records(&flights, |at, fields| format!("{},{}", at % 2, fields[2..].join(",")));
    folder.file("flights.csv", late.replacen("date,delay", "late", 1));
    let new = rows(&|at| {
        let (start, from, to) = flight(at);
        let date = start.split(',').next().unwrap();
        format!("{{\"date\":\"{date}\",\"distance\":{},\"origin\":\"{from}\",\"destination\":\"{to}\"}}", 300 + at)
    });
    folder.file("new.jsonl", new + "\n");
}

/// Impressions with an id, and the clicks on some of them a minute later.
fn with_outcomes(folder: &Folder) {
    let time = |at: usize, second: usize| format!("2026-01-05T{:02}:{:02}:{second:02}Z", at / 60, at % 60);
    let shown: String = (0..900).map(|at| format!("i{at},{},{}\n", time(at, 0), at % 7)).collect();
    folder.file("shown.csv", format!("id,time,ad\n{shown}"));
    let clicked: String = (0..900).step_by(3).map(|at| format!("i{at},{},1\n", time(at, 30))).collect();
    folder.file("outcomes.csv", format!("id,time,click\n{clicked}"));
}

/// A table of text as a Parquet file: columns of numbers as numbers.
fn parquet(table: &str) -> Vec<u8> {
    let (header, rows) = table.split_once('\n').unwrap();
    let rows: Vec<Vec<&str>> = rows.lines().map(|line| line.split(',').collect()).collect();
    let column = |(at, name): (usize, &str)| {
        let texts: Vec<&str> = rows.iter().map(|row| row[at]).collect();
        let numbers: Option<Vec<f64>> = texts.iter().map(|text| text.parse().ok()).collect();
        let array: ArrayRef = match numbers {
            Some(numbers) => Arc::new(Float64Array::from(numbers)),
            None => Arc::new(StringArray::from(texts)),
        };
        (name.to_owned(), array)
    };
    let batch = RecordBatch::try_from_iter(header.split(',').enumerate().map(column)).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// A command line as a shell runs it, with the built program as `tidemill`; gives all that it printed.
fn shell(folder: &Folder, command: &str) -> Result<String, String> {
    let line = command.replace("cargo run --release --", "tidemill");
    let program = Path::new(env!("CARGO_BIN_EXE_tidemill")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(folder.path("")).stdin(Stdio::null()).env("PATH", path);
    // No driver is asked: what is shown has learned on the CPU.
    shell.env("VK_DRIVER_FILES", "/nonexistent").env("VK_ICD_FILENAMES", "/nonexistent");
    let ended = ended(shell);
    let printed = format!("{}\n{}", ended.out(), ended.stderr);
    if ended.code == Some(0) { Ok(printed) } else { Err(format!("{:?}: {printed}", ended.code)) }
}

/// A line without what depends on the machine and on how it is laid out.
fn comparable(line: &str) -> String {
    let line = line.split(" records in ").next().unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first line that is expected and does not come, in its order.
fn missing<'a>(expected: &'a str, printed: &str) -> Option<&'a str> {
    let mut printed = printed.lines().map(comparable);
    let lines = expected.lines().filter(|line| !line.trim().is_empty() && line.trim() != "...");
    lines.into_iter().find(|line| !printed.by_ref().any(|one| one == comparable(line)))
}

/// What is wrong on a page: each command in the order in which a reader types them, in one folder.
fn faults(page: &str) -> Vec<String> {
    let folder = with_data();
    let (mut faults, mut printed) = (Vec::new(), String::new());
    for Part { line, mark, kind, text } in parts_of(page) {
        let at = format!("{page}:{line}");
        match (kind, mark) {
            (_, Mark::File(name)) => std::fs::write(folder.path(&name), text + "\n").unwrap(),
            (Kind::Commands, mark) => {
                printed.clear();
                for command in commands(&text) {
                    match typed(page, &folder, &command, &mark) {
                        Ok(more) => printed.push_str(&more),
                        Err(why) => faults.push(format!("{at}: {why}")),
                    }
                }
            }
            (Kind::Printed, Mark::Exact) => {
                faults.extend(missing(&text, &printed).map(|line| format!("{at}: not printed: {line}\n{printed}")));
            }
            _ => {}
        }
    }
    faults
}

/// What comes of typing a command of a page, which may say that it is not run: as it is listed here.
fn typed(page: &str, folder: &Folder, command: &str, mark: &Mark) -> Result<String, String> {
    match (not_run(page, command), mark) {
        (None, Mark::NotRun(_)) => Err(format!("not listed as not run: {command}")),
        (Some(listed), Mark::NotRun(said)) if listed != said => Err(format!("another reason is listed: {listed}")),
        (Some(listed), Mark::None) if page != "README.md" => Err(format!("listed as not run, {listed}: {command}")),
        (Some(_), _) => Ok(String::new()),
        (None, _) => shell(folder, &with_its_clicks(folder, command)).map_err(|why| format!("{command}\n{why}")),
    }
}

/// Where `clicks.csv` is the file of outcomes, it is for once.
fn with_its_clicks(folder: &Folder, command: &str) -> String {
    let is_outcomes = command.contains("--outcomes clicks.csv");
    if is_outcomes {
        command.replace("clicks.csv", folder.path("outcomes.csv").to_str().unwrap())
    } else {
        command.into()
    }
}

#[track_caller]
fn assert_right(pages: impl Iterator<Item = String>) {
    let faults: Vec<_> = pages.flat_map(|page| faults(&page)).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn what_the_readme_shows_works() {
    assert_right(["README.md".to_owned()].into_iter());
}

#[test]
fn what_the_pages_about_the_program_show_works() {
    assert_right(pages().into_iter().filter(|page| page.starts_with("docs/")));
}

#[test]
fn what_the_pages_beside_the_examples_show_works() {
    assert_right(pages().into_iter().filter(|page| page.starts_with("examples/")));
}

#[test]
fn the_first_figures_of_the_readme_are_those_that_come_out() {
    let folder = with_data();
    let printed = shell(&folder, "tidemill train examples/clicks.toml --device cpu").unwrap();
    let shown = parts_of("README.md").into_iter().find(|part| part.kind == Kind::Printed).unwrap();
    let depends = ["device", "stage", "source", "ingest", "engine", "read-bound"];
    let figures = |line: &&str| !depends.iter().any(|word| line.starts_with(word));
    let figures = shown.text.lines().filter(figures).collect::<Vec<_>>().join("\n");
    assert!(figures.lines().count() > 8, "{figures}");
    assert_eq!(missing(&figures, &printed), None, "{printed}");
}

#[test]
fn every_job_on_a_page_is_one() {
    let mut jobs = 0;
    for page in pages() {
        for part in parts_of(&page).iter().filter(|part| part.kind == Kind::Job) {
            jobs += 1;
            Options::parse(&part.text).unwrap_or_else(|why| panic!("{page}:{}: {why}", part.line));
        }
    }
    assert!(jobs > 5, "{jobs}");
}

#[test]
fn every_flag_and_every_key_of_a_summary_is_in_the_page_about_formats() {
    let folder = with_data();
    let page = std::fs::read_to_string(root().join("docs/formats.md")).unwrap();
    let help = folder.run("train --help").fine();
    let flags =
        help.out().lines().filter_map(|line| line.trim().split_once("--").filter(|(before, _)| before.len() < 5));
    let flags: Vec<_> = flags.map(|(_, flag)| flag.split([' ', '[', '=']).next().unwrap().to_owned()).collect();
    assert!(flags.len() > 50, "{flags:?}");
    folder.run("train clicks.csv --label click --device cpu --summary s.json").fine();
    let summary = folder.json("s.json");
    let keys = summary.as_object().unwrap().keys().cloned();
    let of_the_command_line = ["help", "quiet", "print-job"];
    let named = flags.into_iter().chain(keys).filter(|name| !of_the_command_line.contains(&&**name));
    let missing: Vec<_> = named.filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/formats.md does not name {missing:?}");
}

#[test]
fn every_command_that_is_not_run_is_still_there() {
    for (page, start, _) in NOT_RUN {
        let all: Vec<_> = parts_of(page)
            .iter()
            .filter(|part| part.kind == Kind::Commands)
            .flat_map(|part| commands(&part.text))
            .collect();
        assert!(all.iter().any(|command| command.starts_with(start)), "{page} has no command like: {start}");
    }
}

#[test]
fn every_path_that_a_page_links_to_is_there() {
    let mut links = 0;
    for page in pages() {
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        let folder = root().join(&page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let path = link.split('#').next().unwrap();
            if !path.is_empty() && !path.contains("://") {
                links += 1;
                assert!(folder.join(path).exists(), "{page} links to {link}");
            }
        }
    }
    assert!(links > 10, "{links}");
}

#[test]
fn a_page_is_read_as_its_reader_takes_it() {
    let page = "Text\n\n    tidemill a \\\n        --b   # why\n    tidemill c\n\n<!-- exact -->\n```text\nd\n```\n\
        <!-- not run: because -->\n```sh\n# no\nvw e\n```\n    not a command\n<!-- file: f.toml -->\n```toml\n[source]\n```\n";
    let parts = parts(page);
    let kinds: Vec<_> = parts.iter().map(|part| part.kind).collect();
    assert_eq!(kinds, [Kind::Commands, Kind::Printed, Kind::Commands, Kind::Job]);
    assert_eq!(
        commands(&parts[0].text).iter().map(|line| comparable(line)).collect::<Vec<_>>(),
        ["tidemill a --b", "tidemill c"]
    );
    assert_eq!(commands(&parts[2].text), ["vw e"]);
    let marks: Vec<_> = parts.iter().map(|part| part.mark.clone()).collect();
    assert_eq!(marks, [Mark::None, Mark::Exact, Mark::NotRun("because".into()), Mark::File("f.toml".into())]);
    assert_eq!(missing("a  1\n...\nc", "b\na 1\nb\nc\n"), None);
    assert_eq!(missing("c\na 1", "a 1\nc\n"), Some("a 1"));
}
