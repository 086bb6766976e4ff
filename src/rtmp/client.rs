//! The publisher's side of one connection: of relays, of our own tools and tests.
//!
//! ```text
//! Handshaking ──→ Connecting ─_result→ Creating ─_result→ Publishing ─onStatus Start→ Live ──→ Refused
//! ```
//! An `_error` to what is asked for in that state, any `onStatus` of level `error`, and a server that ends the
//! stream or the connection by its word end it with the server's own words. An `_error` to `releaseStream` or
//! `FCPublish` ends nothing: half of all servers do not know them.

use bytes::Bytes;

use crate::media::Foreign;
use crate::rtmp::RtmpError;
use crate::rtmp::address::Address;
use crate::rtmp::amf0::{self, Value};
use crate::rtmp::chunk::{ChunkReader, write_message};
use crate::rtmp::handshake::Handshake;
use crate::rtmp::message::{self, Command, Message, kind, user_control};
use crate::rtmp::session::APP;

/// Chunk size that we announce: a picture is a few chunks.
const CHUNK_SIZE: u32 = 4096;
/// Window that we announce, and by which we acknowledge until the server asks for another.
const WINDOW: u32 = 2_500_000;
/// The least window of a server that we honor: one that asks for an acknowledgement of every byte gets one
/// per window of this size.
const MIN_WINDOW: u32 = 64 << 10;
/// Transaction numbers of what must be answered.
const CONNECT: f64 = 1.0;
const CREATE: f64 = 4.0;
const PUBLISH: f64 = 5.0;

/// Stands where a server's words repeat a secret.
const HIDDEN: &str = "(hidden)";
/// Shorter than this a key may be part of any word, so that the words would not be readable any more.
const SECRET_LEAST: usize = 4;

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// Media may be sent.
    Live,
    /// It refused, or ended the stream.
    Refused {
        /// What was asked for.
        during: During,
        /// For example `NetStream.Publish.Unauthorized`.
        code: Foreign,
        /// Its words.
        description: Foreign,
    },
}

/// What a server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// To let us connect to the application.
    Connect,
    /// To make a message stream.
    Create,
    /// To let us publish by the key.
    Publish,
    /// Nothing: it has let us publish.
    Live,
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

/// One connection that publishes one stream. Its `Debug` says nothing of the key.
pub struct ClientSession {
    state: ClientState,
    reader: ChunkReader,
    output: Vec<u8>,
    app: String,
    tc_url: String,
    key: String,
    /// `FourCC` that the server must take (Enhanced RTMP).
    fourcc: Option<[u8; 4]>,
    stream: u32,
    received: u64,
    acknowledged: u64,
    window: u32,
    /// The server knows ours.
    told_window: bool,
}

impl std::fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSession").field("state", &self.state).finish_non_exhaustive()
    }
}

impl ClientSession {
    /// Begins, for a box of ours: [`Self::output`] holds the first bytes. `host` is for the server's logs.
    #[must_use]
    pub fn new(host: &str, key: &str, seed: u64) -> Self {
        let tc_url = format!("rtmp://{host}/{APP}");
        Self::begin([APP.to_owned(), tc_url, key.to_owned()], None, seed)
    }

    /// Begins, for any server. `fourcc` names the coding where the stream is one of Enhanced RTMP: such a
    /// publisher tells what it sends, and no other says a word that an old server may not know.
    #[must_use]
    pub fn to(address: &Address, fourcc: Option<[u8; 4]>, seed: u64) -> Self {
        let [app, key] = [address.app(), address.key()].map(str::to_owned);
        Self::begin([app, address.tc_url(), key], fourcc, seed)
    }

