//! Chunks ↔ messages (RTMP 1.0, 5.3).
//!
//! [`ChunkReader`] takes bytes in any pieces and copies each payload byte once, into the message
//! that it belongs to. What it holds is bounded (DESIGN §5.1): 64 chunk streams; a message's
//! memory follows the bytes received; all unfinished messages together stay within a budget.

use bytes::BytesMut;

use crate::rtmp::RtmpError;
use crate::rtmp::message::{Message, kind};

/// Chunk size of a connection until its peer sets another (RTMP 1.0, 5.4.1).
pub const INITIAL_CHUNK_SIZE: usize = 128;
/// From here on chunk sizes are all the same: no message is longer (RTMP 1.0, 5.4.1).
const MAX_CHUNK_SIZE: usize = 0xFF_FFFF;
/// Chunk streams of one connection (DESIGN §5.1). Encoders use 3 to 5.
const MAX_CHUNK_STREAMS: usize = 64;
/// Commands, data and control messages (DESIGN §5.1).
pub const MAX_COMMAND_BYTES: usize = 64 << 10;
/// Audio, video and aggregates, after publish (DESIGN §5.1).
pub const MAX_MEDIA_BYTES: usize = 8 << 20;
/// All unfinished messages of a connection together, before publish.
const MAX_UNFINISHED_BEFORE_PUBLISH: usize = 2 * MAX_COMMAND_BYTES;
/// The same after publish: one picture of the largest kind, with room for what interleaves.
const MAX_UNFINISHED: usize = 2 * MAX_MEDIA_BYTES;
/// First allocation of a message whose size nothing yet vouches for.
const FIRST_ALLOCATION: usize = 4 << 10;
/// Messages up to this size that lie whole in the input share allocations of [`SHARED`].
const SMALL: usize = 4 << 10;
/// What small messages are cut from. A unit that is kept keeps this much; its neighbours, which share
/// it, are kept about as long.
const SHARED: usize = 32 << 10;
/// Longest chunk header: basic 3, message 11, extended timestamp 4.
const MAX_HEADER: usize = 18;
/// A timestamp field of this value means that an extended timestamp follows.
const EXTENDED: u32 = 0xFF_FFFF;

/// Bytes → messages.
#[derive(Debug)]
pub struct ChunkReader {
    chunk_size: usize,
    streams: Vec<ChunkStream>,
    /// A header cut by the end of the input.
    partial: Partial,
    /// Payload of the current chunk still to come: which stream, how many bytes.
    payload: Option<(usize, usize)>,
    /// Capacity of all unfinished messages.
    unfinished: usize,
    /// The largest message that was whole: what this peer has shown that it fills.
    vouched: usize,
    /// Where small messages go: a publisher sends some fifty sounds a second.
    shared: BytesMut,
    media_allowed: bool,
}

/// A few bytes that come before the input.
#[derive(Debug, Default)]
struct Partial {
    bytes: [u8; MAX_HEADER],
    len: usize,
}

impl Partial {
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Copies what fits of `from`, and returns how much that was.
    fn append(&mut self, from: &[u8]) -> usize {
        let taken = from.len().min(MAX_HEADER - self.len);
        for (to, from) in self.bytes.iter_mut().skip(self.len).zip(from) {
            *to = *from;
        }
        self.len += taken;
        taken
    }

    /// Takes up to `at_most` bytes off the front.
    fn take(&mut self, at_most: usize) -> Self {
        let mut front = Self::default();
        if self.len > 0 {
            front.len = self.len.min(at_most);
            front.bytes = self.bytes;
            self.bytes.rotate_left(front.len);
            self.len -= front.len;
        }
        front
    }
}

#[derive(Debug)]
struct ChunkStream {
    id: u32,
    timestamp: u32,
    delta: u32,
    /// The extended timestamp as last sent, if the last header had one.
    extended: Option<u32>,
    length: usize,
    kind: u8,
    stream: u32,
    /// A message is under way.
    open: bool,
    body: BytesMut,
}

