//! Who publishes with keys of no court, to an application that is none of ours, or speaks something else than its port
//! does: most likely a camera whose address was mistyped (pure).
//!
//! A camera tries the same key again and again; who guesses does not, and whoever has many addresses is not
//! seen again. So the hint at a court that waits names a peer that came back, before one that came last, and
//! nobody who tries key after key: that is told by admission. Who never came to a key is named last: whatever scans
//! a network speaks HTTP or TLS to every port.

use std::net::IpAddr;
use std::time::Duration;

use crate::media::{Foreign, Monotonic};

/// A wrong key is told at the courts that wait for so long.
const TOLD_FOR: Duration = Duration::from_secs(60);
/// Peers that are remembered.
const PEERS: usize = 32;
/// Pairs of peer and key that are remembered; a minute of a flood of fifty a second.
const SEEN: usize = 4_096;
/// Keys that a person tries by hand within a minute.
const KEYS_OF_A_PERSON: u32 = 6;

/// What somebody came with that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Astray {
    /// A key that no court has.
    Key,
    /// Another application than ours.
    App(Foreign),
    /// Something else than this port speaks.
    Spoke(Spoke),
}

/// What is spoken at a port of cameras that speaks something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoke {
    /// TLS, at the port without.
    Tls,
    /// RTMP, at the port with TLS.
    RtmpInClear,
    /// HTTP, RTMPT or RTSP: the port has TLS or not.
    Http {
        /// It has.
        secure: bool,
    },
    /// MQTT.
    Mqtt {
        /// As above.
        secure: bool,
    },
    /// Nothing that is known, at the port with TLS.
    NoTls,
}

impl Spoke {
    /// By the first byte that came, if it is told: at a port without TLS an odd byte may be anything.
    #[must_use]
    pub const fn of(first: u8, secure: bool) -> Option<Self> {
        match first {
            0x16 if secure => None,
            0x16 => Some(Self::Tls),
            0x03 if secure => Some(Self::RtmpInClear),
            // GET, POST and PUT, HEAD, OPTIONS, DELETE and DESCRIBE.
            b'G' | b'P' | b'H' | b'O' | b'D' => Some(Self::Http { secure }),
            // CONNECT of MQTT (MQTT 5, 3.1.1).
            0x10 => Some(Self::Mqtt { secure }),
            _ if secure => Some(Self::NoTls),
            _ => None,
        }
    }

    /// What it is, where, and what to do.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Tls => {
                "speaks TLS to the port of plain RTMP: set the encoder to rtmp:// here, or to the port of \
                 rtmps:// (`rtmps` of [ingest])"
            }
            Self::RtmpInClear => {
                "speaks plain RTMP to the port of RTMPS: set the encoder to rtmps:// here, or to the port of \
                 plain rtmp:// (`rtmp` of [ingest])"
            }
            Self::Http { secure: false } => {
                "speaks HTTP, RTMPT or RTSP to the port of RTMP: set the encoder to rtmp:// (push, not pull); the \
                 page has a port of its own (`listen` of [http])"
            }
            Self::Http { secure: true } => {
                "speaks HTTP, RTMPT or RTSP without TLS to the port of RTMPS: set the encoder to rtmps:// (push, \
                 not pull); the page has a port of its own (`listen` of [http])"
            }
            Self::Mqtt { secure: false } => {
                "speaks MQTT to the port of RTMP: this box is no broker, cameras publish here"
            }
            Self::Mqtt { secure: true } => {
                "speaks MQTT without TLS to the port of RTMPS: this box is no broker, cameras publish here"
            }
            Self::NoTls => {
                "speaks no TLS to the port of RTMPS: set the encoder to rtmps:// here, or to the port of plain \
                 rtmp:// (`rtmp` of [ingest])"
            }
        }
    }
}

/// Peers with wrong keys, lately.
#[derive(Debug)]
pub(crate) struct Strays {
    peers: Vec<Stray>,
    /// What was shown by whom, and when, by a number made of both: so that who comes again is known for it
    /// after many others came. A newer one takes an older one's place.
    seen: Box<[(u64, Monotonic)]>,
}

impl Default for Strays {
    fn default() -> Self {
        Self { peers: Vec::new(), seen: vec![(0, Monotonic::ZERO); SEEN].into() }
    }
}

#[derive(Debug)]
struct Stray {
    ip: IpAddr,
    /// Digest of its last key, or of the application.
    given: u64,
    what: Astray,
    /// Times that it showed that one.
    times: u32,
    /// Keys that it showed.
    keys: u32,
    last: Monotonic,
}

impl Stray {
    /// How much like a camera it is: it came again, and lately.
    fn rank(&self) -> (bool, bool, bool, Monotonic) {
        let came_so_far = !matches!(self.what, Astray::Spoke(_));
        (self.keys <= KEYS_OF_A_PERSON, came_so_far, self.times > 1, self.last)
    }
}

