//! `[http]`: where the page, the clips and the metrics are served.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;
use crate::config::ingest::{TlsFiles, address, both_or_neither};
use crate::config::origin::Origin;
use crate::event::command::Role;

/// Loopback alone, so that a fresh box shows nothing to the network.
const LISTEN: &str = "127.0.0.1:8080";

/// 200 Mbit/s: a game's 100 clips in half a minute, a fifth of a usual network (chosen; `bench pull` shows
/// what it costs live pictures).
const READ_BYTES_PER_SECOND: u64 = 25_000_000;
/// Below 1 Mbit/s not even one court could be played.
const READ_LEAST: u64 = 125_000;

/// Connections of one address: four pages at least; at most what twice as many, and as many that rest, leave of the
/// descriptors of the unit (`LimitNOFILE`).
const CONNECTIONS: (usize, usize) = (8, 1024);
/// As it is without the key. 200 pages, each an event stream and a connection for what it asks beside, may all come
/// from one address: a proxy's, a venue's NAT. They showed the token.
pub const CONNECTIONS_PER_ADDRESS: usize = 448;

/// `[http]`, checked.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Address and port; `127.0.0.1:8080` unless given.
    pub listen: SocketAddr,
    /// Holds the technician's token; made at first start, mode 0600. `{data_dir}/token` unless given.
    pub token_file: PathBuf,
    /// Certificate to serve HTTPS with.
    pub tls: Option<TlsFiles>,
    /// True where somebody wrote out that plain HTTP off loopback is meant.
    pub plain: bool,
    /// Bytes a second that all who read clips and recordings get together.
    pub read_bytes_per_second: u64,
    /// Connections of one address that are answered at once, once they showed a token; of a network of the venue's
    /// own twice as many.
    pub connections_per_address: usize,
}

impl HttpConfig {
    /// The file of a role's token: the technician's as it is configured, the others' beside it, with the
    /// role behind its name.
    #[must_use]
    pub fn token_file_of(&self, role: Role) -> PathBuf {
        if role == Role::Technician {
            return self.token_file.clone();
        }
        let mut path = self.token_file.clone().into_os_string();
        path.push(format!("-{role}"));
        path.into()
    }

    /// The files of all tokens, with whose they are.
    pub fn token_files(&self) -> impl Iterator<Item = (Role, PathBuf)> + '_ {
        Role::ALL.into_iter().map(|role| (role, self.token_file_of(role)))
    }
}

/// Where the page, the clips and the metrics are served.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    /// Address and port.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<String>")]
    listen: Option<Spanned<String>>,
    /// File of the technician's token, made at first start; `-operator` and `-viewer` behind its name
    /// give theirs. `{data_dir}/token`, if absent.
    #[schemars(extend("x-applies" = "restart", "x-file-only" = true))]
    token_file: Option<PathBuf>,
    /// PEM file of the certificate chain.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<PathBuf>")]
    cert_file: Option<Spanned<PathBuf>>,
    /// PEM file of its private key.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<PathBuf>")]
    key_file: Option<Spanned<PathBuf>>,
    /// Allows HTTP without TLS off loopback: token and video cross the network in clear.
    #[schemars(extend("x-applies" = "restart"))]
    #[serde(default)]
    plain: bool,
    /// Bytes a second that all who read clips and recordings get together; live pictures go before.
    #[schemars(extend("x-applies" = "hot"))]
    #[schemars(with = "Option<u64>", range(min = 125_000))]
    read_bytes_per_second: Option<Spanned<u64>>,
    /// Connections of one address that are answered at once (pages, players, downloads), once they showed a token;
    /// of a network of the venue's own (RFC 1918, RFC 4193, link-local, this machine) twice as many. Beyond, 503.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<usize>", range(min = 8, max = 1024))]
    connections_per_address: Option<Spanned<usize>>,
}

impl RawHttp {
    pub(super) fn check(
        self,
        data_dir: &std::path::Path,
        origin: &Origin<'_>,
        findings: &mut Findings<'_>,
    ) -> Option<HttpConfig> {
        let tls = both_or_neither(
            "http",
            self.cert_file.as_ref(),
            self.key_file.as_ref(),
            origin,
            findings,
        );
        let listen = match &self.listen {
            Some(written) => {
                let listen = address("listen", LISTEN, written, findings)?;
                let attempted = self.cert_file.is_some() || self.key_file.is_some();
                if !listen.ip().is_loopback() && !attempted && !self.plain {
                    let text = "`listen` is off loopback without TLS: add `cert_file` and `key_file` \
                                to [http], or write plain = true if that is meant";
                    findings.fault(written.span(), text);
                }
                listen
            }
            None => LISTEN.parse().ok()?,
        };
        let token_file = match &self.token_file {
            Some(file) => origin.resolved(file),
            None => data_dir.join("token"),
        };
        let read_bytes_per_second = self.read_bytes_per_second.map_or(READ_BYTES_PER_SECOND, |rate| {
            if *rate.get_ref() < READ_LEAST {
                let text = format!(
                    "`read_bytes_per_second` is too little to play a court: write {READ_LEAST} or more"
                );
                findings.fault(rate.span(), text);
            }
            rate.into_inner()
        });
        let connections_per_address = self.connections_per_address.map_or(CONNECTIONS_PER_ADDRESS, |most| {
            let (least, greatest) = CONNECTIONS;
            if !(least..=greatest).contains(most.get_ref()) {
                let text = format!(
                    "`connections_per_address` is not in {least} to {greatest}: a page needs two, and the system \
                     has descriptors for some thousands"
                );
                findings.fault(most.span(), text);
            }
            most.into_inner()
        });
        let plain = self.plain;
        Some(HttpConfig {
            listen,
            token_file,
            tls,
            plain,
            read_bytes_per_second,
            connections_per_address,
        })
    }
}
