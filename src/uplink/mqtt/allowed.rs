//! What a broker does not take, as far as it has said, and what the box does without for it. Pure.
//!
//! A broker says it in its CONNACK (announced: holds for that session), or by refusing a CONNECT or ending a
//! session (learnt: holds for a day, then it is tried again). Each step gives up one thing more and keeps the
//! events: retained messages, the Will, QoS 1, our own client id, what is too large, subscriptions. A broker
//! that refuses for another reason than the thing that was given up gets it back at the next try.
//!
//! Never given up: that an event leaves the outbox once the broker has answered behind it.

use std::collections::BTreeSet;
use std::time::Duration;

use rumqttc::mqttbytes::v5::ConnAckProperties;

use crate::broker::Trouble;
use crate::broker::reason::Packet;
use crate::event::box_status::BrokerLimit;
use crate::media::{Foreign, Monotonic};

/// The broker keeps our subscriptions so long (DESIGN §4.3).
pub(super) const SESSION_EXPIRY_S: u32 = 7 * 24 * 3600;
/// What was learnt is tried again after so long (chosen: somebody who mends a broker looks the next day).
const LEARNT_FOR: Duration = Duration::from_secs(24 * 3600);
/// No packet of ours is smaller: a broker that takes less takes nothing of use (an acknowledgement of a command
/// with its topic).
const LEAST_PACKET: usize = 64;

/// How the Will is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Will {
    /// Not at all.
    pub left_out: bool,
    /// Not retained.
    pub live: bool,
    /// With QoS 0.
    pub qos0: bool,
    /// Without saying what kind of payload it has.
    pub bare: bool,
}

/// What was learnt from refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Learnt {
    will: Will,
    /// The Will was left out because a user was refused, which may have nothing to do with it.
    will_on_trial: bool,
    /// It gives out client ids, and takes none.
    given_id: bool,
    no_retained: bool,
    qos0: bool,
    bare: bool,
    no_wildcards: bool,
    one_at_a_time: bool,
    most: Option<usize>,
    since: Option<Monotonic>,
}

/// What this session's CONNACK says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Announced {
    no_retained: bool,
    qos0: bool,
    no_wildcards: bool,
    receive_maximum: Option<u16>,
    most: Option<usize>,
    session_expiry_s: Option<u32>,
}

/// What a broker takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    learnt: Learnt,
    announced: Announced,
    /// What was too large for this session's packets.
    too_large: BTreeSet<String>,
    /// What it answered to the subscription, with what to do.
    commands: Option<BrokerLimit>,
    /// What was logged, by its remedy: a list that grows is told once.
    logged: BTreeSet<String>,
}

impl Allowed {
    /// Lets go what was learnt long ago.
    pub(super) fn look_again(&mut self, now: Monotonic) {
        if self.learnt.since.is_some_and(|since| now.since(since) >= LEARNT_FOR) {
            self.learnt = Learnt::default();
        }
    }

    /// A CONNECT was refused. True if the next one gives up something for it.
    pub(super) fn refused(&mut self, trouble: &Trouble, now: Monotonic) -> bool {
        let before = self.learnt;
        let learnt = &mut self.learnt;
        let will = &mut learnt.will;
        match trouble.code {
            _ if trouble.renames => learnt.given_id = !learnt.given_id,
            Some((Packet::Connack, 0x85)) => learnt.given_id = !learnt.given_id,
            Some((Packet::Connack, 0x87)) if !will.left_out => {
                (will.left_out, learnt.will_on_trial) = (true, true);
            }
            // Without a Will too: it is the user.
            Some((Packet::Connack, 0x87)) if learnt.will_on_trial => {
                (will.left_out, learnt.will_on_trial) = (false, false);
                return false;
            }
            Some((Packet::Connack, 0x90 | 0x95)) => will.left_out = true,
            Some((Packet::Connack, 0x99)) if !will.bare => will.bare = true,
            Some((Packet::Connack, 0x9A)) if !will.live => {
                (will.live, learnt.no_retained) = (true, true);
            }
            Some((Packet::Connack, 0x9B)) if !will.qos0 => will.qos0 = true,
            Some((Packet::Connack, 0x99..=0x9B)) => will.left_out = true,
            _ => {}
        }
        let gave_back = before.given_id && !self.learnt.given_id;
        self.has_learnt(before, now) && !gave_back
    }

