//! The publisher's side of one connection, for our own tools and tests.
//!
//! ```text
//! Handshaking ──→ Connecting ─_result→ Creating ─_result→ Publishing ─onStatus Start→ Live
//! ```
//! Any `_error` and any `onStatus` of level `error` end it with the server's own words.

use bytes::Bytes;

use crate::rtmp::RtmpError;
use crate::rtmp::amf0::{self, Value};
use crate::rtmp::chunk::{ChunkReader, write_message};
use crate::rtmp::handshake::Handshake;
use crate::rtmp::message::{self, Command, Message, kind};
use crate::rtmp::session::APP;

/// Chunk size that we announce: a picture is a few chunks.
const CHUNK_SIZE: u32 = 4096;

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// Media may be sent.
    Live,
    /// It refused, or ended the stream.
    Refused {
        /// For example `NetStream.Publish.Unauthorized`.
        code: String,
        /// Its words.
        description: String,
    },
}

#[derive(Debug)]
enum ClientState {
    Handshaking(Handshake),
    Connecting,
    Creating,
    Publishing,
    Live,
    Refused,
}

/// One connection that publishes one stream.
#[derive(Debug)]
pub struct ClientSession {
    state: ClientState,
    reader: ChunkReader,
    output: Vec<u8>,
    tc_url: String,
    key: String,
    stream: u32,
}

impl ClientSession {
    /// Begins: [`Self::output`] holds the first bytes. `host` is for the server's logs.
    #[must_use]
    pub fn new(host: &str, key: &str, seed: u64) -> Self {
        let (handshake, output) = Handshake::client(seed);
        Self {
            state: ClientState::Handshaking(handshake),
            reader: ChunkReader::new(),
            output,
            tc_url: format!("rtmp://{host}/{APP}"),
            key: key.to_owned(),
            stream: 0,
        }
    }

