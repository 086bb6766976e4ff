//! `[[court.relay]]`: where a court's stream is forwarded to, unchanged.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;
use crate::config::ingest::IngestConfig;
use crate::config::origin::Origin;
use crate::config::secret::{HIDDEN, Secret};
use crate::rtmp::address::Address;

/// More than a production sends a picture to; each is the court's bit rate again on the venue's uplink
/// (chosen).
const RELAYS_MOST: usize = 4;

/// One `[[court.relay]]`, checked. Has no `Debug`: it holds a key.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayConfig {
    /// Its name; no two of a court are the same.
    pub name: String,
    /// Where to, and by which key.
    pub address: Address,
    /// PEM of the authorities that may sign the server's certificate; the system's, if absent.
    pub ca_file: Option<PathBuf>,
}

/// One address that a court's stream is forwarded to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRelay {
    /// Name of the relay: 1 to 32 of a-z, 0-9 and '-'.
    #[schemars(with = "String", required, regex(pattern = "^[a-z0-9-]{1,32}$"))]
    name: Option<Spanned<String>>,
    /// `rtmp://HOST[:PORT]/APP/KEY`, or `rtmps://` with TLS. What follows the last '/' is a secret.
    #[schemars(with = "Option<String>")]
    url: Option<Spanned<String>>,
    /// File whose first line is that address, instead of `url`. A name without folder is looked for among
    /// systemd's credentials first.
    #[schemars(with = "Option<PathBuf>")]
    url_file: Option<Spanned<PathBuf>>,
    /// Authorities that may sign the certificate of an `rtmps://` server; the system's, if absent.
    #[schemars(with = "Option<PathBuf>")]
    ca_file: Option<Spanned<PathBuf>>,
}

/// Checks the relays of one court.
pub(super) fn check_all(
    raw: Vec<Spanned<RawRelay>>,
    origin: &Origin<'_>,
    findings: &mut Findings<'_>,
) -> Vec<(std::ops::Range<usize>, RelayConfig)> {
    if let Some(beyond) = raw.get(RELAYS_MOST) {
        let text = format!(
            "{} relays, and a court takes at most {RELAYS_MOST}: take this one and those behind it out",
            raw.len()
        );
        findings.fault(beyond.span(), text);
        return Vec::new();
    }
    let mut relays: Vec<(std::ops::Range<usize>, RelayConfig)> = Vec::with_capacity(raw.len());
    for relay in raw {
        let section = relay.span();
        let Some(relay) = relay.into_inner().check(section.clone(), origin, findings) else {
            continue;
        };
        if relays.iter().any(|(_, other)| other.name == relay.name) {
            let text = format!("a second relay `{}`: give each its own `name`", relay.name);
            findings.fault(section.clone(), text);
        }
        if let Some((_, other)) = relays.iter().find(|(_, other)| other.address == relay.address) {
            let text = format!(
                "relays `{}` and `{}` have the same address and key: a server takes one of them",
                other.name, relay.name
            );
            findings.fault(section.clone(), text);
        }
        relays.push((section, relay));
    }
    relays
}

/// Refuses what would have the box publish to itself. An address that only turns out to be the box's own once
/// its name was looked up is refused then.
pub(super) fn refuse_loops(
    relays: &[(std::ops::Range<usize>, RelayConfig)],
    ingest: &IngestConfig,
    findings: &mut Findings<'_>,
) {
    for (section, relay) in relays {
        let doors = [(false, ingest.rtmp), (true, ingest.rtmps)];
        let own = doors
            .into_iter()
            .filter_map(|(tls, door)| Some((tls, door?)))
            .find(|(tls, door)| *tls == relay.address.tls() && is_at(&relay.address, *door));
        if let Some((_, door)) = own {
            let text = format!(
                "relay `{}` leads back to this box, which takes streams at {door} itself: write the \
                 address of another server",
                relay.name
            );
            findings.fault(section.clone(), text);
        }
    }
}

/// True where an address surely is the door's: as far as can be said without asking anybody.
fn is_at(address: &Address, door: SocketAddr) -> bool {
    if address.port() != door.port() {
        return false;
    }
    let loopback = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    match address.host().parse::<IpAddr>() {
        Ok(ip) => ip == door.ip() || loopback(ip) && loopback(door.ip()),
        Err(_) => address.host().eq_ignore_ascii_case("localhost") && loopback(door.ip()),
    }
}

impl RawRelay {
    fn check(
        self,
        section: std::ops::Range<usize>,
        origin: &Origin<'_>,
        findings: &mut Findings<'_>,
    ) -> Option<RelayConfig> {
        let name = match &self.name {
            Some(written) if is_name(written.get_ref()) => Some(written.get_ref().clone()),
            Some(written) => {
                let text = "the name of a relay is 1 to 32 of a-z, 0-9 and '-'";
                findings.fault(written.span(), text);
                None
            }
            None => {
                let text = "a relay has no `name`: write, for example, name = \"production\"";
                findings.fault(section.clone(), text);
                None
            }
        };
        let address = self.address(section, origin, findings);
        let ca_file = match (&self.ca_file, &address) {
            (Some(file), Some(address)) if !address.tls() => {
                let text = "`ca_file` is for an address of rtmps://: leave it out";
                findings.fault(file.span(), text);
                None
            }
            (file, _) => file.as_ref().map(|file| origin.resolved(file.get_ref())),
        };
        Some(RelayConfig { name: name?, address: address?, ca_file })
    }

