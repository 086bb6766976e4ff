//! What certificates and signing requests say, as far as a claim asks (ITU-T X.690, RFC 5280, RFC 2986).
//!
//! Reads DER of definite lengths and nothing else; whatever is not of the expected shape is `None`.
//! Signatures and chains are checked by rustls, not here.

use time::{Date, Month, PrimitiveDateTime, Time};

use crate::media::UtcTime;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, constructed: the version of a certificate.
const CONTEXT_0: u8 = 0xa0;
/// 2.5.4.3, commonName.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// What stands in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate<'a> {
    /// Its number among those of its issuer, as it is written: big-endian, a zero before a high bit.
    pub serial: &'a [u8],
    /// The one common name of its subject.
    pub common_name: &'a str,
    /// It is valid from then …
    pub not_before: UtcTime,
    /// … until then.
    pub not_after: UtcTime,
}

/// What stands in a certificate signing request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SigningRequest<'a> {
    /// The one common name of its subject.
    pub common_name: &'a str,
    /// What is signed.
    pub signed: &'a [u8],
    /// Content of the key's algorithm identifier.
    pub key_algorithm: &'a [u8],
    /// The key's bits.
    pub key: &'a [u8],
    /// Content of the signature's algorithm identifier.
    pub signature_algorithm: &'a [u8],
    /// The signature's bits.
    pub signature: &'a [u8],
}

/// Bytes not read yet.
#[derive(Clone, Copy, Debug)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value: its tag, its content, and all of it.
    fn next(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Two bytes of length: 64 KiB, more than any certificate of ours.
            0x81 | 0x82 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 3))?;
                (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        let whole = self.0.get(..self.0.len() - rest.len())?;
        self.0 = rest;
        Some((tag, content, whole))
    }

    fn take(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let (tag, content, _) = self.next()?;
        (tag == wanted).then_some(content)
    }

    fn sequence(&mut self) -> Option<Self> {
        self.take(SEQUENCE).map(Self)
    }

    /// A string of whole bytes.
    fn bits(&mut self) -> Option<&'a [u8]> {
        let (unused, bytes) = self.take(BIT_STRING)?.split_first()?;
        (*unused == 0).then_some(bytes)
    }

    fn time(&mut self) -> Option<UtcTime> {
        let (tag, content, _) = self.next()?;
        let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
        if !text.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let (century, text) = match (tag, text.len()) {
            // RFC 5280 4.1.2.5.1: 50 to 99 are of the last century.
            (UTC_TIME, 12) if text < "5" => (2000, text),
            (UTC_TIME, 12) => (1900, text),
            (GENERALIZED_TIME, 14) => (text.get(..2)?.parse::<i32>().ok()? * 100, text.get(2..)?),
            _ => return None,
        };
        let part = |at: usize| text.get(at..at + 2)?.parse::<u8>().ok();
        let year = century + i32::from(part(0)?);
        let date =
            Date::from_calendar_date(year, Month::try_from(part(2)?).ok()?, part(4)?).ok()?;
        let time = Time::from_hms(part(6)?, part(8)?, part(10)?).ok()?;
        let nanos = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp_nanos();
        // Beyond 2262 is for ever.
        Some(UtcTime::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)))
    }

    /// The common name of a Name, where there is exactly one.
    fn common_name(self) -> Option<&'a str> {
        let mut found = None;
        let mut sets = self;
        while !sets.0.is_empty() {
            let mut set = Der(sets.take(SET)?);
            while !set.0.is_empty() {
                let mut pair = set.sequence()?;
                let kind = pair.take(OID)?;
                let (_, text, _) = pair.next()?;
                if kind == COMMON_NAME && found.replace(std::str::from_utf8(text).ok()?).is_some() {
                    return None;
                }
            }
        }
        found
    }
}

/// Reads a certificate.
pub(super) fn certificate(der: &[u8]) -> Option<Certificate<'_>> {
    let Dated { serial, times: (not_before, not_after), mut rest } = dated(der)?;
    let common_name = rest.sequence()?.common_name()?;
    Some(Certificate { serial, common_name, not_before, not_after })
}

/// A certificate up to its validity.
struct Dated<'a> {
    serial: &'a [u8],
    times: (UtcTime, UtcTime),
    /// What follows.
    rest: Der<'a>,
}

fn dated(der: &[u8]) -> Option<Dated<'_>> {
    let mut tbs = Der(der).sequence()?.sequence()?;
    let mut after = tbs;
    if after.take(CONTEXT_0).is_some() {
        tbs = after;
    }
    let serial = tbs.take(INTEGER)?;
    tbs.sequence()?;
    tbs.sequence()?;
    let mut validity = tbs.sequence()?;
    let times = (validity.time()?, validity.time()?);
    Some(Dated { serial, times, rest: tbs })
}

/// When a certificate, in DER, ends, whoever its subject is; `None` for what is none.
#[must_use]
pub fn ends(der: &[u8]) -> Option<UtcTime> {
    Some(dated(der)?.times.1)
}

/// Reads a certificate signing request.
pub(super) fn signing_request(der: &[u8]) -> Option<SigningRequest<'_>> {
    let mut request = Der(der).sequence()?;
    let (tag, info, signed) = request.next()?;
    let mut info = (tag == SEQUENCE).then_some(Der(info))?;
    info.take(INTEGER)?;
    let common_name = info.sequence()?.common_name()?;
    let mut key = info.sequence()?;
    let (key_algorithm, key) = (key.take(SEQUENCE)?, key.bits()?);
    let (signature_algorithm, signature) = (request.take(SEQUENCE)?, request.bits()?);
    Some(SigningRequest { common_name, signed, key_algorithm, key, signature_algorithm, signature })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn made(name: &str, until: i32) -> (Vec<u8>, Vec<u8>) {
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::OrganizationName, "a venue");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2026, 11, 29);
        params.not_after = date_time_ymd(until, 2, 28);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed").der().to_vec();
        (certificate, params_request(&params, &key))
    }

    fn params_request(params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
        params.serialize_request(key).expect("a request").der().to_vec()
    }

    #[test]
    fn names_and_dates_are_read() {
        for (until, expected) in [(2040, 2_214_000_000), (2060, 2_845_238_400)] {
            let (der, request) = made("rim-1", until);
            let read = certificate(&der).expect("read");
            assert_eq!(read.common_name, "rim-1");
            assert_eq!(read.not_before.as_nanos(), 1_795_910_400 * 1_000_000_000);
            let seconds = read.not_after.as_nanos() / 1_000_000_000;
            assert!((seconds - expected).abs() < 86_400 * 3, "{until}: {seconds}");
            assert_eq!(signing_request(&request).expect("read").common_name, "rim-1");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_nothing_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..80),
            at in 0_usize..400, with in any::<u8>(), cut in 0_usize..400,
        ) {
            let _ = (certificate(&bytes), signing_request(&bytes));
            for mut der in <[Vec<u8>; 2]>::from(made("rim-1", 2040)) {
                if let Some(byte) = der.get_mut(at) {
                    *byte = with;
                }
                let _ = (certificate(&der), signing_request(&der));
                der.truncate(cut);
                let _ = (certificate(&der), signing_request(&der));
            }
        }
    }
}
