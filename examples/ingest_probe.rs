//! Listens for publishers and prints what comes in: a look at ingest without the rest.

use std::net::SocketAddr;
use std::sync::Arc;

use courtside::admission::{Admission, Limits};
use courtside::clock::{Chance, Clock, SystemClock};
use courtside::ingest::{Budget, CourtKey, Ingest, IngestSettings, StreamKey, UnitSink};
use courtside::media::{CourtId, StreamItem};

struct Print(bool);

impl UnitSink for Print {
    #[expect(clippy::print_stdout, reason = "an example's purpose")]
    fn deliver(&self, court: &CourtId, item: StreamItem) {
        match item {
            StreamItem::Video(unit) if self.0 => println!(
                "{court} video {} dts {} pts {} {}{}{} bytes {}",
                unit.sequence,
                unit.dts,
                unit.pts,
                unit.parameters.mime_codec,
                if unit.key { " key" } else { "" },
                if unit.b_slices { " b" } else { "" },
                unit.data.len()
            ),
            StreamItem::Audio(unit) if self.0 => {
                println!("{court} audio {} {}", unit.pts, unit.data.len());
            }
            StreamItem::Video(_) | StreamItem::Audio(_) => {}
            other => println!("{court} {other:?}"),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().as_deref().unwrap_or("127.0.0.1:0").parse()?;
    let verbose = arguments.next().is_none();
    let courts = ["a", "b"]
        .iter()
        .map(|name| {
            Ok(CourtKey {
                court: CourtId::new(name)?,
                stream_key: StreamKey::new(format!("key-{name}")),
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let admission = Admission::new(Arc::clone(&clock), Limits::default());
    let (rtmp, budget) = (Some(address), Budget::default());
    let settings =
        IngestSettings { rtmp, rtmps: None, courts, admission, budget, recording: false };
    let sink = Arc::new(Print(verbose));
    let ingest = Ingest::bind(settings, clock, Chance::system(), sink).await?;
    let handle = ingest.handle();
    tracing::info!(address = ?handle.rtmp_address(), "listening");
    ingest
        .run(async {
            tokio::signal::ctrl_c().await.ok();
        })
        .await;
    for name in ["a", "b"] {
        tracing::info!(status = ?handle.status(&CourtId::new(name)?), "at the end");
    }
    tracing::info!(counts = ?handle.counts(), "at the end");
    Ok(())
}
