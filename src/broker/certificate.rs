//! What TLS found wrong, as a word and a sentence: of the broker's certificate above all. Pure.
//!
//! The library's own words count seconds since 1970 and name the errors of a checker; a technician has a file,
//! a date and a name.

use std::error::Error;
use std::io;

use rumqttc::StateError;
use rumqttc::mqttbytes::Error as PacketError;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use crate::event::words::LinkTrouble;
use crate::media::{Foreign, UtcTime};

/// The TLS error in a chain of errors, some of which hide it from `source`.
pub(super) fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // An `io::Error` gives as its source that of what it holds.
        let of_packet = match error.downcast_ref::<StateError>() {
            Some(StateError::Deserialization(PacketError::Io(held))) => Some(held),
            _ => None,
        };
        let held = error.downcast_ref::<io::Error>().or(of_packet).and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

/// A moment as a person reads it.
fn date(time: UnixTime) -> String {
    let nanos = i64::try_from(time.as_secs()).ok().and_then(|s| s.checked_mul(1_000_000_000));
    let told = UtcTime::from_nanos(nanos.unwrap_or(i64::MAX)).to_rfc3339();
    // To the minute: `2026-11-30 12:00 UTC`.
    let minute = told.get(..16).unwrap_or(&told).replace('T', " ");
    format!("{minute} UTC")
}

/// The word and the sentence.
pub(super) fn said(error: &rustls::Error) -> (LinkTrouble, Foreign) {
    match error {
        rustls::Error::InvalidCertificate(of) => of_certificate(of),
        rustls::Error::AlertReceived(alert) => of_alert(*alert),
        rustls::Error::InvalidMessage(_) => {
            let said = "what answers does not speak TLS: it may be the broker's port without it";
            (LinkTrouble::Tls, Foreign::told(said))
        }
        rustls::Error::PeerIncompatible(_) => {
            let why = Foreign::error(error);
            let said =
                format_args!("the broker's TLS is older than 1.2, or knows other ciphers: {why}");
            (LinkTrouble::Tls, Foreign::told(said))
        }
        _ => (LinkTrouble::Tls, Foreign::error(error)),
    }
}

fn of_certificate(error: &CertificateError) -> (LinkTrouble, Foreign) {
    use CertificateError as Of;
    let (what, text) = match error {
        Of::Expired => (
            LinkTrouble::CertificateEnded,
            "the broker's certificate, or one that signed it, has ended".to_owned(),
        ),
        Of::ExpiredContext { time, not_after } => (
            LinkTrouble::CertificateEnded,
            format!(
                "the broker's certificate, or one that signed it, ended on {}; this box has {}",
                date(*not_after),
                date(*time)
            ),
        ),
        Of::NotValidYet => (
            LinkTrouble::CertificateEarly,
            "the broker's certificate is not valid yet".to_owned(),
        ),
        Of::NotValidYetContext { time, not_before } => (
            LinkTrouble::CertificateEarly,
            format!(
                "the broker's certificate begins on {}; this box has {}",
                date(*not_before),
                date(*time)
            ),
        ),
        Of::UnknownIssuer => (
            LinkTrouble::Certificate,
            "the broker's certificate is signed by nobody in `ca_file` (or, without it, of the system): it is \
             another authority's, or the broker does not send the certificate between (mosquitto: put both \
             into `certfile`)"
                .to_owned(),
        ),
        Of::NotValidForNameContext { expected, presented } => {
            let expected = Foreign::name(&expected.to_str());
            let named: Vec<_> =
                presented.iter().map(|name| Foreign::name(presented_name(name))).collect();
            let named: Vec<&str> = named.iter().map(Foreign::as_str).collect();
            let named = match &named[..] {
                [] => "has no name that counts: a common name (CN) does not, it takes a subject alternative \
                       name"
                    .to_owned(),
                names => format!("is for {}", names.join(", ")),
            };
            (
                LinkTrouble::Certificate,
                format!("the broker's certificate is not for {expected}: it {named}"),
            )
        }
        Of::NotValidForName => (
            LinkTrouble::Certificate,
            "the broker's certificate is for another name".to_owned(),
        ),
        Of::BadEncoding => (
            LinkTrouble::Certificate,
            "the broker's certificate cannot be read: it is no X.509 of version 3".to_owned(),
        ),
        Of::BadSignature => (
            LinkTrouble::Certificate,
            "the broker's certificate is not signed by the authority whose name it has: `ca_file` holds one of \
             the same name, made anew"
                .to_owned(),
        ),
        Of::Revoked => {
            (LinkTrouble::Certificate, "the broker's certificate was revoked".to_owned())
        }
        Of::InvalidPurpose | Of::InvalidPurposeContext { .. } => (
            LinkTrouble::Certificate,
            "the broker's certificate is not for servers: its extended key usage lacks serverAuth".to_owned(),
        ),
        Of::UnsupportedSignatureAlgorithmContext { .. }
        | Of::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            (LinkTrouble::Certificate, WEAK.to_owned())
        }
        // The checker's own errors, which have no variant here.
        other => {
            let named = format!("{other:?}");
            let has = |name: &str| named.contains(name);
            let text = if has("CaUsedAsEndEntity") {
                "the broker's certificate is itself an authority's (CA:TRUE), as `openssl req -x509` makes it: \
                 make it as CA:FALSE (`-addext basicConstraints=critical,CA:FALSE`) and give that as `ca_file`, \
                 or sign a certificate for the broker with it"
                    .to_owned()
            } else if has("EndEntityUsedAsCa") {
                "the broker's certificate is signed by one that is no authority (CA:FALSE): sign it with one \
                 that is CA:TRUE"
                    .to_owned()
            } else if has("UnsupportedCertVersion") {
                "the broker's certificate is of X.509's version 1: make one of version 3, with a subject \
                 alternative name"
                    .to_owned()
            } else if has("Signature") || has("PublicKey") || has("Rsa") {
                WEAK.to_owned()
            } else {
                format!("the broker's certificate does not hold: {}", Foreign::text(other))
            };
            (LinkTrouble::Certificate, text)
        }
    };
    (what, Foreign::told(text))
}

