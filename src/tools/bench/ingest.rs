//! `courtside bench ingest`: what a byte of RTMP costs, beside a bare TCP sink and nginx-rtmp.
//!
//! Each server is a process of its own with one thread, so that its CPU time can be read; one
//! publisher of ours drives it over loopback as fast as it takes the bytes. Runs alternate, since
//! machines change under one's hands; medians are compared. The sink answers the handshake and
//! throws 64 KiB reads away: no server can cost less.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::admission::{Admission, Limits};
use crate::clock::{Chance, Clock, SystemClock};
use crate::ingest::{Budget, CourtKey, FlowLimits, Ingest, IngestSettings, StreamKey, UnitSink};
use crate::media::{CourtId, StreamItem};
use crate::rtmp::client::{ClientEvent, ClientSession};
use crate::rtmp::flv::{self, FileTag};
use crate::rtmp::handshake::Handshake;
use crate::rtmp::message::kind;
use crate::tools::private_folder::private_folder;

/// The key of the one court.
pub(super) const KEY: &str = "bench";
/// Where Debian and Ubuntu put nginx-rtmp.
const NGINX_MODULE: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";
/// Bytes of one write of the publisher.
const PIECE: usize = 256 << 10;
/// Bytes of one read of the bare sink.
const SINK_READ: usize = 64 << 10;
/// For a server to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Arguments of `bench ingest`.
#[derive(Debug, Args)]
pub(crate) struct IngestArgs {
    /// Seconds of one run
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// Runs of each server, alternating
    #[arg(long, default_value_t = 5)]
    pub runs: usize,
    /// FLV file to publish [default: 20 s of made-up 720p30 at 6 Mbit/s with sound]
    #[arg(long, value_name = "FILE")]
    pub flv: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    pub json: bool,
    /// Be one of the servers (used by the bench itself)
    #[arg(long, hide = true)]
    serve: Option<Role>,
}

/// A server to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Reads and throws away.
    Sink,
    /// This program's ingest.
    Ours,
    /// Debian's nginx with its RTMP module.
    Nginx,
}

/// One run.
#[derive(Clone, Copy, Debug, Serialize)]
struct Run {
    server: Role,
    megabytes_per_second: f64,
    megabytes_per_cpu_second: f64,
}

/// What came out.
#[derive(Debug, Serialize)]
struct Outcome {
    runs: Vec<Run>,
    /// Medians of megabytes per CPU second.
    sink: f64,
    ours: f64,
    nginx: Option<f64>,
    ours_over_sink: f64,
    ours_over_nginx: Option<f64>,
}

/// Runs the bench. Starts runtimes of its own: call it outside of one.
///
/// # Errors
/// If a server cannot be started or refuses the publisher.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a command's answer and its talk")]
pub(super) fn ingest(args: &IngestArgs) -> anyhow::Result<ExitCode> {
    match args.serve {
        Some(Role::Sink) => return serve_sink(),
        Some(Role::Ours) => return serve_ours(),
        Some(Role::Nginx) | None => {}
    }
    let tags = match &args.flv {
        None => made_up(),
        Some(file) => {
            let bytes = fs::read(file).with_context(|| format!("read {}", file.display()))?;
            flv::read_file(&bytes.into())
                .with_context(|| format!("{} is no FLV file", file.display()))?
        }
    };
    let mut roles = vec![Role::Sink, Role::Ours];
    if Path::new(NGINX_MODULE).exists() {
        roles.push(Role::Nginx);
    } else {
        eprintln!("nginx-rtmp is not here (apt-get install libnginx-mod-rtmp): not compared");
    }
    let mut runs = Vec::new();
    for round in 1..=args.runs.max(1) {
        for &role in &roles {
            let run = Server::start(role)?.measure(&tags, args.seconds)?;
            if !args.json {
                eprintln!(
                    "run {round}: {role:?} {:.0} MB/s, {:.0} MB per CPU second",
                    run.megabytes_per_second, run.megabytes_per_cpu_second
                );
            }
            runs.push(run);
        }
    }
    let outcome = Outcome::of(runs);
    if args.json {
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        print!("{}", outcome.text());
    }
    Ok(ExitCode::SUCCESS)
}

