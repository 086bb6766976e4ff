//! Why there is no link: an error of the client as a word, a sentence and a remedy. Pure.
//!
//! What a technician does about it hangs on the broker's reason code where it gave one (`reason`), else on
//! the word (`LinkTrouble::todo`); the sentence says what was seen. The library's errors do not say how far a
//! connection came, and keep neither the broker's words nor its server reference: so the [`Trail`] notes what
//! passes by. Under TLS it sees no words in a CONNACK: of one that refuses the code alone is left.

use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;
use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::mqttbytes::v5::{
    ConnAckProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode, Packet as Decoded,
};
use rumqttc::{ConnectionError, StateError};

use crate::broker::certificate;
use crate::broker::odd::{of_packet, of_state, why};
use crate::broker::reason::{self, Packet, Reason, Then};
use crate::event::words::LinkTrouble;
use crate::media::Foreign;

/// A word, its sentence, and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// The word.
    pub what: LinkTrouble,
    /// The sentence.
    pub said: Foreign,
    /// What a technician does.
    pub todo: &'static str,
    /// The reason code that the broker gave, and in which packet.
    pub code: Option<(Packet, u8)>,
    /// Its greeting broke the rules: it may have named another client id than ours.
    pub renames: bool,
}

impl Trouble {
    /// With a sentence of ours.
    #[must_use]
    pub fn told(what: LinkTrouble, said: impl std::fmt::Display) -> Self {
        Self { what, said: Foreign::told(said), todo: what.todo(), code: None, renames: false }
    }

    /// What a technician does, if it is something else than for most of its kind.
    fn todo(self, todo: &'static str) -> Self {
        Self { todo, ..self }
    }

    /// By a row of the standard's table.
    fn by(row: &Reason, said: Foreign) -> Self {
        let Then::Link(what) = row.then else {
            return Self::told(LinkTrouble::Unknown, said);
        };
        let code = Some((row.packet, row.code));
        Self { what, said, todo: row.todo, code, renames: false }
    }
}

/// How far a connection came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// Its name is looked up.
    #[default]
    Name,
    /// A connection is asked for.
    Reaching,
    /// It stands: TLS, CONNECT, CONNACK.
    Greeting,
    /// CONNACK came.
    Running,
}

/// What passed by on a connection. Written by the socket's future and by whoever reads packets.
#[derive(Clone, Debug, Default)]
pub struct Trail(Arc<Mutex<Seen>>);

#[derive(Clone, Debug, Default)]
struct Seen {
    step: Step,
    /// TLS is spoken: what came is hidden.
    is_tls: bool,
    /// The first bytes that came, as they were on the wire.
    first: Vec<u8>,
    /// The broker's last words.
    goodbye: Option<Disconnect>,
}

/// As many as hold a CONNACK with its words.
const FIRST_BYTES: usize = 2_048;
/// A CONNACK of MQTT 3.1.1 is two bytes long, whatever it says (MQTT 3.1.1, 3.2.1); one of MQTT 5 has a third
/// at least, the length of its properties.
const OLD_CONNACK: [u8; 2] = [0x20, 0x02];
/// TLS's alert and handshake, and its major version (RFC 8446, 5.1).
const TLS_RECORDS: [[u8; 2]; 2] = [[0x15, 0x03], [0x16, 0x03]];

impl Trail {
    /// It came so far.
    pub fn reached(&self, step: Step) {
        self.0.lock().step = step;
    }

    /// TLS is spoken on it.
    pub(super) fn is_tls(&self) {
        self.0.lock().is_tls = true;
    }

    /// These bytes came; only the very first are looked at.
    pub fn came(&self, bytes: &[u8]) {
        let mut seen = self.0.lock();
        let room = FIRST_BYTES - seen.first.len().min(FIRST_BYTES);
        seen.first.extend(bytes.iter().take(room));
    }

