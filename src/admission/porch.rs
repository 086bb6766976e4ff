//! A listener that takes in whom admission takes in; the others wait, or are turned away, before anything is made
//! for them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::net::TcpStream;

use crate::admission::anteroom::Anteroom;
use crate::admission::prefix::Prefix;
use crate::admission::shared::Admission;
use crate::admission::told::Door;

/// Connections that the kernel keeps until we take them. Beyond it SYNs are dropped, and who comes behind
/// a crowd tries again after 1 s and 3 s (RFC 6298); the kernel's own bound is 4096 (`somaxconn`).
const BACKLOG: i32 = 4096;
/// Connections that are looked at before others have their turn: a third of a millisecond.
const AT_ONCE: u32 = 32;
/// Connections that wait to be taken in. Each is a socket and nothing more.
const WAITING: usize = 1024;
/// What a connection costs whose TLS handshake is ours to do, in those in clear (measured: some 0.5 ms to 0.15).
const SECURE: u32 = 3;

/// A port that is bound, and that nobody listens at yet.
#[derive(Debug)]
pub struct Porch {
    listener: TcpListener,
    address: SocketAddr,
    door: Door,
    weight: u32,
    admission: Admission,
}

impl Porch {
    /// Binds; connections wait in the backlog until [`Self::open`].
    ///
    /// # Errors
    /// When the address is taken, or not this machine's.
    pub fn bind(
        address: SocketAddr,
        door: Door,
        secure: bool,
        admission: Admission,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        // Once more, for more room: the library asks for 128.
        rustix::net::listen(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let weight = if secure { SECURE } else { 1 };
        Ok(Self { listener, address, door, weight, admission })
    }

    /// Where it listens; the port that was given for port 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens it.
    ///
    /// # Errors
    /// When the listener cannot be handed to the runtime.
    pub fn open(self) -> io::Result<OpenPorch> {
        let Self { listener, door, weight, admission, .. } = self;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let waiting = Anteroom::new(WAITING);
        Ok(OpenPorch { listener, door, weight, admission, waiting })
    }
}

/// A port at which peers are taken in, or turned away.
#[derive(Debug)]
pub struct OpenPorch {
    listener: tokio::net::TcpListener,
    door: Door,
    weight: u32,
    admission: Admission,
    waiting: Anteroom<(TcpStream, SocketAddr)>,
}

impl OpenPorch {
    /// The next connection that is taken in. Cancel-safe.
    ///
    /// # Errors
    /// What accepting failed with: the peer is gone already, or the system lacks something.
    pub async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            for _ in 0..AT_ONCE {
                let (stream, peer) = if self.waiting.is_empty() {
                    self.listener.accept().await?
                } else {
                    match self.admission.next(self.door, self.weight) {
                        Ok(()) => match self.waiting.next() {
                            Some(first) => return Ok(first),
                            None => continue,
                        },
                        Err(until) => tokio::select! {
                            knocked = self.listener.accept() => knocked?,
                            () = self.admission.reached(until) => continue,
                        },
                    }
                };
                let prefix = Prefix::of(peer);
                let others = !self.waiting.is_empty();
                if self.admission.knock(self.door, prefix, self.weight, others) {
                    return Ok((stream, peer));
                }
                if let Some((prefix, (gone, _))) = self.waiting.wait(prefix, (stream, peer)) {
                    self.admission.turn_away(self.door, prefix);
                    reset(gone);
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

/// By a reset: nothing of it stays in the kernel. Where that cannot be asked for, it is closed as any other.
fn reset(stream: TcpStream) {
    let _ = set_socket_linger(&stream, Some(Duration::ZERO));
    drop(stream);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::admission::limits::{CrowdLimits, Limits, Rate};
    use crate::clock::SystemClock;

    fn limits(at_once: f64) -> Limits {
        let usual = Limits::default();
        let none = Rate { burst: 0.0, per_second: 0.0 };
        let all = Rate { burst: at_once, per_second: 0.0 };
        let mut http = usual.http;
        http.crowd = CrowdLimits { all, proven: none, newcomers: none };
        Limits { http, ..usual }
    }

    #[test]
    fn beyond_those_taken_in_some_wait_and_the_rest_are_reset() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("runtime").block_on(async {
            let admission = Admission::new(Arc::new(SystemClock::new()), limits(3.0));
            let anywhere = ([127, 0, 0, 1], 0).into();
            let porch = Porch::bind(anywhere, Door::Http, false, admission.clone()).expect("bind");
            let address = porch.address();
            let mut porch = porch.open().expect("open");
            porch.waiting = Anteroom::new(1);
            let mut peers = Vec::new();
            for _ in 0..5 {
                peers.push(TcpStream::connect(address).await.expect("the kernel takes it"));
            }
            let mut taken = Vec::new();
            for _ in 0..3 {
                taken.push(porch.accept().await.expect("taken in").0);
            }
            let (mut byte, mut none) = ([0], [0]);
            let [.., fourth, fifth] = &mut peers[..] else { panic!("five") };
            let ended = tokio::select! {
                _ = porch.accept() => panic!("nobody else is taken in"),
                read = fourth.read(&mut byte) => read,
                _ = fifth.read(&mut none) => panic!("it waits, as the newest"),
            };
            assert_eq!(ended.expect_err("reset").kind(), io::ErrorKind::ConnectionReset);
            let turned = crate::admission::Reason::Crowd;
            assert_eq!(admission.counts().refused(Door::Http, turned), 1);
            drop(taken);
            assert_eq!(peers[0].read(&mut byte).await.expect("closed in peace"), 0);
        });
    }
}
