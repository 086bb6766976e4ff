//! A connection whose peer must not be slow for ever, nor take a place that others need.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::admission::Reason;
use crate::http::problem::last_words;
use crate::http::standing::Caller;

/// How slow a peer may be, and how much it may send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From a request's first byte to our answer's first byte. More bytes of the request do not help:
    /// one a second is what slow attacks send.
    request: Duration,
    /// Without a byte taken from us, or a new request. Event streams write every 15 s.
    quiet: Duration,
    /// From accept to end.
    life: Duration,
    /// Bytes that it may send all in all.
    bytes: usize,
}

impl Patience {
    /// What peers get that showed a secret.
    pub(super) const USUAL: Self = Self {
        request: Duration::from_secs(10),
        quiet: Duration::from_secs(60),
        // A watcher stays for a season.
        life: Duration::from_secs(365 * 24 * 3600),
        bytes: usize::MAX,
    };
    /// What others get: time for a packet that is lost once and sent again (RFC 6298: a second), and for
    /// the delay of a wrong token; some requests of a browser that is shown the sign-in; and what a
    /// request's head and body may have, twice.
    pub(super) const OF_STRANGERS: Self = Self {
        request: Duration::from_secs(3),
        quiet: Duration::from_secs(3),
        life: Duration::from_secs(15),
        bytes: 256 * 1024,
    };
}

/// Reads of 4 KiB of what a connection that has to go had sent: a request's head and body, as a stranger may send.
const LAST_READS: usize = 64;

/// What holds a connection's seat; given back when it is dropped.
pub(super) enum Place {
    /// Among those that came over the network.
    Network(Caller),
    /// One of few of this machine's own.
    Own { _seat: tokio::sync::OwnedSemaphorePermit },
    #[cfg(test)]
    Nowhere,
}

