//! Where a broker is and as whom we come there.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{MqttOptions, NetworkOptions, Transport};
use tokio::net::TcpStream;

use crate::broker::credential::Credential;
use crate::broker::prompt::Prompt;
use crate::broker::tls::{self, TlsError, TlsPapers};
use crate::broker::trouble::{Step, Trail};
use crate::clock::{Clock, within};
use crate::config::{Broker, UplinkConfig};
use crate::disk::read_regular;
use crate::media::UtcTime;

/// Name, TCP, TLS and greeting take so long at most (chosen: four round trips of a bad mobile link, with a
/// packet lost in two of them).
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// What `config` takes, and a line's end.
const PASSWORD_MOST_BYTES: u64 = 1 << 20;

/// Where to go and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Where the broker is.
    pub broker: Broker,
    /// User.
    pub username: Option<String>,
    /// Password: the first line, of a file.
    pub password: Option<Credential>,
    /// PEM of the authorities that may sign the broker's certificate; the system's if absent.
    pub ca: Option<Credential>,
    /// PEM of our certificate chain and of its key.
    pub client: Option<(Credential, Credential)>,
}

impl Access {
    /// Without a word of who we are.
    #[must_use]
    pub const fn to(broker: Broker) -> Self {
        Self { broker, username: None, password: None, ca: None, client: None }
    }

    /// As it is configured; `None` where no broker is.
    #[must_use]
    pub fn of(config: &UplinkConfig) -> Option<Self> {
        let UplinkConfig { broker, username, password_file, ca_file, client, home_assistant: _ } =
            config.clone();
        let file = Credential::File;
        Some(Self {
            broker: broker?,
            username,
            password: password_file.map(file),
            ca: ca_file.map(file),
            client: client.map(|files| (file(files.cert_file), file(files.key_file))),
        })
    }
}

/// Why a connection could not even be tried.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum SetupError {
    /// The file of the password.
    #[error("cannot read `uplink.password_file` {path}")]
    Password { path: String, source: std::io::Error },
    /// Certificates.
    #[error("TLS")]
    Tls(#[from] TlsError),
    /// Ours.
    #[error("the task that reads the files died")]
    Task(#[from] tokio::task::JoinError),
}

/// The options of one connection under the client id `id`. Reads password and certificates anew: they
/// may have been replaced since. Certificates' dates are held against the later of the clock and `floor`;
/// `trail` notes how far the connection comes.
///
/// # Errors
/// [`SetupError`], which names the file.
pub async fn options(
    access: &Access,
    id: String,
    (clock, floor): (&Arc<dyn Clock>, UtcTime),
    trail: &Trail,
) -> Result<MqttOptions, SetupError> {
    let broker = &access.broker;
    let mut options = MqttOptions::new(id, rumqttc::Broker::tcp(broker.host.clone(), broker.port));
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network).set_connect_timeout(CONNECT_PATIENCE);
    // The library writes `host:port`, which no IPv6 address survives.
    let v6 = broker.host.parse::<Ipv6Addr>().ok();
    let v6 = v6.map(|ip| SocketAddr::from((ip, broker.port)));
    let (told, trail, clock_of_tries) = (trail, trail.clone(), Arc::clone(clock));
    options.set_socket_connector(move |host, network| {
        let (trail, clock) = (trail.clone(), Arc::clone(&clock_of_tries));
        async move {
            let stream = connect(host, v6, network, (&trail, &*clock)).await?;
            stream.set_nodelay(true)?;
            Ok(Prompt::new(stream, trail))
        }
    });
    let papers = Papers {
        password: access.password.clone(),
        tls: broker
            .tls
            .then(|| TlsPapers { ca: access.ca.clone(), identity: access.client.clone() }),
    };
    let clock = Arc::clone(clock);
    let read = tokio::task::spawn_blocking(move || papers.read(clock, floor)).await??;
    if let Some(transport) = read.transport {
        told.is_tls();
        options.set_transport(transport);
    }
    match (&access.username, read.password) {
        (Some(username), Some(password)) => {
            options.set_credentials(username.clone(), password);
        }
        (Some(username), None) => {
            options.set_username(username.clone());
        }
        (None, Some(password)) => {
            options.set_password(password);
        }
        (None, None) => {}
    }
    Ok(options)
}

/// Looks the name up and tries its addresses, one after the other, each for its share of the time.
async fn connect(
    host: String,
    v6: Option<SocketAddr>,
    network: NetworkOptions,
    (trail, clock): (&Trail, &dyn Clock),
) -> std::io::Result<TcpStream> {
    trail.reached(Step::Name);
    let addresses: Vec<SocketAddr> = match v6 {
        Some(socket) => vec![socket],
        None => tokio::net::lookup_host(host).await?.collect(),
    };
    trail.reached(Step::Reaching);
    let share = CONNECT_PATIENCE / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut why = std::io::Error::other("the name has no address");
    for address in addresses {
        let asked = rumqttc::default_socket_connect(address.to_string(), network.clone());
        match within(clock, share, asked).await {
            Some(Ok(stream)) => {
                trail.reached(Step::Greeting);
                return Ok(stream);
            }
            Some(Err(error)) => why = error,
            None => why = std::io::ErrorKind::TimedOut.into(),
        }
    }
    Err(why)
}

/// What is read for a connection.
struct Papers {
    password: Option<Credential>,
    tls: Option<TlsPapers>,
}

struct Read {
    password: Option<Bytes>,
    transport: Option<Transport>,
}

impl Papers {
    /// Blocking.
    fn read(self, clock: Arc<dyn Clock>, floor: UtcTime) -> Result<Read, SetupError> {
        let password = match self.password {
            Some(Credential::File(path)) => {
                let text = read_regular(&path, PASSWORD_MOST_BYTES).map_err(|source| {
                    SetupError::Password { path: path.display().to_string(), source }
                })?;
                let end = text.iter().position(|c| matches!(c, b'\n' | b'\r'));
                let end = end.unwrap_or(text.len());
                Some(Bytes::from(text).slice(..end))
            }
            Some(Credential::Held(secret)) => {
                Some(Bytes::copy_from_slice(secret.expose().as_bytes()))
            }
            None => None,
        };
        let transport = match self.tls {
            Some(papers) => {
                Some(Transport::tls_with_config(tls::configuration(&papers, clock, floor)?))
            }
            None => None,
        };
        Ok(Read { password, transport })
    }
}
