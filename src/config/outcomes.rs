//! `--outcomes`, checked: takes the options and the inputs, gives the one input that both are merged to. It reads no file.

use super::Options;
use crate::error::{Error, Result};
use crate::schema::Format;
use crate::source::Input;
use crate::source::merged::Merging;

/// The format of all inputs, by `tell`: that of the outcomes is the features' too.
pub(super) fn format(
    options: &Options,
    inputs: &[Input],
    tell: fn(Option<Format>, &[Input]) -> Result<Format>,
) -> Result<Format> {
    let outcomes = options.event_time.outcomes.iter().map(|name| Input::named(name));
    tell(options.source.format, &inputs.iter().cloned().chain(outcomes).collect::<Vec<_>>())
}

/// The inputs, or the one that features and outcomes are merged to.
///
/// # Errors
/// Options that lack another one or do not go together, or inputs that cannot be merged.
pub(super) fn merged(options: &Options, inputs: Vec<Input>, format: Format) -> Result<Vec<Input>> {
    let Some(outcomes) = &options.event_time.outcomes else { return Ok(inputs) };
    let features = features(options, inputs)?;
    check_format(format)?;
    if outcomes == "-" {
        return Err(Error::usage(
            "--outcomes is read from a file: save the outcomes to one, and give the features on standard input if need be",
        ));
    }
    let form = options.source.time_format.as_deref().unwrap_or("iso").parse();
    Ok(vec![Input::Merged(Box::new(Merging {
        features,
        outcomes: outcomes.into(),
        format,
        columns: options.source.columns.clone(),
        id: named(&options.source.id, "id")?,
        time: named(&options.source.time, "time")?,
        form: form.map_err(|why| Error::usage(format!("--time-format {why}")))?,
        label: named(&options.source.label, "label")?,
    }))])
}

/// The one input of features, which must not keep coming.
fn features(options: &Options, mut inputs: Vec<Input>) -> Result<Input> {
    let source = &options.source;
    if options.event_time.join_timeout.is_none() {
        return Err(Error::usage("--outcomes needs how long they are waited for: --join-timeout 1h"));
    }
    let live = [
        ("--follow", source.follow == Some(true)),
        ("--listen", source.listen.is_some()),
        ("--max-delay", options.learner.max_delay.is_some()),
        ("--generate", source.generate.is_some()),
    ];
    if let Some((flag, _)) = live.into_iter().find(|(_, is_named)| *is_named) {
        return Err(Error::usage(format!(
            "--outcomes does not go with {flag}: each input waits for the other; put features and outcomes into one stream, \
             where a record with a label is an outcome, and leave --outcomes out"
        )));
    }
    match (inputs.pop(), inputs.len()) {
        (Some(input), 0) => Ok(input),
        (_, others) => Err(Error::usage(format!(
            "--outcomes is merged with one input of features, and there are {}: put them into one file, or pipe them in: \
             cat ... | tidemill train - --outcomes ...",
            others + 1
        ))),
    }
}

/// Only text that says what is missing can have records of two kinds.
fn check_format(format: Format) -> Result<()> {
    let what = match format {
        Format::Csv | Format::Tsv | Format::JsonL => return Ok(()),
        _ if format.is_columnar() => "Parquet and Arrow hold columns",
        _ => "libsvm and vw have no columns for id, time and label",
    };
    Err(Error::usage(format!(
        "--outcomes merges lines of CSV, TSV or JSON, and {what}: turn both inputs into one of these"
    )))
}

fn named(column: &Option<String>, flag: &str) -> Result<String> {
    column.clone().ok_or_else(|| {
        Error::usage(format!("--outcomes needs the column of that name in both inputs: add --{flag} COLUMN"))
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{Options, Plan};
    use crate::schema::Format;

    fn plan(source: &str, outcomes: &str, rest: &str) -> Result<Plan, String> {
        let job = format!("[source]\n{source}\n[event-time]\n{outcomes}\n{rest}");
        Plan::new(Options::parse(&job).unwrap(), &[]).map_err(|error| error.to_string())
    }

    const NAMED: &str = "id = 'i'\ntime = 't'\nlabel = 'y'";
    const JOINED: &str = "join-timeout = '1h'\noutcomes = ";

    #[test]
    fn features_and_outcomes_are_one_input() {
        let plan = plan(&format!("input = ['a.csv']\n{NAMED}"), &format!("{JOINED}'b.csv.gz'"), "").unwrap();
        assert_eq!(plan.inputs.len(), 1);
        assert_eq!(plan.inputs[0].name(), "a.csv with b.csv.gz");
        assert!(!plan.inputs[0].is_plain());
    }

    #[test]
    fn the_format_of_a_pipe_is_that_of_its_outcomes() {
        let plan = plan(&format!("input = ['-']\n{NAMED}"), &format!("{JOINED}'b.jsonl'"), "").unwrap();
        assert_eq!((plan.format, plan.inputs[0].name()), (Format::JsonL, "standard input with b.jsonl".into()));
    }

    #[test]
    fn what_cannot_be_merged_is_refused_with_what_to_do() {
        for (input, outcomes, rest, expected) in [
            ("input = ['a.csv']", "outcomes = 'b.csv'", "", "--join-timeout 1h"),
            ("input = ['a.csv', 'c.csv']", "join-timeout = '1h'\noutcomes = 'b.csv'", "", "there are 2"),
            ("input = ['a.csv']", "join-timeout = '1h'\noutcomes = '-'", "", "read from a file"),
            ("input = ['a.csv']", "join-timeout = '1h'\noutcomes = 'b.jsonl'", "", "two formats"),
            ("input = ['a.parquet']", "join-timeout = '1h'\noutcomes = 'b.parquet'", "", "hold columns"),
            ("input = ['a.vw']", "join-timeout = '1h'\noutcomes = 'b.vw'", "", "have no columns"),
            ("input = ['a.csv']\nfollow = true", "join-timeout = '1h'\noutcomes = 'b.csv'", "", "--follow"),
            ("listen = '9000'", "join-timeout = '1h'\noutcomes = 'b.csv'", "", "--listen"),
            ("generate = 'clicks'", "join-timeout = '1h'\noutcomes = 'b.csv'", "", "--generate"),
            (
                "input = ['-']",
                "join-timeout = '1h'\noutcomes = 'b.csv'",
                "[learner]\nmax-delay = '1s'",
                "--max-delay: each input waits",
            ),
        ] {
            let said = plan(&format!("{input}\n{NAMED}"), outcomes, rest).unwrap_err();
            assert!(said.contains(expected), "{input}: {said}");
        }
    }

    #[test]
    fn the_columns_by_which_inputs_are_merged_have_to_be_named() {
        for flag in ["id", "time", "label"] {
            let others: Vec<_> = NAMED.lines().filter(|line| !line.starts_with(flag)).collect();
            let source = format!("input = ['a.csv']\n{}", others.join("\n"));
            let said = plan(&source, &format!("{JOINED}'b.csv'"), "").unwrap_err();
            assert!(said.contains(&format!("--{flag}")), "{said}");
        }
    }
}
