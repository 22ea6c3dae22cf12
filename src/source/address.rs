//! Where connections come in: takes an address as users write it, gives a place that listens there, and what each
//! connection sends. It waits for nobody: when to look for the next connection is the caller's.

use std::io::{self, ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host with a port.
    Tcp(String),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Address {
    /// Reads `9000` (a port of this machine alone), `HOST:PORT`, `tcp:HOST:PORT` or `unix:PATH`; port 0 is any that is
    /// free.
    ///
    /// # Errors
    /// Anything else.
    ///
    /// ```
    /// use tidemill::source::address::Address;
    /// assert_eq!(Address::parse("9000")?, Address::Tcp("127.0.0.1:9000".into()));
    /// assert_eq!(Address::parse("unix:/tmp/t.sock")?, Address::Unix("/tmp/t.sock".into()));
    /// # Ok::<(), tidemill::error::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        Self::of("--listen", text)
    }

    /// The same for an address of another flag.
    ///
    /// # Errors
    /// Anything else, with the flag.
    pub fn of(flag: &str, text: &str) -> Result<Self> {
        let refused = || {
            Error::usage(format!(
                "{flag} {text}: write a port like 9000, an address like tcp:127.0.0.1:9000, or unix:/path/to.sock"
            ))
        };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(refused()) } else { Ok(Self::Unix(path.into())) };
        }
        let text = text.strip_prefix("tcp:").unwrap_or(text);
        let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        let port: u16 = port.parse().map_err(|_| refused())?;
        Ok(Self::Tcp(format!("{host}:{port}")))
    }

    /// The address as it can be written again.
    pub fn name(&self) -> String {
        match self {
            Self::Tcp(address) => format!("tcp:{address}"),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }
}

/// A place that listens. A socket in the file system goes away with it.
#[derive(Debug)]
pub enum Listener {
    /// At a port.
    Tcp(TcpListener),
    /// At a file.
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

/// What a connection sends; a read that brings nothing for `LOOK` says so by an error of its own.
pub type Connection = Box<dyn Read + Send>;

/// How long a read from a connection lasts at most.
const LOOK: Duration = Duration::from_millis(100);

impl Listener {
    /// Listens at an address.
    ///
    /// # Errors
    /// An address that is taken, or that is none of this machine's.
    pub fn bind(address: &Address) -> Result<Self> {
        let bound = match address {
            Address::Tcp(name) => TcpListener::bind(name).map(Self::Tcp),
            Address::Unix(path) => bind_file(path),
        };
        let listener = bound.map_err(|cause| {
            let name = address.name();
            let advice = match cause.kind() {
                ErrorKind::AddrInUse => "another program listens there: end that one, or name another address",
                ErrorKind::AlreadyExists => "there is a file that is no socket: name another path",
                ErrorKind::PermissionDenied => {
                    "there is no permission for it: name a port from 1024 on, or a path of yours"
                }
                _ => "name an address of this machine, like 127.0.0.1:9000, or unix:/path/to.sock",
            };
            Error::input(format!("cannot listen on {name}: {advice}")).because(cause)
        })?;
        let set = match &listener {
            Self::Tcp(tcp) => tcp.set_nonblocking(true),
            #[cfg(unix)]
            Self::Unix(unix, _) => unix.set_nonblocking(true),
        };
        set.map_err(|cause| Error::input(format!("cannot listen on {}", address.name())).because(cause))?;
        Ok(listener)
    }

    /// Where it listens, with the port that was free where any was asked for.
    pub fn name(&self) -> String {
        match self {
            Self::Tcp(tcp) => tcp.local_addr().map_or_else(|_| "tcp".into(), |address| format!("tcp:{address}")),
            #[cfg(unix)]
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// The next connection that is to be answered: whoever reads from it or writes to it never waits. `None` where none
    /// waits to be taken, and at a file.
    pub fn accept_caller(&self) -> Option<TcpStream> {
        match self {
            Self::Tcp(tcp) => {
                let (stream, _) = tcp.accept().ok()?;
                stream.set_nonblocking(true).ok()?;
                Some(stream)
            }
            #[cfg(unix)]
            Self::Unix(..) => None,
        }
    }

    /// The next connection; `None` where none waits to be taken, or the one that did has gone.
    pub fn accept(&self) -> Option<Connection> {
        match self {
            Self::Tcp(tcp) => {
                let (stream, _) = tcp.accept().ok()?;
                stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(LOOK))).ok()?;
                Some(Box::new(stream))
            }
            #[cfg(unix)]
            Self::Unix(unix, _) => {
                let (stream, _) = unix.accept().ok()?;
                stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(LOOK))).ok()?;
                Some(Box::new(stream))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path); // who removed it before has done the same
        }
    }
}

/// Listens at a file; a socket that nobody answers at any more was left behind by a program that has ended.
#[cfg(unix)]
fn bind_file(path: &Path) -> io::Result<Listener> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(ErrorKind::AlreadyExists.into()),
        Ok(_) => match UnixStream::connect(path) {
            Err(cause) if cause.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
            _ => return Err(ErrorKind::AddrInUse.into()),
        },
        Err(_) => {}
    }
    UnixListener::bind(path).map(|listener| Listener::Unix(listener, path.to_owned()))
}

#[cfg(not(unix))]
fn bind_file(_: &Path) -> io::Result<Listener> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written_and_nothing_else_is() {
        let tcp = |text: &str| Address::Tcp(text.into());
        assert_eq!(Address::parse("tcp:0.0.0.0:80").unwrap(), tcp("0.0.0.0:80"));
        assert_eq!(Address::parse(":80").unwrap(), tcp("127.0.0.1:80"));
        assert_eq!(Address::parse("tcp:80").unwrap(), tcp("127.0.0.1:80"));
        assert_eq!(Address::parse("[::1]:80").unwrap(), tcp("[::1]:80"));
        for wrong in ["", "host", "unix:", "70000", "tcp:a:b"] {
            assert!(Address::parse(wrong).unwrap_err().to_string().contains("a port like 9000"), "{wrong}");
        }
    }

    #[test]
    fn a_port_that_is_taken_is_told_with_what_to_do() {
        let first = Listener::bind(&Address::parse("0").unwrap()).unwrap();
        let error = Listener::bind(&Address::parse(&first.name()).unwrap()).unwrap_err().to_string();
        assert!(error.contains("another program listens there"), "{error}");
    }

    #[test]
    #[cfg(unix)]
    fn a_socket_is_replaced_only_where_nobody_answers_and_goes_away_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.sock");
        let address = Address::Unix(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left behind");
        let listener = Listener::bind(&address).unwrap();
        assert!(Listener::bind(&address).unwrap_err().to_string().contains("another program listens there"));
        drop(listener);
        assert!(!path.exists());
        std::fs::write(&path, "mine").unwrap();
        assert!(Listener::bind(&address).unwrap_err().to_string().contains("a file that is no socket"));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }
}