    fn address(
        &self,
        section: std::ops::Range<usize>,
        origin: &Origin<'_>,
        findings: &mut Findings<'_>,
    ) -> Option<Address> {
        let (secret, span) = match (&self.url, &self.url_file) {
            (Some(url), None) => {
                findings.secret_in(origin.file);
                (Secret::new(url.get_ref()), url.span())
            }
            (None, Some(file)) => (origin.secret(file, findings)?, file.span()),
            (Some(_), Some(file)) => {
                findings.fault(file.span(), "`url` and `url_file`: write one of them");
                return None;
            }
            (None, None) => {
                findings.fault(section, "a relay has no `url` (nor `url_file`)");
                return None;
            }
        };
        // The address itself is in no text: its end is a secret.
        match Address::parse(secret.expose()) {
            Ok(address) if address.secrets().any(|secret| secret.contains(HIDDEN)) => {
                let text =
                    "a secret was hidden where this was copied from: write the address itself";
                findings.fault(span, text);
                None
            }
            Ok(address) => Some(address),
            Err(error) => {
                findings.fault(span, format!("no address to publish to: {error}"));
                None
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let letter = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;
    use crate::config::load::parse;
    use crate::config::origin::Origin;

    fn parsed(relays: &str) -> Result<Config, String> {
        let text = format!(
            "[uplink]\nbroker = \"mqtt://b\"\n[ingest]\nrtmp = \"0.0.0.0:1935\"\n[[court]]\nname = \"a\"\n\
             stream_key = \"north-hoop\"\nrims = [[612, 188, 44, 22]]\n{relays}"
        );
        let read = |_: &Path| Ok("rtmps://from.a.file/live/planted\n".to_owned());
        let origin = Origin {
            file: Path::new("c.toml"),
            credentials: None,
            hostname: Some("hall"),
            read: &read,
        };
        parse(&text, &origin).map_err(|error| error.to_string())
    }

    #[test]
    fn a_relay_is_a_name_and_an_address_with_its_key() {
        for relays in [
            "relay = [{ name = \"tv\", url = \"rtmp://h/live/planted\" }, { name = \"file\", url_file = \"f\" }]\n",
            "[[court.relay]]\nname = \"tv\"\nurl = \"rtmp://h/live/planted\"\n\
             [[court.relay]]\nname = \"file\"\nurl_file = \"f\"\n",
        ] {
            let config = parsed(relays).unwrap_or_else(|error| panic!("{error}"));
            let told: Vec<_> = config.courts[0]
                .relays
                .iter()
                .map(|relay| (relay.name.as_str(), relay.address.shown()))
                .collect();
            assert_eq!(told[0], ("tv", "rtmp://h/live".to_owned()));
            assert_eq!(told[1], ("file", "rtmps://from.a.file/live".to_owned()));
            let shown = config.to_toml();
            assert!(!shown.contains("planted"), "{shown}");
            assert!(shown.contains("rtmp://h/live/(hidden)"), "{shown}");
        }
    }

    #[test]
    fn what_cannot_be_a_relay_is_refused_without_its_key() {
        let one = |relay: &str| parsed(&format!("relay = [{relay}]\n")).err().unwrap_or_default();
        for (relay, expected) in [
            ("{ url = \"rtmp://h/live/planted\" }", "no `name`"),
            ("{ name = \"A b\", url = \"rtmp://h/live/planted\" }", "1 to 32 of a-z"),
            ("{ name = \"tv\" }", "no `url`"),
            ("{ name = \"tv\", url = \"http://h/live/planted\" }", "write rtmp://"),
            ("{ name = \"tv\", url = \"rtmp://u:planted@h/live/k\" }", "stream key"),
            ("{ name = \"tv\", url = \"rtmp://h/planted\" }", "HOST[:PORT]/APP/KEY"),
            ("{ name = \"tv\", url = \"rtmp://h/live/planted\", url_file = \"f\" }", "one of them"),
            ("{ name = \"tv\", url = \"rtmp://h/live/planted\", ca_file = \"f\" }", "leave it out"),
            ("{ name = \"tv\", ulr = \"planted\" }", "unknown key `ulr`"),
            (
                "{ name = \"tv\", url = \"rtmp://h/live/planted\" }, { name = \"tv\", url = \"rtmp://g/live/k\" }",
                "a second relay `tv`",
            ),
            (
                "{ name = \"tv\", url = \"rtmp://h/live/planted\" }, { name = \"b\", url = \"rtmp://h/live/planted\" }",
                "the same address and key",
            ),
            ("{ name = \"tv\", url = \"rtmp://h/live/(hidden)\" }", "a secret was hidden"),
            ("{ name = \"tv\", url = \"rtmp://127.0.0.1/live/planted\" }", "back to this box"),
            ("{ name = \"tv\", url = \"rtmp://localhost:1935/x/planted\" }", "back to this box"),
            ("{ name = \"tv\", url = \"rtmp://[::1]/x/planted\" }", "back to this box"),
        ] {
            let said = one(relay);
            assert!(said.contains(expected) && !said.contains("planted"), "{relay}: {said}");
        }
        let many = ["{ name = \"tv\", url = \"rtmp://h/live/planted\" }"; 5].join(", ");
        assert!(one(&many).contains("5 relays, and a court takes at most 4"));
        assert!(
            parsed("relay = [{ name = \"tv\", url = \"rtmp://127.0.0.1:1936/live/k\" }]\n").is_ok()
        );
    }
}