    /// The broker ended a session with `code`; the largest packet that it had not answered. True if the next
    /// session gives up something for it.
    pub(super) fn ended(&mut self, code: u8, largest: Option<usize>, now: Monotonic) -> bool {
        let before = self.learnt;
        let learnt = &mut self.learnt;
        match code {
            0x8F | 0x9E | 0xA1 | 0xA2 => learnt.no_wildcards = true,
            0x93 => learnt.one_at_a_time = true,
            0x95 => {
                if let Some(largest) = largest {
                    let most = largest.saturating_sub(1).max(LEAST_PACKET);
                    learnt.most = Some(learnt.most.map_or(most, |known| known.min(most)));
                }
            }
            0x99 => learnt.bare = true,
            0x9A => (learnt.no_retained, learnt.will.live) = (true, true),
            0x9B => (learnt.qos0, learnt.will.qos0) = (true, true),
            _ => {}
        }
        self.has_learnt(before, now)
    }

    fn has_learnt(&mut self, before: Learnt, now: Monotonic) -> bool {
        let has = self.learnt != before;
        if has {
            self.learnt.since = Some(now);
        }
        has
    }

    /// A session begins.
    pub(super) fn greeted(&mut self, says: Option<&ConnAckProperties>) {
        self.learnt.will_on_trial = false;
        self.too_large.clear();
        self.commands = None;
        self.announced = says.map_or_else(Announced::default, |says| Announced {
            no_retained: says.retain_available == Some(0),
            qos0: says.max_qos == Some(0),
            no_wildcards: says.wildcard_subscription_available == Some(0),
            receive_maximum: says.receive_max,
            most: says.max_packet_size.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            session_expiry_s: says.session_expiry_interval,
        });
    }

    /// How the Will is left.
    pub(super) fn will(&self) -> Will {
        let will = self.learnt.will;
        Will {
            live: will.live || self.announced.no_retained,
            qos0: will.qos0 || self.announced.qos0,
            ..will
        }
    }

    /// Whether the broker is to give the box a client id: it has no session there that lasts.
    pub(super) fn given_id(&self) -> bool {
        self.learnt.given_id
    }

    /// Whether it keeps retained messages.
    pub(super) fn retains(&self) -> bool {
        !(self.announced.no_retained || self.learnt.no_retained)
    }

    /// Whether it takes QoS 0 alone.
    pub(super) fn qos0(&self) -> bool {
        self.announced.qos0 || self.learnt.qos0
    }

    /// Whether payloads are sent without their kind.
    pub(super) fn bare(&self) -> bool {
        self.learnt.bare
    }

    /// Whether it takes filters with a wildcard.
    pub(super) fn wildcards(&self) -> bool {
        !(self.announced.no_wildcards || self.learnt.no_wildcards)
    }

    /// Publishes under way at a time.
    pub(super) fn receive_maximum(&self) -> u16 {
        match self.learnt.one_at_a_time {
            true => 1,
            false => self.announced.receive_maximum.unwrap_or(u16::MAX),
        }
    }

    /// Its largest packet.
    pub(super) fn most(&self) -> Option<usize> {
        [self.announced.most, self.learnt.most].into_iter().flatten().min()
    }

    /// `what` is too large for it, without its kind too.
    pub(super) fn leaves_out(&mut self, what: &str) {
        self.too_large.insert(what.to_owned());
    }

    /// `what` fits, as it is now.
    pub(super) fn fits(&mut self, what: &str) {
        self.too_large.remove(what);
    }

    /// What it answered to the subscription, if it does not hand on all.
    pub(super) fn commands(&mut self, limit: Option<BrokerLimit>) {
        self.commands = limit;
    }

    /// What the box does without, each with what to do about it. Retained messages apart: a finding of their
    /// own says that.
    pub(super) fn told(&self) -> Vec<BrokerLimit> {
        let mut told = Vec::new();
        let mut say = |said: String, todo: &str| {
            told.push(BrokerLimit { said: Foreign::told(said), todo: todo.to_owned() });
        };
        if self.qos0() {
            say(
                "it takes QoS 0 alone: each event is held until the broker has answered behind it, and who \
                 subscribes may miss some"
                    .to_owned(),
                "allow QoS 1 (mosquitto: `max_qos 2`)",
            );
        }
        if let (Some(most), false) = (self.most(), self.too_large.is_empty()) {
            let names: Vec<&str> = self.too_large.iter().map(String::as_str).collect();
            say(
                format!(
                    "its packets hold {most} bytes, and what is larger is left out: {}",
                    names.join(", ")
                ),
                "raise the broker's largest packet (mosquitto: `max_packet_size`) to 128 KiB",
            );
        }
        if self.learnt.will.left_out {
            say(
                "it took the box without a Will alone: nobody is told there when the box goes"
                    .to_owned(),
                "let this user publish courtside/1/{box}/state/box, retained, and allow packets of 1 KiB",
            );
        }
        if self.learnt.given_id {
            say(
                "it gives the box another client id than its own: commands that come while the box is away \
                 are lost"
                    .to_owned(),
                "allow the client id `courtside-{box}`",
            );
        }
        if !self.wildcards() {
            say(
                "it takes no subscription with a wildcard: no command reaches the box".to_owned(),
                "allow wildcard subscriptions at the broker",
            );
        }
        if self.learnt.one_at_a_time {
            say(
                "it ended a session for too many messages at a time: they go one by one".to_owned(),
                "update the broker: it counts otherwise than it says",
            );
        }
        let kept = self.announced.session_expiry_s.filter(|kept| *kept < SESSION_EXPIRY_S);
        if let (Some(seconds), false) = (kept, self.learnt.given_id) {
            say(
                format!(
                    "it keeps the box's session for {seconds} s: commands that come while the box is away \
                     for longer are lost"
                ),
                "let the broker keep sessions for 7 days",
            );
        }
        told.extend(self.commands.clone());
        told
    }