/// What a chunk header says, and how long it is.
struct Header {
    used: usize,
    id: u32,
    format: u8,
    field: u32,
    extended: Option<u32>,
    length: usize,
    kind: u8,
    stream: u32,
}

impl Default for ChunkReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkReader {
    /// Starts with chunks of 128 bytes, media refused.
    #[must_use]
    pub fn new() -> Self {
        Self {
            chunk_size: INITIAL_CHUNK_SIZE,
            streams: Vec::new(),
            partial: Partial::default(),
            payload: None,
            unfinished: 0,
            vouched: 0,
            shared: BytesMut::new(),
            media_allowed: false,
        }
    }

    /// From now on media messages are taken, and memory for them.
    pub fn allow_media(&mut self) {
        self.media_allowed = true;
    }

    /// Applies the peer's Set Chunk Size.
    ///
    /// # Errors
    /// [`RtmpError::ChunkSize`] for 0 and for the reserved top bit.
    pub fn set_chunk_size(&mut self, size: u32) -> Result<(), RtmpError> {
        if size == 0 || size > 0x7FFF_FFFF {
            return Err(RtmpError::ChunkSize { size });
        }
        self.chunk_size = (size as usize).min(MAX_CHUNK_SIZE);
        Ok(())
    }

    /// Applies the peer's Abort: the unfinished message of that chunk stream is forgotten.
    pub fn abort(&mut self, chunk_stream: u32) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == chunk_stream) {
            self.unfinished -= stream.body.capacity();
            stream.body = BytesMut::new();
            stream.open = false;
        }
    }

    /// Takes bytes off `input` until a message is whole. `None`: all taken, more is needed.
    ///
    /// # Errors
    /// [`RtmpError`] when the peer breaks the protocol or a limit; the reader is then of no use.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, RtmpError> {
        loop {
            if let Some((index, missing)) = self.payload {
                let early = self.partial.take(missing);
                self.append(index, early.as_slice())?;
                let missing = missing - early.len;
                let (now, rest) = input.split_at(missing.min(input.len()));
                *input = rest;
                self.append(index, now)?;
                if now.len() < missing {
                    self.payload = Some((index, missing - now.len()));
                    return Ok(None);
                }
                self.payload = None;
                if let Some(message) = self.finish(index) {
                    return Ok(Some(message));
                }
            }
            let Some(header) = self.header(input)? else { return Ok(None) };
            let index = self.open(&header)?;
            if let Some(message) = self.small(index, input) {
                return Ok(Some(message));
            }
            let Some(stream) = self.streams.get(index) else { return Ok(None) };
            self.payload = Some((index, (stream.length - stream.body.len()).min(self.chunk_size)));
        }
    }

    /// Reads a header that may have begun in an earlier input.
    fn header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, RtmpError> {
        let before = self.partial.len;
        if before == 0
            && let Some(header) = parse(input, &self.streams)?
        {
            *input = input.get(header.used..).unwrap_or_default();
            return Ok(Some(header));
        }
        let taken = self.partial.append(input);
        let header = parse(self.partial.as_slice(), &self.streams)?;
        match &header {
            Some(header) if header.used < before => {
                // It looked like an extended timestamp, and was payload: that comes first.
                self.partial.len = before;
                self.partial.take(header.used);
            }
            Some(header) => {
                self.partial.len = 0;
                *input = input.get(header.used - before..).unwrap_or_default();
            }
            None => *input = input.get(taken..).unwrap_or_default(),
        }
        Ok(header)
    }

    /// Applies a header to its chunk stream, and returns which one that is.
    fn open(&mut self, header: &Header) -> Result<usize, RtmpError> {
        let index = match self.streams.iter().position(|stream| stream.id == header.id) {
            Some(index) => index,
            None if header.format == 0 => {
                if self.streams.len() == MAX_CHUNK_STREAMS {
                    return Err(RtmpError::ChunkStreams { limit: MAX_CHUNK_STREAMS });
                }
                self.streams.push(ChunkStream::new(header.id));
                self.streams.len() - 1
            }
            None => {
                let (chunk_stream, format) = (header.id, header.format);
                return Err(RtmpError::NoPriorHeader { chunk_stream, format });
            }
        };
        if header.format != 3 {
            // A new header ends what was unfinished on its chunk stream.
            self.abort(header.id);
        }
        let media_allowed = self.media_allowed;
        let Some(stream) = self.streams.get_mut(index) else { return Ok(index) };
        if stream.open {
            return Ok(index);
        }
        let value = header.extended.unwrap_or(header.field);
        match header.format {
            0 => {
                stream.timestamp = value;
                // The specification would have a type 3 after a type 0 repeat the *absolute* time
                // as its delta; librtmp and nginx-rtmp mean "the same time", and so do encoders.
                stream.delta = 0;
                stream.stream = header.stream;
            }
            1 | 2 => stream.delta = value,
            _ => {}
        }
        if header.format != 0 {
            stream.timestamp = stream.timestamp.wrapping_add(stream.delta);
        }
        if header.format < 3 {
            stream.extended = header.extended;
        }
        if header.format < 2 {
            stream.length = header.length;
            stream.kind = header.kind;
        }
        admit(stream.kind, stream.length, media_allowed)?;
        stream.open = true;
        Ok(index)
    }

    fn append(&mut self, index: usize, bytes: &[u8]) -> Result<(), RtmpError> {
        let Some(stream) = self.streams.get_mut(index) else { return Ok(()) };
        let needed = stream.body.len() + bytes.len();
        let capacity = stream.body.capacity();
        if needed > capacity {
            // Doubling, from what this peer has filled before: never far ahead of bytes received.
            let wanted = (needed * 2).max(self.vouched).max(FIRST_ALLOCATION).min(stream.length);
            stream.body.reserve(wanted.max(needed) - stream.body.len());
            self.unfinished = self.unfinished - capacity + stream.body.capacity();
            let limit =
                if self.media_allowed { MAX_UNFINISHED } else { MAX_UNFINISHED_BEFORE_PUBLISH };
            if self.unfinished > limit {
                return Err(RtmpError::Unfinished { limit });
            }
        }
        stream.body.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes a small message that lies whole in `input`, one chunk, nothing of it read yet.
    fn small(&mut self, index: usize, input: &mut &[u8]) -> Option<Message> {
        let stream = self.streams.get_mut(index)?;
        let length = stream.length;
        let one_chunk = length <= SMALL.min(self.chunk_size) && stream.body.is_empty();
        if !(self.media_allowed && one_chunk && self.partial.len == 0) {
            return None;
        }
        let (body, rest) = input.split_at_checked(length)?;
        *input = rest;
        if self.shared.capacity() < length {
            self.shared.reserve(SHARED);
        }
        self.shared.extend_from_slice(body);
        stream.open = false;
        self.vouched = self.vouched.max(length);
        Some(Message {
            timestamp: stream.timestamp,
            kind: stream.kind,
            stream: stream.stream,
            body: self.shared.split().freeze(),
        })
    }

    fn finish(&mut self, index: usize) -> Option<Message> {
        let stream = self.streams.get_mut(index)?;
        if stream.body.len() < stream.length {
            return None;
        }
        stream.open = false;
        self.unfinished -= stream.body.capacity();
        self.vouched = self.vouched.max(stream.length);
        Some(Message {
            timestamp: stream.timestamp,
            kind: stream.kind,
            stream: stream.stream,
            body: std::mem::take(&mut stream.body).freeze(),
        })
    }
}

