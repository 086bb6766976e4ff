//! Why a server does not take the stream: what was seen, and what to do (pure).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::broker::{TlsError, said_of};
use crate::event::words::LinkTrouble;
use crate::media::Foreign;
use crate::rtmp::RtmpError;
use crate::rtmp::client::During;

/// What is being done on the way to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its name is looked up.
    #[default]
    Name,
    /// A connection is asked for.
    Reaching,
    /// TLS.
    Tls,
    /// RTMP: handshake, `connect`, `publish`.
    Greeting,
}

/// Why it came to nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The name has no address, or nobody says which.
    Name(io::Error),
    /// No connection.
    Unreachable(io::Error),
    /// Nothing in time.
    Late(Step, Duration),
    /// Our own files.
    Files(TlsError),
    /// Its TLS.
    Tls(io::Error),
    /// What it says is no RTMP.
    NotRtmp(RtmpError),
    /// It said no.
    Refused(During, Foreign, Foreign),
    /// It closed the connection, after it had taken the stream for so long, if it had.
    Closed(Option<Duration>),
    /// The connection broke.
    Broken(io::Error),
    /// It takes nothing.
    Stalled(Duration),
    /// It is this box.
    Loop(SocketAddr),
}

impl Trouble {
    /// What a write that failed means: a server that has closed is found by it too.
    pub(crate) fn of_write(error: io::Error, after: Option<Duration>) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::WriteZero => Self::Closed(after),
            _ => Self::Broken(error),
        }
    }

    /// What was seen; what others said in it is harmless.
    pub(crate) fn said(&self) -> Foreign {
        match self {
            Self::Name(error) => {
                Foreign::told(format_args!("its server's name has no address ({error})"))
            }
            Self::Unreachable(error) => {
                Foreign::told(format_args!("its server cannot be reached ({error})"))
            }
            Self::Late(step, patience) => {
                let what = match step {
                    Step::Name => "nobody said which address its server's name has",
                    Step::Reaching => "nothing answered at its server's address",
                    Step::Tls => "its server took a connection and said nothing of TLS",
                    Step::Greeting => "its server took a connection and let nobody publish",
                };
                Foreign::told(format_args!("{what} within {} s", patience.as_secs()))
            }
            Self::Files(error) => match error {
                TlsError::Pem { path: Some(path), source } => Foreign::told(format_args!(
                    "its `ca_file` {} cannot be read ({source})",
                    path.display()
                )),
                TlsError::Empty { path: Some(path) } => Foreign::told(format_args!(
                    "no certificate stands in its `ca_file` {}",
                    path.display()
                )),
                TlsError::System(_) => Foreign::told("the system's certificates cannot be read"),
                other => Foreign::error(other),
            },
            Self::Tls(error) => {
                let said = said_of(error, SERVER).map(|(_, said)| said);
                let said = said.unwrap_or_else(|| Foreign::error(error));
                Foreign::told(format_args!("no TLS with its server: {said}"))
            }
            Self::NotRtmp(error) => {
                Foreign::told(format_args!("what answers is no RTMP server ({error})"))
            }
            Self::Refused(during, code, words) => {
                let what = match during {
                    During::Connect => "its server refuses the application",
                    During::Create => "its server makes no stream",
                    During::Publish => "its server refuses the stream key",
                    During::Live => "its server ended the stream",
                };
                let words = if words.is_empty() { String::new() } else { format!(", {words}") };
                Foreign::told(format_args!("{what} ({code}{words})"))
            }
            Self::Closed(None) => {
                Foreign::told("its server closed the connection before it let us publish")
            }
            Self::Closed(Some(after)) => Foreign::told(format_args!(
                "its server closed the connection after {:.1} s of the stream",
                after.as_secs_f64()
            )),
            Self::Broken(error) => {
                Foreign::told(format_args!("the connection to its server broke ({error})"))
            }
            Self::Stalled(patience) => {
                Foreign::told(format_args!("its server took nothing for {} s", patience.as_secs()))
            }
            Self::Loop(at) => Foreign::told(format_args!("its address is this box itself ({at})")),
        }
    }

    /// What to do.
    pub(crate) fn todo(&self) -> &'static str {
        match self {
            Self::Name(_) | Self::Late(Step::Name, _) => {
                "look the name up from another machine here: the venue's DNS does not know it, or does not \
                 answer"
            }
            Self::Unreachable(_) | Self::Late(Step::Reaching, _) => {
                "is the server up, are host and port of the relay's `url` right, does a firewall let this box \
                 out to that port?"
            }
            Self::Late(Step::Tls, _) => {
                "does that port speak TLS? rtmps:// belongs to the server's TLS port, rtmp:// to the other"
            }
            Self::Late(..) => {
                "something listens there and does not answer RTMP: is it the server's port, does it hang, is a \
                 proxy between?"
            }
            Self::Files(TlsError::System(_)) => {
                "install the system's certificates (ca-certificates), or write `ca_file` of the relay"
            }
            Self::Files(_) => {
                "see that `ca_file` of the relay is there, is PEM, and may be read by the daemon"
            }
            Self::Tls(error) => match said_of(error, SERVER).map(|(what, _)| what) {
                Some(LinkTrouble::CertificateEnded) => {
                    "have the server's certificate renewed; if it is not old, this box's clock is wrong: \
                     `timedatectl`"
                }
                Some(LinkTrouble::CertificateEarly) => {
                    "this box's clock is behind: set it (`timedatectl`)"
                }
                Some(LinkTrouble::Certificate) => {
                    "name the server as its certificate does, and write `ca_file` where it is signed by an \
                     authority of your own; what is wrong with the certificate itself, who runs the server mends"
                }
                _ => {
                    "does that port speak TLS 1.2 or 1.3? rtmps:// belongs to the server's TLS port, rtmp:// to \
                     the other"
                }
            },
            Self::NotRtmp(_) => {
                "look at host and port of the relay's `url`: for TLS it begins with rtmps://"
            }
            Self::Refused(During::Connect, _, words) if words.contains("authmod=") => {
                "the server asks for a user and a password (Adobe's sign-in), which this box does not speak: \
                 ask for an address with a stream key"
            }
            Self::Refused(During::Connect, ..) => {
                "look at the application, what stands between host and key in the relay's `url`"
            }
            Self::Refused(During::Live, ..) => {
                "ask who runs the server why it ended the stream; another publisher may use the same key"
            }
            Self::Refused(..) => {
                "compare the stream key, the end of the relay's `url`, with the server's; a key that another \
                 publisher uses is refused too"
            }
            Self::Closed(None) => {
                "compare application and stream key with the server's: some close where others refuse"
            }
            Self::Closed(Some(_)) => {
                "some servers close where others refuse: compare the stream key, see whether another publisher \
                 uses it and whether the server takes this coding, and look at the server's log"
            }
            Self::Broken(_) => "look at the venue's uplink and at the server's log",
            Self::Stalled(_) => {
                "the way to the server is too slow or was cut: look at the venue's uplink, and lower the \
                 camera's bit rate if it is full"
            }
            Self::Loop(_) => "write the address of another server into the relay's `url`",
        }
    }

    /// A word for what it is, so that the log has one line of each.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Name(_) => "name",
            Self::Unreachable(_) => "unreachable",
            Self::Late(..) => "late",
            Self::Files(_) => "files",
            Self::Tls(_) => "tls",
            Self::NotRtmp(_) => "not_rtmp",
            Self::Refused(..) => "refused",
            Self::Closed(None) => "closed",
            Self::Closed(Some(_)) => "closed_later",
            Self::Broken(_) => "broken",
            Self::Stalled(_) => "stalled",
            Self::Loop(_) => "loop",
        }
    }
}

