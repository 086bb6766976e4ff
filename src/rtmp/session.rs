//! The server's side of one connection: bytes in, events and bytes to send out.
//!
//! ```text
//! Handshaking ──→ Unconnected ─connect→ Connected ─publish→ Asking ─accept→ Publishing
//!                      └ another application → Ended ←─refuse──┘                │
//!                                         ↑                                     │ unpublish
//!                                         └──── refuse ──── Connected ←─────────┘
//! ```
//! In `Asking` no byte is taken: what follows a publish waits for its answer. Media outside of
//! `Publishing` are refused (before the first) or let go (after), and so are those of another message stream
//! than the one that is published: each `createStream` has its own.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::media::Foreign;
use crate::rtmp::RtmpError;
use crate::rtmp::amf0::{self, Value};
use crate::rtmp::chunk::{ChunkReader, INITIAL_CHUNK_SIZE, write_message};
use crate::rtmp::handshake::Handshake;
use crate::rtmp::message::{self, Command, Message, kind, user_control};

/// The application that publishers name: rtmp://BOX/live/KEY.
pub const APP: &str = "live";
/// Answers that a peer has not read (DESIGN §5.1).
const MAX_UNSENT: usize = 64 << 10;
/// Chunk size of what we send: our answers are short.
const OUT_CHUNK_SIZE: usize = 4096;
/// Window that we announce, and the least that we acknowledge by: a peer that asks for an
/// acknowledgement of every byte gets one per window of this size.
const WINDOW: u32 = 2_500_000;
/// The least window of a peer that we honor.
const MIN_WINDOW: u32 = 64 << 10;
/// The message stream that the first `createStream` is answered with. A connection publishes one stream at a time.
const STREAM: u32 = 1;
/// Message streams that a connection may have: further ones are the last one.
const MAX_STREAMS: u32 = 64;

/// What the peer did.
#[derive(Debug)]
pub enum Event {
    /// It connected, and says what it is.
    Connected {
        /// `flashVer`.
        encoder: Option<Foreign>,
    },
    /// It wants to publish. Answer with [`ServerSession::accept`] or [`ServerSession::refuse`].
    Publish {
        /// What follows `live/`: the stream key. Never log it.
        key: String,
    },
    /// Audio or video.
    Media(Message),
    /// A data message: its name, then its values.
    Data {
        /// As it came.
        message: Message,
        /// `onMetaData`, `onFI` …
        name: String,
        /// What follows.
        values: Vec<Value>,
    },
    /// It said that it is done. It may publish anew.
    Unpublished,
    /// It was answered that it may not, and why; the words were sent.
    Refused(Refusal),
}

/// Why a peer may do nothing here, before any key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It connected to another application than [`APP`].
    Application(Foreign),
    /// It wants to be sent a stream.
    Plays,
    /// It publishes without having connected.
    NotConnected,
}

#[derive(Debug)]
enum SessionState {
    Handshaking(Handshake),
    Unconnected,
    Connected,
    Asking {
        stream: u32,
        transaction: f64,
    },
    Publishing {
        stream: u32,
        /// Media came on it.
        heard: bool,
        /// Media come on stream 0 instead: none came on the one that was published.
        on_zero: bool,
    },
    Ended,
}

/// One connection.
#[derive(Debug)]
pub struct ServerSession {
    state: SessionState,
    reader: ChunkReader,
    /// Parts of an aggregate message still to be told.
    parts: VecDeque<Message>,
    output: Vec<u8>,
    received: u64,
    acknowledged: u64,
    window: u32,
    /// Size of the chunks that we send.
    chunk_size: usize,
    /// Message streams that it has asked for.
    created: u32,
    /// The application, after `live/`, if the encoder put the key there.
    below_app: String,
}

