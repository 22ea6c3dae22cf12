//! The report as a user gets it: which sections are there, that its numbers are the summary's, that it needs nothing from
//! anywhere and stays small, and that neither threads nor a kill show in its curves.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod program;

use std::time::{Duration, Instant};

use program::{Folder, map_records, stream};
use serde_json::Value;
use tidemill::source::synthetic::Generator;

const TRAIN: &str = "train clicks.csv --label click --device cpu --hash-bits 12 --max-rejected 5%";
/// Sections that follow from the records alone.
const OF_RECORDS: [&str; 4] = ["records", "time", "scores", "segments"];

/// Clicks two minutes apart, some of them not to be understood.
fn clicks(records: u64) -> String {
    let text = map_records(&stream(Generator::Clicks, records), |at, fields| match at % 50 {
        7 => "what is this?".into(),
        _ => {
            let (day, minute) = (1 + at * 2 / 1440 % 28, at * 2 % 1440);
            let when = format!("2024-{:02}-{day:02}T{:02}:{:02}:00Z", 1 + at * 2 / 40_320, minute / 60, minute % 60);
            format!("{},s{},{when}", fields.join(","), at * at % 5)
        }
    });
    text.replacen("click\n", "click,shop,when\n", 1)
}

fn with_clicks(records: u64) -> Folder {
    let folder = Folder::new();
    folder.file("clicks.csv", clicks(records));
    folder
}

/// The names of the sections, in order.
fn sections(page: &str) -> Vec<&str> {
    page.split("<section id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// A section with all that is in it.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no section {id}"));
    page[start..].split("</section>").next().unwrap()
}

/// The value of a figure at the top.
fn tile<'a>(page: &'a str, name: &str) -> &'a str {
    let start = page.find(&format!("<dt>{name}</dt><dd>")).unwrap_or_else(|| panic!("no figure {name}"));
    page[start..].split("<dd>").nth(1).unwrap().split('<').next().unwrap()
}