impl Outcome {
    fn of(runs: Vec<Run>) -> Self {
        let median = |role: Role| {
            let mut figures: Vec<f64> = runs
                .iter()
                .filter(|run| run.server == role)
                .map(|run| run.megabytes_per_cpu_second)
                .collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied()
        };
        let (sink, ours) =
            (median(Role::Sink).unwrap_or(f64::NAN), median(Role::Ours).unwrap_or(f64::NAN));
        let nginx = median(Role::Nginx);
        Self {
            sink,
            ours,
            nginx,
            ours_over_sink: ours / sink,
            ours_over_nginx: nginx.map(|nginx| ours / nginx),
            runs,
        }
    }

    fn text(&self) -> String {
        let mut out = String::from("MB per CPU second of the server, median of alternating runs\n");
        // Writing to a string cannot fail.
        let mut line = |name: &str, figure: f64, note: String| {
            let _infallible = writeln!(out, "  {name:<12} {figure:>7.0}  {note}");
        };
        line("bare sink", self.sink, String::new());
        let ratio = format!("{:.2} of the bare sink (goal 0.60)", self.ours_over_sink);
        line("courtside", self.ours, ratio);
        if let (Some(nginx), Some(ratio)) = (self.nginx, self.ours_over_nginx) {
            line("nginx-rtmp", nginx, format!("courtside / nginx-rtmp {ratio:.2} (goal 1.00)"));
        }
        out
    }
}

/// A server in a process of its own.
pub(super) struct Server {
    role: Role,
    child: Child,
    address: SocketAddr,
    folder: Option<PathBuf>,
}

impl Server {
    /// Where it listens.
    #[cfg_attr(not(feature = "gstreamer"), expect(dead_code, reason = "asked by benches of video"))]
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn start(role: Role) -> anyhow::Result<Self> {
        if role == Role::Nginx {
            return Self::nginx();
        }
        let name = if role == Role::Sink { "sink" } else { "ours" };
        let own = std::env::current_exe().context("find this program")?;
        let mut child = Command::new(own)
            .args(["bench", "ingest", "--serve", name])
            .stdin(Stdio::piped()) // it ends when we do
            .stdout(Stdio::piped())
            .spawn()
            .context("start a server")?;
        let mut line = String::new();
        let out = child.stdout.take().context("the server's output")?;
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().parse().with_context(|| format!("the server said {line:?}"))?;
        Ok(Self { role, child, address, folder: None })
    }