    /// Those of `told` that were not logged yet. Each is once, however many sessions there are.
    pub(super) fn news(&mut self, told: &[BrokerLimit]) -> Vec<BrokerLimit> {
        let logged = &mut self.logged;
        told.iter().filter(|limit| logged.insert(limit.todo.clone())).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::words::LinkTrouble;

    fn code(packet: Packet, code: u8) -> Trouble {
        Trouble { code: Some((packet, code)), ..Trouble::told(LinkTrouble::Refused, "no") }
    }

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn each_refusal_of_a_connect_gives_up_one_thing_and_never_two() {
        let refused = |codes: &[u8]| {
            let mut allowed = Allowed::default();
            let gave: Vec<bool> = codes
                .iter()
                .map(|of| allowed.refused(&code(Packet::Connack, *of), at(0)))
                .collect();
            (allowed, gave)
        };
        let (allowed, _) = refused(&[0x9A]);
        assert_eq!(allowed.will(), Will { live: true, ..Will::default() });
        assert!(!allowed.retains());
        let (allowed, gave) = refused(&[0x9A, 0x9A, 0x9A]);
        assert!(allowed.will().left_out);
        assert_eq!(gave, [true, true, false], "nothing is left to give up");
        assert_eq!(refused(&[0x9B]).0.will(), Will { qos0: true, ..Will::default() });
        assert_eq!(refused(&[0x99]).0.will(), Will { bare: true, ..Will::default() });
        for one in [0x90, 0x95] {
            assert_eq!(refused(&[one]).0.will(), Will { left_out: true, ..Will::default() });
        }
        // A user that may not come in gets its Will back.
        let (allowed, gave) = refused(&[0x87, 0x87]);
        assert_eq!((allowed.will(), gave), (Will::default(), vec![true, false]));
        let (allowed, gave) = refused(&[0x85, 0x85]);
        assert_eq!((allowed.given_id(), gave), (false, vec![true, false]));
        for one in [0x80, 0x84, 0x86, 0x88, 0x89, 0x8A, 0x8C, 0x97, 0x9C, 0x9D, 0x9F] {
            assert_eq!(refused(&[one]).1, [false], "0x{one:x}");
        }
    }

    #[test]
    fn what_was_learnt_is_tried_again_the_next_day() {
        let mut allowed = Allowed::default();
        assert!(allowed.ended(0x9A, None, at(10)));
        assert!(!allowed.ended(0x9A, None, at(11)), "it knows");
        allowed.look_again(at(86_409));
        assert!(!allowed.retains());
        allowed.look_again(at(86_410));
        assert!(allowed.retains());
    }

    #[test]
    fn the_largest_packet_shrinks_with_each_session_that_one_ended() {
        let mut allowed = Allowed::default();
        assert!(allowed.ended(0x95, Some(900), at(0)) && allowed.ended(0x95, Some(700), at(1)));
        assert_eq!(allowed.most(), Some(699));
        assert!(!allowed.ended(0x95, Some(800), at(2)), "it is too large anyway");
        assert!(!allowed.ended(0x95, None, at(3)), "nothing was under way");
    }

    #[test]
    fn each_limit_is_logged_once_and_told_as_long_as_it_holds() {
        let mut allowed = Allowed::default();
        let no_limits = allowed.told();
        assert_eq!(no_limits, []);
        allowed.ended(0x9B, None, at(0));
        let told = allowed.told();
        assert_eq!(told.len(), 1);
        assert_eq!(allowed.news(&told).len(), 1);
        allowed.greeted(None);
        assert_eq!(allowed.told().len(), 1, "it holds");
        assert_eq!(allowed.news(&told).len(), 0);
    }
}
