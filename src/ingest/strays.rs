//! Who publishes with keys of no court, or to an application that is none of ours: most likely a camera whose address
//! was mistyped (pure).
//!
//! A camera tries the same key again and again; who guesses does not, and whoever has many addresses is not
//! seen again. So the hint at a court that waits names a peer that came back, before one that came last, and
//! nobody who tries key after key: that is told by admission.

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
    /// It named another application than ours.
    app: Option<Foreign>,
    /// Times that it showed that one.
    times: u32,
    /// Keys that it showed.
    keys: u32,
    last: Monotonic,
}

impl Stray {
    /// How much like a camera it is: it came again, and lately.
    fn rank(&self) -> (bool, bool, Monotonic) {
        (self.keys <= KEYS_OF_A_PERSON, self.times > 1, self.last)
    }
}

impl Strays {
    /// Notes a wrong key by its digest, or a wrong application.
    pub(crate) fn note(&mut self, ip: IpAddr, given: u64, app: Option<Foreign>, now: Monotonic) {
        let before = self.saw(ip, given, now);
        self.peers.retain(|stray| now.since(stray.last) < TOLD_FOR);
        if let Some(stray) = self.peers.iter_mut().find(|stray| stray.ip == ip) {
            let same = stray.given == given;
            stray.keys = stray.keys.saturating_add(u32::from(!same));
            stray.times = if same { stray.times.saturating_add(1) } else { 1 };
            (stray.given, stray.last, stray.app) = (given, now, app);
            return;
        }
        if self.peers.len() >= PEERS {
            let least = self.peers.iter().enumerate().min_by_key(|(_, stray)| stray.rank());
            if let Some((least, _)) = least {
                self.peers.swap_remove(least);
            }
        }
        let times = 1 + u32::from(before);
        self.peers.push(Stray { ip, given, app, times, keys: 1, last: now });
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

    /// The peer that is most likely a camera, and the application if it named another than ours.
    pub(crate) fn likeliest(&self, now: Monotonic) -> Option<(IpAddr, Option<Foreign>)> {
        let lately = self.peers.iter().filter(|stray| now.since(stray.last) < TOLD_FOR);
        let likeliest = lately.max_by_key(|stray| stray.rank())?;
        (likeliest.keys <= KEYS_OF_A_PERSON).then(|| (likeliest.ip, likeliest.app.clone()))
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
                strays.note(CAMERA, 1, None, at(second.into()));
            }
            for guess in 0..40_u32 {
                let other = [10, 1, second as u8, guess as u8].into();
                strays.note(other, (second * 40 + guess).into(), None, at(second.into()));
                strays.note(
                    [10, 0, 0, 9].into(),
                    (second * 40 + guess).into(),
                    None,
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
            strays.note(CAMERA, guess, None, at(guess / 10));
        }
        assert_eq!(likeliest(&strays, at(10)), None);
    }
}
