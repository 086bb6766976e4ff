//! An MQTT 5 peer that does what a script says, byte by byte: it gives any reason code in any packet, waits,
//! cuts, lies. What the script leaves out it does as a good broker does.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::{Condvar, Mutex};
use rumqttc::mqttbytes::v5::{LastWill, Packet, Publish};
use rumqttc::mqttbytes::{Error, QoS};

/// What came.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Connect { client_id: String, clean_start: bool, will: Option<LastWill> },
    Publish(Publish, usize),
    Subscribe { pkid: u16, filters: Vec<String> },
    Unsubscribe { pkid: u16 },
    Ping,
}

impl Asked {
    pub(crate) fn is_event(&self) -> bool {
        matches!(self, Self::Publish(publish, _) if topic(publish).contains("/event/"))
    }
}

pub(crate) fn topic(publish: &Publish) -> String {
    String::from_utf8(publish.topic.to_vec()).expect("a topic")
}

/// What is done about it.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Send(Vec<u8>),
    /// Time of the box's clock, as [`Peer::passes`] tells it: no machine is too quick or too busy for it.
    Wait(Duration),
    Close,
}

/// What a script makes of what came; `None`: what a good broker does. The number counts connections.
pub(crate) type Script = Arc<dyn Fn(u64, &Asked) -> Option<Vec<Act>> + Send + Sync>;

#[derive(Default)]
struct Seen {
    connections: u64,
    greeted: u64,
    asked: Vec<(u64, Asked)>,
    /// Ids of events that were answered with 0, in order.
    acknowledged: Vec<String>,
    open: Vec<TcpStream>,
}

/// Clones are one peer.
#[derive(Clone)]
pub(crate) struct Peer {
    port: u16,
    script: Arc<Mutex<Script>>,
    seen: Arc<Mutex<Seen>>,
    /// How far the box's clock has gone, and whom to tell.
    passed: Arc<(Mutex<Duration>, Condvar)>,
}