    fn nginx() -> anyhow::Result<Self> {
        // nginx takes no port 0: one that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = private_folder("courtside-bench-nginx")?;
        fs::create_dir_all(folder.join("logs"))?;
        let text = format!(
            "daemon off; master_process off; worker_processes 1; pid nginx.pid;\n\
             error_log error.log; load_module {NGINX_MODULE};\n\
             events {{ worker_connections 64; }}\n\
             rtmp {{ access_log off; server {{ listen {address}; chunk_size 4096;\n\
             application live {{ live on; record off; }} }} }}\n"
        );
        let file = folder.join("nginx.conf");
        let mut written = fs::File::create(&file)?;
        written.write_all(text.as_bytes())?;
        let child = Command::new("nginx")
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&file)
            .arg("-e")
            .arg(folder.join("error.log"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start nginx")?;
        Ok(Self { role: Role::Nginx, child, address, folder: Some(folder) })
    }

    /// Publishes for `seconds`, and reads what that cost.
    fn measure(mut self, tags: &[FileTag], seconds: f64) -> anyhow::Result<Run> {
        let clock = SystemClock::new();
        let mut publisher = Blast::connect(self.address, self.role, &clock)?;
        let cpu = cpu_seconds(self.child.id())?;
        let begun = clock.monotonic();
        let bytes = publisher.play(tags, seconds, &clock)?;
        let wall = clock.monotonic().since(begun).as_secs_f64();
        publisher.finish()?;
        let cpu = (cpu_seconds(self.child.id())? - cpu).max(1e-3);
        self.end();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let megabytes = bytes as f64 / 1e6;
        Ok(Run {
            server: self.role,
            megabytes_per_second: megabytes / wall,
            megabytes_per_cpu_second: megabytes / cpu,
        })
    }

    fn end(&mut self) {
        // Ours, by its handle; it may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
        if let Some(folder) = self.folder.take() {
            let _removed = fs::remove_dir_all(folder);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// CPU time of all threads of a process, seconds: `schedstat` counts nanoseconds, where `stat` counts
/// hundredths.
fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let mut nanos = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("read the server's CPU time")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    }
    Ok(nanos / 1e9)
}

/// A publisher at full speed, on this thread.
struct Blast {
    socket: TcpStream,
    session: ClientSession,
    /// Reads what the server says, so that it never waits for us.
    listener: std::thread::JoinHandle<()>,
}

impl Blast {
    fn connect(address: SocketAddr, role: Role, clock: &SystemClock) -> anyhow::Result<Self> {
        let begun = clock.monotonic();
        let mut socket = loop {
            match TcpStream::connect(address) {
                Ok(socket) => break socket,
                Err(error) if clock.monotonic().since(begun) > PATIENCE => {
                    return Err(error).with_context(|| format!("connect to {address}"));
                }
                // nginx is still reading its configuration.
                Err(_) => std::thread::yield_now(),
            }
        };
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut session = ClientSession::new(&address.to_string(), KEY, 1);
        let mut buffer = vec![0; 16 << 10];
        let mut live = false;
        while !live {
            socket.write_all(session.output())?;
            session.output().clear();
            let count = socket.read(&mut buffer).context("no answer from the server")?;
            if count == 0 {
                bail!("the server closed the connection");
            }
            let mut input = buffer.get(..count).unwrap_or_default();
            while let Some(event) = session.next(&mut input)? {
                match event {
                    ClientEvent::Live => live = true,
                    ClientEvent::Refused { code, description, .. } => {
                        bail!("{code}: {description}")
                    }
                }
            }
            // The sink says nothing after its handshake, and takes anything.
            live |= role == Role::Sink && session.is_connecting();
        }
        socket.write_all(session.output())?;
        session.output().clear();
        let mut reading = socket.try_clone()?;
        reading.set_read_timeout(None)?;
        let listener =
            std::thread::spawn(
                move || {
                    while reading.read(&mut buffer).is_ok_and(|count| count > 0) {}
                },
            );
        Ok(Self { socket, session, listener })
    }

    /// Sends the tags over and over, timestamps running on. Returns the bytes sent.
    fn play(&mut self, tags: &[FileTag], seconds: f64, clock: &SystemClock) -> anyhow::Result<u64> {
        let begun = clock.monotonic();
        let span = tags.last().map_or(0, |tag| tag.timestamp) + 33;
        let mut sent = 0;
        let mut pass = 0;
        loop {
            for tag in tags {
                // Metadata once.
                if pass > 0 && tag.kind == kind::DATA {
                    continue;
                }
                let at = tag.timestamp.wrapping_add(span.wrapping_mul(pass));
                self.session.media(tag.kind, at, tag.body.clone());
                if self.session.output().len() >= PIECE {
                    sent += self.flush()?;
                    if clock.monotonic().since(begun).as_secs_f64() >= seconds {
                        return Ok(sent);
                    }
                }
            }
            pass += 1;
        }
    }

    fn flush(&mut self) -> anyhow::Result<u64> {
        let output = self.session.output();
        self.socket.write_all(output).context("the server closed the connection")?;
        let count = output.len();
        output.clear();
        Ok(count as u64)
    }

    /// Waits until the server has read everything and hung up.
    fn finish(self) -> anyhow::Result<()> {
        self.socket.shutdown(Shutdown::Write)?;
        self.listener.join().map_err(|_| anyhow::anyhow!("the reading thread failed"))
    }
}

/// 20 s of 720p30 at 6 Mbit/s with 128 kbit/s of AAC: sizes as an encoder's, contents made up.
fn made_up() -> Vec<FileTag> {
    const RECORD: &[u8] = b"\x17\0\0\0\0\x01\x64\x00\x1f\xff\xe1\x00\x18\x67\x64\x00\x1f\xac\xb2\x00\
        \xa0\x0b\x76\x02\x20\x00\x00\x03\x00\x20\x00\x00\x07\x81\xe3\x06\x49\x01\x00\x06\x68\xeb\xc3\
        \xcb\x22\xc0";
    const SECONDS: u32 = 20;
    const KEY_BYTES: usize = 120_000;
    const PICTURE_BYTES: usize = 23_400;
    const SOUND_BYTES: usize = 371;
    let mut noise = 1_u64;
    let mut body = |head: &[u8], size: usize| {
        let mut body = head.to_vec();
        body.resize_with(head.len() + size, || {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise.to_le_bytes()[0]
        });
        Bytes::from(body)
    };
    let picture = |head: u8, nal: &[u8], size: usize| {
        let length = u32::try_from(nal.len() + size).unwrap_or(0).to_be_bytes();
        [&[head, 1, 0, 0, 0], &length[..], nal].concat()
    };
    let mut tags = vec![
        FileTag { kind: kind::VIDEO, timestamp: 0, body: Bytes::from_static(RECORD) },
        FileTag { kind: kind::AUDIO, timestamp: 0, body: Bytes::from_static(b"\xaf\x00\x12\x10") },
    ];
    for index in 0..SECONDS * 30 {
        let (head, size) = if index % 60 == 0 {
            (picture(0x17, &[0x65, 0x88, 0x80], KEY_BYTES), KEY_BYTES)
        } else {
            (picture(0x27, &[0x41, 0x9A, 0x00], PICTURE_BYTES), PICTURE_BYTES)
        };
        let timestamp = index * 1_000 / 30;
        tags.push(FileTag { kind: kind::VIDEO, timestamp, body: body(&head, size) });
    }
    for index in 0..SECONDS * 44_100 / 1_024 {
        let timestamp = index * 1_024_000 / 44_100;
        let body = body(&[0xAF, 1], SOUND_BYTES);
        tags.push(FileTag { kind: kind::AUDIO, timestamp, body });
    }
    tags.sort_by_key(|tag| tag.timestamp);
    tags
}

/// Says where a server of ours listens, and ends the process when the bench does.
#[expect(clippy::print_stdout, clippy::exit, reason = "a child that talks to its parent")]
fn announce(address: SocketAddr) {
    println!("{address}");
    std::thread::spawn(|| {
        let mut nothing = [0];
        // Ends when the parent closes its side, by dying too.
        while std::io::stdin().read(&mut nothing).is_ok_and(|count| count > 0) {}
        std::process::exit(0);
    });
}

fn one_thread() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Nothing but the handshake and reads.
fn serve_sink() -> anyhow::Result<ExitCode> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    one_thread()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        announce(listener.local_addr()?);
        loop {
            let (mut socket, _) = listener.accept().await?;
            let mut buffer = vec![0; SINK_READ];
            let (mut handshake, mut output, mut done) = (Handshake::server(1), Vec::new(), false);
            while !done {
                let count = socket.read(&mut buffer).await?;
                if count == 0 {
                    break;
                }
                let mut input = buffer.get(..count).unwrap_or_default();
                done = handshake.feed(&mut input, &mut output)?;
                socket.write_all(&output).await?;
                output.clear();
            }
            while socket.read(&mut buffer).await? > 0 {}
        }
    })
}

