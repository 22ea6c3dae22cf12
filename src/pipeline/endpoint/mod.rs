//! Where monitors ask how a run stands: takes looks at it as they come, answers requests over HTTP for as long as it lasts.
//!
//! One thread answers all and waits for none of them: a caller that hangs is left behind after [`caller::PATIENCE`], and
//! where there are too many the one that came first makes room. The engine's thread leaves its figures behind a few times a
//! second and waits for nobody either (`figures`). The server is our own, the few lines of HTTP that two pages need
//! (`answer`, with httparse for the requests; `caller`): the light ones are no longer kept up, and those that are kept up bring
//! a runtime with threads of its own.

mod answer;
mod caller;
mod figures;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use super::background::in_background;
use super::live::Wanted;
use super::{End, Observe, Outcome, Stop};
use crate::config::Plan;
use crate::error::Result;
use crate::report::exposition::Figures;
use crate::source::address::Listener;
use caller::Caller;
use figures::Publisher;

/// Callers at a time.
const CALLERS: usize = 16;
/// How long nobody is looked for where nobody was.
const QUIET: Duration = Duration::from_millis(50);
/// How long a caller is left alone between two looks.
const MOMENT: Duration = Duration::from_millis(5);

/// The figures that are told.
type Latest = Arc<Mutex<Figures>>;

/// An open address, which closes with the run.
pub(super) struct Endpoint {
    name: String,
    latest: Latest,
    /// Goes away with the run, by which the thread ends.
    running: Option<Sender<()>>,
    /// Says that it has ended.
    closed: Receiver<()>,
}

impl Endpoint {
    /// Opens the address of a plan; `None` where it has none.
    ///
    /// # Errors
    /// An address that cannot be listened on.
    pub fn open(plan: &Plan) -> Result<Option<Self>> {
        let Some(address) = &plan.outputs.metrics_listen else { return Ok(None) };
        let listener = Listener::bind(address)?;
        let name = listener.name().trim_start_matches("tcp:").to_owned();
        let latest = Latest::default();
        // A run that is asked to stop has an end to tell of.
        let (running, wanted) = Wanted::until_over(Stop::default());
        let server = Server { listener, latest: latest.clone(), wanted };
        let closed = in_background(move || server.serve());
        Ok(Some(Self { name, latest, running: Some(running), closed }))
    }

    /// Carries a run out, and tells how it stands meanwhile.
    ///
    /// # Errors
    /// Those of the run.
    pub fn while_running(
        self,
        observe: Observe<'_>,
        run: impl FnOnce(Observe<'_>) -> Result<Outcome>,
    ) -> Result<Outcome> {
        super::show(&[format!("metrics at http://{}/metrics, health at /healthz", self.name)], &mut *observe);
        let mut publisher = Publisher::new(self.latest.clone());
        let outcome = run(&mut |status| {
            publisher.take(&status);
            observe(status);
        });
        match &outcome {
            Ok(Outcome { end: End::Broken(error), .. }) | Err(error) => publisher.end(Some(error)),
            Ok(_) => publisher.end(None),
        }
        outcome
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.running = None;
        let _ = self.closed.recv_timeout(caller::PATIENCE); // it ends within a moment
    }
}

/// What the answering thread has.
struct Server {
    listener: Listener,
    latest: Latest,
    wanted: Wanted,
}

impl Server {
    /// Answers until the run is over.
    fn serve(self) {
        let mut callers: Vec<Caller> = Vec::new();
        while self.wanted.wait(if callers.is_empty() { QUIET } else { MOMENT }) {
            while let Some(stream) = self.listener.accept_caller() {
                if callers.len() == CALLERS {
                    callers.remove(0);
                }
                callers.push(Caller::new(stream));
            }
            self.go_on(&mut callers);
        }
        self.go_on(&mut callers); // who has asked by now is told of the end
    }

    fn go_on(&self, callers: &mut Vec<Caller>) {
        callers.retain_mut(|caller| caller.go_on(&|| figures::of(&self.latest)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;
    use crate::error::Error;
    use crate::report::exposition::State;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn open() -> Endpoint {
        let job = "[source]\ngenerate = 'clicks'\n[output]\nmetrics-listen = '0'";
        Endpoint::open(&Plan::new(Options::parse(job).unwrap(), &[]).unwrap()).unwrap().unwrap()
    }

    fn ask(at: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_run_that_has_failed_says_so_and_why_until_it_is_gone() {
        let endpoint = open();
        assert!(ask(&endpoint.name, "/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
        Publisher::new(endpoint.latest.clone()).end(Some(&Error::input("a.csv broke off")));
        let answer = ask(&endpoint.name, "/healthz");
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nfailed: a.csv broke off\n"), "{answer}");
        let name = endpoint.name.clone();
        drop(endpoint);
        assert!(TcpStream::connect(name).is_err(), "nobody listens behind the end of a run");
    }

    #[test]
    fn the_outcome_of_a_run_is_told_and_its_looks_are_handed_on() {
        let endpoint = open();
        let latest = endpoint.latest.clone();
        let mut notes = Vec::new();
        let mut observe = |status: crate::pipeline::Status<'_>| notes.extend(status.notes.to_vec());
        let outcome = endpoint.while_running(&mut observe, |observe| {
            super::super::show(&["from within".into()], observe);
            Err(Error::input("nothing to read"))
        });
        assert!(outcome.is_err());
        assert!(notes[0].starts_with("metrics at http://127.0.0.1:") && notes[1] == "from within", "{notes:?}");
        assert_eq!(figures::of(&latest).state, State::Failed("nothing to read".into()));
    }

    #[test]
    fn many_callers_that_say_nothing_keep_nobody_from_an_answer() {
        let endpoint = open();
        let hanging: Vec<_> = (0..3 * CALLERS).map(|_| TcpStream::connect(&endpoint.name).unwrap()).collect();
        assert!(ask(&endpoint.name, "/metrics").ends_with("# EOF\n"));
        drop(hanging);
    }
}