/// What the other side is called in the sentences of TLS.
const SERVER: &str = "the server";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{CertificateError, OtherError};

    use super::*;

    /// As the checker names its own errors.
    #[derive(Debug, thiserror::Error)]
    #[error("CaUsedAsEndEntity")]
    struct CaUsedAsEndEntity;

    #[test]
    fn each_trouble_says_what_was_seen_and_what_to_do() {
        let io = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let refused = |during, code: &str, words: &str| {
            Trouble::Refused(during, Foreign::name(code), Foreign::text(words))
        };
        let certificate = |of| {
            let error = rustls::Error::InvalidCertificate(of);
            Trouble::Tls(io::Error::new(io::ErrorKind::InvalidData, error))
        };
        for (trouble, said, todo) in [
            (Trouble::Name(io()), "name has no address", "DNS"),
            (Trouble::Unreachable(io()), "cannot be reached (connection refused)", "firewall"),
            (Trouble::Late(Step::Greeting, Duration::from_secs(10)), "within 10 s", "hang"),
            (
                certificate(CertificateError::UnknownIssuer),
                "no TLS with its server: the server's certificate is signed by nobody in `ca_file`",
                "`ca_file`",
            ),
            (
                certificate(CertificateError::Other(OtherError(Arc::new(CaUsedAsEndEntity)))),
                "the server's certificate is itself an authority's (CA:TRUE)",
                "who runs the server mends",
            ),
            (certificate(CertificateError::Expired), "has ended", "renewed"),
            (Trouble::NotRtmp(RtmpError::Version { got: b'H' }), "no RTMP server", "rtmps://"),
            (
                refused(During::Publish, "NetStream.Publish.BadName", "Already publishing"),
                "refuses the stream key (NetStream.Publish.BadName, Already publishing)",
                "another publisher uses",
            ),
            (
                refused(
                    During::Connect,
                    "NetConnection.Connect.Rejected",
                    "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ",
                ),
                "refuses the application",
                "Adobe's sign-in",
            ),
            (refused(During::Live, "close", ""), "ended the stream (close)", "why it ended"),
            (Trouble::Closed(None), "before it let us publish", "some close"),
            (Trouble::Closed(Some(Duration::from_secs(1))), "after 1.0 s", "log"),
            (Trouble::Stalled(Duration::from_secs(10)), "took nothing for 10 s", "uplink"),
            (Trouble::Loop(([127, 0, 0, 1], 1935).into()), "this box itself", "another server"),
        ] {
            assert!(trouble.said().contains(said), "{}", trouble.said());
            assert!(trouble.todo().contains(todo), "{}", trouble.todo());
            for foreign in ["broker", "mosquitto", "OtherError", "UnknownIssuer"] {
                assert!(!trouble.said().contains(foreign), "{}", trouble.said());
            }
            assert!(!trouble.said().ends_with('.') && !trouble.todo().ends_with('.'));
        }
    }
}
