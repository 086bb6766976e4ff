//! A connection whose peer must not be slow for ever.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// From a request's first byte to our answer's first byte. More bytes of the request do not help:
/// one a second is what slow attacks send.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
/// Without a byte taken from us, or a new request. Event streams write every 15 s.
const QUIET_AT_MOST: Duration = Duration::from_secs(60);

/// How slow a peer may be.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    request: Duration,
    quiet: Duration,
}

impl Patience {
    /// What peers get.
    pub(super) const USUAL: Self = Self { request: REQUEST_WITHIN, quiet: QUIET_AT_MOST };
}

/// Who may take a connection's time; given back when it is dropped.
pub(super) type Permit = Box<dyn Send + Unpin>;

/// A stream with one deadline, moved by what happens on it.
pub(super) struct Guarded<S> {
    stream: S,
    deadline: Pin<Box<Sleep>>,
    /// A request came in part, and we have not answered yet.
    asked: bool,
    patience: Patience,
    _permit: Permit,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, patience: Patience, permit: Permit) -> Self {
        let deadline = Box::pin(sleep(patience.request));
        Self { stream, deadline, asked: true, patience, _permit: permit }
    }

    fn move_deadline(&mut self, by: Duration) {
        self.deadline.as_mut().reset(Instant::now() + by);
    }

    /// Ready once the peer has been slow for too long. Woken by the deadline.
    fn too_slow(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(io::Error::from(io::ErrorKind::TimedOut))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                if buffer.filled().len() > before && !this.asked {
                    this.asked = true;
                    this.move_deadline(this.patience.request);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.too_slow(context).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    fn written(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(count)) => {
                if count > 0 {
                    self.asked = false;
                    self.move_deadline(self.patience.quiet);
                }
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.too_slow(context).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Pending => self.too_slow(context).map(Err),
            done => done,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(context) {
            Poll::Pending => self.too_slow(context).map(Err),
            done => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const NEVER: Duration = Duration::from_secs(3600);

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("runtime")
            .block_on(test);
    }

    fn pair(request: Duration, quiet: Duration) -> (DuplexStream, Guarded<DuplexStream>) {
        let (peer, ours) = duplex(4);
        (peer, Guarded::new(ours, Patience { request, quiet }, Box::new(())))
    }

    /// What reading comes to, if it comes to anything at once.
    async fn read_now(ours: &mut Guarded<DuplexStream>) -> Option<io::Result<usize>> {
        let mut buffer = [0; 1];
        tokio::select! {
            biased;
            read = ours.read(&mut buffer) => Some(read),
            () = std::future::ready(()) => None,
        }
    }

    fn timed_out<T>(result: Option<io::Result<T>>) -> bool {
        matches!(result, Some(Err(error)) if error.kind() == io::ErrorKind::TimedOut)
    }

    #[test]
    fn more_bytes_of_a_request_win_no_time() {
        run(async {
            let (mut peer, mut ours) = pair(Duration::ZERO, NEVER);
            for _ in 0..3 {
                peer.write_all(b"x").await.expect("fits");
                assert!(matches!(read_now(&mut ours).await, Some(Ok(1))));
            }
            let read = ours.read(&mut [0; 1]).await;
            assert!(timed_out(Some(read)));
        });
    }

    #[test]
    fn a_watcher_that_takes_what_we_write_stays() {
        run(async {
            let (mut peer, mut ours) = pair(Duration::ZERO, NEVER);
            ours.write_all(b"ping").await.expect("fits");
            assert!(read_now(&mut ours).await.is_none(), "it need not say anything");
            peer.read_exact(&mut [0; 4]).await.expect("read");
            ours.write_all(b"ping").await.expect("fits again");
        });
    }

    #[test]
    fn a_peer_that_takes_nothing_is_let_go() {
        run(async {
            let (_peer, mut ours) = pair(NEVER, Duration::ZERO);
            ours.write_all(b"full").await.expect("fits");
            assert!(timed_out(Some(ours.write_all(b"more").await)));
        });
    }
}
