//! Takes connections in, each on a seat of admission, and makes them secure off the accepting path.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::admission::{Admission, OpenPorch, Reason};
use crate::http::guard::{Guarded, Place};
use crate::http::standing::Caller;

/// Connections that wait to be handed on.
const HANDED_ON: usize = 64;
/// A TLS handshake that takes longer is let go (as `Patience::OF_STRANGERS`).
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(3);
/// After an accept that failed for want of descriptors.
const REST: Duration = Duration::from_millis(100);

/// A listener with limits, for `axum::serve`.
pub(super) struct Limited {
    ready: mpsc::Receiver<(Guarded<Plain>, Caller)>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Limited {
    pub(super) fn new(
        porch: OpenPorch,
        acceptor: Option<TlsAcceptor>,
        admission: Admission,
    ) -> Self {
        let (sender, ready) = mpsc::channel(HANDED_ON);
        let accepting = tokio::spawn(accept(porch, acceptor, admission, sender));
        Self { ready, accepting }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    mut porch: OpenPorch,
    acceptor: Option<TlsAcceptor>,
    admission: Admission,
    ready: mpsc::Sender<(Guarded<Plain>, Caller)>,
) {
    loop {
        let (stream, peer) = match porch.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "an HTTP connection could not be taken");
                // For want of descriptors, most likely: one that has shown nothing goes.
                admission.relieve();
                sleep(REST).await;
                continue;
            }
        };
        // A newcomer always gets a seat; who goes for it is admission's to say.
        let caller = Caller::enters(&admission, peer);
        // Events are small and late ones are worthless.
        drop(stream.set_nodelay(true));
        let (ready, acceptor) = (ready.clone(), acceptor.clone());
        let hand_on = async move |stream: Plain, caller: Caller| {
            let guarded = Guarded::new(stream, Place::Network(caller.clone()));
            drop(ready.send((guarded, caller)).await);
        };
        match acceptor {
            None => hand_on(Plain::Tcp(stream), caller).await,
            Some(acceptor) => {
                drop(tokio::spawn(async move {
                    let shaken = tokio::select! {
                        shaken = timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)) => shaken,
                        () = caller.evicted() => return,
                    };
                    match shaken {
                        Ok(Ok(stream)) => {
                            caller.shook_hands();
                            hand_on(Plain::Tls(Box::new(stream)), caller).await;
                        }
                        Ok(Err(_)) => caller.refused(Reason::Tls),
                        Err(_) => caller.refused(Reason::Slow),
                    }
                }));
            }
        }
    }
}

impl axum::serve::Listener for Limited {
    type Io = Guarded<Plain>;
    type Addr = Caller;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The accepting task ends with us alone; there is nothing to hand out any more.
            None => std::future::pending().await,
        }
    }

    /// Not known: a caller is somebody else. Nobody asks.
    fn local_addr(&self) -> io::Result<Self::Addr> {
        Err(io::ErrorKind::Unsupported.into())
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

impl Connected<IncomingStream<'_, Limited>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Limited>) -> Self {
        stream.remote_addr().clone()
    }
}