    /// What must be sent. Take from its front what was.
    pub const fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Takes bytes off `input` up to the next event.
    ///
    /// # Errors
    /// [`RtmpError`] when the server breaks the protocol.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<ClientEvent>, RtmpError> {
        loop {
            if let ClientState::Handshaking(handshake) = &mut self.state {
                if !handshake.feed(input, &mut self.output)? {
                    return Ok(None);
                }
                self.send(2, &message::control(kind::SET_CHUNK_SIZE, CHUNK_SIZE));
                let object = amf0::object([
                    ("app", amf0::string(APP)),
                    ("type", amf0::string("nonprivate")),
                    ("flashVer", amf0::string(concat!("courtside/", env!("CARGO_PKG_VERSION")))),
                    ("tcUrl", amf0::string(&self.tc_url)),
                ]);
                self.send(3, &message::command(0, "connect", 1.0, &[object]));
                self.state = ClientState::Connecting;
            }
            let Some(message) = self.reader.read(input)? else { return Ok(None) };
            match message.kind {
                kind::SET_CHUNK_SIZE => {
                    self.reader.set_chunk_size(message::control_value(&message)?)?;
                }
                kind::COMMAND => {
                    if let Some(event) = self.answer(&Command::read(&message)?) {
                        return Ok(Some(event));
                    }
                }
                _ => {}
            }
        }
    }

    /// True from the end of the handshake until the server has answered to `connect`.
    #[must_use]
    pub const fn is_connecting(&self) -> bool {
        matches!(self.state, ClientState::Connecting)
    }

    /// Appends a media message to the output. `body` is the FLV tag's body.
    pub fn media(&mut self, kind: u8, timestamp: u32, body: Bytes) {
        let chunk_stream = if kind == kind::AUDIO { 4 } else { 6 };
        let message = Message { timestamp, kind, stream: self.stream, body };
        self.send(chunk_stream, &message);
    }

    /// Appends the goodbye.
    pub fn unpublish(&mut self) {
        let key = amf0::string(&self.key);
        let stream = Value::Number(f64::from(self.stream));
        self.send(3, &message::command(0, "FCUnpublish", 5.0, &[Value::Null, key]));
        self.send(3, &message::command(0, "deleteStream", 6.0, &[Value::Null, stream]));
    }

    fn answer(&mut self, command: &Command) -> Option<ClientEvent> {
        let info = command.arguments.get(1);
        let told = |name| info.and_then(|info| info.member(name)).and_then(Value::text);
        let failed = command.name == "_error" || told("level") == Some("error");
        if failed {
            self.state = ClientState::Refused;
            return Some(ClientEvent::Refused {
                code: told("code").unwrap_or("_error").to_owned(),
                description: told("description").unwrap_or_default().to_owned(),
            });
        }
        match (&self.state, command.name.as_str()) {
            (ClientState::Connecting, "_result") => {
                let key = amf0::string(&self.key);
                for (name, transaction) in [("releaseStream", 2.0), ("FCPublish", 3.0)] {
                    let arguments = [Value::Null, key.clone()];
                    self.send(3, &message::command(0, name, transaction, &arguments));
                }
                self.send(3, &message::command(0, "createStream", 4.0, &[Value::Null]));
                self.state = ClientState::Creating;
            }
            (ClientState::Creating, "_result") if command.transaction == 4.0 => {
                let id = info.and_then(Value::number).unwrap_or(1.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "float casts saturate"
                )]
                let stream = id as u32;
                self.stream = stream;
                let arguments = [Value::Null, amf0::string(&self.key), amf0::string("live")];
                self.send(8, &message::command(stream, "publish", 5.0, &arguments));
                self.state = ClientState::Publishing;
            }
            (ClientState::Publishing, "onStatus")
                if told("code") == Some("NetStream.Publish.Start") =>
            {
                self.state = ClientState::Live;
                return Some(ClientEvent::Live);
            }
            _ => {}
        }
        None
    }

    fn send(&mut self, chunk_stream: u8, message: &Message) {
        // Our Set Chunk Size goes ahead of everything else, and fits the initial size.
        write_message(&mut self.output, chunk_stream, message, CHUNK_SIZE as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtmp::session::{Event, ServerSession};

    /// Carries bytes to and fro until both are silent; returns what each said.
    fn talk(
        client: &mut ClientSession,
        server: &mut ServerSession,
        piece: usize,
    ) -> (Vec<ClientEvent>, Vec<String>) {
        let (mut told, mut heard) = (Vec::new(), Vec::new());
        loop {
            let up = std::mem::take(client.output());
            for piece in up.chunks(piece) {
                let mut input = piece;
                while let Some(event) = server.next(&mut input).unwrap() {
                    match event {
                        Event::Publish { key } if key == "secret" => server.accept(),
                        Event::Publish { .. } => {
                            server.refuse("NetStream.Publish.Unauthorized", "no");
                        }
                        Event::Media(message) => {
                            heard.push(format!("{} {}", message.kind, message.timestamp));
                        }
                        Event::Unpublished => heard.push("bye".to_owned()),
                        Event::Connected { encoder } => {
                            heard.push(encoder.unwrap_or_default().to_string());
                        }
                        Event::Data { name, .. } => heard.push(name),
                    }
                }
            }
            let down = std::mem::take(server.output());
            for piece in down.chunks(piece) {
                let mut input = piece;
                while let Some(event) = client.next(&mut input).unwrap() {
                    told.push(event);
                }
            }
            if up.is_empty() && down.is_empty() {
                return (told, heard);
            }
        }
    }

    #[test]
    fn our_two_ends_understand_each_other() {
        for piece in [1, 7, 100_000] {
            let mut client = ClientSession::new("box", "secret", 1);
            let mut server = ServerSession::new(2);
            assert_eq!(talk(&mut client, &mut server, piece).0, [ClientEvent::Live]);
            client.media(kind::VIDEO, 40, Bytes::from(vec![0x17; 10_000]));
            client.media(kind::AUDIO, 41, Bytes::new());
            client.unpublish();
            let (_, heard) = talk(&mut client, &mut server, piece);
            assert_eq!(heard, ["9 40", "8 41", "bye"]);
        }
    }

    #[test]
    fn a_refusal_arrives_with_its_code() {
        let mut client = ClientSession::new("box", "wrong", 1);
        let (told, _) = talk(&mut client, &mut ServerSession::new(2), 100_000);
        let code = "NetStream.Publish.Unauthorized".to_owned();
        assert_eq!(told, [ClientEvent::Refused { code, description: "no".to_owned() }]);
    }
}
