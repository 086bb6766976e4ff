//! A gate before a broker, through which half of a fleet goes: shut, it is a provider that is down.
//!
//! Whoever is connected when it shuts is cut off; whoever comes then is neither answered nor sent away, so a
//! box must find out by itself. Whoever waited is cut off when it opens.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A running gate. Its thread ends with it.
#[derive(Debug)]
pub(super) struct Gate {
    address: SocketAddr,
    /// `None` ends it.
    open: watch::Sender<Option<bool>>,
}

impl Gate {
    /// Opens one before `broker`, on a thread of its own: what it takes of the processor is told apart.
    ///
    /// # Errors
    /// When there is no port, or no thread.
    pub(super) fn before(broker: SocketAddr) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (open, state) = watch::channel(Some(true));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("start the gate")?;
        let thread = thread::Builder::new().name("gate".to_owned());
        let run = move || runtime.block_on(serve(listener, broker, state));
        thread.spawn(run).context("start the gate's thread")?;
        Ok(Self { address, open })
    }

    /// `mqtt://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// Cuts off whoever is connected, and answers nobody.
    pub(super) fn shut(&self) {
        self.open.send_replace(Some(false));
    }

    /// Lets everybody through again.
    pub(super) fn open(&self) {
        self.open.send_replace(Some(true));
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open.send_replace(None);
    }
}

async fn serve(
    listener: std::net::TcpListener,
    broker: SocketAddr,
    mut state: watch::Receiver<Option<bool>>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let passing = state.clone();
    loop {
        tokio::select! {
            came = listener.accept() => {
                // An error is a peer that went at once, or a moment without descriptors.
                let Ok((socket, _)) = came else { continue };
                tokio::spawn(pass(socket, broker, passing.clone()));
            }
            // Its sender's end ends it too.
            _over = state.wait_for(Option::is_none) => return,
        }
    }
}

/// One connection, until either side or the gate ends it.
async fn pass(mut socket: TcpStream, broker: SocketAddr, mut state: watch::Receiver<Option<bool>>) {
    let is_open = *state.borrow_and_update() == Some(true);
    if !is_open {
        // Held, unanswered, until the gate moves.
        let _moved = state.changed().await;
        return;
    }
    let Ok(mut other) = TcpStream::connect(broker).await else { return };
    // Without delay, as box and broker have it; else what is measured is the gate.
    if socket.set_nodelay(true).and(other.set_nodelay(true)).is_err() {
        return;
    }
    tokio::select! {
        _ended = tokio::io::copy_bidirectional(&mut socket, &mut other) => {}
        _moved = state.wait_for(|open| *open != Some(true)) => {}
    }
}
