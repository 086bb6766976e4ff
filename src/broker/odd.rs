//! What a broker did that MQTT 5 does not allow, and how a connection ended, as sentences. Pure.
//!
//! The library's own words name its types and the fields of packets; a technician has a broker, a proxy and a log.

use std::io;

use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::{ConnectionError, ProtocolViolation, StateError};

use crate::media::Foreign;

/// Why a connection ended, of the system's words alone.
pub(super) fn why(error: &ConnectionError) -> Foreign {
    const CLOSED: &str = "the other side closed the connection";
    /// What the library's framing says of an end in the midst of a packet.
    const HALF: &str = "bytes remaining on stream";
    let io = match error {
        ConnectionError::Io(io)
        | ConnectionError::Tls(rumqttc::TlsError::Io(io))
        | ConnectionError::MqttState(
            StateError::Io(io) | StateError::Deserialization(PacketError::Io(io)),
        ) => io,
        ConnectionError::MqttState(
            StateError::ConnectionAborted
            | StateError::Deserialization(PacketError::InsufficientBytes(_)),
        ) => return Foreign::told(CLOSED),
        other => return Foreign::error(other),
    };
    let text = io.to_string();
    match io.kind() {
        io::ErrorKind::UnexpectedEof => Foreign::told(CLOSED),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Foreign::told("the other side reset the connection")
        }
        _ if text == HALF => {
            Foreign::told("the other side closed the connection in the midst of a packet")
        }
        _ => Foreign::text(text),
    }
}

/// What the broker did that a session of MQTT 5 does not allow.
pub(super) fn of_state(error: &StateError) -> String {
    match error {
        StateError::Unsolicited(id) => {
            format!("the broker acknowledged a message (number {id}) that it was not sent")
        }
        StateError::ProtocolViolation(ProtocolViolation::DuplicateConnAck) => {
            "the broker greeted a second time in one session".to_owned()
        }
        StateError::ProtocolViolation(ProtocolViolation::UnexpectedIncomingPacket(kind)) => {
            let kind = Foreign::text(format_args!("{kind:?}"));
            format!("the broker sent a packet that none of it may come ({kind})")
        }
        StateError::ProtocolViolation(
            ProtocolViolation::SubAckReturnCodeCountMismatch { expected, actual, .. }
            | ProtocolViolation::UnsubAckReasonCodeCountMismatch { expected, actual, .. },
        ) => format!(
            "the broker answered a subscription to {expected} topics with {actual} reason codes, where each has one"
        ),
        StateError::IncomingPacketTooLarge { pkt_size, max } => format!(
            "the broker sent a packet of {pkt_size} bytes, and the box had said that it takes {max}"
        ),
        StateError::CollisionTimeout => {
            "the broker acknowledges messages out of turn, and one of them never".to_owned()
        }
        StateError::AuthError(_) | StateError::AuthenticatorNotSet => {
            "the broker asks for a sign-in in steps (AUTH), which this box does not have".to_owned()
        }
        other => {
            let other = Foreign::text(other);
            format!("the session with the broker came out of step: {other}")
        }
    }
}

/// What is wrong with a packet that came.
pub(super) fn of_packet(packet: &PacketError) -> String {
    use PacketError as Of;
    let what = match packet {
        Of::InvalidPacketType(kind) => format!("its type is {kind}, which MQTT 5 does not have"),
        Of::InvalidProtocol | Of::InvalidProtocolLevel(_) => {
            "its protocol is not MQTT 5".to_owned()
        }
        Of::InvalidQoS(qos) => format!("its QoS is {qos}, which MQTT does not have"),
        Of::PacketIdZero => "its number is 0".to_owned(),
        Of::InvalidPropertyType(kind) => {
            format!("it has a property of type {kind:#04x}, which MQTT 5 does not have there")
        }
        Of::InvalidRemainingLength(_)
        | Of::MalformedRemainingLength
        | Of::BoundaryCrossed(_)
        | Of::PayloadSizeIncorrect
        | Of::InsufficientBytes(_) => "its lengths do not add up".to_owned(),
        Of::PayloadSizeLimitExceeded { pkt_size, max } => {
            format!("it has {pkt_size} bytes, and the box had said that it takes {max}")
        }
        Of::TopicNotUtf8 { .. } | Of::PayloadNotUtf8(_) => "its text is no UTF-8".to_owned(),
        Of::ProtocolViolation(code) => {
            let code = *code as u8;
            format!("it breaks the rules of MQTT 5 (reason code {code:#04X})")
        }
        _ => "it breaks the rules of MQTT 5".to_owned(),
    };
    format!("the broker sent a packet that cannot be read: {what}")
}