    /// The broker said goodbye.
    pub fn goodbye(&self, disconnect: &Disconnect) {
        self.0.lock().goodbye = Some(disconnect.clone());
    }

    /// No greeting came in time.
    #[must_use]
    pub fn late(&self) -> Trouble {
        self.0.lock().late()
    }

    /// What an error says of a connection that went so far.
    #[must_use]
    pub fn explain(&self, error: &ConnectionError) -> Trouble {
        let seen = self.0.lock().clone();
        if let Some(trouble) = seen.of_another_kind() {
            return trouble;
        }
        if let Some(goodbye) = &seen.goodbye {
            let of = goodbye.properties.as_ref();
            let words = of.and_then(|of| of.reason_string.as_deref()).map(Foreign::text);
            let reference = of.and_then(|of| of.server_reference.as_deref()).map(Foreign::text);
            return sent_away(goodbye.reason_code, words, reference);
        }
        // Behind others of the same read the client gives the error alone: without the reference.
        if let ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) = error
        {
            return sent_away(*reason_code, reason_string.as_deref().map(Foreign::text), None);
        }
        if let Some(tls) = certificate::tls_error(error) {
            let (what, said) = certificate::said(tls);
            return Trouble::told(what, said);
        }
        match error {
            ConnectionError::ConnectionRefused(code)
            | ConnectionError::MqttState(StateError::ConnFail { reason: code }) => {
                seen.refused(*code)
            }
            ConnectionError::Timeout(_) => seen.late(),
            ConnectionError::Io(_)
            | ConnectionError::Tls(_)
            | ConnectionError::MqttState(
                StateError::Io(_)
                | StateError::ConnectionAborted
                | StateError::Coversion(_)
                // Some brokers close where others refuse, with the end of a packet still on its way.
                | StateError::Deserialization(
                    PacketError::Io(_) | PacketError::InsufficientBytes(_),
                ),
            ) => seen.cut(error),
            ConnectionError::MqttState(StateError::AwaitPingResp) => {
                let said = "the broker did not answer a ping in time";
                Trouble::told(LinkTrouble::Unanswered, said)
            }
            ConnectionError::MqttState(
                StateError::OutgoingPacketTooLarge { .. } | StateError::RetainNotSupported,
            ) => Trouble::told(LinkTrouble::Unsupported, Foreign::error(error)),
            ConnectionError::MqttState(StateError::Deserialization(packet)) => {
                seen.broke_the_rules(packet)
            }
            ConnectionError::NotConnAck(_) => {
                let said = "something else came where a broker of MQTT 5 greets";
                Trouble::told(LinkTrouble::NotMqtt, said)
            }
            ConnectionError::MqttState(state) => seen.odd(of_state(state)),
            _ => Trouble::told(LinkTrouble::Unknown, Foreign::error(error)),
        }
    }
}

impl Seen {
    fn late(&self) -> Trouble {
        if self.of_io() == LinkTrouble::NotMqtt {
            return self.something_else();
        }
        let hint = match self.step {
            Step::Greeting if self.is_tls && self.first.is_empty() => {
                ", nor anything of TLS: a port without TLS does so (mqtt://)"
            }
            Step::Greeting if !self.is_tls && self.first.is_empty() => {
                ": a broker that knows MQTT 3.1.1 alone does so, and this box needs MQTT 5; so does a port that \
                 speaks TLS (mqtts://)"
            }
            _ => "",
        };
        let text = format_args!("{}{hint}", in_time(self.step));
        Trouble::told(self.of_io(), text)
    }

