//! The simple handshake (RTMP 1.0, 5.2): three packets each way.
//!
//! ```text
//! server: Version ─C0 C1→ Echo (S0 S1 S2 sent) ─C2→ Done
//! client: (C0 C1 sent) Version ─S0 S1→ Echo (C2 sent) ─S2→ Done
//! ```
//! C2 and S2 are not compared: encoders in the field send zeros.

use crate::rtmp::RtmpError;

/// Bytes of C1, S1, C2 and S2.
const PACKET: usize = 1536;
/// What a server answers up to a wrong key: its three packets, and some hundred bytes to each command (chosen).
const ANSWER: usize = 4 << 10;
/// The only version that there is.
const VERSION: u8 = 3;

/// One end's handshake. Feed with [`Handshake::feed`] until it says that it is done.
#[derive(Clone, Debug)]
pub struct Handshake {
    state: HandshakeState,
    /// The peer's first packet, to be sent back.
    first: Vec<u8>,
    server: bool,
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HandshakeState {
    /// Nothing of the peer seen; next its version byte.
    Version,
    /// Its first packet is coming in.
    First,
    /// Ours is answered; its echo is coming in, so many bytes are still missing.
    Echo { missing: usize },
    /// The next byte belongs to the first chunk.
    Done,
}

impl Handshake {
    /// The server's end. `seed` fills the random field of S1.
    #[must_use]
    pub const fn server(seed: u64) -> Self {
        Self { state: HandshakeState::Version, first: Vec::new(), server: true, seed }
    }

    /// The client's end, with the bytes to send first.
    #[must_use]
    pub fn client(seed: u64) -> (Self, Vec<u8>) {
        let mut hello = vec![VERSION];
        own_packet(seed, &mut hello);
        (Self { state: HandshakeState::Version, first: Vec::new(), server: false, seed }, hello)
    }

    /// True once the peer's first packet was answered.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        matches!(self.state, HandshakeState::Echo { .. } | HandshakeState::Done)
    }

    /// Takes bytes off `input`, appends what must be sent to `output`. True once done.
    ///
    /// # Errors
    /// [`RtmpError::Version`] for anything but plain RTMP.
    pub fn feed(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, RtmpError> {
        loop {
            match self.state {
                HandshakeState::Version => {
                    let Some((&got, rest)) = input.split_first() else { return Ok(false) };
                    if got != VERSION {
                        return Err(RtmpError::Version { got });
                    }
                    *input = rest;
                    self.state = HandshakeState::First;
                }
                HandshakeState::First => {
                    let (now, rest) = split(input, PACKET - self.first.len());
                    *input = rest;
                    if self.first.len() + now.len() < PACKET {
                        self.first.extend_from_slice(now);
                        return Ok(false);
                    }
                    if self.server {
                        output.reserve_exact(ANSWER);
                        output.push(VERSION);
                        own_packet(self.seed, output);
                    }
                    output.append(&mut self.first);
                    output.extend_from_slice(now);
                    self.first = Vec::new();
                    self.state = HandshakeState::Echo { missing: PACKET };
                }
                HandshakeState::Echo { missing } => {
                    let (now, rest) = split(input, missing);
                    *input = rest;
                    if now.len() < missing {
                        self.state = HandshakeState::Echo { missing: missing - now.len() };
                        return Ok(false);
                    }
                    self.state = HandshakeState::Done;
                }
                HandshakeState::Done => return Ok(true),
            }
        }
    }
}

fn split(input: &[u8], at_most: usize) -> (&[u8], &[u8]) {
    input.split_at(at_most.min(input.len()))
}

/// Time 0, four zeros (no digest), then bytes that are merely different each time.
fn own_packet(seed: u64, output: &mut Vec<u8>) {
    output.extend_from_slice(&[0; 8]);
    let mut state = seed | 1;
    for _ in 0..(PACKET - 8) / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        output.extend_from_slice(&state.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_agree_byte_by_byte() {
        let (mut client, hello) = Handshake::client(1);
        let mut server = Handshake::server(2);
        let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
        for byte in hello {
            assert!(!server.feed(&mut [byte].as_slice(), &mut to_client).unwrap());
        }
        assert_eq!(to_client.len(), 1 + 2 * PACKET);
        let mut done = false;
        for byte in to_client {
            done = client.feed(&mut [byte].as_slice(), &mut to_server).unwrap();
        }
        assert!(done);
        to_server.push(0xAA);
        let mut rest = to_server.as_slice();
        assert!(server.feed(&mut rest, &mut Vec::new()).unwrap());
        assert_eq!(rest, [0xAA], "the first byte of the first chunk is left");
    }

    #[test]
    fn http_and_rtmpe_are_refused() {
        for got in [b'G', 6, 22] {
            let refused = Handshake::server(1).feed(&mut [got].as_slice(), &mut Vec::new());
            assert_eq!(refused, Err(RtmpError::Version { got }));
        }
    }
}
