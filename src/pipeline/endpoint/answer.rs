//! What a request is answered: takes its bytes, gives those of the answer.

use crate::report::exposition::{CONTENT_TYPE, Figures, State, text};

/// Bytes of a request, at most; those of monitors have a few hundred.
const MOST: usize = 8 * 1024;
/// Lines of a request that are headers, at most.
const HEADERS: usize = 64;
/// What plain words are.
const PLAIN: &str = "text/plain; charset=utf-8";

/// The answer to a request; `None` where it is not whole yet. Figures are asked for where they are told.
pub(super) fn answer(request: &[u8], figures: &dyn Fn() -> Figures) -> Option<Vec<u8>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let (method, page) = match parsed.parse(request) {
        Ok(httparse::Status::Partial) if request.len() <= MOST => return None,
        Ok(httparse::Status::Complete(_)) => {
            let path = parsed.path.unwrap_or_default();
            let path = path.split('?').next().unwrap_or_default();
            let method = parsed.method.unwrap_or_default();
            (method, if matches!(method, "GET" | "HEAD") { page(path, figures) } else { not_allowed() })
        }
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => ("GET", too_large()),
        Err(_) => ("GET", Page::plain("400 Bad Request", "this is no request of HTTP/1.1\n")),
    };
    Some(page.written(method == "HEAD"))
}

/// What stands at a path.
fn page(path: &str, figures: &dyn Fn() -> Figures) -> Page {
    match path {
        "/metrics" => Page { kind: CONTENT_TYPE, ..Page::plain("200 OK", &text(&figures())) },
        "/healthz" => health(&figures().state),
        _ => Page::plain("404 Not Found", "there are /metrics and /healthz\n"),
    }
}

/// Whether all is well.
fn health(state: &State) -> Page {
    match state {
        State::Starting => Page::plain("200 OK", "starting\n"),
        State::Running => Page::plain("200 OK", "running\n"),
        State::Finished => Page::plain("200 OK", "finished\n"),
        State::Failed(why) => Page::plain("503 Service Unavailable", &format!("failed: {why}\n")),
    }
}

fn not_allowed() -> Page {
    Page { more: "Allow: GET, HEAD\r\n", ..Page::plain("405 Method Not Allowed", "pages are read with GET\n") }
}

fn too_large() -> Page {
    Page::plain("431 Request Header Fields Too Large", "the request is too long\n")
}

/// An answer in parts.
struct Page {
    status: &'static str,
    kind: &'static str,
    more: &'static str,
    text: String,
}

impl Page {
    fn plain(status: &'static str, text: &str) -> Self {
        Self { status, kind: PLAIN, more: "", text: text.to_owned() }
    }

    /// Its bytes; a head has no text, but says how long that would be.
    fn written(self, is_head: bool) -> Vec<u8> {
        let Self { status, kind, more, text } = self;
        let length = text.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n"
        );
        if is_head { head.into_bytes() } else { (head + &text).into_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(request: &str) -> Option<String> {
        answer(request.as_bytes(), &Figures::default).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[track_caller]
    fn says(request: &str, status: &str, end: &str) {
        let answer = to(request).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.ends_with(end), "{answer}");
    }

    #[test]
    fn both_pages_are_read_with_or_without_a_question_behind_their_path() {
        says("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "\r\n\r\nstarting\n");
        says("GET /metrics?a=b HTTP/1.0\r\n\r\n", "200 OK", "# EOF\n");
        let metrics = to("GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        let (head, text) = metrics.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", text.len())));
        assert_eq!(to("HEAD /metrics HTTP/1.1\r\n\r\n").unwrap(), format!("{head}\r\n\r\n"));
    }

    #[test]
    fn what_is_none_of_that_is_refused() {
        for path in ["/", "/metrics/", "/../metrics", "/favicon.ico"] {
            says(&format!("GET {path} HTTP/1.1\r\n\r\n"), "404 Not Found", "there are /metrics and /healthz\n");
        }
        says("POST /metrics HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", "405 Method Not Allowed", "GET\n");
        assert!(to("DELETE / HTTP/1.1\r\n\r\n").unwrap().contains("\r\nAllow: GET, HEAD\r\n"));
        says("n,y\n1,2\n", "400 Bad Request", "HTTP/1.1\n");
        says("\x16\x03\x01", "400 Bad Request", "HTTP/1.1\n");
    }

    #[test]
    fn a_request_is_waited_for_until_it_is_whole_but_not_for_ever() {
        let whole = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(to(&whole[..cut]), None, "{cut}");
        }
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(MOST));
        says(&long, "431 Request Header Fields Too Large", "too long\n");
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS + 1));
        says(&many, "431 Request Header Fields Too Large", "too long\n");
    }
}
