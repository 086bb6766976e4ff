//! Bytes on their way to a reader: a chunk at a time, when its turn has come and the one before has left.
//!
//! A slow reader costs an open file and one chunk in memory; a thread is taken for the time of one read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body::{Frame, SizeHint};

use crate::clips::files::CHUNK;
use crate::clips::pace::{Lane, Pace};

/// What can be read in part, on a thread that may wait for the disk.
pub(super) trait Readable: Send + Sync + 'static {
    /// At most `most` bytes from `from` on, at least one where there are any.
    fn read_at(&self, from: u64, most: usize) -> io::Result<Vec<u8>>;
}

type Next = Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send>>;

/// The body of an answer.
pub(super) struct PacedBody {
    source: Arc<dyn Readable>,
    pace: Pace,
    lane: Lane,
    at: u64,
    to: u64,
    /// The chunk that is waited for.
    next: Option<Next>,
}

impl PacedBody {
    /// Bytes `from` (inclusive) to `to` (exclusive) of `source`.
    pub(super) fn new(
        source: Arc<dyn Readable>,
        (from, to): (u64, u64),
        (pace, lane): (Pace, Lane),
    ) -> Self {
        Self { source, pace, lane, at: from, to, next: None }
    }

    fn ask(&self) -> Next {
        let (source, pace, lane, at) =
            (Arc::clone(&self.source), self.pace.clone(), self.lane, self.at);
        let left = usize::try_from(self.to - at).unwrap_or(usize::MAX);
        let most = pace.chunk(CHUNK).min(left);
        Box::pin(async move {
            pace.take(lane, most).await;
            let read = tokio::task::spawn_blocking(move || source.read_at(at, most)).await;
            read.map_err(io::Error::other)?
        })
    }
}

impl http_body::Body for PacedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.at >= self.to {
            return Poll::Ready(None);
        }
        let mut next = match self.next.take() {
            Some(next) => next,
            None => self.ask(),
        };
        let Poll::Ready(read) = next.as_mut().poll(context) else {
            self.next = Some(next);
            return Poll::Pending;
        };
        let chunk = match read {
            Ok(chunk) if chunk.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            read => read,
        };
        Poll::Ready(Some(chunk.map(|chunk| {
            self.at += chunk.len() as u64;
            Frame::data(chunk.into())
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.to
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.to.saturating_sub(self.at))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use http_body::Body;

    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::media::UtcTime;

    struct Zeros;

    impl Readable for Zeros {
        fn read_at(&self, _: u64, most: usize) -> io::Result<Vec<u8>> {
            Ok(vec![0; most])
        }
    }

    /// Reads until the body waits for its turn, or is at its end: bytes that came.
    fn read(body: &mut PacedBody, clock: &ManualClock) -> u64 {
        let mut context = Context::from_waker(Waker::noop());
        let mut came = 0;
        loop {
            match Pin::new(&mut *body).poll_frame(&mut context) {
                Poll::Ready(Some(frame)) => {
                    came += frame.expect("read").into_data().expect("data").len() as u64;
                }
                Poll::Ready(None) => return came,
                Poll::Pending if clock.next_alarm() > Some(clock.monotonic()) => return came,
                // A thread reads.
                Poll::Pending => std::thread::yield_now(),
            }
        }
    }

    #[test]
    fn bytes_leave_at_the_rate_and_no_faster_whoever_reads() {
        const RATE: u64 = 1 << 20;
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        let _inside = runtime.enter();
        let clock = ManualClock::at(UtcTime::from_nanos(0));
        let pace = Pace::new(Arc::new(clock.clone()), RATE);
        let mut body = PacedBody::new(Arc::new(Zeros), (0, 8 << 20), (pace.clone(), Lane::Pull));
        let mut came = 0;
        for second in 1..=4 {
            for _ in 0..10 {
                came += read(&mut body, &clock);
                clock.advance(Duration::from_millis(100));
            }
            // The last look was a tenth of a second ago, which is what a burst is worth.
            let may = second * RATE - 1..=second * RATE + RATE / 64;
            assert!(may.contains(&came), "{came} in {second} s");
        }
        pace.set(100 * RATE);
        clock.advance(Duration::from_secs(1));
        assert_eq!(came + read(&mut body, &clock), 8 << 20, "another rate, at once");
    }
}
