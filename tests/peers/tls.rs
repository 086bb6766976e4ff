//! TLS before 1.2 is spoken with nobody: neither at our doors nor with a broker.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use crate::afar::{Daemon, put};
use crate::broker::certificates;
use crate::mosquitto::{PATIENCE, until};
use crate::secrets::address;

/// A fatal alert, `protocol_version` (RFC 5246, 7.2).
const VERSION_REFUSED: [u8; 2] = [2, 70];
const TLS_1_1: u16 = 0x0302;
const TLS_1_2: u16 = 0x0303;

fn two(value: usize) -> [u8; 2] {
    u16::try_from(value).expect("short").to_be_bytes()
}

/// A handshake message in one record.
fn record(version: u16, kind: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = two(body.len());
    let message = [&[kind, 0, high, low][..], body].concat();
    [&[0x16][..], &version.to_be_bytes(), &two(message.len()), &message].concat()
}

/// Of a client that can no more than `version`: suites of TLS 1.1 and 1.2, the usual groups and signatures.
fn client_hello(version: u16) -> Vec<u8> {
    let suites = [0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x09, 0xc0, 0x13, 0x00, 0x2f];
    let groups = [0x00, 0x0a, 0x00, 0x06, 0x00, 0x04, 0x00, 0x1d, 0x00, 0x17];
    let formats = [0x00, 0x0b, 0x00, 0x02, 0x01, 0x00];
    let signatures = [0x00, 0x0d, 0x00, 0x06, 0x00, 0x04, 0x04, 0x03, 0x08, 0x04];
    let secret = [0x00, 0x17, 0x00, 0x00];
    let extensions = [&groups[..], &formats, &signatures, &secret].concat();
    let body = [
        &version.to_be_bytes()[..],
        &[7; 32],
        &[0],
        &two(suites.len()),
        &suites,
        &[1, 0],
        &two(extensions.len()),
        &extensions,
    ]
    .concat();
    record(0x0301, 1, &body)
}

/// Kind and content of the first record that comes.
fn first_record(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut head = [0; 5];
    stream.read_exact(&mut head).expect("a record");
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut body).expect("all of it");
    (head[0], body)
}

fn greeted(at: SocketAddr, version: u16) -> (u8, Vec<u8>) {
    let mut stream = TcpStream::connect(at).expect("connected");
    stream.write_all(&client_hello(version)).expect("sent");
    first_record(&mut stream)
}

#[test]
fn nobody_is_spoken_with_in_tls_before_1_2() {
    let folder = tempfile::tempdir().expect("directory");
    let dir = folder.path();
    certificates(dir);
    // A broker that can no more than 1.1, and says so.
    let broker = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = broker.local_addr().expect("bound").port();
    let (tells, told) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let (mut stream, _) = broker.accept().expect("the box");
        let (kind, hello) = first_record(&mut stream);
        let body = [&TLS_1_1.to_be_bytes()[..], &[9; 32], &[0], &[0xc0, 0x13], &[0]].concat();
        stream.write_all(&record(TLS_1_1, 2, &body)).expect("sent");
        tells.send((kind, hello, first_record(&mut stream))).expect("awaited");
    });
    let config = dir.join("courtside.toml");
    put(
        &config,
        &format!(
            "[box]\nname = \"rim-1\"\ndata_dir = \"{}\"\n\
             [uplink]\nbroker = \"mqtts://127.0.0.1:{port}\"\nca_file = \"ca.pem\"\n\
             [ingest]\nrtmp = \"off\"\nrtmps = \"127.0.0.1:0\"\n\
             cert_file = \"broker.pem\"\nkey_file = \"broker.key\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\ncert_file = \"broker.pem\"\nkey_file = \"broker.key\"\n\
             [detect]\nfinder = false\n\
             [[court]]\nname = \"a\"\nstream_key = \"north-hoop-1\"\nrims = [[612, 188, 44, 22]]\n",
            dir.join("data").display()
        ),
    );
    let log = dir.join("log.txt");
    let _daemon = Daemon::telling(&config, File::create(&log).expect("made").into());
    let read = || std::fs::read_to_string(&log).unwrap_or_default();
    let https = until("it is ready", || address(&read(), "http="));
    let rtmps = until("it listens", || address(&read(), "rtmps="));
    for (door, at) in [("HTTPS", https), ("RTMPS", rtmps)] {
        let (kind, said) = greeted(at, TLS_1_1);
        assert_eq!((kind, &said[..]), (0x15, &VERSION_REFUSED[..]), "{door}");
        // The same greeting in 1.2 is answered with a ServerHello.
        let (kind, said) = greeted(at, TLS_1_2);
        assert_eq!((kind, said[0], &said[4..6]), (0x16, 2, &[3, 3][..]), "{door}");
    }
    let (kind, hello, (alert, why)) =
        told.recv_timeout(Duration::from_secs(30)).expect("the box came");
    assert_eq!((kind, hello[0]), (0x16, 1), "a ClientHello");
    assert_eq!((alert, &why[..]), (0x15, &VERSION_REFUSED[..]), "of the broker's version");
}
