//! `[uplink]`: the broker that events go to.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;
use crate::config::ingest::{TlsFiles, both_or_neither};
use crate::config::origin::Origin;

/// Said where there must be one and is none.
pub(super) const NO_BROKER: &str =
    "[uplink] has no `broker`: write, for example, broker = \"mqtt://127.0.0.1:1883\"";
/// What MQTT lets a name be is far more; no broker's users have it (chosen).
const USERNAME_MOST_CHARS: usize = 256;
/// RFC 1035 2.3.4: no name is longer.
const HOST_MOST_BYTES: usize = 253;

/// `[uplink]`, checked.
#[derive(Clone, Debug)]
pub struct UplinkConfig {
    /// Where to connect; none for a box that is claimed, or is to be.
    pub broker: Option<Broker>,
    /// User at the broker.
    pub username: Option<String>,
    /// File whose first line is the password; could be read when the configuration was.
    pub password_file: Option<PathBuf>,
    /// PEM of the authorities that may sign the broker's certificate; the system's, if absent.
    pub ca_file: Option<PathBuf>,
    /// The box's own certificate, where the broker asks for one.
    pub client: Option<TlsFiles>,
    /// Tells Home Assistant at the same broker what there is to show.
    pub home_assistant: bool,
}

/// Address of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// True for `mqtts://`.
    pub tls: bool,
    /// Name or address, an IPv6 one without brackets.
    pub host: String,
    /// TCP port; 1883, or 8883 with TLS, unless given.
    pub port: u16,
}

impl Broker {
    /// The address as it is written in the file.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            format!("{scheme}://[{}]:{}", self.host, self.port)
        } else {
            format!("{scheme}://{}:{}", self.host, self.port)
        }
    }

    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it and what to write, to stand behind the key's name.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) =
            url.split_once("://").ok_or("has no scheme: write mqtt:// or mqtts:// before it")?;
        let tls = match scheme {
            "mqtt" => false,
            "mqtts" => true,
            "tcp" => return Err("has a scheme that we do not know: write mqtt:// for tcp://"),
            "ssl" | "tls" => return Err("has a scheme that we do not know: write mqtts:// for it"),
            _ => return Err("has a scheme that we do not know: use mqtt:// or mqtts://"),
        };
        if rest.contains('@') {
            return Err("carries a user: write `username` and `password_file` instead");
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => {
                (host, Some(port.strip_prefix(':').ok_or("needs ':' between ']' and the port")?))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let strange = |c: char| !c.is_ascii_alphanumeric() && !"-._:%".contains(c);
        if host.is_empty() || host.len() > HOST_MOST_BYTES || host.contains(strange) {
            return Err("has no usable host: write mqtt://HOST or mqtt://HOST:PORT, no path");
        }
        let port = match port {
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or("has no usable port: use 1 to 65535, or none for the usual one")?,
            None if tls => 8883,
            None => 1883,
        };
        Ok(Self { tls, host: host.to_owned(), port })
    }

    /// True when nothing that goes there leaves this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// The broker that events go to.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUplink {
    /// `mqtt://HOST[:PORT]`, or `mqtts://HOST[:PORT]` with TLS. Without it the box is claimed: see `claim`.
    #[schemars(extend("x-applies" = "hot"))]
    #[schemars(with = "Option<String>")]
    broker: Option<Spanned<String>>,
    /// User at the broker.
    #[schemars(extend("x-applies" = "hot"))]
    #[schemars(with = "Option<String>", length(max = 256))]
    username: Option<Spanned<String>>,
    /// File whose first line is the password. A name without folder is looked for among systemd's
    /// credentials first.
    #[schemars(extend("x-applies" = "hot"))]
    #[schemars(with = "Option<PathBuf>")]
    password_file: Option<Spanned<PathBuf>>,
    /// PEM file of the authorities that may sign the broker's certificate; the system's, if absent.
    #[schemars(extend("x-applies" = "hot"))]
    #[schemars(with = "Option<PathBuf>")]
    ca_file: Option<Spanned<PathBuf>>,
    /// PEM file of the box's own certificate chain.
    #[schemars(extend("x-applies" = "hot"))]
    #[schemars(with = "Option<PathBuf>")]
    cert_file: Option<Spanned<PathBuf>>,
    /// PEM file of its private key.
    #[schemars(extend("x-applies" = "hot"))]
    #[schemars(with = "Option<PathBuf>")]
    key_file: Option<Spanned<PathBuf>>,
    /// Tells Home Assistant at the same broker what there is to show: state, score, last call, clip and
    /// picture of each court.
    #[schemars(extend("x-applies" = "hot"))]
    #[serde(default)]
    home_assistant: bool,
}