/// A stream with one deadline, moved by what happens on it.
pub(super) struct Guarded<S> {
    stream: S,
    deadline: Pin<Box<Sleep>>,
    /// Of strangers, and of those that are none any more.
    patience: [Patience; 2],
    began: Instant,
    /// When the deadline was moved last.
    since: Instant,
    /// A request came in part, and we have not answered yet.
    asked: bool,
    sent: usize,
    evicted: Pin<Box<dyn Future<Output = ()> + Send>>,
    place: Place,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guarded<S> {
    pub(super) fn new(stream: S, place: Place) -> Self {
        Self::patient(stream, place, [Patience::OF_STRANGERS, Patience::USUAL])
    }

    fn patient(stream: S, place: Place, patience: [Patience; 2]) -> Self {
        let now = Instant::now();
        let evicted: Pin<Box<dyn Future<Output = ()> + Send>> = match &place {
            Place::Network(caller) => Box::pin(caller.evicted()),
            _ => Box::pin(std::future::pending()),
        };
        let mut guarded = Self {
            stream,
            deadline: Box::pin(sleep_until(now)),
            patience,
            began: now,
            since: now,
            asked: true,
            sent: 0,
            evicted,
            place,
        };
        guarded.move_deadline();
        guarded
    }

    fn patience(&self) -> Patience {
        let [of_strangers, usual] = self.patience;
        match &self.place {
            Place::Network(caller) if !caller.is_member() => of_strangers,
            _ => usual,
        }
    }

    fn move_deadline(&mut self) {
        self.since = Instant::now();
        let due = self.due();
        self.deadline.as_mut().reset(due);
    }

    fn due(&self) -> Instant {
        let Patience { request, quiet, life, .. } = self.patience();
        let step = if self.asked { request } else { quiet };
        (self.since + step).min(self.began + life)
    }

    /// Ready once the connection must end: its peer was slow for too long, or others need its place. Woken
    /// by either.
    fn over(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.evicted.as_mut().poll(context).is_ready() {
            self.says_goodbye(context);
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        while self.deadline.as_mut().poll(context).is_ready() {
            let due = self.due();
            if due <= Instant::now() {
                // A browser opens connections ahead and says nothing on them; half a request is none of its.
                if let Place::Network(caller) = &self.place
                    && !caller.is_member()
                    && self.asked
                    && self.sent > 0
                {
                    caller.refused(Reason::Slow);
                }
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            // It was let in meanwhile, and has more time now.
            self.deadline.as_mut().reset(due);
        }
        Poll::Pending
    }

    /// Words in place of a reset, as far as the socket takes them at once: for who waits for an answer they are one.
    /// What has come is read, else closing would be a reset; both are bounded.
    fn says_goodbye(&mut self, context: &mut Context<'_>) {
        if self.asked {
            let _sent = Pin::new(&mut self.stream).poll_write(context, last_words().as_bytes());
        }
        let _flushed = Pin::new(&mut self.stream).poll_flush(context);
        let _ended = Pin::new(&mut self.stream).poll_shutdown(context);
        let mut bytes = [0; 4096];
        for _ in 0..LAST_READS {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                _ => break,
            }
        }
    }

    /// Counts what came. Whoever is a stranger yet sends little.
    fn came(&mut self, count: usize) -> io::Result<()> {
        self.sent = self.sent.saturating_add(count);
        if !self.asked && count > 0 {
            self.asked = true;
            self.move_deadline();
        }
        match self.sent > self.patience().bytes {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(()),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(this.came(buffer.filled().len() - before)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.over(context).map(Err),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guarded<S> {
    fn written(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(count)) => {
                if count > 0 {
                    self.asked = false;
                    self.move_deadline();
                }
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.over(context).map(Err),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
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
            Poll::Pending => self.over(context).map(Err),
            done => done,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(context) {
            Poll::Pending => self.over(context).map(Err),
            done => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;
    use crate::admission::{Admission, DoorLimits, Limits};
    use crate::clock::SystemClock;
    use crate::event::command::Role;

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
        let patience = Patience { request, quiet, ..Patience::USUAL };
        (peer, Guarded::patient(ours, Place::Nowhere, [patience; 2]))
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

    const SECOND: Duration = Duration::from_secs(1);

    fn stranger(
        admission: &Admission,
        patience: [Patience; 2],
    ) -> (DuplexStream, Guarded<DuplexStream>, Caller) {
        let (peer, ours) = duplex(64);
        let caller = Caller::enters(admission, ([192, 0, 2, 1], 40_000).into());
        (peer, Guarded::patient(ours, Place::Network(caller.clone()), patience), caller)
    }

    fn admission(limits: Limits) -> Admission {
        Admission::new(Arc::new(SystemClock::new()), limits)
    }

    #[test]
    fn who_was_let_in_has_more_time_from_then_on() {
        let [short, long] = [Duration::ZERO, NEVER].map(|request| Patience {
            request,
            quiet: request,
            ..Patience::USUAL
        });
        run(async {
            let admission = admission(Limits::default());
            let (_peer, mut ours, caller) = stranger(&admission, [short, long]);
            assert!(timed_out(Some(ours.read(&mut [0; 1]).await)), "a stranger");
            let (_peer, mut ours, second) = stranger(&admission, [short, long]);
            second.admitted(Role::Viewer);
            assert!(read_now(&mut ours).await.is_none(), "its answer may take its time");
            assert!(!caller.is_member() && second.is_member());
        });
    }

    #[test]
    fn a_stranger_neither_stays_nor_sends_without_end() {
        run(async {
            let admission = admission(Limits::default());
            let short = Patience { life: Duration::ZERO, ..Patience::OF_STRANGERS };
            let (mut peer, mut ours, _) = stranger(&admission, [short, Patience::USUAL]);
            // Whatever is said meanwhile.
            peer.write_all(b"x").await.expect("fits");
            assert!(matches!(read_now(&mut ours).await, Some(Ok(1))));
            ours.write_all(b"y").await.expect("fits");
            assert!(timed_out(Some(ours.read(&mut [0; 1]).await)));

            let few = Patience { bytes: 8, ..Patience::OF_STRANGERS };
            let (mut peer, mut ours, caller) = stranger(&admission, [few, Patience::USUAL]);
            peer.write_all(b"8 bytes.").await.expect("fits");
            let mut buffer = [0; 8];
            ours.read_exact(&mut buffer).await.expect("as many as may be");
            peer.write_all(b"x").await.expect("fits");
            let error = ours.read(&mut buffer).await.expect_err("one more");
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
            caller.admitted(Role::Viewer);
            peer.write_all(b"x").await.expect("fits");
            assert_eq!(ours.read(&mut buffer).await.expect("a member sends what it likes"), 1);
        });
    }

    #[test]
    fn a_connection_whose_seat_others_need_ends() {
        run(async {
            let usual = Limits::default();
            let http = DoorLimits { seats: 1, seats_by_prefix: 1, kept: 0, ..usual.http };
            let admission = admission(Limits { http, ..usual });
            let (_peer, mut ours, _) =
                stranger(&admission, [Patience::OF_STRANGERS, Patience::USUAL]);
            assert!(read_now(&mut ours).await.is_none());
            let _newcomer = stranger(&admission, [Patience::OF_STRANGERS, Patience::USUAL]);
            let error = timeout(SECOND * 30, ours.read(&mut [0; 1])).await.expect("woken");
            assert_eq!(error.expect_err("ended").kind(), io::ErrorKind::ConnectionAborted);
        });
    }
}
