//! The way to a server: its name, a connection, TLS. Each step within what is left of the whole patience.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::broker;
use crate::clock::{Clock, Floor, within};
use crate::config::RelayConfig;
use crate::relay::trouble::{Step, Trouble};
use crate::relay::wire::{Duplex, Wire};
use crate::rtmp::address::Address;

/// Bytes that the kernel may hold for a server: what is in there is not seen, so little enough that a server
/// which takes nothing is noticed soon, and enough for 16 Mbit/s over 250 ms (chosen).
const SEND_BUFFER: u32 = 512 << 10;
/// Addresses of one name that are tried.
const ADDRESSES_MOST: usize = 8;

/// What one look-up gives.
type Found = io::Result<Vec<SocketAddr>>;

/// Looks names up, each on a thread of its own, and one at a time: a resolver that hangs holds one thread of a
/// relay, however often it tries.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    /// The one that nobody waited for any longer.
    pending: Option<JoinHandle<Found>>,
}

impl Resolver {
    async fn look_up(&mut self, address: &Address) -> Found {
        if let Ok(ip) = address.host().parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, address.port())]);
        }
        let (host, port) = (address.host().to_owned(), address.port());
        let looking = self.pending.get_or_insert_with(|| {
            tokio::task::spawn_blocking(move || {
                let found = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port))?;
                Ok(found.take(ADDRESSES_MOST).collect())
            })
        });
        // Cancel-safe: it stays pending.
        let found = looking.await;
        self.pending = None;
        found.map_err(io::Error::other)?
    }
}

/// What the way to a server needs of the box.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    pub(crate) clock: Arc<dyn Clock>,
    /// Dates of certificates are held against it.
    pub(crate) floor: Floor,
    /// Where this box takes streams itself.
    pub(crate) own: Vec<SocketAddr>,
}

/// Connects. `step` says how far it came.
pub(crate) async fn reach(
    relay: &RelayConfig,
    means: &Means,
    resolver: &mut Resolver,
    patience: Duration,
    step: &mut Step,
) -> Result<Wire, Trouble> {
    let address = &relay.address;
    *step = Step::Name;
    let found = resolver.look_up(address).await.map_err(Trouble::Name)?;
    *step = Step::Reaching;
    let share = patience / u32::try_from(found.len().max(1)).unwrap_or(u32::MAX);
    let mut why = Trouble::Name(io::Error::other("none"));
    let mut connected = None;
    for at in found {
        match within(&*means.clock, share, connect(at)).await {
            Some(Ok(stream)) => {
                connected = Some(stream);
                break;
            }
            Some(Err(error)) => why = Trouble::Unreachable(error),
            None => why = Trouble::Late(Step::Reaching, share),
        }
    }
    let Some(stream) = connected else { return Err(why) };
    if let Some(own) = is_ourselves(&stream, &means.own) {
        return Err(Trouble::Loop(own));
    }
    if !address.tls() {
        return Ok(Wire::new(Box::new(stream)));
    }
    *step = Step::Tls;
    let (ca_file, clock, floor) =
        (relay.ca_file.clone(), Arc::clone(&means.clock), means.floor.at());
    let read = move || broker::client(ca_file, clock, floor);
    let config = match tokio::task::spawn_blocking(read).await {
        Ok(config) => config.map_err(Trouble::Files)?,
        Err(error) => return Err(Trouble::Broken(io::Error::other(error))),
    };
    let name = ServerName::try_from(address.host().to_owned())
        .map_err(|error| Trouble::Name(io::Error::other(error)))?;
    let greeted = TlsConnector::from(config).connect(name, stream).await;
    let stream: Box<dyn Duplex> = Box::new(greeted.map_err(Trouble::Tls)?);
    Ok(Wire::new(stream))
}

async fn connect(at: SocketAddr) -> io::Result<TcpStream> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Failing at either is no reason not to forward.
    let _usual = socket.set_send_buffer_size(SEND_BUFFER);
    let stream = socket.connect(at).await?;
    let _usual = stream.set_nodelay(true);
    Ok(stream)
}

/// Where the box itself takes streams, if that is where the connection leads: both ends have one address, and
/// the port is ours.
fn is_ourselves(stream: &TcpStream, own: &[SocketAddr]) -> Option<SocketAddr> {
    let (near, far) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
    (near.ip() == far.ip() && own.iter().any(|own| own.port() == far.port())).then_some(far)
}
