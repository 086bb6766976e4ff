//! `[ingest]`: where cameras publish.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::fault::Findings;
use crate::config::origin::Origin;

/// 3840×2160 as encoders send it, 10 bit too.
const PICTURE_MEMORY_BYTES: u64 = 576 << 20;
/// Less does not hold 640×360.
const LEAST_PICTURE_MEMORY_BYTES: u64 = 32 << 20;

/// RTMP's registered port, on every interface.
const RTMP: &str = "0.0.0.0:1935";

/// `[ingest]`, checked.
#[derive(Clone, Debug)]
pub struct IngestConfig {
    /// Where RTMP is listened for; `0.0.0.0:1935` unless given, nowhere when written `"off"`.
    pub rtmp: Option<SocketAddr>,
    /// Where RTMPS is listened for, if anywhere.
    pub rtmps: Option<SocketAddr>,
    /// Bytes that the pictures of one court may take at most; 576 MiB unless given.
    pub picture_memory_bytes: u64,
    /// Certificate of the RTMPS listener; there whenever `rtmps` is.
    pub tls: Option<TlsFiles>,
}

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub cert_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
}

/// Where cameras publish.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIngest {
    /// Address and port for RTMP, or "off".
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<String>")]
    rtmp: Option<Spanned<String>>,
    /// Address and port for RTMPS; none, if absent.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<String>")]
    rtmps: Option<Spanned<String>>,
    /// Bytes that the pictures of one court may take in decoder, models and page; what is too large is
    /// refused.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<u64>")]
    picture_memory_bytes: Option<Spanned<u64>>,
    /// PEM file of the certificate chain that RTMPS shows.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<PathBuf>")]
    cert_file: Option<Spanned<PathBuf>>,
    /// PEM file of its private key.
    #[schemars(extend("x-applies" = "restart"))]
    #[schemars(with = "Option<PathBuf>")]
    key_file: Option<Spanned<PathBuf>>,
}

impl RawIngest {
    pub(super) fn check(
        self,
        origin: &Origin<'_>,
        findings: &mut Findings<'_>,
    ) -> Option<IngestConfig> {
        let rtmp = match &self.rtmp {
            Some(written) if written.get_ref() == "off" => None,
            Some(written) => Some(address("rtmp", RTMP, written, findings)?),
            None => RTMP.parse().ok(),
        };
        let rtmps = match &self.rtmps {
            Some(written) => Some(address("rtmps", "0.0.0.0:1936", written, findings)?),
            None => None,
        };
        let tls = both_or_neither(
            "ingest",
            self.cert_file.as_ref(),
            self.key_file.as_ref(),
            origin,
            findings,
        );
        match (&self.rtmps, &tls) {
            (Some(written), None) if self.cert_file.is_none() && self.key_file.is_none() => {
                let text =
                    "`rtmps` needs a certificate: add `cert_file` and `key_file` to [ingest]";
                findings.fault(written.span(), text);
            }
            (None, Some(_)) => {
                findings
                    .advise("ingest: `cert_file` is there, but no `rtmps` address to use it on");
            }
            (Some(_) | None, _) => {}
        }
        if let (None, None, Some(written)) = (rtmp, rtmps, &self.rtmp) {
            findings.fault(
                written.span(),
                "`rtmp` is off and there is no `rtmps`: no camera could come",
            );
        }
        if let Some(written) = &self.picture_memory_bytes
            && *written.get_ref() < LEAST_PICTURE_MEMORY_BYTES
        {
            let text = format!(
                "`picture_memory_bytes` is too small for any camera: write \
                 {LEAST_PICTURE_MEMORY_BYTES} or more"
            );
            findings.fault(written.span(), text);
        }
        let picture_memory_bytes =
            self.picture_memory_bytes.map_or(PICTURE_MEMORY_BYTES, Spanned::into_inner);
        Some(IngestConfig { rtmp, rtmps, picture_memory_bytes, tls })
    }
}

/// Reads `ADDRESS:PORT`. Names are refused: which interface is listened on must not hang on DNS.
pub(super) fn address(
    key: &str,
    example: &str,
    written: &Spanned<String>,
    findings: &mut Findings<'_>,
) -> Option<SocketAddr> {
    let parsed = written.get_ref().parse().ok();
    if parsed.is_none() {
        let text = format!(
            "`{key}` is no address with a port: write, for example, {key} = \"{example}\" \
             (IPv6 in brackets, no host names)"
        );
        findings.fault(written.span(), text);
    }
    parsed
}

/// Takes a certificate and its key together, or neither.
pub(super) fn both_or_neither(
    section: &str,
    cert: Option<&Spanned<PathBuf>>,
    key: Option<&Spanned<PathBuf>>,
    origin: &Origin<'_>,
    findings: &mut Findings<'_>,
) -> Option<TlsFiles> {
    let (lone, other) = match (cert, key) {
        (Some(cert), Some(key)) => {
            let cert_file = origin.resolved(cert.get_ref());
            let key_file = origin.credential(key.get_ref());
            findings.secret_in(&key_file);
            return Some(TlsFiles { cert_file, key_file });
        }
        (None, None) => return None,
        (Some(cert), None) => (cert, "key_file"),
        (None, Some(key)) => (key, "cert_file"),
    };
    findings
        .fault(lone.span(), format!("[{section}] has no `{other}` beside this: a pair is needed"));
    None
}