    /// A connection that ended without a word of MQTT.
    fn cut(&self, error: &ConnectionError) -> Trouble {
        let what = self.of_io();
        let why = why(error);
        match what {
            LinkTrouble::NotMqtt => return self.something_else(),
            LinkTrouble::Lost => {
                let said = format_args!("the session ended without a word of the broker: {why}");
                return Trouble::told(what, said);
            }
            LinkTrouble::Ungreeted => {}
            _ => return Trouble::told(what, why),
        }
        if self.is_tls && self.first.is_empty() {
            let said = format_args!(
                "the other side ended the connection at the first words of TLS ({why}): a port without TLS \
                 does so"
            );
            return Trouble::told(LinkTrouble::Tls, said).todo(PLAIN_PORT);
        }
        let tls = if self.is_tls { "" } else { ", or a port that speaks TLS (mqtts://)" };
        let said = format_args!(
            "the other side ended the connection in place of a greeting ({why}): a broker that knows MQTT 3.1.1 \
             alone does so, and this box needs MQTT 5; so does a proxy{tls}"
        );
        Trouble::told(what, said)
    }

    /// What came first is nothing that a broker begins with.
    fn something_else(&self) -> Trouble {
        let first = self.first.get(..8).unwrap_or(&self.first);
        if !self.is_tls && first.starts_with(b"HTTP/") {
            let said = "a web server answers there (HTTP), not a broker";
            return Trouble::told(LinkTrouble::NotMqtt, said).todo(WEB_PORT);
        }
        let bytes: Vec<String> = first.iter().map(|byte| format!("{byte:02x}")).collect();
        let said = format_args!(
            "what came in place of a greeting is nothing that a broker says (its first bytes: {})",
            bytes.join(" ")
        );
        Trouble::told(LinkTrouble::NotMqtt, said)
    }

    /// The broker did what MQTT 5 does not allow: in its greeting it may be none.
    fn odd(&self, said: impl std::fmt::Display) -> Trouble {
        let trouble = Trouble::told(LinkTrouble::NotMqtt, said);
        if self.step == Step::Running { trouble.todo(ODD_BROKER) } else { trouble }
    }

    /// What an end without a reason means. A CONNACK or an AUTH would have come first, or TLS around them.
    fn of_io(&self) -> LinkTrouble {
        let is_other = self.first.first().is_some_and(|byte| !FIRST_OF_A_BROKER.contains(byte));
        match self.step {
            Step::Greeting if is_other => LinkTrouble::NotMqtt,
            step => of_io(step),
        }
    }

    /// What the first bytes show by themselves.
    fn of_another_kind(&self) -> Option<Trouble> {
        if self.is_tls {
            return None;
        }
        if TLS_RECORDS.iter().any(|record| self.first.starts_with(record)) {
            let said =
                "the port speaks TLS, and `broker` of [uplink] says mqtt://, which is without";
            return Some(Trouble::told(LinkTrouble::Tls, said).todo(TLS_PORT));
        }
        if self.first.len() >= 4 && self.first.starts_with(&OLD_CONNACK) {
            let code = self.first.get(3).copied().unwrap_or_default();
            let said = match code {
                0 => "the broker greets as MQTT 3.1.1 does: this box needs MQTT 5".to_owned(),
                1 => "the broker refused MQTT 5: it knows an older version alone, and this box needs MQTT 5"
                    .to_owned(),
                _ => format!(
                    "the broker answers as MQTT 3.1.1 does, with its code {code}: this box needs MQTT 5"
                ),
            };
            return Some(Trouble::told(LinkTrouble::OldMqtt, said));
        }
        None
    }

    /// The properties of the CONNACK, where it could be seen.
    fn connack(&self) -> Option<ConnAckProperties> {
        if self.is_tls {
            return None;
        }
        match Decoded::read(&mut BytesMut::from(&self.first[..]), None) {
            Ok(Decoded::ConnAck(ack)) => ack.properties,
            _ => None,
        }
    }