impl ChunkStream {
    fn new(id: u32) -> Self {
        Self {
            id,
            timestamp: 0,
            delta: 0,
            extended: None,
            length: 0,
            kind: 0,
            stream: 0,
            open: false,
            body: BytesMut::new(),
        }
    }
}

/// Holds the sizes of DESIGN §5.1 before a byte of the message is stored.
fn admit(kind: u8, length: usize, media_allowed: bool) -> Result<(), RtmpError> {
    let limit = match kind {
        kind::AUDIO | kind::VIDEO | kind::AGGREGATE if media_allowed => MAX_MEDIA_BYTES,
        kind::AUDIO | kind::VIDEO | kind::AGGREGATE => return Err(RtmpError::MediaBeforePublish),
        _ => MAX_COMMAND_BYTES,
    };
    if length > limit {
        return Err(RtmpError::MessageSize { kind, length, limit });
    }
    Ok(())
}

/// Reads a chunk header; `None` if it is not whole.
fn parse(bytes: &[u8], streams: &[ChunkStream]) -> Result<Option<Header>, RtmpError> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    let format = first >> 6;
    let (id, basic) = match (first & 0x3F, rest) {
        (0, [low, ..]) => (64 + u32::from(*low), 2),
        (1, [low, high, ..]) => (64 + u32::from(*low) + 256 * u32::from(*high), 3),
        (0 | 1, _) => return Ok(None),
        (id, _) => (u32::from(id), 1),
    };
    let prior = streams.iter().find(|stream| stream.id == id);
    if prior.is_none() && format != 0 {
        return Err(RtmpError::NoPriorHeader { chunk_stream: id, format });
    }
    let body = bytes.get(basic..).unwrap_or_default();
    let mut header =
        Header { used: basic, id, format, field: 0, extended: None, length: 0, kind: 0, stream: 0 };
    if format == 3 {
        header.used += match repeated_extended(body, prior) {
            Some(used) => used,
            None => return Ok(None),
        };
        return Ok(Some(header));
    }
    let size = match format {
        0 => 11,
        1 => 7,
        _ => 3,
    };
    let Some(fields) = body.get(..size) else { return Ok(None) };
    header.used += size;
    if let [a, b, c, ..] = *fields {
        header.field = u32::from_be_bytes([0, a, b, c]);
    }
    if let [_, _, _, a, b, c, kind, ..] = *fields {
        header.length = u32::from_be_bytes([0, a, b, c]) as usize;
        header.kind = kind;
    }
    if let [_, _, _, _, _, _, _, a, b, c, d] = *fields {
        header.stream = u32::from_le_bytes([a, b, c, d]);
    }
    if header.field == EXTENDED {
        let Some((extended, _)) = body.get(size..).and_then(<[u8]>::split_first_chunk) else {
            return Ok(None);
        };
        header.extended = Some(u32::from_be_bytes(*extended));
        header.used += 4;
    }
    Ok(Some(header))
}

