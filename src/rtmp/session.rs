//! The server's side of one connection: bytes in, events and bytes to send out.
//!
//! ```text
//! Handshaking ──→ Unconnected ─connect→ Connected ─publish→ Asking ─accept→ Publishing ─unpublish→ Ended
//!                                                              └──refuse→ Ended
//! ```
//! In `Asking` no byte is taken: what follows a publish waits for its answer. Media outside of
//! `Publishing` are refused (before) or let go (after).

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
/// The message stream that `createStream` answers with. One connection publishes one stream.
const STREAM: u32 = 1;

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
    /// It said that it is done. The connection may be closed.
    Unpublished,
}

#[derive(Debug)]
enum SessionState {
    Handshaking(Handshake),
    Unconnected,
    /// The application, after `live/`, if the encoder put the key there.
    Connected {
        below_app: String,
    },
    Asking {
        stream: u32,
        transaction: f64,
    },
    Publishing {
        stream: u32,
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
    /// It has asked for a message stream.
    created: bool,
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
            created: false,
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
            SessionState::Connected { .. } => 3 + self.created as u8,
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
            self.state = SessionState::Publishing { stream };
        }
    }

    /// Tells the peer why it may not publish, or not any longer; close after sending it.
    pub fn refuse(&mut self, code: &str, description: &str) {
        let stream = match self.state {
            SessionState::Asking { stream, .. } | SessionState::Publishing { stream } => stream,
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
            kind::AUDIO | kind::VIDEO if self.is_publishing() => {
                return Ok(Some(Event::Media(message)));
            }
            kind::AGGREGATE if self.is_publishing() => {
                self.parts = message::split_aggregate(&message)?.into();
            }
            kind::DATA | kind::DATA_AMF3 if self.is_publishing() => return data(message),
            kind::COMMAND | kind::COMMAND_AMF3 => return self.command(Command::read(&message)?),
            _ => {}
        }
        Ok(None)
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
                self.created = true;
                let id = Value::Number(f64::from(STREAM));
                let answer =
                    message::command(0, "_result", command.transaction, &[Value::Null, id]);
                self.send(&answer);
            }
            "releaseStream" | "FCPublish" | "_checkbw" if command.transaction != 0.0 => {
                let nothing = [Value::Null, Value::Null];
                self.send(&message::command(0, "_result", command.transaction, &nothing));
            }
            "publish" => return Ok(self.publish(&command)),
            "FCUnpublish" | "deleteStream" | "closeStream" if self.is_publishing() => {
                // deleteStream of a stream that is not the one published ends nothing.
                let named = command.arguments.get(1).and_then(Value::number);
                if command.name != "deleteStream" || named == Some(f64::from(STREAM)) {
                    let (code, text) = ("NetStream.Unpublish.Success", "goodbye");
                    self.send(&message::on_status(command.stream, "status", code, text));
                    self.state = SessionState::Ended;
                    return Ok(Some(Event::Unpublished));
                }
            }
            "play" | "play2" => {
                let text = "this box takes streams and gives none";
                self.send(&message::on_status(
                    command.stream,
                    "error",
                    "NetStream.Play.Failed",
                    text,
                ));
            }
            _ => {}
        }
        Ok(None)
    }

    fn connect(&mut self, command: &Command) -> Option<Event> {
        if !matches!(self.state, SessionState::Unconnected) {
            return None;
        }
        let app = command.object_text("app").unwrap_or_default();
        let app = app.split('?').next().unwrap_or_default().trim_matches('/');
        let below_app = match app.strip_prefix(APP) {
            Some("") => String::new(),
            Some(below) if below.starts_with('/') => format!("{}/", below.trim_matches('/')),
            _ => {
                self.reject_connect(command.transaction);
                return None;
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
        self.state = SessionState::Connected { below_app };
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
            SessionState::Connected { below_app } => {
                let name = command.text(1).unwrap_or_default();
                let name = name.split('?').next().unwrap_or_default();
                let key = format!("{below_app}{name}").trim_matches('/').to_owned();
                self.state = SessionState::Asking { stream, transaction: command.transaction };
                Some(Event::Publish { key })
            }
            SessionState::Publishing { .. } => {
                let text = "this connection publishes already";
                let code = "NetStream.Publish.BadName";
                self.send(&message::on_status(stream, "error", code, text));
                None
            }
            _ => {
                let text = "connect first";
                let code = "NetStream.Publish.BadConnection";
                self.send(&message::on_status(stream, "error", code, text));
                None
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