    fn refused(&self, code: ConnectReturnCode) -> Trouble {
        let of = self.connack();
        let of = of.as_ref();
        let words = of.and_then(|of| of.reason_string.as_deref()).map(Foreign::text);
        let reference = of.and_then(|of| of.server_reference.as_deref()).map(Foreign::text);
        match Reason::of(Packet::Connack, number(code)) {
            Some(row) => {
                let words = words.unwrap_or_default();
                Trouble::by(row, row.said(&words, reference.as_deref()))
            }
            // Its codes of MQTT 3.1.1, in a CONNACK of MQTT 5.
            None => Trouble::told(
                LinkTrouble::OldMqtt,
                "the broker refuses with a code of MQTT 3.1.1: this box needs MQTT 5",
            ),
        }
    }

    /// A packet came that MQTT 5 does not allow.
    fn broke_the_rules(&self, packet: &PacketError) -> Trouble {
        let what = LinkTrouble::NotMqtt;
        match packet {
            PacketError::InvalidConnectReturnCode(code)
            | PacketError::InvalidReason(code)
            | PacketError::InvalidSubscribeReasonCode(code) => {
                Trouble::told(what, reason::unknown(*code))
            }
            PacketError::ProtocolError if self.step == Step::Greeting => {
                let of = self.connack();
                let id = of.and_then(|of| of.assigned_client_identifier);
                let said = match id.as_deref().map(Foreign::name) {
                    Some(id) => format!(
                        "the broker's greeting gives the box another client id, `{id}`, though it came with \
                         its own"
                    ),
                    None => "the broker's greeting breaks the rules of MQTT 5 (another client id than ours, or \
                             a limit that there cannot be)"
                        .to_owned(),
                };
                Trouble { renames: true, ..Trouble::told(what, said) }
            }
            _ => self.odd(of_packet(packet)),
        }
    }
}

/// First bytes of what a broker sends: CONNACK, AUTH, and TLS's handshake and alert.
const FIRST_OF_A_BROKER: [u8; 4] = [0x20, 0xf0, 0x16, 0x15];

const TLS_PORT: &str = "write mqtts:// in place of mqtt:// in `broker` of [uplink], and `ca_file` where the \
                        broker's certificate is the venue's own; or name its port without TLS (1883)";
const WEB_PORT: &str = "name the broker's own port in `broker` of [uplink] (8883 for mqtts://, 1883 for mqtt://): not \
                        that of its web page, of MQTT over WebSockets, or of a proxy";
const ODD_BROKER: &str = "update the broker; if a proxy, a bridge or a cloud's gateway stands between, name the broker \
                          itself in `broker` of [uplink]: the box connects anew, and nothing is lost meanwhile";
const PLAIN_PORT: &str = "write mqtt:// in place of mqtts:// in `broker` of [uplink], or name the broker's port \
                          with TLS (8883)";

fn in_time(step: Step) -> &'static str {
    match step {
        Step::Name => "nobody said in time which address the broker's name has",
        Step::Reaching => "nothing answered in time at the broker's address",
        Step::Greeting => "a connection was taken, and no greeting came in time",
        Step::Running => "no answer in time",
    }
}

const fn of_io(step: Step) -> LinkTrouble {
    match step {
        Step::Name => LinkTrouble::Name,
        Step::Reaching => LinkTrouble::Unreachable,
        Step::Greeting => LinkTrouble::Ungreeted,
        Step::Running => LinkTrouble::Lost,
    }
}

/// The broker's DISCONNECT.
fn sent_away(
    code: DisconnectReasonCode,
    words: Option<Foreign>,
    reference: Option<Foreign>,
) -> Trouble {
    let words = words.unwrap_or_default();
    match Reason::of(Packet::Disconnect, code as u8) {
        Some(row) => Trouble::by(row, row.said(&words, reference.as_deref())),
        // What a client alone may say.
        None => Trouble::told(LinkTrouble::NotMqtt, reason::unknown(code as u8)),
    }
}

