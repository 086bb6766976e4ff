//! Why there is no link: an error of the client as a word and a sentence. Pure.
//!
//! What a technician does about it hangs on the word alone (`LinkTrouble::todo`); the sentence says what
//! was seen. The library's errors do not say how far a connection came, and keep neither the broker's
//! words nor its server reference: so the [`Trail`] notes what passes by.

use std::error::Error;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::mqttbytes::v5::{
    ConnectReturnCode, Disconnect, DisconnectProperties, DisconnectReasonCode,
};
use rumqttc::{ConnectionError, StateError};
use rustls::{AlertDescription, CertificateError};

use crate::event::words::LinkTrouble;
use crate::media::Foreign;

/// A word and its sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// The word.
    pub what: LinkTrouble,
    /// The sentence.
    pub said: Foreign,
}

impl Trouble {
    /// With a sentence of ours.
    #[must_use]
    pub fn told(what: LinkTrouble, said: impl std::fmt::Display) -> Self {
        Self { what, said: Foreign::told(said) }
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
    /// The first bytes that came, where they are not hidden by TLS.
    first: Vec<u8>,
    /// The broker's last words.
    goodbye: Option<Disconnect>,
}

/// As many as tell an answer of MQTT 3 from others.
const FIRST_BYTES: usize = 4;
/// CONNACK of MQTT 3.1.1, "unacceptable protocol version" (MQTT 3.1.1, 3.2.2.3).
const OLD_CONNACK: [u8; FIRST_BYTES] = [0x20, 0x02, 0x00, 0x01];

impl Trail {
    /// It came so far.
    pub fn reached(&self, step: Step) {
        self.0.lock().step = step;
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
        if seen.first == OLD_CONNACK {
            let said = "the broker refused MQTT 5: it knows an older version alone";
            return Trouble::told(LinkTrouble::OldMqtt, said);
        }
        if let Some(trouble) = seen.goodbye.as_ref().map(sent_away) {
            return trouble;
        }
        // Behind others of the same read the client gives the error alone: without the reference.
        if let ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) = error
        {
            let properties = DisconnectProperties {
                session_expiry_interval: None,
                reason_string: reason_string.clone(),
                user_properties: Vec::new(),
                server_reference: None,
            };
            return sent_away(&Disconnect::new_with_properties(*reason_code, properties));
        }
        if let Some(tls) = tls_error(error) {
            return Trouble { what: of_tls(tls), said: Foreign::error(tls) };
        }
        let what = match error {
            ConnectionError::ConnectionRefused(code)
            | ConnectionError::MqttState(StateError::ConnFail { reason: code }) => {
                return refused(*code);
            }
            ConnectionError::Timeout(_) => return seen.late(),
            ConnectionError::Io(_)
            | ConnectionError::MqttState(
                StateError::Io(_)
                | StateError::ConnectionAborted
                | StateError::Coversion(_)
                | StateError::Deserialization(PacketError::Io(_)),
            ) => seen.of_io(),
            ConnectionError::Tls(_) => LinkTrouble::Tls,
            ConnectionError::MqttState(StateError::AwaitPingResp) => LinkTrouble::Unanswered,
            ConnectionError::MqttState(
                StateError::OutgoingPacketTooLarge { .. } | StateError::RetainNotSupported,
            ) => LinkTrouble::Unsupported,
            // Some brokers close where others refuse, with the end of a packet still on its way.
            ConnectionError::MqttState(StateError::Deserialization(
                PacketError::InsufficientBytes(_),
            )) => seen.of_io(),
            ConnectionError::MqttState(_) | ConnectionError::NotConnAck(_) => LinkTrouble::NotMqtt,
            _ => LinkTrouble::Unknown,
        };
        Trouble { what, said: Foreign::error(error) }
    }
}

impl Seen {
    fn late(&self) -> Trouble {
        Trouble::told(self.of_io(), in_time(self.step))
    }

    /// What an end without a reason means. A CONNACK or an AUTH would have come first, or TLS around them.
    fn of_io(&self) -> LinkTrouble {
        let is_other = self.first.first().is_some_and(|byte| !FIRST_OF_A_BROKER.contains(byte));
        match self.step {
            Step::Greeting if is_other => LinkTrouble::NotMqtt,
            step => of_io(step),
        }
    }
}