impl Strays {
    /// Notes a wrong key by its digest, or what came in place of one.
    pub(crate) fn note(&mut self, ip: IpAddr, given: u64, what: Astray, now: Monotonic) {
        let before = self.saw(ip, given, now);
        self.peers.retain(|stray| now.since(stray.last) < TOLD_FOR);
        if let Some(stray) = self.peers.iter_mut().find(|stray| stray.ip == ip) {
            let same = stray.given == given;
            stray.keys = stray.keys.saturating_add(u32::from(!same));
            stray.times = if same { stray.times.saturating_add(1) } else { 1 };
            (stray.given, stray.last, stray.what) = (given, now, what);
            return;
        }
        if self.peers.len() >= PEERS {
            let least = self.peers.iter().enumerate().min_by_key(|(_, stray)| stray.rank());
            if let Some((least, _)) = least {
                self.peers.swap_remove(least);
            }
        }
        let times = 1 + u32::from(before);
        self.peers.push(Stray { ip, given, what, times, keys: 1, last: now });
    }

    /// True if the peer showed this key lately.
    fn saw(&mut self, ip: IpAddr, given: u64, now: Monotonic) -> bool {
        let bits = match ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        #[expect(clippy::cast_possible_truncation, reason = "both halves count")]
        let folded = (bits >> 64) as u64 ^ bits as u64;
        // An odd factor mixes what differs in a few bits (Knuth, 6.4).
        let both = (given ^ folded.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let place = (both >> 32) as usize % SEEN;
        let Some(seen) = self.seen.get_mut(place) else { return false };
        let (known, at) = std::mem::replace(seen, (both, now));
        known == both && now.since(at) < TOLD_FOR
    }

    /// The peer that is most likely a camera, and what it came with.
    pub(crate) fn likeliest(&self, now: Monotonic) -> Option<(IpAddr, Astray)> {
        let lately = self.peers.iter().filter(|stray| now.since(stray.last) < TOLD_FOR);
        let likeliest = lately.max_by_key(|stray| stray.rank())?;
        (likeliest.keys <= KEYS_OF_A_PERSON).then(|| (likeliest.ip, likeliest.what.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    fn likeliest(strays: &Strays, now: Monotonic) -> Option<IpAddr> {
        strays.likeliest(now).map(|(ip, _)| ip)
    }

    const CAMERA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

    #[test]
    fn a_camera_that_comes_back_is_named_whoever_floods() {
        let mut strays = Strays::default();
        for second in 0..30_u32 {
            if second % 3 == 0 {
                strays.note(CAMERA, 1, Astray::Key, at(second.into()));
            }
            for guess in 0..40_u32 {
                let other = [10, 1, second as u8, guess as u8].into();
                strays.note(other, (second * 40 + guess).into(), Astray::Key, at(second.into()));
                strays.note(
                    [10, 0, 0, 9].into(),
                    (second * 40 + guess).into(),
                    Astray::Key,
                    at(second.into()),
                );
            }
        }
        assert_eq!(likeliest(&strays, at(30)), Some(CAMERA));
        assert_eq!(strays.peers.len(), PEERS);
        assert_eq!(likeliest(&strays, at(100)), None);
    }

    #[test]
    fn who_tries_key_after_key_is_no_camera() {
        let mut strays = Strays::default();
        for guess in 0..100 {
            strays.note(CAMERA, guess, Astray::Key, at(guess / 10));
        }
        assert_eq!(likeliest(&strays, at(10)), None);
    }

    #[test]
    fn who_speaks_something_else_is_named_after_who_came_to_a_key() {
        let mut strays = Strays::default();
        let scanner = [10, 0, 0, 9].into();
        for second in 0..20 {
            strays.note(scanner, 22, Astray::Spoke(Spoke::Tls), at(second));
        }
        assert_eq!(strays.likeliest(at(20)), Some((scanner, Astray::Spoke(Spoke::Tls))));
        strays.note(CAMERA, 1, Astray::Key, at(20));
        strays.note(scanner, 22, Astray::Spoke(Spoke::Tls), at(21));
        assert_eq!(strays.likeliest(at(22)), Some((CAMERA, Astray::Key)));
    }

    #[test]
    fn the_first_byte_tells_what_is_spoken() {
        for (first, secure, spoke) in [
            (0x16, false, Some(Spoke::Tls)),
            (0x16, true, None),
            (0x03, false, None),
            (0x03, true, Some(Spoke::RtmpInClear)),
            (b'G', false, Some(Spoke::Http { secure: false })),
            (b'O', true, Some(Spoke::Http { secure: true })),
            (0x10, true, Some(Spoke::Mqtt { secure: true })),
            (0x80, false, None),
            (0x80, true, Some(Spoke::NoTls)),
        ] {
            assert_eq!(Spoke::of(first, secure), spoke, "{first:#x} {secure}");
        }
    }
}
