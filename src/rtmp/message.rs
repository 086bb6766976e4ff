//! What messages say: commands, data, control (RTMP 1.0, 5.4 and 7).

use bytes::Bytes;

use crate::rtmp::RtmpError;
use crate::rtmp::amf0::{self, Value};

/// One whole RTMP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Milliseconds, 32 bits, wrapping.
    pub timestamp: u32,
    /// Message type, see [`kind`].
    pub kind: u8,
    /// Message stream.
    pub stream: u32,
    /// Payload.
    pub body: Bytes,
}

/// Message types.
pub mod kind {
    #![expect(missing_docs, reason = "the specification's names")]
    pub const SET_CHUNK_SIZE: u8 = 1;
    pub const ABORT: u8 = 2;
    pub const ACKNOWLEDGEMENT: u8 = 3;
    pub const USER_CONTROL: u8 = 4;
    pub const WINDOW_ACKNOWLEDGEMENT_SIZE: u8 = 5;
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    pub const AUDIO: u8 = 8;
    pub const VIDEO: u8 = 9;
    pub const DATA_AMF3: u8 = 15;
    pub const COMMAND_AMF3: u8 = 17;
    pub const DATA: u8 = 18;
    pub const COMMAND: u8 = 20;
    pub const AGGREGATE: u8 = 22;
}

/// User control events.
pub mod user_control {
    #![expect(missing_docs, reason = "the specification's names")]
    pub const STREAM_BEGIN: u16 = 0;
    pub const PING_REQUEST: u16 = 6;
    pub const PING_RESPONSE: u16 = 7;
}

/// A command: its name, its transaction, what follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// `connect`, `publish`, `_result` …
    pub name: String,
    /// 0 if no answer is expected. Whatever number the peer liked, NaN included.
    pub transaction: f64,
    /// Everything after the transaction; the first is the command object or null.
    pub arguments: Vec<Value>,
    /// Message stream that it came on.
    pub stream: u32,
}

impl Command {
    /// Reads a command message (AMF0, or AMF3 with its leading 0 and AMF0 inside, as encoders do).
    ///
    /// # Errors
    /// [`RtmpError::Amf`], [`RtmpError::Command`].
    pub fn read(message: &Message) -> Result<Self, RtmpError> {
        let mut values = amf0::read_all(amf_body(message)).map_err(RtmpError::Amf)?.into_iter();
        match (values.next(), values.next()) {
            (Some(Value::String(name)), Some(Value::Number(transaction))) => {
                Ok(Self { name, transaction, arguments: values.collect(), stream: message.stream })
            }
            _ => Err(RtmpError::Command),
        }
    }

    /// Returns the text of argument `index` (0: the command object).
    #[must_use]
    pub fn text(&self, index: usize) -> Option<&str> {
        self.arguments.get(index).and_then(Value::text)
    }

    /// Returns the member of the command object, if it is text.
    #[must_use]
    pub fn object_text(&self, name: &str) -> Option<&str> {
        self.arguments.first().and_then(|object| object.member(name)).and_then(Value::text)
    }
}

/// Returns the AMF0 bytes of a command or data message.
#[must_use]
pub fn amf_body(message: &Message) -> &[u8] {
    match message.kind {
        kind::COMMAND_AMF3 | kind::DATA_AMF3 => {
            message.body.strip_prefix(&[0]).unwrap_or(&message.body)
        }
        _ => &message.body,
    }
}

/// Makes a command message.
#[must_use]
pub fn command(stream: u32, name: &str, transaction: f64, arguments: &[Value]) -> Message {
    let mut body = Vec::new();
    amf0::write(&mut body, &amf0::string(name));
    amf0::write(&mut body, &Value::Number(transaction));
    arguments.iter().for_each(|argument| amf0::write(&mut body, argument));
    Message { timestamp: 0, kind: kind::COMMAND, stream, body: body.into() }
}

/// Makes an `onStatus` command. `level` is `status` or `error`.
#[must_use]
pub fn on_status(stream: u32, level: &str, code: &str, description: &str) -> Message {
    let info = amf0::object([
        ("level", amf0::string(level)),
        ("code", amf0::string(code)),
        ("description", amf0::string(description)),
    ]);
    command(stream, "onStatus", 0.0, &[Value::Null, info])
}

