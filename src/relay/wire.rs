//! One connection to a server: bytes out and in, each with its deadline elsewhere.

use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Servers say little.
const READ_BUFFER: usize = 4 << 10;
/// While more than this waits to be sent, nothing is read: what a server asks for is answered no faster than it
/// takes the answers.
const READ_BELOW: usize = 64 << 10;
/// Room that one large picture took is given back.
const KEPT_CAPACITY: usize = 1 << 20;

/// A socket, with TLS or without.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// What an exchange did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// So many bytes went out.
    Out(usize),
    /// So many came in: [`Wire::heard`]. 0: the server has closed.
    In(usize),
}

/// See the module.
pub(crate) struct Wire {
    stream: Box<dyn Duplex>,
    /// Bytes of the output that went out.
    sent: usize,
    input: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: Box<dyn Duplex>) -> Self {
        Self { stream, sent: 0, input: vec![0; READ_BUFFER] }
    }

    /// The first `count` bytes that came in last.
    pub(crate) fn heard(&self, count: usize) -> &[u8] {
        self.input.get(..count).unwrap_or_default()
    }

    /// Sends of `output` what the server takes, and else reads what it says; waits until either moved.
    /// Cancel-safe. `output` is emptied once all of it went out, and not before.
    pub(crate) async fn exchange(&mut self, output: &mut Vec<u8>) -> io::Result<Moved> {
        let Self { stream, sent, input } = self;
        std::future::poll_fn(|context| {
            let mut out = 0;
            while let Some(rest) = output.get(*sent..).filter(|rest| !rest.is_empty()) {
                match Pin::new(&mut *stream).poll_write(context, rest) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(count)) => {
                        *sent += count;
                        out += count;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => break,
                }
            }
            if *sent >= output.len() {
                output.clear();
                output.shrink_to(KEPT_CAPACITY);
                *sent = 0;
            }
            // TLS may hold bytes back; a socket does not.
            if let Poll::Ready(Err(error)) = Pin::new(&mut *stream).poll_flush(context) {
                return Poll::Ready(Err(error));
            }
            if out > 0 {
                return Poll::Ready(Ok(Moved::Out(out)));
            }
            if output.len() - *sent > READ_BELOW {
                return Poll::Pending;
            }
            let mut space = ReadBuf::new(input);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut space))?;
            Poll::Ready(Ok(Moved::In(space.filled().len())))
        })
        .await
    }

    /// Reads what the server said before the connection broke: why it is gone is better than that it is. Does
    /// not wait.
    pub(crate) async fn last_words(&mut self) -> usize {
        let Self { stream, input, .. } = self;
        std::future::poll_fn(|context| {
            let mut space = ReadBuf::new(input);
            let read = Pin::new(&mut *stream).poll_read(context, &mut space);
            Poll::Ready(if let Poll::Ready(Ok(())) = read { space.filled().len() } else { 0 })
        })
        .await
    }

    /// Says that nothing more comes.
    pub(crate) async fn shut(&mut self) -> io::Result<()> {
        std::future::poll_fn(|context| Pin::new(&mut *self.stream).poll_shutdown(context)).await
    }
}
