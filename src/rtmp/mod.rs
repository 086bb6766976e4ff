//! The RTMP protocol without I/O: both ends of a connection as values that take and give bytes.
//!
//! Read `handshake`, `chunk` (bytes ↔ messages), `amf0` (values in commands), `message` (what a
//! message says), `flv` (what stands in a media message), `address` (where one publishes to), `session`
//! (the server's side), `client` (the publisher's side: of relays, of our own tools and tests). Source: Adobe's "RTMP specification 1.0" and Veovera's "Enhanced RTMP v2".
//!
//! Deliberately absent: playing, shared objects, RTMPE and the digest handshake (only players that
//! verify a Flash server need it; ffmpeg, GStreamer, librtmp and OBS publish without).

pub mod amf0;
pub mod chunk;
pub mod client;
pub mod handshake;
pub mod message;
pub mod flv;
pub mod address;
pub mod session;

use crate::rtmp::amf0::AmfError;

/// What a peer did that ends its connection. The peer is to blame in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum RtmpError {
    /// The first byte of a connection.
    #[error("handshake starts with byte {got:#04x}, RTMP with 0x03: {}", spoken(*.got))]
    Version { got: u8 },
    /// Compressed header without one before it.
    #[error("first chunk on chunk stream {chunk_stream} has header type {format}, needs type 0")]
    NoPriorHeader { chunk_stream: u32, format: u8 },
    /// DESIGN §5.1.
    #[error("more than {limit} chunk streams")]
    ChunkStreams { limit: usize },
    /// DESIGN §5.1.
    #[error("chunk size {size} is not in 1 to 2147483647")]
    ChunkSize { size: u32 },
    /// DESIGN §5.1.
    #[error("message of type {kind} announces {length} bytes, {limit} are allowed")]
    MessageSize { kind: u8, length: usize, limit: usize },
    /// DESIGN §5.1.
    #[error("audio or video before publish")]
    MediaBeforePublish,
    /// DESIGN §5.1.
    #[error("unfinished messages hold more than {limit} bytes")]
    Unfinished { limit: usize },
    /// A control message too short for what it says.
    #[error("control message of type {kind} has {length} bytes, too few")]
    Control { kind: u8, length: usize },
    /// An aggregate message whose parts do not fit into it.
    #[error("aggregate message is cut or damaged")]
    Aggregate,
    /// A command that cannot be read.
    #[error("command message: {0}")]
    Amf(#[source] AmfError),
    /// A command without a name or a transaction.
    #[error("command message without name or transaction number")]
    Command,
    /// DESIGN §5.1: the peer asks and does not read.
    #[error("more than {limit} bytes of answers not read")]
    Unsent { limit: usize },
}

/// What a peer speaks whose first byte is no handshake of RTMP, and what to do.
const fn spoken(first: u8) -> &'static str {
    match first {
        0x16 => {
            "that is TLS: set the encoder to rtmp:// here, or to the port of rtmps:// (`rtmps` of [ingest])"
        }
        0x06 | 0x08 => "that is RTMPE: set the encoder to rtmp:// or rtmps://",
        b'G' | b'P' | b'H' | b'O' | b'D' => {
            "that is a browser, RTMPT or RTSP: set the encoder to rtmp://"
        }
        _ => "is this an RTMP publisher?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_to_the_port_in_place_of_rtmp_is_named() {
        let rows = [
            (0x16, "that is TLS"),
            (b'G', "a browser"),
            (b'O', "RTSP"),
            (0x06, "RTMPE"),
            (0x80, "an RTMP publisher?"),
        ];
        for (got, told) in rows {
            let text = RtmpError::Version { got }.to_string();
            assert!(text.contains(told), "{text}");
        }
    }
}