impl ServerSession {
    /// Waits for a handshake. `seed` need not be secret.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: SessionState::Handshaking(Handshake::server(seed)),
            reader: ChunkReader::new(),
            parts: VecDeque::new(),
            output: Vec::new(),
            received: 0,
            acknowledged: 0,
            window: WINDOW,
            chunk_size: INITIAL_CHUNK_SIZE,
            created: 0,
            below_app: String::new(),
        }
    }

    /// Takes bytes off `input` up to the next event. `None`: all are taken, or a publish waits for
    /// its answer.
    ///
    /// # Errors
    /// [`RtmpError`]: send what [`Self::output`] holds, then close.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Event>, RtmpError> {
        let before = input.len();
        let event = self.advance(input);
        self.received += (before - input.len()) as u64;
        self.acknowledge();
        if self.output.len() > MAX_UNSENT {
            return Err(RtmpError::Unsent { limit: MAX_UNSENT });
        }
        event
    }

    /// How near the peer is to publishing: it only grows, and not by bytes that lead nowhere.
    #[must_use]
    pub const fn step(&self) -> u8 {
        match &self.state {
            SessionState::Handshaking(handshake) => handshake.is_answered() as u8,
            SessionState::Unconnected => 2,
            SessionState::Connected => 3 + (self.created > 0) as u8,
            SessionState::Asking { .. } | SessionState::Publishing { .. } => 5,
            SessionState::Ended => 6,
        }
    }

    /// What must be sent. Take from its front what was.
    pub const fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// True once a publish was accepted and has not ended.
    #[must_use]
    pub const fn is_publishing(&self) -> bool {
        matches!(self.state, SessionState::Publishing { .. })
    }

    /// Lets the peer publish.
    pub fn accept(&mut self) {
        if let SessionState::Asking { stream, transaction } = self.state {
            self.reader.allow_media();
            self.send(&message::user_event(user_control::STREAM_BEGIN, stream));
            if transaction != 0.0 {
                self.send(&message::command(
                    0,
                    "_result",
                    transaction,
                    &[Value::Null, Value::Null],
                ));
            }
            let text = "publishing";
            self.send(&message::on_status(stream, "status", "NetStream.Publish.Start", text));
            self.state = SessionState::Publishing { stream, heard: false, on_zero: false };
        }
    }

    /// Tells the peer why it may not publish, or not any longer; close after sending it.
    pub fn refuse(&mut self, code: &str, description: &str) {
        let stream = match self.state {
            SessionState::Asking { stream, .. } | SessionState::Publishing { stream, .. } => stream,
            _ => 0,
        };
        self.send(&message::on_status(stream, "error", code, description));
        self.state = SessionState::Ended;
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Event>, RtmpError> {
        loop {
            if let Some(part) = self.parts.pop_front() {
                match self.handle(part)? {
                    Some(event) => return Ok(Some(event)),
                    None => continue,
                }
            }
            match &mut self.state {
                SessionState::Asking { .. } => return Ok(None),
                SessionState::Handshaking(handshake) => {
                    if !handshake.feed(input, &mut self.output)? {
                        return Ok(None);
                    }
                    self.state = SessionState::Unconnected;
                }
                _ => {
                    let Some(message) = self.reader.read(input)? else { return Ok(None) };
                    if let Some(event) = self.handle(message)? {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    fn handle(&mut self, message: Message) -> Result<Option<Event>, RtmpError> {
        match message.kind {
            kind::SET_CHUNK_SIZE => {
                self.reader.set_chunk_size(message::control_value(&message)?)?;
            }
            kind::ABORT => self.reader.abort(message::control_value(&message)?),
            kind::WINDOW_ACKNOWLEDGEMENT_SIZE => {
                self.window = message::control_value(&message)?.max(MIN_WINDOW);
            }
            kind::USER_CONTROL => self.user_control(&message.body),
            kind::AUDIO | kind::VIDEO if self.is_published(message.stream) => {
                return Ok(Some(Event::Media(message)));
            }
            kind::AGGREGATE if self.is_published(message.stream) => {
                self.parts = message::split_aggregate(&message)?.into();
            }
            // Some say what they are on the stream of commands.
            kind::DATA | kind::DATA_AMF3
                if self.is_publishing()
                    && (message.stream == 0 || self.is_published(message.stream)) =>
            {
                return data(message);
            }
            kind::COMMAND | kind::COMMAND_AMF3 => return self.command(Command::read(&message)?),
            _ => {}
        }
        Ok(None)
    }

    /// True if what comes on a message stream is of the publish. A careless encoder may send all of it on stream 0.
    fn is_published(&mut self, of: u32) -> bool {
        let SessionState::Publishing { stream, heard, on_zero } = &mut self.state else {
            return false;
        };
        *heard |= of == *stream;
        *on_zero |= of == 0 && !*heard;
        of == *stream || (of == 0 && *on_zero)
    }

    /// Answers pings; nothing else of user control asks for anything.
    fn user_control(&mut self, body: &Bytes) {
        if let Some(stamp) = message::ping(body) {
            self.send(&message::user_event(user_control::PING_RESPONSE, stamp));
        }
    }

    fn command(&mut self, command: Command) -> Result<Option<Event>, RtmpError> {
        match command.name.as_str() {
            "connect" => return Ok(self.connect(&command)),
            "createStream" => {
                self.created = (self.created + 1).min(MAX_STREAMS);
                let id = Value::Number(f64::from(self.created.max(STREAM)));
                let answer =
                    message::command(0, "_result", command.transaction, &[Value::Null, id]);
                self.send(&answer);
            }
            "releaseStream" | "FCPublish" | "_checkbw" if command.transaction != 0.0 => {
                let nothing = [Value::Null, Value::Null];
                self.send(&message::command(0, "_result", command.transaction, &nothing));
            }
            "publish" => return Ok(self.publish(&command)),
            "FCUnpublish" | "deleteStream" | "closeStream" => return Ok(self.unpublish(&command)),
            "play" | "play2" => {
                let text = "this box takes streams and gives none";
                self.send(&message::on_status(
                    command.stream,
                    "error",
                    "NetStream.Play.Failed",
                    text,
                ));
                return Ok(Some(Event::Refused(Refusal::Plays)));
            }
            _ => {}
        }
        Ok(None)
    }

    /// Ends the publish that is meant; another message stream than the published one ends nothing.
    fn unpublish(&mut self, command: &Command) -> Option<Event> {
        let SessionState::Publishing { stream, .. } = self.state else { return None };
        let is_meant = match command.name.as_str() {
            "deleteStream" => {
                command.arguments.get(1).and_then(Value::number) == Some(f64::from(stream))
            }
            "closeStream" => command.stream == 0 || command.stream == stream,
            _ => true,
        };
        if !is_meant {
            return None;
        }
        let (code, text) = ("NetStream.Unpublish.Success", "goodbye");
        self.send(&message::on_status(command.stream, "status", code, text));
        self.state = SessionState::Connected;
        Some(Event::Unpublished)
    }

    fn connect(&mut self, command: &Command) -> Option<Event> {
        if !matches!(self.state, SessionState::Unconnected) {
            return None;
        }
        let app = command.object_text("app").unwrap_or_default();
        let app = app.split('?').next().unwrap_or_default().trim_matches('/');
        self.below_app = match app.strip_prefix(APP) {
            Some("") => String::new(),
            Some(below) if below.starts_with('/') => format!("{}/", below.trim_matches('/')),
            _ => {
                self.reject_connect(command.transaction);
                // The first part alone: the key may stand behind it.
                let named = app.split('/').next().unwrap_or_default();
                return Some(Event::Refused(Refusal::Application(Foreign::name(named))));
            }
        };
        self.send(&message::control(kind::WINDOW_ACKNOWLEDGEMENT_SIZE, WINDOW));
        self.send(&message::peer_bandwidth(WINDOW));
        let chunk = u32::try_from(OUT_CHUNK_SIZE).unwrap_or(u32::MAX);
        self.send(&message::control(kind::SET_CHUNK_SIZE, chunk));
        self.chunk_size = OUT_CHUNK_SIZE;
        let properties = amf0::object([
            ("fmsVer", amf0::string("FMS/3,5,7,7009")),
            ("capabilities", Value::Number(31.0)),
            ("mode", Value::Number(1.0)),
        ]);
        let fourccs = ["avc1", "hvc1", "mp4a"].map(amf0::string).to_vec();
        let info = amf0::object([
            ("level", amf0::string("status")),
            ("code", amf0::string("NetConnection.Connect.Success")),
            ("description", amf0::string("connected")),
            ("objectEncoding", Value::Number(0.0)),
            ("fourCcList", Value::Array(fourccs)),
        ]);
        self.send(&message::command(0, "_result", command.transaction, &[properties, info]));
        self.state = SessionState::Connected;
        let encoder = command.object_text("flashVer").map(Foreign::name);
        Some(Event::Connected { encoder })
    }

    fn reject_connect(&mut self, transaction: f64) {
        let info = amf0::object([
            ("level", amf0::string("error")),
            ("code", amf0::string("NetConnection.Connect.Rejected")),
            ("description", amf0::string("publish to rtmp://BOX/live/KEY")),
        ]);
        self.send(&message::command(0, "_error", transaction, &[Value::Null, info]));
        self.state = SessionState::Ended;
    }

    fn publish(&mut self, command: &Command) -> Option<Event> {
        let stream = if command.stream == 0 { STREAM } else { command.stream };
        match &self.state {
            SessionState::Connected => {
                let name = command.text(1).unwrap_or_default();
                let name = name.split('?').next().unwrap_or_default();
                let key = format!("{}{name}", self.below_app).trim_matches('/').to_owned();
                self.state = SessionState::Asking { stream, transaction: command.transaction };
                Some(Event::Publish { key })
            }
            SessionState::Publishing { .. } => {
                let text = "this connection publishes already";
                let code = "NetStream.Publish.BadName";
                self.send(&message::on_status(stream, "error", code, text));
                None
            }
            SessionState::Ended => None,
            _ => {
                let text = "connect first";
                let code = "NetStream.Publish.BadConnection";
                self.send(&message::on_status(stream, "error", code, text));
                Some(Event::Refused(Refusal::NotConnected))
            }
        }
    }

    /// RTMP 1.0, 5.4.3. At most one per call of [`Self::next`].
    fn acknowledge(&mut self) {
        if self.received - self.acknowledged >= u64::from(self.window)
            && !matches!(self.state, SessionState::Handshaking(_))
        {
            self.acknowledged = self.received;
            #[expect(clippy::cast_possible_truncation, reason = "the sequence number wraps")]
            let sequence = self.received as u32;
            self.send(&message::control(kind::ACKNOWLEDGEMENT, sequence));
        }
    }

    fn send(&mut self, message: &Message) {
        let chunk_stream = match message.kind {
            kind::COMMAND if message.stream != 0 => 5,
            kind::COMMAND => 3,
            _ => 2,
        };
        write_message(&mut self.output, chunk_stream, message, self.chunk_size);
    }
}

/// Reads a data message. Careless metadata are cut at their fault; hostile ones are an error.
fn data(message: Message) -> Result<Option<Event>, RtmpError> {
    let (values, fault) = amf0::read_some(message::amf_body(&message));
    if let Some(fault) = fault
        && fault.is_limit()
    {
        return Err(RtmpError::Amf(fault));
    }
    let mut values = values.into_iter().peekable();
    values.next_if(|value| value.text() == Some("@setDataFrame"));
    Ok(match values.next() {
        Some(Value::String(name)) => Some(Event::Data { message, name, values: values.collect() }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection behind its handshake and its connect to `app`.
    fn connected(app: &str) -> (ServerSession, Option<Event>) {
        let mut tested = ServerSession::new(1);
        let handshake = [&[3][..], &[0; 1536], &[0; 1536]].concat();
        assert!(tested.next(&mut &handshake[..]).unwrap().is_none());
        let object = amf0::object([("app", amf0::string(app))]);
        let event = say(&mut tested, &message::command(0, "connect", 1.0, &[object]));
        (tested, event)
    }

    fn say(tested: &mut ServerSession, said: &Message) -> Option<Event> {
        let mut bytes = Vec::new();
        let chunk_stream = if said.kind == kind::COMMAND { 3 } else { 6 };
        write_message(&mut bytes, chunk_stream, said, INITIAL_CHUNK_SIZE);
        tested.next(&mut &bytes[..]).unwrap()
    }

    fn command(tested: &mut ServerSession, stream: u32, name: &str, more: Value) -> Option<Event> {
        say(tested, &message::command(stream, name, 2.0, &[Value::Null, more]))
    }

    fn picture(tested: &mut ServerSession, stream: u32) -> bool {
        let body = Bytes::from_static(b"\x27\x01\0\0\0");
        let said = Message { timestamp: 0, kind: kind::VIDEO, stream, body };
        matches!(say(tested, &said), Some(Event::Media(_)))
    }

    fn published(tested: &mut ServerSession, stream: u32) {
        let event = command(tested, stream, "publish", amf0::string("key"));
        assert!(matches!(event, Some(Event::Publish { .. })), "{event:?}");
        tested.accept();
    }

    #[test]
    fn media_of_a_stream_that_was_not_published_are_let_go() {
        let (mut tested, _) = connected("live");
        command(&mut tested, 0, "createStream", Value::Null);
        tested.output().clear();
        command(&mut tested, 0, "createStream", Value::Null);
        let two = 2_f64.to_be_bytes();
        assert!(tested.output().windows(8).any(|bytes| bytes == two), "each has its own number");
        published(&mut tested, 1);
        assert!(picture(&mut tested, 1));
        assert!(command(&mut tested, 2, "publish", amf0::string("other")).is_none());
        assert!(!picture(&mut tested, 2), "its publish was refused");
        assert!(!picture(&mut tested, 7) && !picture(&mut tested, 0));
        assert!(picture(&mut tested, 1));
        let gone = command(&mut tested, 0, "deleteStream", Value::Number(2.0));
        assert!(gone.is_none() && picture(&mut tested, 1), "that one ends nothing");
    }

    #[test]
    fn an_encoder_that_sends_all_of_it_on_stream_zero_is_taken() {
        let (mut tested, _) = connected("live");
        published(&mut tested, 1);
        assert!(picture(&mut tested, 0) && picture(&mut tested, 0));
    }

    #[test]
    fn a_connection_publishes_anew_behind_its_goodbye() {
        for (goodbye, of) in [
            ("deleteStream", Value::Number(1.0)),
            ("closeStream", Value::Null),
            ("FCUnpublish", amf0::string("key")),
        ] {
            let (mut tested, _) = connected("live");
            published(&mut tested, 1);
            let event = command(&mut tested, 1, goodbye, of);
            assert!(matches!(event, Some(Event::Unpublished)), "{goodbye}: {event:?}");
            assert!(!picture(&mut tested, 1), "what came late is let go");
            published(&mut tested, 1);
            assert!(picture(&mut tested, 1), "{goodbye}");
        }
    }

    #[test]
    fn who_is_refused_before_a_key_is_told_of() {
        let refused = |event| match event {
            Some(Event::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        };
        for (app, named) in [("Live", "Live"), ("", ""), ("stream/secret", "stream")] {
            let (_, event) = connected(app);
            assert_eq!(refused(event), Refusal::Application(Foreign::name(named)));
        }
        let (mut tested, event) = connected("live/");
        assert!(matches!(event, Some(Event::Connected { .. })));
        let event = command(&mut tested, 1, "play", amf0::string("key"));
        assert_eq!(refused(event), Refusal::Plays);
        let mut tested = ServerSession::new(1);
        let handshake = [&[3][..], &[0; 1536], &[0; 1536]].concat();
        assert!(tested.next(&mut &handshake[..]).unwrap().is_none());
        let event = command(&mut tested, 1, "publish", amf0::string("key"));
        assert_eq!(refused(event), Refusal::NotConnected);
    }
}
