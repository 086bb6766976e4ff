//! Takes connections in, so many and no more, and makes them secure off the accepting path.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::http::guard::{Guarded, Patience, Permit};

/// Connections at once (chosen): a page takes six, a box has a few watchers.
const CONNECTIONS: usize = 256;
/// Of one address. A venue's people may share one.
const CONNECTIONS_AN_ADDRESS: usize = 64;
/// A TLS handshake that takes longer is let go.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// After an accept that failed for want of descriptors.
const REST: Duration = Duration::from_millis(100);

/// A listener with limits, for `axum::serve`.
pub(super) struct Limited {
    ready: mpsc::Receiver<(Guarded<Plain>, SocketAddr)>,
    address: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
}

impl Limited {
    pub(super) fn new(listener: TcpListener, acceptor: Option<TlsAcceptor>) -> Self {
        let (sender, ready) = mpsc::channel(CONNECTIONS);
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = listener.local_addr().unwrap_or(unspecified);
        let accepting = tokio::spawn(accept(listener, acceptor, sender));
        Self { ready, address, accepting }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    ready: mpsc::Sender<(Guarded<Plain>, SocketAddr)>,
) {
    let seats = Seats::default();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "an HTTP connection could not be taken");
                sleep(REST).await;
                continue;
            }
        };
        // At the limit the newest goes: those who are served stay served.
        let Some(seat) = seats.take(peer.ip()) else { continue };
        let permit: Permit = Box::new(seat);
        // Events are small and late ones are worthless.
        drop(stream.set_nodelay(true));
        let (ready, acceptor) = (ready.clone(), acceptor.clone());
        match acceptor {
            None => {
                let guarded = Guarded::new(Plain::Tcp(stream), Patience::USUAL, permit);
                drop(ready.send((guarded, peer)).await);
            }
            Some(acceptor) => {
                drop(tokio::spawn(async move {
                    if let Ok(Ok(stream)) = timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await
                    {
                        let stream = Plain::Tls(Box::new(stream));
                        let guarded = Guarded::new(stream, Patience::USUAL, permit);
                        drop(ready.send((guarded, peer)).await);
                    }
                }));
            }
        }
    }
}

impl axum::serve::Listener for Limited {
    type Io = Guarded<Plain>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The accepting task ends with us alone; there is nothing to hand out any more.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

/// Who sits where. The lock is held for the lines of `take` and of a seat's drop.
#[derive(Clone, Default)]
struct Seats {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

struct Seat {
    of: IpAddr,
    seats: Seats,
}

impl Seats {
    fn take(&self, of: IpAddr) -> Option<Seat> {
        let mut taken = self.taken.lock();
        let all: usize = taken.values().sum();
        let its = taken.entry(of).or_insert(0);
        if all >= CONNECTIONS || *its >= CONNECTIONS_AN_ADDRESS {
            return None;
        }
        *its += 1;
        Some(Seat { of, seats: self.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock();
        if let Some(its) = taken.get_mut(&self.of) {
            *its = its.saturating_sub(1);
            if *its == 0 {
                taken.remove(&self.of);
            }
        }
    }
}

/// A connection, in clear or not.
pub(super) enum Plain {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Plain {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Plain {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_seat() {
        let seats = Seats::default();
        let greedy = IpAddr::from([10, 0, 0, 1]);
        let mut held: Vec<Seat> = std::iter::from_fn(|| seats.take(greedy)).take(1_000).collect();
        assert_eq!(held.len(), CONNECTIONS_AN_ADDRESS);
        assert!(seats.take(IpAddr::from([10, 0, 0, 2])).is_some());
        held.pop();
        assert!(seats.take(greedy).is_some());
        drop(held);
        assert!(seats.taken.lock().is_empty());
    }
}
