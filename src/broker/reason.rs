//! What each reason code of MQTT 5 means here, and what to do about it: one table, from the standard (OASIS
//! MQTT 5.0: 3.2.2.2 CONNACK, 3.14.2.1 DISCONNECT, 3.4.2.1 PUBACK, 3.9.3 SUBACK, 3.11.3 UNSUBACK). Pure.
//!
//! A code means one thing in one packet and another in the next one (0x87: this user may not come in; may not
//! publish there; may not read that), so a row is of a packet. What the table does not have, the standard does
//! not either; the library refuses such a packet, and [`unknown`] says so.

use crate::event::words::LinkTrouble;
use crate::media::Foreign;

/// The packet that a reason came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// The answer to CONNECT.
    Connack,
    /// The broker's end of a session.
    Disconnect,
    /// The answer to an event, a state, an answer.
    Puback,
    /// The answer to a subscription.
    Suback,
    /// The answer to its end.
    Unsuback,
}

/// What becomes of what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It was taken.
    Done,
    /// The link is in this trouble.
    Link(LinkTrouble),
    /// It goes again in this session, later and later.
    Again,
    /// It is parked, and goes again in the next session.
    NextSession,
    /// It is parked for good: again it would be refused again.
    Parked,
    /// The box does without.
    Without,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The packet.
    pub packet: Packet,
    /// The code.
    pub code: u8,
    /// As the standard calls it.
    pub name: &'static str,
    /// What becomes of what it answers.
    pub then: Then,
    /// What the broker says by it.
    pub means: &'static str,
    /// What a technician does.
    pub todo: &'static str,
}

impl Reason {
    /// The row of a code that came in `packet`.
    #[must_use]
    pub fn of(packet: Packet, code: u8) -> Option<&'static Self> {
        TABLE.iter().find(|row| row.packet == packet && row.code == code)
    }

    /// A sentence: what happened, the code, the broker's own words if it said any, what it means.
    #[must_use]
    pub fn said(&self, words: &str, goes_to: Option<&str>) -> Foreign {
        let Self { code, name, means, .. } = self;
        let what = match self.packet {
            Connack => "the broker refused the connection",
            Disconnect => "the broker ended the session",
            Puback => "the broker refused it",
            Suback => "the broker refused the subscription",
            Unsuback => "the broker refused to end a subscription",
        };
        let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
        let reference = goes_to.map_or_else(String::new, |to| format!(", go to {to}"));
        Foreign::told(format_args!("{what}: 0x{code:02X} {name}{words}: {means}{reference}"))
    }
}

/// The code in a sentence, with the broker's own words: for lines that say by themselves what it answered.
#[must_use]
pub fn named(packet: Packet, code: u8, words: &str) -> Foreign {
    let (name, means) = Reason::of(packet, code).map_or(("", ""), |row| (row.name, row.means));
    let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
    let means = if means.is_empty() { String::new() } else { format!(": {means}") };
    let text = format!("0x{code:02X} {name}{words}{means}");
    Foreign::told(text)
}

/// What becomes of a publish that was answered so. What the standard does not have is parked and goes again
/// in the next session.
#[must_use]
pub fn of_publish(code: u8) -> Then {
    match (code, Reason::of(Puback, code)) {
        (_, Some(row)) => row.then,
        // Larger than the broker takes, as we or it found: another broker, or the same one later, may take it.
        (0..0x80, None) => Done,
        (_, None) => NextSession,
    }
}

/// A code that the standard does not have in this packet.
#[must_use]
pub fn unknown(code: u8) -> Foreign {
    Foreign::told(format_args!(
        "the broker gave the reason 0x{code:02X}, which MQTT 5 does not have in this packet"
    ))
}

const fn row(
    packet: Packet,
    code: u8,
    name: &'static str,
    then: Then,
    means: &'static str,
    todo: &'static str,
) -> Reason {
    Reason { packet, code, name, then, means, todo }
}

/// What needs nobody.
const NOTHING: &str = "nothing: it is as it should be";

use LinkTrouble as Trouble;
use Packet::{Connack, Disconnect, Puback, Suback, Unsuback};
use Then::{Again, Done, Link, NextSession, Parked, Without};

