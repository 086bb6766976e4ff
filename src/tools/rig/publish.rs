//! A publisher of ours: FLV tags to an RTMP server, open-loop at their timestamps or at full speed.
//!
//! For `demo`, `bench` and tests. Open-loop: each tag leaves at its own time, however slowly the
//! server takes what was before, so that a slow server shows as lateness and not as a slower clock.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::media::MediaTime;
use crate::rtmp::client::{ClientEvent, ClientSession};
use crate::rtmp::flv::{self, FileTag, VideoTag};
use crate::rtmp::message::kind;

/// For connection, handshake and the answer to publish.
const PATIENCE: Duration = Duration::from_secs(10);
/// At full speed, bytes are written in pieces of about this size.
const PIECE: usize = 256 << 10;

/// When tags leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At their timestamps.
    RealTime,
    /// One after another.
    FullSpeed,
}

/// A picture whose last byte has been written.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Its presentation time.
    pub media: MediaTime,
    /// Its timestamp.
    pub dts: MediaTime,
    /// The encoder calls it a key picture.
    pub key: bool,
    /// Bytes of its tag.
    pub bytes: usize,
}

/// Publishes an FLV file to `rtmp://HOST:PORT/live/KEY`; `on_picture` is called as soon as a
/// picture's last byte has been given to the network.
///
/// # Errors
/// If `file` is no FLV file, and with the server's own words if it refuses.
pub async fn flv(
    file: impl Into<Bytes>,
    url: &str,
    pace: Pace,
    on_picture: impl FnMut(Sent),
) -> anyhow::Result<()> {
    let tags = flv::read_file(&file.into()).context("this is no FLV file")?;
    let mut publisher = Publisher::connect(url).await?;
    publisher.play(&tags, pace, on_picture).await?;
    publisher.finish().await
}

/// A connection that may send media.
#[derive(Debug)]
pub struct Publisher {
    stream: TcpStream,
    session: ClientSession,
    buffer: Vec<u8>,
}

impl Publisher {
    /// Connects to `rtmp://HOST:PORT/live/KEY` and publishes.
    ///
    /// # Errors
    /// If the address is of another form, nobody answers, or the server refuses.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let (host, key) = address(url)?;
        let connecting = async {
            let stream =
                TcpStream::connect(&host).await.with_context(|| format!("connect to {host}"))?;
            stream.set_nodelay(true)?;
            let session = ClientSession::new(&host, key, getrandom::u64().unwrap_or(1));
            let mut publisher = Self { stream, session, buffer: vec![0; 16 << 10] };
            publisher.negotiate().await.map(|()| publisher)
        };
        match tokio::time::timeout(PATIENCE, connecting).await {
            Ok(connected) => connected,
            Err(_) => bail!("{host} did not answer within {} s", PATIENCE.as_secs()),
        }
    }

    async fn negotiate(&mut self) -> anyhow::Result<()> {
        loop {
            self.flush().await?;
            let count = self.stream.read(&mut self.buffer).await?;
            if count == 0 {
                bail!("the server closed the connection");
            }
            if self.heard(count)? {
                return Ok(());
            }
        }
    }

    /// Takes what the server said. True when it lets us publish.
    fn heard(&mut self, count: usize) -> anyhow::Result<bool> {
        let mut input = self.buffer.get(..count).unwrap_or_default();
        let mut live = false;
        while let Some(event) = self.session.next(&mut input)? {
            match event {
                ClientEvent::Live => live = true,
                ClientEvent::Refused { code, description, .. } => bail!("{code}: {description}"),
            }
        }
        Ok(live)
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        let output = self.session.output();
        let written = self.stream.write_all(output).await;
        output.clear();
        written.context("write to the server")
    }

    /// Takes what the server has said meanwhile, without waiting.
    fn listen(&mut self) -> anyhow::Result<()> {
        loop {
            match self.stream.try_read(&mut self.buffer) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(count) => self.heard(count).map(|_| ())?,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("read from the server"),
            }
        }
    }

    /// Sends one media message: an FLV tag's type, timestamp and body.
    ///
    /// # Errors
    /// If the server is gone, or has ended the stream: then with its words.
    pub async fn send(&mut self, kind: u8, timestamp: u32, body: Bytes) -> anyhow::Result<()> {
        self.session.media(kind, timestamp, body);
        let written = self.flush().await;
        // Why it is gone is better than that it is.
        self.listen()?;
        written
    }

    /// Sends tags as `pace` says. Timestamps are those of the tags.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn play(
        &mut self,
        tags: &[FileTag],
        pace: Pace,
        mut on_picture: impl FnMut(Sent),
    ) -> anyhow::Result<()> {
        let first = tags.first().map_or(0, |tag| tag.timestamp);
        let begun = Instant::now();
        for tag in tags {
            if pace == Pace::RealTime {
                let since = Duration::from_millis(tag.timestamp.wrapping_sub(first).into());
                tokio::time::sleep_until(begun + since).await;
            }
            self.session.media(tag.kind, tag.timestamp, tag.body.clone());
            if pace == Pace::RealTime || self.session.output().len() >= PIECE {
                let written = self.flush().await;
                self.listen()?;
                written?;
            }
            if let Some(sent) = picture(tag) {
                on_picture(sent);
            }
        }
        self.flush().await
    }

    /// Says goodbye and waits for the server to have read everything.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.session.unpublish();
        self.flush().await?;
        self.stream.shutdown().await?;
        let rest = async { while self.stream.read(&mut self.buffer).await.is_ok_and(|n| n > 0) {} };
        // A server that does not hang up has had its time.
        let _ignored = tokio::time::timeout(PATIENCE, rest).await;
        Ok(())
    }

    /// Closes the connection without a word, as a camera does that loses power.
    pub fn vanish(self) {}

    /// Waits until the server says something that ends the stream, and returns its words.
    pub async fn ended(mut self) -> String {
        loop {
            match self.stream.read(&mut self.buffer).await {
                Ok(0) => return "closed without a word".to_owned(),
                Ok(count) => {
                    if let Err(words) = self.heard(count) {
                        return words.to_string();
                    }
                }
                Err(error) => return error.to_string(),
            }
        }
    }
}

fn picture(tag: &FileTag) -> Option<Sent> {
    let VideoTag::Picture { key, composition_ms, .. } = VideoTag::read(&tag.body) else {
        return None;
    };
    let dts = MediaTime::from_millis(tag.timestamp.into());
    (tag.kind == kind::VIDEO).then(|| Sent {
        media: dts.plus_nanos(i64::from(composition_ms) * 1_000_000),
        dts,
        key,
        bytes: tag.body.len(),
    })
}

/// Splits `rtmp://HOST[:PORT]/live/KEY`.
fn address(url: &str) -> anyhow::Result<(String, &str)> {
    let parts = url.strip_prefix("rtmp://").and_then(|rest| {
        let (host, path) = rest.split_once('/')?;
        Some((host, path.strip_prefix("live/")?))
    });
    let Some((host, key)) = parts else {
        // The address may hold a key: it is not repeated.
        bail!("the address is not of the form rtmp://HOST:PORT/live/KEY");
    };
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:1935") };
    Ok((host, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_and_never_repeated() {
        assert_eq!(address("rtmp://h:1/live/k").unwrap(), ("h:1".to_owned(), "k"));
        assert_eq!(address("rtmp://h/live/k").unwrap(), ("h:1935".to_owned(), "k"));
        let refused = address("rtmps://h/live/secret").unwrap_err().to_string();
        assert!(!refused.contains("secret"), "{refused}");
    }
}