    fn begin([app, tc_url, key]: [String; 3], fourcc: Option<[u8; 4]>, seed: u64) -> Self {
        let (handshake, output) = Handshake::client(seed);
        Self {
            state: ClientState::Handshaking(handshake),
            reader: ChunkReader::new(),
            output,
            app,
            tc_url,
            key,
            fourcc,
            stream: 0,
            received: 0,
            acknowledged: 0,
            window: WINDOW,
            told_window: false,
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
        let before = input.len();
        let event = self.advance(input);
        self.received += (before - input.len()) as u64;
        self.acknowledge();
        event
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<ClientEvent>, RtmpError> {
        loop {
            if let ClientState::Handshaking(handshake) = &mut self.state {
                if !handshake.feed(input, &mut self.output)? {
                    return Ok(None);
                }
                self.send(2, &message::control(kind::SET_CHUNK_SIZE, CHUNK_SIZE));
                self.connect();
                self.state = ClientState::Connecting;
            }
            let Some(message) = self.reader.read(input)? else { return Ok(None) };
            match message.kind {
                kind::SET_CHUNK_SIZE => {
                    self.reader.set_chunk_size(message::control_value(&message)?)?;
                }
                kind::ABORT => self.reader.abort(message::control_value(&message)?),
                kind::WINDOW_ACKNOWLEDGEMENT_SIZE => {
                    self.window = message::control_value(&message)?.max(MIN_WINDOW);
                }
                // RTMP 1.0, 5.4.5: answered by the window that we send by, which is always the same.
                kind::SET_PEER_BANDWIDTH if !std::mem::replace(&mut self.told_window, true) => {
                    self.send(2, &message::control(kind::WINDOW_ACKNOWLEDGEMENT_SIZE, WINDOW));
                }
                kind::USER_CONTROL => self.user_control(&message.body),
                kind::COMMAND | kind::COMMAND_AMF3 => {
                    let event = match Command::read(&message) {
                        Ok(command) => self.answer(&command),
                        Err(RtmpError::Amf(error)) if error.is_limit() => {
                            return Err(RtmpError::Amf(error));
                        }
                        // ffmpeg's `onFCPublish` has no transaction: what is told and not asked for may be
                        // as it likes.
                        Err(_) => None,
                    };
                    if event.is_some() {
                        return Ok(event);
                    }
                }
                _ => {}
            }
        }
    }

    fn connect(&mut self) {
        let mut members = vec![
            ("app", amf0::string(&self.app)),
            ("type", amf0::string("nonprivate")),
            // Old servers look for FMLE's name to know a publisher; ours stands where ffmpeg's does.
            (
                "flashVer",
                amf0::string(concat!(
                    "FMLE/3.0 (compatible; courtside/",
                    env!("CARGO_PKG_VERSION"),
                    ")"
                )),
            ),
            ("swfUrl", amf0::string(&self.tc_url)),
            ("tcUrl", amf0::string(&self.tc_url)),
        ];
        if let Some(fourcc) = self.fourcc {
            let fourcc = amf0::string(&fourcc.escape_ascii().to_string());
            members.push(("fourCcList", Value::Array(vec![fourcc])));
        }
        let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
        let object = Value::Object(members.collect());
        self.send(3, &message::command(0, "connect", CONNECT, &[object]));
    }

    /// Answers pings; nothing else of user control asks for anything.
    fn user_control(&mut self, body: &Bytes) {
        if let Some(stamp) = message::ping(body) {
            self.send(2, &message::user_event(user_control::PING_RESPONSE, stamp));
        }
    }

    /// RTMP 1.0, 5.4.3. At most one per call of [`Self::next`].
    fn acknowledge(&mut self) {
        if self.received - self.acknowledged >= u64::from(self.window)
            && !matches!(self.state, ClientState::Handshaking(_))
        {
            self.acknowledged = self.received;
            #[expect(clippy::cast_possible_truncation, reason = "the sequence number wraps")]
            let sequence = self.received as u32;
            self.send(2, &message::control(kind::ACKNOWLEDGEMENT, sequence));
        }
    }

    /// True from the end of the handshake until the server has answered to `connect`.
    #[must_use]
    pub const fn is_connecting(&self) -> bool {
        matches!(self.state, ClientState::Connecting)
    }

    /// Appends a media or data message to the output. `body` is the FLV tag's body.
    pub fn media(&mut self, kind: u8, timestamp: u32, body: Bytes) {
        let chunk_stream = match kind {
            kind::AUDIO => 4,
            kind::VIDEO => 6,
            _ => 5,
        };
        let message = Message { timestamp, kind, stream: self.stream, body };
        self.send(chunk_stream, &message);
    }

    /// Appends the goodbye.
    pub fn unpublish(&mut self) {
        let key = amf0::string(&self.key);
        let stream = Value::Number(f64::from(self.stream));
        self.send(3, &message::command(0, "FCUnpublish", 6.0, &[Value::Null, key]));
        self.send(3, &message::command(0, "deleteStream", 7.0, &[Value::Null, stream]));
    }

    /// What it is asked for now.
    const fn during(&self) -> During {
        match self.state {
            ClientState::Handshaking(_) | ClientState::Connecting => During::Connect,
            ClientState::Creating => During::Create,
            ClientState::Publishing => During::Publish,
            ClientState::Live | ClientState::Refused => During::Live,
        }
    }

    /// Servers like to repeat the key in their words, whole, or what stands before or behind its `?`.
    fn without_secrets(&self, text: &str) -> String {
        let parts = self.key.split('?').chain(self.app.split('?').skip(1));
        let secrets = std::iter::once(self.key.as_str()).chain(parts);
        let mut text = text.to_owned();
        for secret in secrets.filter(|secret| secret.len() >= SECRET_LEAST) {
            text = text.replace(secret, HIDDEN);
        }
        text
    }

    fn answer(&mut self, command: &Command) -> Option<ClientEvent> {
        let info = command.arguments.get(1);
        let told = |name| info.and_then(|info| info.member(name)).and_then(Value::text);
        let code = told("code");
        let awaited = match self.state {
            ClientState::Connecting => true,
            ClientState::Creating => command.transaction == CREATE,
            ClientState::Publishing => command.transaction == PUBLISH,
            _ => false,
        };
        let ends = ["NetStream.Unpublish.Success", "NetConnection.Connect.Closed"];
        let failed = command.name == "_error" && awaited
            || command.name == "onStatus" && told("level") == Some("error")
            || command.name == "onStatus" && code.is_some_and(|code| ends.contains(&code))
            || command.name == "close";
        if failed {
            let refused = ClientEvent::Refused {
                during: self.during(),
                code: Foreign::name(&self.without_secrets(code.unwrap_or(&command.name))),
                description: Foreign::text(
                    self.without_secrets(told("description").unwrap_or_default()),
                ),
            };
            self.state = ClientState::Refused;
            return Some(refused);
        }
        match (&self.state, command.name.as_str()) {
            (ClientState::Connecting, "_result") => {
                let key = amf0::string(&self.key);
                for (name, transaction) in [("releaseStream", 2.0), ("FCPublish", 3.0)] {
                    let arguments = [Value::Null, key.clone()];
                    self.send(3, &message::command(0, name, transaction, &arguments));
                }
                self.send(3, &message::command(0, "createStream", CREATE, &[Value::Null]));
                self.state = ClientState::Creating;
            }
            (ClientState::Creating, "_result") if command.transaction == CREATE => {
                let id = info.and_then(Value::number).unwrap_or(1.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "float casts saturate"
                )]
                let stream = id as u32;
                self.stream = stream;
                let arguments = [Value::Null, amf0::string(&self.key), amf0::string("live")];
                self.send(8, &message::command(stream, "publish", PUBLISH, &arguments));
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
                while let Some(event) = server.next(&mut input).expect("what is sent can be read") {
                    match event {
                        Event::Publish { key } if key == "secret" => server.accept(),
                        Event::Publish { .. } => {
                            server.refuse("NetStream.Publish.Unauthorized", "no");
                        }
                        Event::Media(message) => {
                            heard.push(format!("{} {}", message.kind, message.timestamp));
                        }
                        Event::Unpublished => heard.push("bye".to_owned()),
                        Event::Refused(refusal) => heard.push(format!("{refusal:?}")),
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
                while let Some(event) = client.next(&mut input).expect("what is sent can be read") {
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
        let code = Foreign::name("NetStream.Publish.Unauthorized");
        let (during, description) = (During::Publish, Foreign::text("no"));
        assert_eq!(told, [ClientEvent::Refused { during, code, description }]);
    }

    /// A server as these messages make it, after its handshake; what the publisher said to them.
    fn answered(client: &mut ClientSession, messages: &[Message]) -> Vec<ClientEvent> {
        if matches!(client.state, ClientState::Handshaking(_)) {
            let hello = [&[3][..], &[0; 2 * 1536]].concat();
            assert_eq!(client.next(&mut hello.as_slice()), Ok(None));
        }
        let mut bytes = Vec::new();
        for message in messages {
            let size = crate::rtmp::chunk::INITIAL_CHUNK_SIZE;
            write_message(&mut bytes, 3, message, size);
        }
        let mut input = bytes.as_slice();
        let mut told = Vec::new();
        while let Some(event) = client.next(&mut input).expect("what is sent can be read") {
            told.push(event);
        }
        told
    }

    fn result(transaction: f64) -> Message {
        message::command(0, "_result", transaction, &[Value::Null, Value::Number(1.0)])
    }

    fn error(transaction: f64, code: &str, description: &str) -> Message {
        let info = amf0::object([
            ("level", amf0::string("error")),
            ("code", amf0::string(code)),
            ("description", amf0::string(description)),
        ]);
        message::command(0, "_error", transaction, &[Value::Null, info])
    }

    fn started() -> Message {
        message::on_status(1, "status", "NetStream.Publish.Start", "go")
    }

    #[test]
    fn a_server_that_does_not_know_release_stream_takes_the_stream_all_the_same() {
        let mut client = ClientSession::new("box", "secret", 1);
        let errors = [2.0, 3.0].map(|number| error(number, "NetConnection.Call.Failed", "what?"));
        let answers = [result(1.0)].into_iter().chain(errors).chain([result(4.0), started()]);
        let answers: Vec<Message> = answers.collect();
        assert_eq!(answered(&mut client, &answers), [ClientEvent::Live]);
    }

    #[test]
    fn each_way_to_say_no_is_understood_and_no_key_is_repeated() {
        let on_status =
            |level: &str, code: &str, words: &str| message::on_status(1, level, code, words);
        let begun = || vec![result(1.0), result(4.0)];
        let live = || [begun(), vec![started()]].concat();
        let words = "stream planted-key of planted-key?token=planted-token is taken";
        for (answers, during, code, said) in [
            (
                vec![error(1.0, "NetConnection.Connect.Rejected", "authmod=adobe")],
                During::Connect,
                "NetConnection.Connect.Rejected",
                "authmod=adobe",
            ),
            (vec![result(1.0), error(4.0, "no", "")], During::Create, "no", ""),
            ([begun(), vec![error(5.0, "no", "")]].concat(), During::Publish, "no", ""),
            (
                [begun(), vec![on_status("error", "NetStream.Publish.BadName", words)]].concat(),
                During::Publish,
                "NetStream.Publish.BadName",
                "stream (hidden) of (hidden) is taken",
            ),
            (
                [live(), vec![on_status("status", "NetStream.Unpublish.Success", "")]].concat(),
                During::Live,
                "NetStream.Unpublish.Success",
                "",
            ),
            (
                [live(), vec![message::command(0, "close", 0.0, &[Value::Null])]].concat(),
                During::Live,
                "close",
                "",
            ),
        ] {
            let mut client = ClientSession::new("box", "planted-key?token=planted-token", 1);
            let told = answered(&mut client, &answers);
            let (code, description) = (Foreign::name(code), Foreign::text(said));
            let refused = ClientEvent::Refused { during, code, description };
            assert_eq!(told.last(), Some(&refused));
            assert!(!format!("{client:?} {told:?}").contains("planted"));
        }
    }

    /// What real servers answered to ffmpeg, whose transactions have the same numbers as ours.
    #[test]
    fn recorded_servers_let_us_publish_in_whatever_pieces_they_say_so() {
        let nginx = &include_bytes!("../../tests/data/nginx-rtmp-1.2.2/answers.rtmp")[..];
        let ffmpeg = &include_bytes!("../../tests/data/ffmpeg-5.1.9/answers.rtmp")[..];
        for (name, bytes, goodbye) in [("nginx", nginx, true), ("ffmpeg", ffmpeg, false)] {
            for piece in [1, 7, 100_000] {
                let mut client = ClientSession::new("box", "k", 1);
                let mut told = Vec::new();
                for mut piece in bytes.chunks(piece) {
                    while let Some(event) =
                        client.next(&mut piece).expect("what is sent can be read")
                    {
                        told.push(event);
                    }
                }
                assert_eq!(told.first(), Some(&ClientEvent::Live), "{name}: {told:?}");
                // nginx says that it has heard the goodbye.
                assert_eq!(told.len(), 1 + usize::from(goodbye), "{name}: {told:?}");
            }
        }
    }

    #[test]
    fn pings_windows_and_bandwidth_are_answered() {
        let mut client = ClientSession::new("box", "secret", 1);
        let window = message::control(kind::WINDOW_ACKNOWLEDGEMENT_SIZE, 1);
        assert_eq!(answered(&mut client, &[window, message::peer_bandwidth(1)]), []);
        client.output().clear();
        assert_eq!(
            answered(&mut client, &[message::user_event(user_control::PING_REQUEST, 77)]),
            []
        );
        let pong = message::user_event(user_control::PING_RESPONSE, 77);
        let mut expected = Vec::new();
        write_message(&mut expected, 2, &pong, CHUNK_SIZE as usize);
        assert_eq!(*client.output(), expected);
        // A window of a byte is one of the least that there is.
        client.output().clear();
        let filler = Message { kind: 99, body: vec![0; 60_000].into(), ..pong };
        assert_eq!(answered(&mut client, std::slice::from_ref(&filler)), []);
        assert!(client.output().is_empty());
        assert_eq!(answered(&mut client, &[filler]), []);
        assert_eq!(client.output().get(7), Some(&kind::ACKNOWLEDGEMENT));
    }
}
