//! A storage that takes whatever it is sent, and who has a box send its clips there: for `bench pull --upload`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::clock::Clock;
use crate::event::command::{CommandRequest, Role};
use crate::event::upload::{ClipUploadArguments, UploadTo};
use crate::event::words::CommandWord;
use crate::uplink::{self, Question, UplinkSettings};

/// A clip is sent within this: it goes over loopback.
const PATIENCE: Duration = Duration::from_secs(120);
/// Not begun later than this after it was asked, s.
const EXPIRY_S: u32 = 600;

/// A storage of one answer: PUT is taken, whatever it is.
#[derive(Debug)]
pub(super) struct Sink {
    url: String,
    /// Bytes of bodies.
    taken: Arc<AtomicU64>,
}

impl Sink {
    /// One on loopback, for as long as the runtime lives.
    ///
    /// # Errors
    /// No port is free.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port for a storage")?;
        let url = format!("http://{}", listener.local_addr()?);
        let taken = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                // What breaks is seen by who sends.
                tokio::spawn(async move { takes(stream, &counted).await.ok() });
            }
        });
        Ok(Self { url, taken })
    }

    /// Bytes of clips up to now.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Where a clip goes.
    pub(super) fn address(&self, name: &str) -> String {
        format!("{}/clips/{name}", self.url)
    }
}

/// One request: its head, its body, an answer.
async fn takes(stream: TcpStream, taken: &AtomicU64) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut line, mut left) = (String::new(), 0_u64);
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            left = value.trim().parse().unwrap_or(0);
        }
    }
    let mut piece = vec![0; 64 << 10];
    while left > 0 {
        let came = stream.read(&mut piece).await? as u64;
        if came == 0 {
            return Ok(());
        }
        left = left.saturating_sub(came);
        taken.fetch_add(came, Ordering::Relaxed);
    }
    let answer =
        b"HTTP/1.1 200 OK\r\nETag: \"b\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(answer).await
}

/// Has a box send its clips, one after the other, until it is told to end. Gives how many went.
///
/// # Errors
/// The box does not answer, or refuses.
pub(super) async fn sends(
    settings: UplinkSettings,
    clock: Arc<dyn Clock>,
    clips: Vec<String>,
    sink: Arc<Sink>,
    (first, ended): (u32, Arc<AtomicBool>),
) -> anyhow::Result<u64> {
    let mut sent = 0;
    let skipped = usize::try_from(first)?;
    for clip in clips.iter().cycle().skip(skipped) {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("bench-{first}-{sent}");
        let asked = ClipUploadArguments {
            clip: clip.clone(),
            upload: None,
            to: UploadTo { url: Some(sink.address(&id)), ..UploadTo::default() },
            now: true,
        };
        let Value::Object(arguments) = serde_json::to_value(&asked)? else {
            bail!("arguments of clip_upload are no object");
        };
        let operation = "clip_upload".to_owned();
        let request = CommandRequest { operation, arguments, expires: None };
        let (role, patience) = (Role::Technician, PATIENCE);
        let question = Question { role, id, request, expiry_s: EXPIRY_S, patience };
        let state = uplink::ask(&settings, Arc::clone(&clock), &question, |_| ()).await;
        let state = state.map_err(|why| anyhow::anyhow!("{clip} is sent: {why}"))?;
        if state.state != CommandWord::Done {
            let why = state.reason.unwrap_or_default();
            bail!("{clip} was not sent: {} {why}", state.state);
        }
        sent += 1;
    }
    Ok(sent)
}