impl RawUplink {
    pub(super) fn check(
        self,
        section: std::ops::Range<usize>,
        is_claimed: bool,
        origin: &Origin<'_>,
        findings: &mut Findings<'_>,
    ) -> Option<UplinkConfig> {
        let alone = self.username.is_none() && self.ca_file.is_none() && self.cert_file.is_none();
        let client = both_or_neither(
            "uplink",
            self.cert_file.as_ref(),
            self.key_file.as_ref(),
            origin,
            findings,
        );
        if let (Some(file), None) = (&self.password_file, &self.username) {
            findings.fault(file.span(), "`password_file` needs a `username` beside it");
        }
        let password_file = self.password_file.as_ref().map(|file| {
            // Read to refuse now what would fail at every connection; the secret is dropped again.
            drop(origin.secret(file, findings));
            origin.credential(file.get_ref())
        });
        let username = self.username.map(|written| {
            let name = written.get_ref();
            if name.chars().count() > USERNAME_MOST_CHARS || name.contains(char::is_control) {
                let text = format!(
                    "`username` is no name: write at most {USERNAME_MOST_CHARS} characters on one line"
                );
                findings.fault(written.span(), text);
            }
            written.into_inner()
        });
        let home_assistant = self.home_assistant;
        let Some(written) = self.broker else {
            // Who writes the rest of it has forgotten the broker.
            if is_claimed && alone {
                return Some(UplinkConfig {
                    broker: None,
                    username,
                    password_file,
                    ca_file: None,
                    client,
                    home_assistant,
                });
            }
            findings.fault(section, NO_BROKER);
            return None;
        };
        let broker = match Broker::parse(written.get_ref()) {
            Ok(broker) => broker,
            Err(problem) => {
                findings.fault(written.span(), format!("`broker` {problem}"));
                return None;
            }
        };
        if !broker.tls {
            for (file, key) in [(&self.ca_file, "ca_file"), (&self.cert_file, "cert_file")] {
                if let Some(file) = file {
                    let text =
                        format!("`{key}` needs TLS: write mqtts:// in `broker`, or leave it out");
                    findings.fault(file.span(), text);
                }
            }
            if password_file.is_some() && !broker.is_loopback() {
                findings.advise("uplink: the password crosses the network in clear; use mqtts://");
            }
        }
        let ca_file = self.ca_file.map(|file| origin.resolved(file.get_ref()));
        let broker = Some(broker);
        Some(UplinkConfig { broker, username, password_file, ca_file, client, home_assistant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_brokers() {
        for (url, expected) in [
            ("mqtt://127.0.0.1:1883", "mqtt://127.0.0.1:1883"),
            ("mqtt://broker.example.org", "mqtt://broker.example.org:1883"),
            ("mqtts://broker/", "mqtts://broker:8883"),
            ("mqtt://[::1]", "mqtt://[::1]:1883"),
            ("mqtts://[fe80::1]:9", "mqtts://[fe80::1]:9"),
        ] {
            assert_eq!(Broker::parse(url).expect(url).url(), expected);
        }
        for bad in [
            "",
            "127.0.0.1",
            "http://x",
            "mqtt://",
            "mqtt://x:0",
            "mqtt://x:70000",
            "mqtt://u:p@x",
            "mqtt://x/path",
            "mqtt://[::1",
            "mqtt://[::1]9",
            "tcp://x",
        ] {
            assert!(Broker::parse(bad).is_err(), "{bad}");
        }
    }
}