/// All of them.
#[rustfmt::skip]
pub const TABLE: &[Reason] = &[
    row(Connack, 0x00, "Success", Done, "the box is in", NOTHING),
    row(Connack, 0x80, "Unspecified error", Link(Trouble::Refused),
        "it does not say why",
        "look at the broker's log at this time: it knows why it turned `courtside-{box}` away"),
    row(Connack, 0x81, "Malformed Packet", Link(Trouble::Misunderstood),
        "it cannot read the box's CONNECT, which is one of MQTT 5",
        "something between may alter what passes (a proxy, an inspecting firewall); else update the broker, or \
         report the journal of this hour"),
    row(Connack, 0x82, "Protocol Error", Link(Trouble::Misunderstood),
        "it finds the box's CONNECT against the rules",
        "update the broker; if it stays so, report the journal of this hour with the broker's name and version"),
    row(Connack, 0x83, "Implementation specific error", Link(Trouble::Refused),
        "a rule or a plugin of its own did not take the connection",
        "look at the broker's plugins, hooks and rules (authentication, quotas): its log names the one"),
    row(Connack, 0x84, "Unsupported Protocol Version", Link(Trouble::OldMqtt),
        "it does not speak MQTT 5, and this box needs MQTT 5",
        "this box needs MQTT 5: update the broker, or switch MQTT 5 on for this listener (mosquitto from 1.6)"),
    row(Connack, 0x85, "Client Identifier not valid", Link(Trouble::Refused),
        "it does not take `courtside-{box}` as a client id",
        "allow client ids that begin with `courtside-` (length, characters, prefixes, the list of clients), or \
         give the box a shorter `box.name`"),
    row(Connack, 0x86, "Bad User Name or Password", Link(Trouble::Refused),
        "it does not know this user with this password (`username`, `password_file` of [uplink])",
        "check `username` and `password_file` of [uplink] against the broker's users: no blank or second line \
         belongs into the file"),
    row(Connack, 0x87, "Not authorized", Link(Trouble::Refused),
        "it does not let this client in (some say so of a wrong `username` or `password_file` too)",
        "give this user or this certificate the right to connect as `courtside-{box}` (ACL, group, policy); \
         where none is set, set `username` and `password_file` of [uplink]"),
    row(Connack, 0x88, "Server unavailable", Link(Trouble::Busy),
        "it is up and serves nobody now",
        "look whether the broker is starting, short of disk, or without its cluster; the box tries again by \
         itself"),
    row(Connack, 0x89, "Server busy", Link(Trouble::Busy),
        "it has too much to do now",
        "give the broker more memory or cores, or fewer clients; the box tries again by itself"),
    row(Connack, 0x8A, "Banned", Link(Trouble::Refused),
        "somebody banned this client, or it banned itself by coming too often",
        "take `courtside-{box}`, its user or its address off the broker's list of bans"),
    row(Connack, 0x8C, "Bad authentication method", Link(Trouble::Refused),
        "it asks for a way to sign in that this box does not know",
        "let this listener take user and password, or client certificates: the box knows no SCRAM, Kerberos or \
         tokens of enhanced authentication"),
    row(Connack, 0x90, "Topic Name invalid", Link(Trouble::Unsupported),
        "it does not take the topic of the Will, courtside/1/{box}/state/box",
        "allow topics below courtside/1/{box}/ (depth, prefix, tenant); the box comes without a Will meanwhile"),
    row(Connack, 0x95, "Packet too large", Link(Trouble::Unsupported),
        "the CONNECT with its Will is larger than it takes",
        "raise the broker's largest packet (mosquitto: `max_packet_size`) to 128 KiB; the box comes without a \
         Will meanwhile"),
    row(Connack, 0x97, "Quota exceeded", Link(Trouble::Busy),
        "a limit of connections or of this tenant is used up",
        "raise the limit of connections or of the account at the broker, or end sessions that nobody needs"),
    row(Connack, 0x99, "Payload format invalid", Link(Trouble::Unsupported),
        "it finds the Will's payload not to be of the kind that it says: UTF-8, JSON",
        "look at what checks payloads at the broker (schema, rules): the Will is `state/box` as \
         design/protocol.md has it"),
    row(Connack, 0x9A, "Retain not supported", Link(Trouble::Unsupported),
        "it keeps no retained messages, and takes no retained Will",
        "switch retained messages on (mosquitto: `retain_available true`); the box does without meanwhile"),
    row(Connack, 0x9B, "QoS not supported", Link(Trouble::Unsupported),
        "it does not take QoS 1, and takes no Will of QoS 1",
        "allow QoS 1 (mosquitto: `max_qos 2`); the box does with QoS 0 meanwhile"),
    row(Connack, 0x9C, "Use another server", Link(Trouble::Moved),
        "for a while, this box belongs to another broker",
        "set `broker` of [uplink] to the other one for as long, or wait: the box tries this one again"),
    row(Connack, 0x9D, "Server moved", Link(Trouble::Moved),
        "for good, this box belongs to another broker",
        "set `broker` of [uplink] to the address that the broker names, or ask who runs it"),
    row(Connack, 0x9F, "Connection rate exceeded", Link(Trouble::Busy),
        "more clients come at a time than it takes",
        "raise the broker's rate of connections, or wait: boxes come one after the other by themselves"),

    row(Disconnect, 0x00, "Normal disconnection", Link(Trouble::Lost),
        "it says no reason, and no fault",
        "nothing, if it is rare: somebody ended the session at the broker; the box comes again by itself"),
    row(Disconnect, 0x80, "Unspecified error", Link(Trouble::Lost),
        "it does not say why",
        "look at the broker's log at this time; the box comes again by itself"),
    row(Disconnect, 0x81, "Malformed Packet", Link(Trouble::Misunderstood),
        "it cannot read what the box sent",
        "something between may alter what passes (a proxy, an inspecting firewall); else update the broker, or \
         report the journal of this hour"),
    row(Disconnect, 0x82, "Protocol Error", Link(Trouble::Misunderstood),
        "it finds what the box sent against the rules",
        "update the broker; if it stays so, report the journal of this hour with the broker's name and version"),
    row(Disconnect, 0x83, "Implementation specific error", Link(Trouble::Lost),
        "a rule or a plugin of its own did not take what the box sent",
        "look at the broker's plugins, hooks and rules: its log names the one"),
    row(Disconnect, 0x87, "Not authorized", Link(Trouble::Refused),
        "the box did what its user may not do, or its right ended",
        "let this user write below courtside/1/{box}/ and read courtside/1/{box}/command/+ and \
         courtside/1/{box}/config/desired"),
    row(Disconnect, 0x89, "Server busy", Link(Trouble::Busy),
        "it has too much to do to go on with this box",
        "give the broker more memory or cores, or fewer clients; the box tries again by itself"),
    row(Disconnect, 0x8B, "Server shutting down", Link(Trouble::Busy),
        "it is being stopped",
        "nothing, if somebody restarts it: the box comes again by itself; else start it"),
    row(Disconnect, 0x8D, "Keep Alive timeout", Link(Trouble::Unanswered),
        "it heard nothing of the box for too long",
        "the path lets nothing through from here: router, mobile link, a firewall; the box tries again by itself"),
    row(Disconnect, 0x8E, "Session taken over", Link(Trouble::AnotherBox),
        "another box has the same name",
        "give one of the two boxes another `box.name`"),
    row(Disconnect, 0x8F, "Topic Filter invalid", Link(Trouble::Unsupported),
        "it does not take what the box subscribes to",
        "allow courtside/1/{box}/command/+ and courtside/1/{box}/config/desired; the box does without commands \
         meanwhile"),
    row(Disconnect, 0x90, "Topic Name invalid", Link(Trouble::Unsupported),
        "it does not take a topic that the box publishes to",
        "allow topics below courtside/1/{box}/ (depth, prefix, tenant); what it refused is left out meanwhile"),
    row(Disconnect, 0x93, "Receive Maximum exceeded", Link(Trouble::Misunderstood),
        "it counts more messages under way than it had said that it takes",
        "update the broker; the box sends one at a time meanwhile"),
    row(Disconnect, 0x94, "Topic Alias invalid", Link(Trouble::Misunderstood),
        "it takes what the box sent for a topic alias, which the box never uses",
        "something between may alter what passes (a bridge, a proxy); else update the broker"),
    row(Disconnect, 0x95, "Packet too large", Link(Trouble::Unsupported),
        "a message was larger than it takes, though it had not said so before",
        "raise the broker's largest packet (mosquitto: `max_packet_size`) to 128 KiB; the box leaves out what is \
         too large meanwhile"),
    row(Disconnect, 0x96, "Message rate too high", Link(Trouble::Busy),
        "the box sends more a second than it takes",
        "raise the rate that the broker allows this client: two events a shot, and after an outage all that \
         waited"),
    row(Disconnect, 0x97, "Quota exceeded", Link(Trouble::Busy),
        "a quota of messages or bytes is used up",
        "raise the quota of this client or account at the broker; events wait on disk meanwhile"),
    row(Disconnect, 0x98, "Administrative action", Link(Trouble::Refused),
        "somebody threw this box out",
        "ask who runs the broker: it was done by hand or by a rule there"),
    row(Disconnect, 0x99, "Payload format invalid", Link(Trouble::Unsupported),
        "it finds a payload not to be of the kind that it says",
        "look at what checks payloads at the broker (schema, rules): they are JSON as design/protocol.md has it"),
    row(Disconnect, 0x9A, "Retain not supported", Link(Trouble::Unsupported),
        "it keeps no retained messages",
        "switch retained messages on (mosquitto: `retain_available true`); the box does without meanwhile"),
    row(Disconnect, 0x9B, "QoS not supported", Link(Trouble::Unsupported),
        "it does not take QoS 1",
        "allow QoS 1 (mosquitto: `max_qos 2`); the box does with QoS 0 meanwhile"),
    row(Disconnect, 0x9C, "Use another server", Link(Trouble::Moved),
        "for a while, this box belongs to another broker",
        "set `broker` of [uplink] to the other one for as long, or wait: the box tries this one again"),
    row(Disconnect, 0x9D, "Server moved", Link(Trouble::Moved),
        "for good, this box belongs to another broker",
        "set `broker` of [uplink] to the address that the broker names, or ask who runs it"),
    row(Disconnect, 0x9E, "Shared Subscriptions not supported", Link(Trouble::Misunderstood),
        "it takes what the box asked for as a shared subscription, which the box never uses",
        "update the broker; the box does without commands meanwhile"),
    row(Disconnect, 0x9F, "Connection rate exceeded", Link(Trouble::Busy),
        "more clients come at a time than it takes",
        "raise the broker's rate of connections, or wait: boxes come one after the other by themselves"),
    row(Disconnect, 0xA0, "Maximum connect time", Link(Trouble::Lost),
        "it lets no session last longer",
        "nothing: the box comes again by itself; raise the longest session at the broker to be spared the gap"),
    row(Disconnect, 0xA1, "Subscription Identifiers not supported", Link(Trouble::Misunderstood),
        "it sees subscription identifiers, which the box never uses",
        "update the broker: it reads a subscription wrongly; the box does without commands meanwhile"),
    row(Disconnect, 0xA2, "Wildcard Subscriptions not supported", Link(Trouble::Unsupported),
        "it takes no subscription with a wildcard, and commands need one",
        "allow wildcard subscriptions; the box does without commands meanwhile"),

    row(Puback, 0x00, "Success", Done, "it has it", NOTHING),
    row(Puback, 0x10, "No matching subscribers", Done,
        "it has it, and nobody listens now",
        "nothing for the box; who is to get events subscribes to courtside/1/+/event/#"),
    row(Puback, 0x80, "Unspecified error", Again,
        "it does not say why; it is sent again",
        "look at the broker's log at this time"),
    row(Puback, 0x83, "Implementation specific error", Again,
        "a rule or a plugin of its own did not take it; it is sent again",
        "look at the broker's plugins, hooks and connectors: its log names the one"),
    row(Puback, 0x87, "Not authorized", NextSession,
        "this user may not publish there",
        "give this user the right to publish below courtside/1/{box}/: what was refused is sent again in the \
         next session"),
    row(Puback, 0x90, "Topic Name invalid", Parked,
        "it does not take this topic",
        "allow topics below courtside/1/{box}/ at the broker (depth, prefix, tenant); what was refused stays on \
         the box: `/v1/events` has it"),
    row(Puback, 0x91, "Packet identifier in use", Again,
        "it holds a packet of an earlier connection under this number; it is sent again under another",
        "if it goes on, let the broker forget the session of `courtside-{box}`, or update it"),
    row(Puback, 0x97, "Quota exceeded", Again,
        "a quota or a queue of its own is full; it is sent again, later and later",
        "raise the quota of this client or account at the broker, or see why its queue does not empty"),
    row(Puback, 0x99, "Payload format invalid", Parked,
        "it finds the payload not to be of the kind that it says",
        "look at what checks payloads at the broker (schema, rules): they are JSON as design/protocol.md has it; \
         what was refused stays on the box: `/v1/events` has it"),

    row(Suback, 0x00, "Granted QoS 0", Done,
        "it hands on commands once at most",
        "allow QoS 1 for this user, or a command may be lost on the way"),
    row(Suback, 0x01, "Granted QoS 1", Done, "commands come", NOTHING),
    row(Suback, 0x02, "Granted QoS 2", Done, "commands come, by more than was asked for", NOTHING),
    row(Suback, 0x80, "Unspecified error", Again,
        "it does not say why; it is asked again",
        "look at the broker's log at this time"),
    row(Suback, 0x83, "Implementation specific error", Again,
        "a rule or a plugin of its own did not take it; it is asked again",
        "look at the broker's plugins, hooks and rules: its log names the one"),
    row(Suback, 0x87, "Not authorized", Without,
        "this user may not read that",
        "let this user read courtside/1/{box}/command/+ and courtside/1/{box}/config/desired"),
    row(Suback, 0x8F, "Topic Filter invalid", Without,
        "it does not take this filter",
        "allow filters below courtside/1/{box}/ at the broker (depth, prefix, tenant)"),
    row(Suback, 0x91, "Packet Identifier in use", Again,
        "it holds a packet of an earlier connection under this number; it is asked again",
        "if it goes on, let the broker forget the session of `courtside-{box}`, or update it"),
    row(Suback, 0x97, "Quota exceeded", Again,
        "this client may have no more subscriptions; it is asked again",
        "raise the number of subscriptions that the broker allows a client: a box has four"),
    row(Suback, 0x9E, "Shared Subscriptions not supported", Without,
        "it takes this for a shared subscription, which the box never uses",
        "update the broker: it reads a filter wrongly"),
    row(Suback, 0xA1, "Subscription Identifiers not supported", Without,
        "it sees a subscription identifier, which the box never uses",
        "something between may alter what passes (a bridge, a proxy); else update the broker"),
    row(Suback, 0xA2, "Wildcard Subscriptions not supported", Without,
        "it takes no filter with a wildcard, and commands need one",
        "allow wildcard subscriptions at the broker"),

    row(Unsuback, 0x00, "Success", Done, "it sends that no more", NOTHING),
    row(Unsuback, 0x11, "No subscription existed", Done, "it had not sent that anyway", NOTHING),
    row(Unsuback, 0x80, "Unspecified error", Without,
        "it does not say why; what still comes is let go",
        "look at the broker's log at this time"),
    row(Unsuback, 0x83, "Implementation specific error", Without,
        "a rule or a plugin of its own did not take it; what still comes is let go",
        "look at the broker's plugins, hooks and rules: its log names the one"),
    row(Unsuback, 0x87, "Not authorized", Without,
        "this user may not end that subscription; what still comes is let go",
        "let this user read and leave what it subscribed to"),
    row(Unsuback, 0x8F, "Topic Filter invalid", Without,
        "it does not take this filter, though it did before; what still comes is let go",
        "allow filters below courtside/1/{box}/ at the broker (depth, prefix, tenant)"),
    row(Unsuback, 0x91, "Packet Identifier in use", Without,
        "it holds a packet of an earlier connection under this number; what still comes is let go",
        "if it goes on, let the broker forget the session of `courtside-{box}`, or update it"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The standard's Table 2-6, by packet.
    const STANDARD: [(Packet, &[u8]); 5] = [
        (
            Connack,
            &[
                0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90,
                0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
            ],
        ),
        (
            Disconnect,
            &[
                0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94,
                0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
            ],
        ),
        (Puback, &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]),
        (Suback, &[0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2]),
        (Unsuback, &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]),
    ];

    /// What is wrong with a table, if anything is.
    fn wrong_with(table: &[Reason]) -> Vec<String> {
        let mut wrong = Vec::new();
        for (packet, codes) in STANDARD {
            let rows: Vec<_> = table.iter().filter(|row| row.packet == packet).collect();
            let there: BTreeSet<u8> = rows.iter().map(|row| row.code).collect();
            let asked: BTreeSet<u8> = codes.iter().copied().collect();
            if there != asked || rows.len() != codes.len() {
                wrong.push(format!("{packet:?}: {there:x?} instead of {asked:x?}"));
            }
            let refuses: Vec<_> = rows.iter().filter(|row| row.code >= 0x80).collect();
            let means: BTreeSet<_> = refuses.iter().map(|row| row.means).collect();
            let names: BTreeSet<_> = refuses.iter().map(|row| row.name).collect();
            if means.len() != refuses.len() || names.len() != refuses.len() {
                wrong.push(format!("{packet:?}: two codes have the same words"));
            }
            let todo: BTreeSet<_> = refuses.iter().map(|row| row.todo).collect();
            if todo.len() < refuses.len() {
                wrong.push(format!("{packet:?}: two codes have the same remedy"));
            }
            let mute = refuses.iter().filter(|row| row.means.len() < 12 || row.todo.len() < 30);
            wrong.extend(mute.map(|row| format!("{packet:?} {:x}: says too little", row.code)));
        }
        let others = table.iter().filter(|row| {
            row.means.contains("another box") || row.todo.contains("another `box.name`")
        });
        let others: Vec<_> = others.map(|row| (row.packet, row.code)).collect();
        if others != [(Disconnect, 0x8E)] {
            wrong.push(format!("another box has our name: {others:?}"));
        }
        wrong
    }

    #[test]
    fn each_code_of_the_standard_has_its_own_words_and_its_own_remedy() {
        assert_eq!(wrong_with(TABLE), Vec::<String>::new());
    }

    #[test]
    fn a_table_that_lacks_a_code_or_says_two_things_alike_is_found() {
        assert_eq!(wrong_with(&TABLE[1..]).len(), 1);
        let mut alike = TABLE.to_vec();
        alike[2].means = alike[3].means;
        assert_eq!(wrong_with(&alike).len(), 1);
        let mut another = TABLE.to_vec();
        another[1].means = "another box has our name";
        assert_eq!(wrong_with(&another).len(), 1);
    }

    #[test]
    fn what_becomes_of_a_publish_is_as_the_issue_has_it() {
        for (code, then) in [
            (0x00, Done),
            (0x10, Done),
            (0x80, Again),
            (0x83, Again),
            (0x87, NextSession),
            (0x90, Parked),
            (0x91, Again),
            (0x95, NextSession),
            (0x97, Again),
            (0x99, Parked),
        ] {
            assert_eq!(of_publish(code), then, "0x{code:02x}");
        }
    }

    #[test]
    fn a_sentence_has_the_code_the_brokers_words_and_what_they_mean() {
        let row = Reason::of(Connack, 0x87).expect("there");
        let said = row.said("client rim-1 not in group boxes", None);
        assert_eq!(
            said.as_str(),
            "the broker refused the connection: 0x87 Not authorized (client rim-1 not in group boxes): it \
             does not let this client in (some say so of a wrong `username` or `password_file` too)"
        );
        assert_eq!(Reason::of(Connack, 0x8E), None, "not of this packet");
        assert!(unknown(0x42).contains("0x42"));
    }
}