/// First bytes of what a broker sends: CONNACK, AUTH, and TLS's handshake and alert.
const FIRST_OF_A_BROKER: [u8; 4] = [0x20, 0xf0, 0x16, 0x15];

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

/// The broker's DISCONNECT: the client's error has its reason, but neither its words nor its reference.
fn sent_away(goodbye: &Disconnect) -> Trouble {
    use DisconnectReasonCode as Code;
    let what = match goodbye.reason_code {
        Code::SessionTakenOver => LinkTrouble::AnotherBox,
        Code::UseAnotherServer | Code::ServerMoved => LinkTrouble::Moved,
        Code::NotAuthorized | Code::AdministrativeAction => LinkTrouble::Refused,
        Code::ServerBusy
        | Code::ServerShuttingDown
        | Code::QuotaExceeded
        | Code::ConnectionRateExceeded
        | Code::MessageRateTooHigh
        | Code::ReceiveMaximumExceeded => LinkTrouble::Busy,
        Code::RetainNotSupported | Code::QoSNotSupported | Code::PacketTooLarge => {
            LinkTrouble::Unsupported
        }
        Code::KeepAliveTimeout => LinkTrouble::Unanswered,
        _ => LinkTrouble::Lost,
    };
    let reason = match what {
        LinkTrouble::AnotherBox => "another box has the same name".to_owned(),
        _ => format!("the broker ended the session: {:?}", goodbye.reason_code),
    };
    let of = goodbye.properties.as_ref();
    let words = of.and_then(|of| of.reason_string.as_deref()).map(Foreign::text);
    let reference = of.and_then(|of| of.server_reference.as_deref()).map(Foreign::text);
    let words = words.map_or_else(String::new, |words| format!(" ({words})"));
    let reference = reference.map_or_else(String::new, |to| format!(", go to {to}"));
    Trouble::told(what, format_args!("{reason}{words}{reference}"))
}

fn refused(code: ConnectReturnCode) -> Trouble {
    use ConnectReturnCode as Code;
    let what = match code {
        Code::UnsupportedProtocolVersion | Code::RefusedProtocolVersion => LinkTrouble::OldMqtt,
        Code::UseAnotherServer | Code::ServerMoved => LinkTrouble::Moved,
        Code::ServerUnavailable
        | Code::ServiceUnavailable
        | Code::ServerBusy
        | Code::QuotaExceeded
        | Code::ConnectionRateExceeded => LinkTrouble::Busy,
        Code::RetainNotSupported | Code::QoSNotSupported | Code::PacketTooLarge => {
            LinkTrouble::Unsupported
        }
        Code::MalformedPacket | Code::ProtocolError => LinkTrouble::NotMqtt,
        _ => LinkTrouble::Refused,
    };
    let advice = match code {
        Code::BadUserNamePassword | Code::NotAuthorized => {
            ": check `uplink.username`, `password_file` and the broker's rights"
        }
        _ => "",
    };
    Trouble::told(what, format_args!("the broker refused the connection: {code:?}{advice}"))
}

/// The TLS error in a chain of errors, some of which hide it from `source`.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
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

fn of_tls(error: &rustls::Error) -> LinkTrouble {
    use AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(of) => match of {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                LinkTrouble::CertificateEnded
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                LinkTrouble::CertificateEarly
            }
            _ => LinkTrouble::Certificate,
        },
        rustls::Error::AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::CertificateRequired
            | Alert::AccessDenied,
        ) => LinkTrouble::OwnCertificate,
        _ => LinkTrouble::Tls,
    }
}

#[cfg(test)]
mod tests {
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
        old.came(&OLD_CONNACK[..3]);
        old.came(&[OLD_CONNACK[3], 7, 7]);
        assert_eq!(old.explain(&nonsense()).what, LinkTrouble::OldMqtt);
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
        let said = r"the broker ended the session: UseAnotherServer (the north\nhas its own), go to north.example:8883";
        assert_eq!(told.said.as_str(), said);
        let in_one_read = ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            reason_string: None,
        });
        let told = Trail::default().explain(&in_one_read);
        assert_eq!(told.what, LinkTrouble::AnotherBox);
    }
}