/// The ingest of this program, whose units nobody takes.
fn serve_ours() -> anyhow::Result<ExitCode> {
    struct Nobody;
    impl UnitSink for Nobody {
        fn deliver(&self, _: &CourtId, _: StreamItem) {}
    }
    one_thread()?.block_on(async {
        let courts = vec![CourtKey { court: CourtId::new("a")?, stream_key: StreamKey::new(KEY) }];
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let admission = Admission::new(Arc::clone(&clock), Limits::default());
        let rtmp = Some("127.0.0.1:0".parse()?);
        // What is measured is what taking a stream in costs, as fast as it comes.
        let budget = Budget { flow: FlowLimits::OFF, ..Budget::default() };
        let settings =
            IngestSettings { rtmp, rtmps: None, courts, admission, budget, recording: false };
        let ingest = Ingest::bind(settings, clock, Chance::system(), Arc::new(Nobody)).await?;
        let address = ingest.handle().rtmp_address().context("an address")?;
        announce(address);
        ingest.run(std::future::pending()).await;
        Ok(ExitCode::SUCCESS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_made_up_stream_has_the_rate_of_a_camera() {
        let tags = made_up();
        let bytes: usize = tags.iter().map(|tag| tag.body.len()).sum();
        let megabits = bytes as f64 * 8.0 / 20e6;
        assert!((5.5..7.0).contains(&megabits), "{megabits}");
        assert!(tags.windows(2).all(|pair| pair[0].timestamp <= pair[1].timestamp));
    }

    #[test]
    fn medians_are_compared() {
        let run = |server, figure| Run {
            server,
            megabytes_per_second: 1.0,
            megabytes_per_cpu_second: figure,
        };
        let figures =
            [(Role::Sink, 1_000.0), (Role::Ours, 700.0), (Role::Ours, 100.0), (Role::Ours, 800.0)];
        let outcome = Outcome::of(figures.map(|(server, figure)| run(server, figure)).to_vec());
        assert_eq!((outcome.ours, outcome.nginx), (700.0, None));
        assert!(outcome.text().contains("0.70 of the bare sink"), "{}", outcome.text());
    }
}