/// The code as it was on the wire.
const fn number(code: ConnectReturnCode) -> u8 {
    use ConnectReturnCode as Code;
    match code {
        Code::Success => 0x00,
        Code::RefusedProtocolVersion => 0x01,
        Code::BadClientId => 0x02,
        Code::ServiceUnavailable => 0x03,
        Code::UnspecifiedError => 0x80,
        Code::MalformedPacket => 0x81,
        Code::ProtocolError => 0x82,
        Code::ImplementationSpecificError => 0x83,
        Code::UnsupportedProtocolVersion => 0x84,
        Code::ClientIdentifierNotValid => 0x85,
        Code::BadUserNamePassword => 0x86,
        Code::NotAuthorized => 0x87,
        Code::ServerUnavailable => 0x88,
        Code::ServerBusy => 0x89,
        Code::Banned => 0x8A,
        Code::BadAuthenticationMethod => 0x8C,
        Code::TopicNameInvalid => 0x90,
        Code::PacketTooLarge => 0x95,
        Code::QuotaExceeded => 0x97,
        Code::PayloadFormatInvalid => 0x99,
        Code::RetainNotSupported => 0x9A,
        Code::QoSNotSupported => 0x9B,
        Code::UseAnotherServer => 0x9C,
        Code::ServerMoved => 0x9D,
        Code::ConnectionRateExceeded => 0x9F,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::io;

    use rumqttc::ProtocolViolation;
    use rumqttc::mqttbytes::v5::DisconnectProperties;
    use rustls::{AlertDescription, CertificateError};

    use super::*;

    fn trail(step: Step) -> Trail {
        let trail = Trail::default();
        trail.reached(step);
        trail
    }

    fn io_error(error: impl Into<Box<dyn Error + Send + Sync>>) -> ConnectionError {
        ConnectionError::Io(io::Error::other(error))
    }

    #[test]
    fn an_error_means_what_the_way_so_far_makes_of_it() {
        for (step, word) in [
            (Step::Name, "name_unknown"),
            (Step::Reaching, "unreachable"),
            (Step::Greeting, "no_greeting"),
            (Step::Running, "lost"),
        ] {
            let trouble = trail(step).explain(&io_error("no"));
            assert_eq!(trouble.what.word(), word);
            assert!(trouble.said.contains("no"), "{}", trouble.said);
        }
    }

    #[test]
    fn a_tls_error_is_found_wherever_it_hides() {
        let of = |error: CertificateError| rustls::Error::InvalidCertificate(error);
        for (error, word) in [
            (of(CertificateError::Expired), "certificate_ended"),
            (of(CertificateError::NotValidYet), "certificate_early"),
            (of(CertificateError::UnknownIssuer), "certificate"),
            (
                rustls::Error::AlertReceived(AlertDescription::CertificateRequired),
                "own_certificate",
            ),
            (rustls::Error::AlertReceived(AlertDescription::InternalError), "tls"),
        ] {
            let plain = ConnectionError::Tls(rumqttc::TlsError::TLS(error.clone()));
            let in_io =
                ConnectionError::Tls(rumqttc::TlsError::Io(io::Error::other(error.clone())));
            let late = StateError::Io(io::Error::other(error.clone()));
            let in_packet = StateError::Deserialization(PacketError::Io(io::Error::other(error)));
            let [late, in_packet] = [late, in_packet].map(ConnectionError::MqttState);
            for held in [plain, in_io, late, in_packet] {
                assert_eq!(trail(Step::Greeting).explain(&held).what.word(), word, "{held:?}");
            }
        }
    }

    #[test]
    fn what_answers_wrongly_is_told_from_what_does_not_answer() {
        let nonsense =
            || ConnectionError::MqttState(StateError::Deserialization(PacketError::ProtocolError));
        assert_eq!(trail(Step::Greeting).explain(&nonsense()).what, LinkTrouble::NotMqtt);
        let old = trail(Step::Greeting);
        // In two pieces, and more behind them.
        old.came(&[0x20, 0x02, 0x00]);
        old.came(&[0x01, 7, 7]);
        assert_eq!(old.explain(&nonsense()).what, LinkTrouble::OldMqtt);
        // Whatever it says: it may lie that it is well, or have no such user.
        for code in 0..=5 {
            let old = trail(Step::Greeting);
            old.came(&[0x20, 0x02, 0x00, code]);
            let told = old.explain(&io_error("closed"));
            assert_eq!(told.what, LinkTrouble::OldMqtt);
            assert!(told.said.contains("needs MQTT 5"), "{}", told.said);
        }
        // Nothing that a broker begins with, and then the end.
        let http = trail(Step::Greeting);
        http.came(b"HTTP/1.1 400 Bad Request");
        assert_eq!(http.explain(&io_error("reset")).what, LinkTrouble::NotMqtt);
        assert_eq!(http.late().what, LinkTrouble::NotMqtt);
        let no_ping = ConnectionError::MqttState(StateError::AwaitPingResp);
        assert_eq!(trail(Step::Running).explain(&no_ping).what, LinkTrouble::Unanswered);
        for (code, what) in [
            (ConnectReturnCode::NotAuthorized, LinkTrouble::Refused),
            (ConnectReturnCode::ServerMoved, LinkTrouble::Moved),
            (ConnectReturnCode::ServerBusy, LinkTrouble::Busy),
            (ConnectReturnCode::RetainNotSupported, LinkTrouble::Unsupported),
            (ConnectReturnCode::UnsupportedProtocolVersion, LinkTrouble::OldMqtt),
        ] {
            let refused = ConnectionError::ConnectionRefused(code);
            assert_eq!(trail(Step::Greeting).explain(&refused).what, what);
        }
    }

    #[test]
    fn what_a_broker_may_not_do_is_told_in_words_with_a_remedy() {
        let of = |state| ConnectionError::MqttState(state);
        let packet = |error| of(StateError::Deserialization(error));
        let codes =
            ProtocolViolation::SubAckReturnCodeCountMismatch { pkid: 4, expected: 3, actual: 1 };
        for (error, words) in [
            (of(StateError::Unsolicited(32_767)), "acknowledged a message (number 32767)"),
            (of(StateError::ProtocolViolation(codes)), "to 3 topics with 1 reason codes"),
            (
                of(StateError::ProtocolViolation(ProtocolViolation::DuplicateConnAck)),
                "greeted a second time",
            ),
            (packet(PacketError::InvalidPacketType(0)), "its type is 0"),
            (packet(PacketError::PacketIdZero), "its number is 0"),
            (packet(PacketError::IncorrectPacketFormat), "it breaks the rules of MQTT 5"),
        ] {
            let told = trail(Step::Running).explain(&error);
            assert_eq!(told.what, LinkTrouble::NotMqtt, "{told:?}");
            assert!(told.said.contains(words), "{}", told.said);
            let raw = ["Mqtt state", "pkid", "serialization"]
                .iter()
                .find(|raw| told.said.contains(**raw));
            assert_eq!(raw, None, "{}", told.said);
            assert!(told.todo.starts_with("update the broker"), "{}", told.todo);
        }
        let web = trail(Step::Greeting);
        web.came(b"HTTP/1.1 400 Bad Request\r\n");
        let half = || packet(PacketError::Io(io::Error::other("bytes remaining on stream")));
        for told in [web.explain(&half()), web.late()] {
            assert_eq!(told.said.as_str(), "a web server answers there (HTTP), not a broker");
            assert!(told.todo.contains("WebSockets"), "{}", told.todo);
        }
        let other = trail(Step::Greeting);
        other.came(b"SSH-2.0-OpenSSH_9");
        let said = other.explain(&half()).said;
        assert!(said.contains("its first bytes: 53 53 48 2d"), "{said}");
        let lost = trail(Step::Running).explain(&of(StateError::ConnectionAborted));
        let said =
            "the session ended without a word of the broker: the other side closed the connection";
        assert_eq!((lost.what, lost.said.as_str()), (LinkTrouble::Lost, said));
    }

    #[test]
    fn the_brokers_last_words_and_where_it_sends_us_are_kept() {
        let properties = DisconnectProperties {
            session_expiry_interval: None,
            reason_string: Some("the north\nhas its own".to_owned()),
            user_properties: Vec::new(),
            server_reference: Some("north.example:8883".to_owned()),
        };
        let reason = DisconnectReasonCode::UseAnotherServer;
        let trail = trail(Step::Running);
        trail.goodbye(&Disconnect::new_with_properties(reason, properties));
        let told = trail.explain(&ConnectionError::MqttState(StateError::ConnectionAborted));
        assert_eq!(told.what, LinkTrouble::Moved);
        let said = r"the broker ended the session: 0x9C Use another server (the north\nhas its own): for a while, this box belongs to another broker, go to north.example:8883";
        assert_eq!(told.said.as_str(), said);
        let in_one_read = ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            reason_string: None,
        });
        let told = Trail::default().explain(&in_one_read);
        assert_eq!(told.what, LinkTrouble::AnotherBox);
    }

    #[test]
    fn tls_and_none_mixed_up_are_told_from_a_broker_that_does_not_answer() {
        // An alert in answer to a CONNECT.
        let plain = trail(Step::Greeting);
        plain.came(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46]);
        let told = plain.explain(&io_error("closed"));
        assert!(
            told.what == LinkTrouble::Tls && told.todo.starts_with("write mqtts://"),
            "{told:?}"
        );
        // A port without TLS hangs up on a ClientHello.
        let hidden = trail(Step::Greeting);
        hidden.is_tls();
        let eof = || rumqttc::TlsError::Io(io::ErrorKind::UnexpectedEof.into());
        let told = hidden.explain(&ConnectionError::Tls(eof()));
        assert!(
            told.what == LinkTrouble::Tls && told.todo.starts_with("write mqtt://"),
            "{told:?}"
        );
        assert!(hidden.late().said.contains("nor anything of TLS"));
        // TLS stands, and then it hangs up: of an old broker, perhaps.
        hidden.came(&[0x16, 0x03, 0x03]);
        let told = hidden.explain(&ConnectionError::MqttState(StateError::ConnectionAborted));
        assert!(
            told.what == LinkTrouble::Ungreeted && told.said.contains("needs MQTT 5"),
            "{told:?}"
        );
    }

    #[test]
    fn a_refusals_own_words_are_read_where_no_tls_hides_them() {
        let refusal =
            [&[0x20, 17, 0x00, 0x9D, 14, 0x1C, 0, 4][..], b"n:83", &[0x1F, 0, 4], b"gone"].concat();
        let refused = || ConnectionError::ConnectionRefused(ConnectReturnCode::ServerMoved);
        let seen = trail(Step::Greeting);
        seen.came(&refusal);
        let told = seen.explain(&refused());
        assert_eq!(told.what, LinkTrouble::Moved);
        assert_eq!(
            told.said.as_str(),
            "the broker refused the connection: 0x9D Server moved (gone): for good, this box belongs to \
             another broker, go to n:83"
        );
        let hidden = trail(Step::Greeting);
        hidden.is_tls();
        hidden.came(&refusal);
        assert!(!hidden.explain(&refused()).said.contains("n:83"));
    }

    #[test]
    fn a_code_that_the_standard_does_not_have_there_is_told_as_such() {
        let of = |error| ConnectionError::MqttState(StateError::Deserialization(error));
        for error in [PacketError::InvalidConnectReturnCode(0x8E), PacketError::InvalidReason(0x8E)]
        {
            let told = trail(Step::Greeting).explain(&of(error));
            assert!(told.said.contains("0x8E, which MQTT 5 does not have"), "{}", told.said);
        }
        let renames = trail(Step::Greeting).explain(&of(PacketError::ProtocolError));
        assert!(renames.renames);
    }
}
