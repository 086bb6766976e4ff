//! Who has signed in by a browser, until when: the table, without clock, socket or randomness.
//!
//! An id is 256 bits of the system's randomness; kept is only its hash, so that a dump of our memory
//! holds no cookie. A session ends at a fixed time after it was opened, however much it is used; at
//! sign-out; when so many newer ones were opened; and with the daemon. It lives in memory alone: on
//! disk it would outlive the token that it was opened with, and be one more secret to keep.

use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::watch;

use crate::http::access::Shown;
use crate::media::Monotonic;

/// How many sessions there are, and how long they live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Sessions of a role at once; the oldest ends when one more is opened.
    pub at_most: usize,
    /// From sign-in to end. Use does not lengthen it.
    pub life: Duration,
}

impl SessionLimits {
    /// Those of a box: a shift of work; more browsers than a venue has (chosen: 200 pages, and some anew).
    pub const USUAL: Self = Self { at_most: 256, life: Duration::from_secs(12 * 3600) };
}

/// What a browser shows to be known again. Has no `Debug`: it is a secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SessionId([u8; 32]);

impl SessionId {
    /// Of random bytes.
    pub(super) const fn of(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// As the cookie has it: 64 hexadecimal digits.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A session that goes on for now.
pub(super) struct Signed {
    /// The token that it was opened with.
    pub(super) shown: Shown,
    /// Tells it from all others of this daemon.
    pub(super) number: u64,
    /// When it ends at the latest.
    pub(super) until: Monotonic,
    /// Closed when it ends before.
    pub(super) ended: watch::Receiver<()>,
}

struct Session {
    number: u64,
    shown: Shown,
    hash: [u8; 32],
    until: Monotonic,
    /// What the session asked for and still runs holds the other end.
    ends: watch::Sender<()>,
}

/// All sessions, the oldest first.
pub(super) struct Sessions {
    limits: SessionLimits,
    all: Vec<Session>,
    opened: u64,
}

impl Sessions {
    pub(super) const fn new(limits: SessionLimits) -> Self {
        Self { limits, all: Vec::new(), opened: 0 }
    }

    /// Opens one for who has shown that token.
    pub(super) fn open(&mut self, now: Monotonic, id: &SessionId, shown: Shown) {
        self.let_go(now);
        // Viewers are many, and their token goes round: however often they sign in, no technician goes.
        let of_its_role = |session: &Session| session.shown.role == shown.role;
        let room = self.limits.at_most.saturating_sub(1);
        let mut over =
            self.all.iter().filter(|session| of_its_role(session)).count().saturating_sub(room);
        self.all.retain(|session| {
            let goes = over > 0 && of_its_role(session);
            over -= usize::from(goes);
            !goes
        });
        let until = now.plus(self.limits.life);
        self.opened += 1;
        let number = self.opened;
        self.all.push(Session {
            number,
            shown,
            hash: hash(&id.text()),
            until,
            ends: watch::channel(()).0,
        });
    }

    /// The session that a cookie's text names. As long for each text.
    pub(super) fn find(&mut self, now: Monotonic, shown: &str) -> Option<Signed> {
        self.let_go(now);
        let session = self.all.get(self.place(shown)?)?;
        Some(Signed {
            number: session.number,
            shown: session.shown,
            until: session.until,
            ended: session.ends.subscribe(),
        })
    }

    /// Ends the session that a cookie's text names; true if there was one.
    pub(super) fn close(&mut self, now: Monotonic, shown: &str) -> bool {
        self.let_go(now);
        self.place(shown).map(|place| self.all.remove(place)).is_some()
    }

    fn let_go(&mut self, now: Monotonic) {
        self.all.retain(|session| now < session.until);
    }

    /// Looks at every session, so that the time tells nothing.
    fn place(&self, shown: &str) -> Option<usize> {
        let shown = hash(shown);
        let mut found = None;
        for (place, session) in self.all.iter().enumerate() {
            let same: Choice = session.hash.ct_eq(&shown);
            if bool::from(same) {
                found = Some(place);
            }
        }
        found
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::command::Role;

    const HOUR: Duration = Duration::from_secs(3600);
    const SHOWN: Shown = Shown { role: Role::Viewer, made: 0 };

    fn id(n: u8) -> SessionId {
        SessionId::of([n; 32])
    }

    fn at(hours: u32) -> Monotonic {
        Monotonic::ZERO.plus(HOUR * hours)
    }

    #[test]
    fn a_sessionends_after_its_life_however_much_it_is_used() {
        let mut sessions = Sessions::new(SessionLimits::USUAL);
        sessions.open(at(0), &id(1), SHOWN);
        for hour in 0..12 {
            assert!(sessions.find(at(hour), &id(1).text()).is_some(), "hour {hour}");
        }
        assert!(sessions.find(at(12), &id(1).text()).is_none());
        assert!(sessions.all.is_empty(), "nothing is kept of it");
        // Without the limit a stolen cookie is good for ever.
        let mut ever = Sessions::new(SessionLimits { life: Duration::MAX, ..SessionLimits::USUAL });
        ever.open(at(0), &id(1), SHOWN);
        assert!(ever.find(at(24 * 365), &id(1).text()).is_some());
    }

    #[test]
    fn a_session_that_was_signed_out_of_is_gone_and_what_it_asked_forends() {
        let mut sessions = Sessions::new(SessionLimits::USUAL);
        sessions.open(at(0), &id(1), SHOWN);
        sessions.open(at(0), &id(2), SHOWN);
        let signed = sessions.find(at(1), &id(1).text()).expect("open");
        assert_eq!(signed.until, at(12));
        assert!(signed.ended.has_changed().is_ok(), "goes on");
        assert!(sessions.close(at(1), &id(1).text()));
        assert!(signed.ended.has_changed().is_err(), "its end is told");
        assert!(!sessions.close(at(1), &id(1).text()));
        assert!(sessions.find(at(1), &id(1).text()).is_none());
        assert!(sessions.find(at(1), &id(2).text()).is_some(), "the other's goes on");
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let opened = |at_most| {
            let mut sessions = Sessions::new(SessionLimits { at_most, ..SessionLimits::USUAL });
            (0..200).for_each(|n| sessions.open(at(0), &id(n), SHOWN));
            let alive = (0..200).filter(|n| sessions.find(at(0), &id(*n).text()).is_some());
            let alive: Vec<u8> = alive.collect();
            (sessions.all.len(), alive)
        };
        assert_eq!(opened(64), (64, (136..200).collect()));
        assert_eq!(
            opened(usize::MAX).0,
            200,
            "without the limit they are kept as long as they live"
        );
    }

    #[test]
    fn many_who_look_sign_nobody_out_who_may_more() {
        let mut sessions = Sessions::new(SessionLimits { at_most: 2, ..SessionLimits::USUAL });
        let technician = Shown { role: Role::Technician, made: 0 };
        sessions.open(at(0), &id(100), technician);
        (0..50).for_each(|n| sessions.open(at(0), &id(n), SHOWN));
        let found = sessions.find(at(0), &id(100).text()).expect("still there");
        assert_eq!((found.shown, sessions.all.len()), (technician, 3));
    }

    #[test]
    fn an_id_is_told_nowhere() {
        let mut sessions = Sessions::new(SessionLimits::USUAL);
        sessions.open(at(0), &id(0xab), SHOWN);
        let kept = sessions.all.first().expect("one").hash;
        assert_ne!(kept, [0xab; 32]);
        let digits: String = kept.iter().map(|byte| format!("{byte:02x}")).collect();
        for wrong in ["", "ab", &digits, &id(0xab).text().to_uppercase()] {
            assert!(sessions.find(at(0), wrong).is_none(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn only_what_was_opened_and_lives_is_found(steps in prop::collection::vec((0u8..6, 0u8..3, 0u32..5), 0..60)) {
            let limits = SessionLimits { at_most: 4, life: HOUR * 6 };
            let (mut sessions, mut now) = (Sessions::new(limits), 0);
            // The newest last, as a person would keep the book.
            let mut book: Vec<(u8, u32)> = Vec::new();
            for (n, what, hours) in steps {
                now += hours;
                book.retain(|(_, opened)| now < opened + 6);
                match what {
                    0 if book.iter().all(|(other, _)| *other != n) => {
                        sessions.open(at(now), &id(n), SHOWN);
                        book.push((n, now));
                        if book.len() > 4 {
                            book.remove(0);
                        }
                    }
                    1 => {
                        let known = book.iter().any(|(other, _)| *other == n);
                        prop_assert_eq!(sessions.close(at(now), &id(n).text()), known);
                        book.retain(|(other, _)| *other != n);
                    }
                    _ => {}
                }
                for n in 0..6 {
                    let known = book.iter().any(|(other, _)| *other == n);
                    prop_assert_eq!(sessions.find(at(now), &id(n).text()).is_some(), known);
                }
            }
        }
    }
}