/// Bytes of an extended timestamp repeated in a type 3 header: 4 or 0; `None` if not yet clear.
///
/// Most encoders repeat it, some do not, and nothing says which: it is one if it reads the same.
fn repeated_extended(body: &[u8], prior: Option<&ChunkStream>) -> Option<usize> {
    let Some(extended) = prior.and_then(|stream| stream.extended) else { return Some(0) };
    let expected = extended.to_be_bytes();
    let seen = body.get(..body.len().min(4)).unwrap_or_default();
    match expected.starts_with(seen) {
        true if seen.len() == 4 => Some(4),
        true => None,
        false => Some(0),
    }
}

/// Appends `message` to `output` as chunks of `chunk_size` on `chunk_stream` (2 to 63), with a full
/// header. Extended timestamps are repeated in every chunk, as ffmpeg and librtmp do.
pub fn write_message(output: &mut Vec<u8>, chunk_stream: u8, message: &Message, chunk_size: usize) {
    let field = message.timestamp.min(EXTENDED).to_be_bytes();
    let extended = (message.timestamp >= EXTENDED).then(|| message.timestamp.to_be_bytes());
    let length = u32::try_from(message.body.len()).unwrap_or(u32::MAX).to_be_bytes();
    output.reserve(message.body.len() + 16 + message.body.len() / chunk_size.max(1) * 5);
    output.push(chunk_stream & 0x3F);
    output.extend_from_slice(&field[1..]);
    output.extend_from_slice(&length[1..]);
    output.push(message.kind);
    output.extend_from_slice(&message.stream.to_le_bytes());
    output.extend_from_slice(extended.as_ref().map_or(&[], <[u8; 4]>::as_slice));
    for (index, chunk) in message.body.chunks(chunk_size.max(1)).enumerate() {
        if index > 0 {
            output.push(0xC0 | (chunk_stream & 0x3F));
            output.extend_from_slice(extended.as_ref().map_or(&[], <[u8; 4]>::as_slice));
        }
        output.extend_from_slice(chunk);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn reader() -> ChunkReader {
        let mut reader = ChunkReader::new();
        reader.allow_media();
        reader
    }

    fn video(timestamp: u32, body: &[u8]) -> Message {
        Message { timestamp, kind: kind::VIDEO, stream: 1, body: Bytes::copy_from_slice(body) }
    }

    fn read_all(reader: &mut ChunkReader, mut input: &[u8]) -> Result<Vec<Message>, RtmpError> {
        let mut messages = Vec::new();
        while let Some(message) = reader.read(&mut input)? {
            messages.push(message);
        }
        assert!(input.is_empty());
        Ok(messages)
    }

    #[test]
    fn interleaved_chunks_give_both_messages() {
        let mut bytes = Vec::new();
        bytes.extend([6, 0, 0, 9, 0, 0, 200, 9, 1, 0, 0, 0]);
        bytes.extend([1; 128]);
        bytes.extend([4, 0, 0, 9, 0, 0, 130, 8, 1, 0, 0, 0]);
        bytes.extend([2; 128]);
        bytes.push(0xC6);
        bytes.extend([1; 72]);
        bytes.push(0xC4);
        bytes.extend([2; 2]);
        let messages = read_all(&mut reader(), &bytes).unwrap();
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0], video(9, &[1; 200]));
        assert_eq!(messages[1].body.as_ref(), [2; 130]);
    }

    #[test]
    fn compressed_headers_add_their_delta() {
        let bytes = [
            &[6, 0, 0, 100, 0, 0, 1, 9, 1, 0, 0, 0, b'a'][..], // at 100
            &[0xC6, b'b'],                                     // type 3 after type 0: same time
            &[0x46, 0, 0, 40, 0, 0, 2, 9, b'c', b'c'],         // + 40, other length
            &[0x86, 0, 0, 33, b'd', b'd'],                     // + 33
            &[0xC6, b'e', b'e'],                               // + 33 again
        ]
        .concat();
        let times: Vec<u32> =
            read_all(&mut reader(), &bytes).unwrap().iter().map(|m| m.timestamp).collect();
        assert_eq!(times, [100, 100, 140, 173, 206]);
    }

    #[test]
    fn a_peer_that_does_not_repeat_extended_timestamps_is_read_too() {
        let head = [6, 0xFF, 0xFF, 0xFF, 0, 0, 200, 9, 1, 0, 0, 0, 1, 0, 0, 0];
        for (repeats, like) in [(true, 7), (false, 7), (false, 1)] {
            let mut bytes = head.to_vec();
            bytes.extend([7; 128]);
            bytes.push(0xC6);
            if repeats {
                bytes.extend([1, 0, 0, 0]);
            }
            // Payload may begin like the timestamp.
            let tail = [&[like, 0, 0][..], &[7; 69]].concat();
            bytes.extend(&tail);
            let whole = read_all(&mut reader(), &bytes).unwrap();
            assert_eq!(whole, [video(0x0100_0000, &[&[7; 128][..], &tail].concat())]);
            let mut one = reader();
            let single: Vec<Message> =
                bytes.iter().flat_map(|byte| read_all(&mut one, &[*byte]).unwrap()).collect();
            assert_eq!(single, whole);
        }
    }

    #[test]
    fn a_new_header_forgets_the_unfinished_message() {
        let mut bytes = vec![6, 0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0];
        bytes.extend([1; 128]);
        bytes.extend([6, 0, 0, 5, 0, 0, 2, 9, 1, 0, 0, 0, 8, 8]);
        assert_eq!(read_all(&mut reader(), &bytes).unwrap(), [video(5, &[8, 8])]);
    }

    #[test]
    fn limits_refuse_before_anything_is_stored() {
        let header = |id: u8, length: [u8; 3], kind: u8| {
            [&[id, 0, 0, 0][..], &length, &[kind, 1, 0, 0, 0]].concat()
        };
        let media = |kind| header(6, [0, 0, 9], kind);
        let mut fresh = ChunkReader::new();
        assert_eq!(read_all(&mut fresh, &media(9)), Err(RtmpError::MediaBeforePublish));
        assert!(matches!(
            read_all(&mut reader(), &header(6, [0x80, 0, 1], 9)),
            Err(RtmpError::MessageSize { limit: MAX_MEDIA_BYTES, .. })
        ));
        assert!(matches!(
            read_all(&mut reader(), &header(3, [1, 0, 1], 20)),
            Err(RtmpError::MessageSize { limit: MAX_COMMAND_BYTES, .. })
        ));
        assert!(matches!(
            read_all(&mut reader(), &[0x46, 0, 0, 0, 0, 0, 0, 9]),
            Err(RtmpError::NoPriorHeader { chunk_stream: 6, format: 1 })
        ));
        let many: Vec<u8> = (0..65)
            .flat_map(|id| [&[0, id][..], &header(0, [0, 0, 0], 20)[1..]].concat())
            .collect();
        assert_eq!(read_all(&mut reader(), &many), Err(RtmpError::ChunkStreams { limit: 64 }));
        assert_eq!(reader().set_chunk_size(0), Err(RtmpError::ChunkSize { size: 0 }));
        assert!(reader().set_chunk_size(0x8000_0000).is_err());
        assert!(reader().set_chunk_size(0x7FFF_FFFF).is_ok());
    }

    #[test]
    fn unfinished_messages_cost_what_was_received() {
        let mut tested = reader();
        for id in 3..63_u8 {
            let mut bytes = vec![id, 0, 0, 0, 0x7F, 0xFF, 0xFF, 9, 1, 0, 0, 0];
            bytes.extend([0; 128]);
            read_all(&mut tested, &bytes).unwrap();
        }
        assert!(tested.unfinished <= 60 * FIRST_ALLOCATION, "{}", tested.unfinished);
    }

    #[test]
    fn a_message_of_no_bytes_is_a_message() {
        let bytes = [4, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0];
        assert_eq!(read_all(&mut reader(), &bytes).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_at_any_split(
            bodies in prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u8>(), 0..600)), 1..6),
            chunk_size in 1_usize..300,
            cuts in prop::collection::vec(1_usize..80, 1..40),
        ) {
            let messages: Vec<Message> = bodies.iter().map(|(at, body)| video(*at, body)).collect();
            let mut bytes = Vec::new();
            for message in &messages {
                write_message(&mut bytes, 6, message, chunk_size);
            }
            let mut tested = reader();
            tested.set_chunk_size(u32::try_from(chunk_size).unwrap()).unwrap();
            let (mut rest, mut got, mut cut) = (bytes.as_slice(), Vec::new(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
                got.extend(read_all(&mut tested, now).unwrap());
                rest = later;
            }
            prop_assert_eq!(got, messages);
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
            let mut tested = reader();
            let mut input = bytes.as_slice();
            while let Ok(Some(_)) = tested.read(&mut input) {}
            prop_assert!(tested.unfinished <= MAX_UNFINISHED);
        }
    }
}
