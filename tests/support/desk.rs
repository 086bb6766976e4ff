//! A small MQTT 5 broker on loopback with a technician's desk in it: every box is granted `rim-1` by password,
//! and its link is cut where a test wants it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use courtside::claim::{
    Answer, Decision, Grant, Granted, Hidden, Policy, Report, Request, Serial, Verdict, decide,
};
use courtside::media::BoxName;
use parking_lot::Mutex;
use rumqttc::mqttbytes::v5::{
    ConnAck, ConnectReturnCode, Packet, PubAck, Publish, SubAck, SubscribeReasonCode,
};
use rumqttc::mqttbytes::{Error, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// When the link is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// The packet of this number comes to nobody.
    Before(u64),
    /// It comes, and its answer does not.
    After(u64),
}

#[derive(Default)]
pub(crate) struct Records {
    pub(crate) granted: BTreeMap<Serial, Granted>,
    /// Identities that were given out.
    pub(crate) signed: u32,
    pub(crate) packets: u64,
    pub(crate) cut: Option<Cut>,
}

/// A broker with a technician's desk in it. Its records are never lost. Clones are one.
#[derive(Clone)]
pub(crate) struct DeskBroker {
    pub(crate) port: u16,
    pub(crate) records: Arc<Mutex<Records>>,
    /// True once it has cut.
    pub(crate) has_cut: Arc<watch::Sender<bool>>,
}

impl DeskBroker {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let has_cut = Arc::new(watch::channel(false).0);
        let broker = Self { port, records: Arc::default(), has_cut };
        let accepting = broker.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let broker = accepting.clone();
                // An error is the peer's going.
                tokio::spawn(async move { drop(broker.talk(socket).await) });
            }
        });
        broker
    }

    async fn talk(&self, mut socket: TcpStream) -> std::io::Result<()> {
        let (mut unread, mut answers) = (BytesMut::new(), BytesMut::new());
        loop {
            match Packet::read(&mut unread, None) {
                Ok(packet) => {
                    let (number, cut) = {
                        let mut records = self.records.lock();
                        records.packets += 1;
                        (records.packets, records.cut)
                    };
                    let is_before = matches!(cut, Some(Cut::Before(at)) if at == number);
                    let is_after = matches!(cut, Some(Cut::After(at)) if at == number);
                    if is_before || !self.answer(packet, &mut answers) || is_after {
                        if is_before || is_after {
                            self.has_cut.send_replace(true);
                        }
                        return Ok(());
                    }
                }
                Err(Error::InsufficientBytes(_)) => {
                    socket.write_all(&answers).await?;
                    answers.clear();
                    if socket.read_buf(&mut unread).await? == 0 {
                        return Ok(());
                    }
                }
                Err(error) => panic!("this is no MQTT: {error}"),
            }
        }
    }

    /// False when the peer has said goodbye.
    fn answer(&self, packet: Packet, answers: &mut BytesMut) -> bool {
        let code = ConnectReturnCode::Success;
        let reply = match packet {
            Packet::Connect(..) => {
                Packet::ConnAck(ConnAck { session_present: false, code, properties: None })
            }
            Packet::Subscribe(subscribe) => Packet::SubAck(SubAck {
                pkid: subscribe.pkid,
                return_codes: vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)],
                properties: None,
            }),
            Packet::Publish(publish) => {
                let topic = String::from_utf8(publish.topic.to_vec()).expect("a topic");
                if let Some(answer) = self.hears(&topic, &publish.payload) {
                    let body = serde_json::to_vec(&answer).expect("JSON");
                    let to = topic.replace("/req", "/res");
                    let answer = Publish::new(to, QoS::AtMostOnce, body, None);
                    Packet::Publish(answer).write(answers, None).expect("written");
                }
                Packet::PubAck(PubAck::new(publish.pkid, None))
            }
            Packet::PingReq => Packet::PingResp,
            Packet::Disconnect(_) => return false,
            other => panic!("nobody here understands {other:?}"),
        };
        reply.write(answers, None).expect("written");
        true
    }

    fn hears(&self, topic: &str, payload: &[u8]) -> Option<Answer> {
        let mut records = self.records.lock();
        let Ok(request) = serde_json::from_slice::<Request>(payload) else {
            let report: Report = serde_json::from_slice(payload).expect("a report");
            if topic.ends_with("/committed") {
                records.granted.get_mut(&report.serial).expect("known").hears(&report);
            }
            return None;
        };
        let own = topic.strip_prefix("courtside/1/").and_then(|rest| rest.split_once('/'));
        let own = own.map(|(name, _)| BoxName::new(name).expect("a name"));
        let own = own.filter(|name| name.as_str() != "claim");
        let approved = Some(BoxName::new("rim-1").expect("a name"));
        let policy = Policy { approved, again: false };
        let known = records.granted.get(&request.serial);
        let name = match decide(&request, known, None, own.as_ref(), &policy) {
            Decision::Again(answer) => return Some(*answer),
            Decision::Issue(name) => name,
            other => panic!("{other:?}"),
        };
        records.signed += 1;
        let grant = Grant {
            username: Some(name.to_string()),
            password: Some(Hidden::new(&format!("password-{}", records.signed))),
            ..Grant::to(name.clone())
        };
        let verdict = Verdict::Grant(Box::new(grant));
        let answer = Answer { v: 1, request: request.request, nonce: request.nonce, verdict };
        let granted = Granted {
            serial: request.serial.clone(),
            name,
            request: request.request,
            nonce: request.nonce,
            answer: answer.clone(),
            committed: false,
            void: false,
            granted_at: 0,
        };
        records.granted.insert(request.serial, granted);
        Some(answer)
    }
}