/// A name of a certificate without the checker's own word for its kind: `DnsName("broker.example")`,
/// `IpAddress(10.0.0.7)`.
fn presented_name(told: &str) -> &str {
    let inside = ["DnsName(", "IpAddress(", "UniformResourceIdentifier("]
        .into_iter()
        .find_map(|kind| told.strip_prefix(kind))
        .and_then(|rest| rest.strip_suffix(')'));
    inside.unwrap_or(told).trim_matches('"')
}

const WEAK: &str = "the broker's certificate, or one that signed it, is signed in a way that is too weak or too \
                    rare: take RSA of 2048 bits or more, or ECDSA (prime256v1), with SHA-256";

fn of_alert(alert: AlertDescription) -> (LinkTrouble, Foreign) {
    use AlertDescription as Alert;
    let ours = LinkTrouble::OwnCertificate;
    let (what, text) = match alert {
        Alert::CertificateRequired => {
            (ours, "it wants a certificate of the box, and the box has none")
        }
        Alert::CertificateExpired => (ours, "the box's certificate has ended"),
        Alert::CertificateRevoked => (ours, "the box's certificate was revoked"),
        Alert::UnknownCA => {
            (ours, "it does not know the authority that signed the box's certificate")
        }
        Alert::UnsupportedCertificate => (ours, "it does not take certificates of this kind"),
        Alert::BadCertificate => (ours, "it finds the box's certificate bad, or missing"),
        Alert::CertificateUnknown => {
            (ours, "it does not take the box's certificate, and does not say why")
        }
        Alert::AccessDenied => (ours, "the box's certificate is good, and may not come in"),
        Alert::ProtocolVersion => (LinkTrouble::Tls, "it speaks no TLS 1.2 or 1.3"),
        Alert::HandshakeFailure | Alert::InsufficientSecurity => (
            LinkTrouble::Tls,
            "it has no cipher in common with this box, or wants a certificate of it",
        ),
        Alert::UnrecognisedName => {
            (LinkTrouble::Tls, "it does not know the name that `broker` has")
        }
        _ => (LinkTrouble::Tls, ""),
    };
    let text = match text {
        "" => format!("the broker ended TLS with the alert {alert:?}"),
        text => format!("the broker refused TLS: {text} (alert {alert:?})"),
    };
    (what, Foreign::told(text))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn told(of: CertificateError) -> String {
        said(&rustls::Error::InvalidCertificate(of)).1.as_str().to_owned()
    }

    #[test]
    fn dates_are_dates_and_names_are_names() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let (time, not_after) = (at(1_796_040_000), at(1_580_000_000));
        assert_eq!(
            told(CertificateError::ExpiredContext { time, not_after }),
            "the broker's certificate, or one that signed it, ended on 2020-01-26 00:53 UTC; this box has \
             2026-11-30 12:00 UTC"
        );
        let early = CertificateError::NotValidYetContext { time: not_after, not_before: time };
        assert!(told(early).contains("begins on 2026-11-30 12:00 UTC"));
        let expected = "broker.example".try_into().expect("a name");
        let none = CertificateError::NotValidForNameContext { expected, presented: Vec::new() };
        assert!(told(none).contains("not for broker.example"));
        let expected = "localhost".try_into().expect("a name");
        let presented = vec![
            "DnsName(\"broker.example\")".to_owned(),
            "IpAddress(10.0.0.7)".to_owned(),
            "other".to_owned(),
        ];
        assert_eq!(
            told(CertificateError::NotValidForNameContext { expected, presented }),
            "the broker's certificate is not for localhost: it is for broker.example, 10.0.0.7, other"
        );
    }
}
