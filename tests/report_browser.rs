//! Reports in a browser: nothing is wider than a telephone, light and dark are what they say, and nothing goes wrong. Needs
//! Chromium on PATH; without it the tests say that they were skipped, but with TIDEMILL_REQUIRE_BROWSER=1 they fail.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![allow(clippy::print_stderr, reason = "a test that cannot be made on a machine says so")]

mod program;

use std::path::PathBuf;
use std::process::{Command, Output};

use program::{Folder, map_records, stream};
use tidemill::source::synthetic::Generator;

/// Tells how wide the window and what is in it are, and what colour the paper has.
const MEASURE: &str = "<script>addEventListener('load', () => { const root = document.documentElement; \
                       parent.postMessage([innerWidth, root.scrollWidth, getComputedStyle(document.body).backgroundColor]\
                       .join(' | '), '*') })</script>";

/// A page with a window in it that is as narrow as a telephone, which the browser's own cannot be; what it tells becomes the
/// title.
fn outer(width: u32) -> String {
    format!(
        "<!doctype html><meta name=\"color-scheme\" content=\"light dark\"><title>nothing was told</title>\
         <script>addEventListener('message', (event) => {{ document.title = event.data }})</script>\
         <iframe src=\"inner.html\" style=\"width: {width}px; height: 1500px; border: 0\"></iframe>"
    )
}

fn browser() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut names = ["chromium", "chromium-browser", "google-chrome"].into_iter();
    let found =
        names.find_map(|name| std::env::split_paths(&folders).map(|at| at.join(name)).find(|path| path.is_file()));
    if found.is_none() {
        assert!(std::env::var("TIDEMILL_REQUIRE_BROWSER").is_err(), "no chromium on PATH");
        eprintln!("skipped: no chromium on PATH");
    }
    found
}

/// A page at a width, light or dark.
fn show(browser: &PathBuf, folder: &Folder, page: &str, (width, dark): (u32, bool), what: &str) -> Output {
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"]);
    command.arg("--virtual-time-budget=5000"); // until what was sent has come
    // What chooses between the two: 0 is dark, 1 is light.
    command.arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)));
    command.arg(format!("--user-data-dir={}", folder.path("profile").display()));
    command.arg(format!("--window-size={width},1600")).arg(what);
    command.arg(format!("file://{}", folder.path(page).display())).current_dir(folder.path("."));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn console(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stderr).lines().filter(|line| line.contains("CONSOLE")).map(Into::into).collect()
}

/// Window, content and paper as the browser has them.
fn measured(browser: &PathBuf, folder: &Folder, page: &str, how: (u32, bool)) -> (u32, u32, String) {
    let text = folder.text(page).replacen("</head>", &format!("{MEASURE}</head>"), 1);
    folder.file("inner.html", text);
    folder.file("outer.html", outer(how.0));
    let output = show(browser, folder, "outer.html", (1600, how.1), "--dump-dom");
    assert_eq!(console(&output), Vec::<String>::new());
    let dom = String::from_utf8(output.stdout).unwrap();
    let title = dom.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
    let mut parts = title.split(" | ");
    let mut number = || parts.next().unwrap().parse().unwrap_or_else(|_| panic!("{title}"));
    let (window, content) = (number(), number());
    (window, content, parts.next().unwrap().to_owned())
}

fn check(folder: &Folder, page: &str) {
    let Some(browser) = browser() else { return };
    for (width, dark) in [(1280, false), (390, false), (390, true)] {
        let (window, content, paper) = measured(&browser, folder, page, (width, dark));
        assert_eq!(window, width, "the window is not as it was asked for");
        assert!(content <= width, "{page} is {content} wide at {width}");
        assert_eq!(paper, if dark { "rgb(20, 23, 27)" } else { "rgb(255, 255, 255)" }, "{page} at {width}");
        let name = format!("{width}-{dark}.png");
        let output = show(&browser, folder, page, (width, dark), &format!("--screenshot={name}"));
        assert_eq!(console(&output), Vec::<String>::new());
        assert!(folder.bytes(&name).len() > 20_000, "{page} is empty at {width}");
    }
    assert!(folder.bytes("390-false.png") != folder.bytes("390-true.png"));
}

#[test]
fn the_page_of_a_run_fits_into_a_telephone() {
    let folder = Folder::new();
    let long = "a_name_that_is_far_too_long_to_stand_in_one_line_of_a_narrow_page_".repeat(3);
    let text = map_records(&stream(Generator::Clicks, 6000), |at, fields| {
        let when = format!("2024-05-{:02}T{:02}:00:00Z", 1 + at / 240 % 30, at / 10 % 24);
        format!("{},{long}{},{when}", fields.join(","), at % 5)
    });
    folder.file("clicks.csv", text.replacen("click\n", "click,shop,when\n", 1));
    let more = "--time when --label-delay 6h --segment shop --names --drift page-hinkley --report r.html";
    folder.run(&format!("train clicks.csv --label click --device cpu --hash-bits 12 {more}")).fine();
    check(&folder, "r.html");
}

#[test]
fn the_page_of_a_sweep_fits_into_a_telephone() {
    let folder = Folder::new();
    let mut command = folder.command("sweep --generate clicks --rows 5000 --device cpu --hash-bits 10 --report r.html");
    command.args([
        "--grid",
        "learning-rate=0.01,0.1,0.3; optimizer=sgd,adagrad,ftrl; beta=0.5,1; l1=0,1e-5; l2=0,1e-6; power-t=0,0.5",
    ]);
    program::ended(command).fine();
    check(&folder, "r.html");
}

#[test]
fn a_page_that_goes_wrong_would_be_noticed() {
    let Some(browser) = browser() else { return };
    let folder = Folder::new();
    folder.file("wrong.html", "<!doctype html><script>nothing()</script><div style='width: 900px'>wide</div>");
    let output = show(&browser, &folder, "wrong.html", (390, false), "--dump-dom");
    assert_eq!(console(&output).len(), 1, "{}", String::from_utf8_lossy(&output.stderr));
    folder.file("wide.html", "<!doctype html><head></head><div style='width: 900px'>wide</div>");
    let (window, content, _) = measured(&browser, &folder, "wide.html", (390, true));
    assert!(window < content, "{window} {content}");
}
