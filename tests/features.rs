//! Builds with and without optional parts: each test says what holds in this build, and runs in all of them.

mod program;

use program::Folder;

const GPU: bool = cfg!(feature = "gpu");
const PARQUET: bool = cfg!(feature = "parquet");

const TRAIN: &str = "train clicks.csv --label click --device cpu --quiet";

fn with_clicks() -> Folder {
    let folder = Folder::new();
    folder.run("generate clicks --rows 300 -o clicks.csv").fine();
    folder
}

#[test]
fn the_version_tells_what_a_build_has_and_what_it_lacks() {
    let folder = Folder::new();
    let told = folder.run("--version").fine();
    for (name, is_in) in [("gpu", GPU), ("parquet", PARQUET)] {
        let line = told.out().lines().find(|line| line.contains(name)).unwrap_or_default();
        assert_eq!(line.starts_with("with "), is_in, "{}", told.out());
        assert_eq!(line.starts_with("without "), !is_in, "{}", told.out());
    }
    let short = folder.run("-V").fine();
    assert_eq!(short.out(), format!("tidemill {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_build_without_gpus_learns_on_the_cpu_and_names_the_feature_that_it_lacks() {
    let folder = with_clicks();
    let devices = folder.run("devices").fine();
    assert!(devices.out().starts_with("cpu "), "{}", devices.out());
    assert_eq!(devices.out().contains("build with --features gpu"), !GPU, "{}", devices.out());
    if GPU {
        return;
    }
    folder.run("train clicks.csv --label click --device gpu").refused(&["no GPU backend", "--features gpu"]);
    let said = folder.run("train clicks.csv --label click --update batch").fine().stderr;
    assert!(said.contains("this build has no GPU backend"), "{said}");
    let sweep = "sweep clicks.csv --label click --grid learning-rate=0.1,0.2";
    folder.run(&format!("{sweep} --device gpu")).refused(&["--features gpu"]);
    folder.run(&format!("{sweep} --quiet")).fine();
}

#[test]
fn a_build_without_parquet_refuses_it_and_names_the_feature_that_it_lacks() {
    let folder = with_clicks();
    let written = folder.run(&format!("{TRAIN} --predictions p.parquet"));
    if PARQUET {
        written.fine();
        assert!(folder.bytes("p.parquet").starts_with(b"PAR1"));
        return;
    }
    written.refused(&["no Parquet", "--features parquet", ".arrow"]);
    assert!(!folder.has("p.parquet"));
    folder.file("clicks.parquet", b"PAR1PAR1");
    let line = "train clicks.parquet --label click";
    folder.run(line).refused(&["clicks.parquet", "no Parquet", "--features parquet"]);
}

#[test]
fn arrow_is_in_every_build() {
    let folder = with_clicks();
    folder.run(&format!("{TRAIN} --predictions p.arrow --id site")).fine();
    let line = "train p.arrow --label label --numeric logit --ignore probability,model_version,record --device cpu";
    folder.run(&format!("{line} --quiet --summary s.json")).fine();
    assert_eq!(folder.json("s.json")["records"], 300);
}