/// The page is one file, whole, without anything that would be fetched or run.
fn stands_alone(page: &str) {
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    for word in ["http:", "https:", "<script", "<link", "src=", "url(", "@import", "javascript:", "NaN", "inf\""] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.len() < 400_000, "{} bytes", page.len());
    for tag in ["section", "table", "svg", "figure", "main", "thead", "tbody", "tr", "nav", "dl"] {
        let open = page.matches(&format!("<{tag} ")).count() + page.matches(&format!("<{tag}>")).count();
        assert_eq!(open, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    let figures = page.split("<svg class=\"plot").skip(1);
    assert!(figures.into_iter().all(|svg| svg.split('>').next().unwrap().contains("role=\"img\" aria-label=\"")));
}

#[test]
fn a_plain_run_has_the_sections_that_it_has_something_for_and_the_figures_of_its_summary() {
    let folder = with_clicks(4000);
    folder.run(&format!("{TRAIN} --ignore when,shop --report r.html --summary s.json")).fine();
    let (page, summary) = (folder.text("r.html"), folder.json("s.json"));
    stands_alone(&page);
    let mut found = sections(&page);
    found.retain(|id| *id != "speed"); // a short run has no speed over time
    assert_eq!(found, ["records", "scores", "numbers", "left-out", "stages", "columns", "settings"]);
    let digits = |key: &str, decimals: usize| format!("{:.decimals$}", summary[key].as_f64().unwrap());
    assert_eq!(tile(&page, "log loss"), digits("log_loss", 5));
    assert_eq!(tile(&page, "AUC"), digits("auc", 5));
    assert_eq!(tile(&page, "Brier score"), digits("brier", 5));
    assert_eq!(tile(&page, "predicted / observed"), digits("predicted_over_observed", 3));
    assert_eq!(tile(&page, "device"), summary["device"].as_str().unwrap());
    assert!(page.contains(&format!("best constant, {}", digits("best_constant_log_loss", 5))));
    assert_eq!(tile(&page, "records predicted"), "3,920");
    assert!(section(&page, "left-out").contains("<td>field_count</td><td class=\"number\">80</td>"));
    assert!(section(&page, "settings").contains("hash-bits = 12"));
    assert!(section(&page, "scores").contains("<figcaption>Calibration") && page.contains("<h3>Lift</h3>"));
}

#[test]
fn a_run_that_has_everything_shows_everything() {
    let folder = with_clicks(6000);
    let more =
        "--time when --label-delay 6h --segment shop --names --drift page-hinkley --report r.html --summary s.json";
    folder.run(&format!("{TRAIN} {more}")).fine();
    let (page, summary) = (folder.text("r.html"), folder.json("s.json"));
    stands_alone(&page);
    let mut found = sections(&page);
    found.retain(|id| *id != "speed");
    let expected =
        "records time scores drift segments features numbers left-out event-time late-labels stages columns settings";
    assert_eq!(found, expected.split(' ').collect::<Vec<_>>());
    assert!(found.iter().all(|id| page.contains(&format!("<a href=\"#{id}\">"))), "each has its link");
    let segment = &summary["segments"][0];
    let row = format!("<td>{}</td><td class=\"number\">", segment["value"].as_str().unwrap());
    assert!(section(&page, "segments").contains(&row), "{row}");
    let first = &summary["features"]["by_weight"][0];
    assert!(section(&page, "features").contains(&format!("{:+.4}", first["weight"].as_f64().unwrap())));
    assert!(section(&page, "event-time").contains(summary["event_time"]["latest"].as_str().unwrap()));
    let waited = summary["late_labels"]["waited"].as_u64().unwrap();
    assert!(section(&page, "late-labels").contains(&format!(">{},{:03}<", waited / 1000, waited % 1000)));
    assert!(section(&page, "time").contains(">2024-01-0"), "marks are dates");
    folder.run(&format!("{TRAIN} --ignore when,shop --passes 2 --report p.html -q")).fine();
    assert!(sections(&folder.text("p.html")).contains(&"passes"));
}

#[test]
fn the_curve_of_all_so_far_ends_in_the_loss_of_the_run() {
    let folder = with_clicks(3000);
    folder.run(&format!("{TRAIN} --ignore when,shop --report r.html --summary s.json")).fine();
    let (page, loss) = (folder.text("r.html"), folder.json("s.json")["log_loss"].as_f64().unwrap());
    let plot = section(&page, "records").split("<figure>").nth(1).unwrap();
    let last_y = |class: &str| -> f64 {
        let line = plot.split(&format!("<polyline class=\"{class}\" points=\"")).nth(1).unwrap();
        line.split('"').next().unwrap().rsplit(',').next().unwrap().parse().unwrap()
    };
    // Two level marks of the axis say how far up a nat is.
    let marks: Vec<(f64, f64)> = plot
        .split("<path class=\"grid\" d=\"M44 ")
        .skip(1)
        .map(|rest| {
            let y = rest.split('H').next().unwrap().parse().unwrap();
            (y, rest.split("\">").nth(1).unwrap().split('<').next().unwrap().parse().unwrap())
        })
        .collect();
    let ((y0, nats0), (y1, nats1)) = (marks[0], marks[marks.len() - 1]);
    let drawn = nats0 + (last_y("line k0") - y0) / (y1 - y0) * (nats1 - nats0);
    assert!((drawn - loss).abs() < 0.002, "{drawn} {loss}");
}

#[test]
fn neither_threads_nor_a_kill_nor_a_resume_show_in_the_curves() {
    let folder = with_clicks(20_000);
    let more = "--time when --segment shop -q";
    folder.run(&format!("{TRAIN} {more} --threads 1 --report one.html")).fine();
    folder.run(&format!("{TRAIN} {more} --threads 3 --report three.html")).fine();
    let mut child = folder
        .command(&format!("{TRAIN} {more} --threads 2 --checkpoint kept --checkpoint-every 2000 --report x.html"))
        .spawn()
        .unwrap();
    let (patience, is_begun) = (Instant::now() + Duration::from_secs(60), || {
        std::fs::read_dir(folder.path("kept")).is_ok_and(|mut files| {
            files.any(|file| file.unwrap().path().extension().is_some_and(|ending| ending == "safetensors"))
        })
    });
    while !is_begun() && child.try_wait().unwrap().is_none() && Instant::now() < patience {
        std::thread::yield_now();
    }
    let _ = child.kill(); // it may be at its end already: then the resume has nothing left to read
    child.wait().unwrap();
    folder
        .run(&format!("{TRAIN} {more} --checkpoint kept --checkpoint-every 2000 --resume --report resumed.html"))
        .fine();
    let [one, three, resumed] = ["one", "three", "resumed"].map(|name| folder.text(&format!("{name}.html")));
    for id in OF_RECORDS {
        assert!(section(&one, id) == section(&three, id), "{id} with more threads");
        assert!(section(&one, id) == section(&resumed, id), "{id} after a resume");
    }
}

#[test]
fn a_checkpoint_without_a_course_gives_the_curves_from_there_on_and_says_so() {
    let folder = with_clicks(6000);
    let (begin, all) = (clicks(6000).lines().take(3001).collect::<Vec<_>>().join("\n") + "\n", clicks(6000));
    folder.file("clicks.csv", begin);
    // The event times of records that wait in the checkpoint are not in it.
    let train = format!("{TRAIN} --time when --ignore shop --checkpoint kept -q");
    folder.run(&train).fine();
    folder.file("clicks.csv", all);
    folder.run(&format!("{train} --resume --report r.html --summary s.json")).fine();
    let page = folder.text("r.html");
    assert!(
        section(&page, "records").contains("The curves begin behind record 3,000"),
        "{}",
        section(&page, "records")
    );
    assert_eq!(tile(&page, "records predicted"), "5,880");
}

#[test]
fn predicting_has_a_report_too_and_without_labels_no_curves() {
    let folder = with_clicks(2000);
    folder.run(&format!("{TRAIN} --ignore shop --time when --model model -q")).fine();
    folder
        .run("predict --model model clicks.csv --max-rejected 5% --predictions p.csv --report r.html --summary s.json")
        .fine();
    let (page, summary) = (folder.text("r.html"), folder.json("s.json"));
    stands_alone(&page);
    assert!(page.contains("<h1>tidemill predict: clicks.csv</h1>"));
    assert_eq!(tile(&page, "log loss"), format!("{:.5}", summary["log_loss"].as_f64().unwrap()));
    assert!(["records", "time", "scores"].iter().all(|id| sections(&page).contains(id)), "{:?}", sections(&page));
    let bare = map_records(&clicks(500), |_, fields| match fields.len() {
        1 => fields[0].to_owned(),
        all => [&fields[..all - 3], &fields[all - 2..]].concat().join(","),
    });
    folder.file("bare.csv", bare.replacen("click,shop", "shop", 1));
    folder.run("predict --model model bare.csv --max-rejected 5% --predictions p.csv --report bare.html").fine();
    let page = folder.text("bare.html");
    stands_alone(&page);
    assert!(!sections(&page).iter().any(|id| OF_RECORDS.contains(id)), "{:?}", sections(&page));
    assert!(page.contains("<p class=\"warning\">no record had a label"));
}

#[test]
fn a_sweep_has_its_leaderboard_its_settings_and_the_curves_of_the_best() {
    let folder = with_clicks(6000);
    let grid = [
        "--grid",
        "learning-rate=0.001,0.003,0.01,0.03,0.1,0.3; optimizer=sgd,adagrad,ftrl; beta=0.5,1; l2=0,1e-6,1e-5,1e-4,1e-3",
    ];
    let mut command = folder.command(
        "sweep clicks.csv --label click --ignore when,shop --device cpu --hash-bits 10 --max-rejected 5% --report r.html --summary s.json",
    );
    command.args(grid);
    program::ended(command).fine();
    let (page, summary) = (folder.text("r.html"), folder.json("s.json"));
    stands_alone(&page);
    assert_eq!(sections(&page), ["parallel", "curves", "leaderboard", "settings"]);
    let learners = summary["learners"].as_array().unwrap();
    assert_eq!(section(&page, "leaderboard").matches("<tr>").count(), 1 + 100);
    assert!(section(&page, "leaderboard").contains(&format!("And {} more", learners.len() - 100)));
    let best = learners[0]["log_loss"].as_f64().unwrap();
    assert_eq!(tile(&page, "best log loss"), format!("{best:.5}"));
    assert_eq!(section(&page, "parallel").matches("<polyline").count(), learners.len());
    assert_eq!(section(&page, "curves").matches("<polyline").count(), 21, "ten learners twice, and the best constant");
    for key in ["learning-rate", "optimizer", "beta", "l2", "log loss"] {
        assert!(section(&page, "parallel").contains(&format!("text-anchor=\"middle\">{key}</text>")), "{key}");
    }
}

#[test]
fn names_that_would_be_code_are_text() {
    let folder = Folder::new();
    let text = map_records(&stream(Generator::Clicks, 600), |at, fields| {
        format!("{},<b onload=x>&{}", fields.join(","), at % 3)
    });
    folder.file("clicks.csv", text.replacen("click\n", "click,<script>\n", 1));
    let more = "--names --segment <script> --report r.html";
    folder.run(&format!("{TRAIN} {more}")).fine();
    let page = folder.text("r.html");
    stands_alone(&page);
    assert!(page.contains("&lt;b onload=x&gt;&amp;1") && !page.contains("<b onload"), "{}", section(&page, "segments"));
}

#[test]
fn a_report_that_cannot_be_is_refused_before_the_first_record() {
    let folder = with_clicks(10);
    folder.run(&format!("{TRAIN} --report nowhere/r.html")).refused(&["nowhere/r.html"]);
    folder.run(&format!("{TRAIN} --report clicks.csv")).refused(&["--report clicks.csv would overwrite an input"]);
    folder.run(&format!("{TRAIN} --report r --summary r")).refused(&["give each its own name"]);
}

#[test]
fn a_run_without_a_report_has_the_summary_of_one_with_it() {
    let folder = with_clicks(2000);
    folder.run(&format!("{TRAIN} --ignore when,shop --report r.html --summary with.json -q")).fine();
    folder.run(&format!("{TRAIN} --ignore when,shop --summary without.json -q")).fine();
    let figures = |name: &str| {
        let mut summary = folder.json(name);
        for key in ["elapsed_s", "records_per_s", "bytes_per_s", "stages", "bottleneck", "device_reason"] {
            summary[key] = Value::Null;
        }
        summary
    };
    assert_eq!(figures("with.json"), figures("without.json"));
}