/// Makes a control message of one 32-bit number.
#[must_use]
pub fn control(kind: u8, value: u32) -> Message {
    let body = Bytes::copy_from_slice(&value.to_be_bytes());
    Message { timestamp: 0, kind, stream: 0, body }
}

/// Makes a Set Peer Bandwidth of limit type 2 (dynamic).
#[must_use]
pub fn peer_bandwidth(bytes: u32) -> Message {
    let body = [&bytes.to_be_bytes()[..], &[2]].concat().into();
    Message { timestamp: 0, kind: kind::SET_PEER_BANDWIDTH, stream: 0, body }
}

/// Makes a user control message of one 32-bit number.
#[must_use]
pub fn user_event(event: u16, value: u32) -> Message {
    let body = [&event.to_be_bytes()[..], &value.to_be_bytes()].concat().into();
    Message { timestamp: 0, kind: kind::USER_CONTROL, stream: 0, body }
}

/// Reads the time stamp of a ping request, if a user control message is one.
#[must_use]
pub fn ping(body: &[u8]) -> Option<u32> {
    let &[high, low, a, b, c, d] = body.first_chunk()?;
    let event = u16::from_be_bytes([high, low]);
    (event == user_control::PING_REQUEST).then(|| u32::from_be_bytes([a, b, c, d]))
}

/// Reads the 32-bit number of a control message.
///
/// # Errors
/// [`RtmpError::Control`] when it is shorter.
pub fn control_value(message: &Message) -> Result<u32, RtmpError> {
    match message.body.split_first_chunk() {
        Some((value, _)) => Ok(u32::from_be_bytes(*value)),
        None => Err(RtmpError::Control { kind: message.kind, length: message.body.len() }),
    }
}

/// Splits an aggregate message into its parts (RTMP 1.0, 7.1.6): FLV tags, whose first timestamp
/// stands for the message's own. Parts share the message's bytes.
///
/// # Errors
/// [`RtmpError::Aggregate`] when a part does not fit.
pub fn split_aggregate(message: &Message) -> Result<Vec<Message>, RtmpError> {
    const TAG_HEADER: usize = 11;
    const BACK_POINTER: usize = 4;
    let mut rest = message.body.clone();
    let mut parts = Vec::new();
    let mut offset = None;
    while !rest.is_empty() {
        let Some(&[tag, a, b, c, d, e, f, g, _, _, _]) = rest.first_chunk::<TAG_HEADER>() else {
            return Err(RtmpError::Aggregate);
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let own = u32::from_be_bytes([g, d, e, f]);
        if rest.len() < TAG_HEADER + length {
            return Err(RtmpError::Aggregate);
        }
        let offset = *offset.get_or_insert(message.timestamp.wrapping_sub(own));
        parts.push(Message {
            timestamp: own.wrapping_add(offset),
            kind: tag & 0x1F,
            stream: message.stream,
            body: rest.slice(TAG_HEADER..TAG_HEADER + length),
        });
        let end = (TAG_HEADER + length + BACK_POINTER).min(rest.len());
        rest = rest.slice(end..);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_split_into_tags_at_the_messages_time() {
        let tag = |kind: u8, at: u8, body: &[u8]| {
            let length = u8::try_from(body.len()).unwrap();
            [&[kind, 0, 0, length, 0, 0, at, 0, 0, 0, 0], body, &[0, 0, 0, 0]].concat()
        };
        let body = [tag(8, 10, b"a"), tag(9, 30, b"vv")].concat().into();
        let message = Message { timestamp: 5_000, kind: kind::AGGREGATE, stream: 1, body };
        let parts = split_aggregate(&message).unwrap();
        let seen: Vec<_> = parts.iter().map(|p| (p.kind, p.timestamp, p.body.as_ref())).collect();
        assert_eq!(seen, [(8, 5_000, &b"a"[..]), (9, 5_020, b"vv")]);
        let cut = Message { body: message.body.slice(..13), ..message.clone() };
        assert!(split_aggregate(&cut).is_ok_and(|parts| parts.len() == 1));
        let cut = Message { body: message.body.slice(..17), ..message };
        assert_eq!(split_aggregate(&cut), Err(RtmpError::Aggregate));
    }
}