/// The packet of one type with this body.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = body.len();
    loop {
        let more = rest >= 128;
        bytes.push(u8::try_from(rest % 128).expect("below 128") | if more { 128 } else { 0 });
        rest /= 128;
        if !more {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

/// CONNACK with properties as they are on the wire.
pub(crate) fn connack(code: u8, properties: &[u8]) -> Vec<u8> {
    let length = u8::try_from(properties.len()).expect("few");
    packet(0x20, &[&[0, code, length][..], properties].concat())
}

pub(crate) fn disconnect(code: u8) -> Vec<u8> {
    packet(0xE0, &[code, 0])
}

pub(crate) fn puback(pkid: u16, code: u8) -> Vec<u8> {
    let [high, low] = pkid.to_be_bytes();
    packet(0x40, &[high, low, code, 0])
}

/// SUBACK or UNSUBACK with these codes.
pub(crate) fn suback(first: u8, pkid: u16, codes: &[u8]) -> Vec<u8> {
    let [high, low] = pkid.to_be_bytes();
    packet(first, &[&[high, low, 0][..], codes].concat())
}

/// A string as it is on the wire.
pub(crate) fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("short").to_be_bytes();
    [&length[..], text.as_bytes()].concat()
}

/// What a good broker does.
pub(crate) fn well(asked: &Asked) -> Vec<Act> {
    let send = match asked {
        Asked::Connect { .. } => connack(0, &[]),
        Asked::Publish(publish, _) if publish.qos == QoS::AtMostOnce => return Vec::new(),
        Asked::Publish(publish, _) => puback(publish.pkid, 0),
        Asked::Subscribe { pkid, filters } => suback(0x90, *pkid, &vec![1; filters.len()]),
        Asked::Unsubscribe { pkid } => suback(0xB0, *pkid, &[0]),
        Asked::Ping => packet(0xD0, &[]),
    };
    vec![Act::Send(send)]
}

impl Peer {
    pub(crate) fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let peer = Self {
            port: listener.local_addr().expect("bound").port(),
            script: Arc::new(Mutex::new(script)),
            seen: Arc::default(),
            passed: Arc::default(),
        };
        let serving = peer.clone();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let peer = serving.clone();
                // An error is the other's going.
                thread::spawn(move || drop(peer.serve(socket)));
            }
        });
        peer
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From the next packet on.
    pub(crate) fn play(&self, script: Script) {
        *self.script.lock() = script;
    }

    /// Behaves from now on.
    pub(crate) fn behave(&self) {
        self.play(Arc::new(|_, _| None));
    }

    /// The box's clock went on by so much.
    pub(crate) fn passes(&self, time: Duration) {
        *self.passed.0.lock() += time;
        self.passed.1.notify_all();
    }

    fn waits(&self, time: Duration) {
        let mut passed = self.passed.0.lock();
        let end = *passed + time;
        self.passed.1.wait_while(&mut passed, |passed| *passed < end);
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        for socket in self.seen.lock().open.drain(..) {
            // It may be gone already.
            let _gone = socket.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn connections(&self) -> u64 {
        self.seen.lock().connections
    }

    pub(crate) fn acknowledged(&self) -> Vec<String> {
        self.seen.lock().acknowledged.clone()
    }

    /// All that came, each with the number of its connection.
    pub(crate) fn asked(&self) -> Vec<(u64, Asked)> {
        self.seen.lock().asked.clone()
    }

    fn serve(&self, mut socket: TcpStream) -> std::io::Result<()> {
        socket.set_nodelay(true)?;
        let number = {
            let mut seen = self.seen.lock();
            seen.connections += 1;
            seen.open.push(socket.try_clone()?);
            seen.connections
        };
        let mut unread = BytesMut::new();
        loop {
            let before = unread.len();
            let asked = match Packet::read(&mut unread, None) {
                Ok(read) => match named(read, before - unread.len()) {
                    Some(asked) => asked,
                    None => continue,
                },
                Err(Error::InsufficientBytes(_)) => {
                    let mut bytes = [0; 4096];
                    match socket.read(&mut bytes)? {
                        0 => return Ok(()),
                        count => unread.extend_from_slice(&bytes[..count]),
                    }
                    continue;
                }
                Err(error) => panic!("the box sends no MQTT: {error}"),
            };
            self.seen.lock().asked.push((number, asked.clone()));
            let script = Arc::clone(&*self.script.lock());
            let own = script(number, &asked);
            self.note(&asked, own.is_none());
            for act in own.unwrap_or_else(|| well(&asked)) {
                match act {
                    Act::Send(bytes) => socket.write_all(&bytes)?,
                    Act::Wait(time) => self.waits(time),
                    Act::Close => return socket.shutdown(Shutdown::Both),
                }
            }
        }
    }

    fn note(&self, asked: &Asked, is_well: bool) {
        let mut seen = self.seen.lock();
        match asked {
            Asked::Connect { .. } if is_well => seen.greeted += 1,
            Asked::Publish(publish, _) if is_well && asked.is_event() => {
                let event: serde_json::Value =
                    serde_json::from_slice(&publish.payload).expect("JSON");
                seen.acknowledged.push(event["id"].as_str().expect("an id").to_owned());
            }
            _ => {}
        }
    }
}

fn named(read: Packet, size: usize) -> Option<Asked> {
    Some(match read {
        Packet::Connect(connect, will, _) => {
            Asked::Connect { client_id: connect.client_id, clean_start: connect.clean_start, will }
        }
        Packet::Publish(publish) => Asked::Publish(publish, size),
        Packet::Subscribe(subscribe) => Asked::Subscribe {
            pkid: subscribe.pkid,
            filters: subscribe.filters.into_iter().map(|filter| filter.path).collect(),
        },
        Packet::Unsubscribe(unsubscribe) => Asked::Unsubscribe { pkid: unsubscribe.pkid },
        Packet::PingReq => Asked::Ping,
        _ => return None,
    })
}
