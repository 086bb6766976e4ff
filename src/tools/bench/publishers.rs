//! Publishers of a bench: one a court, on threads of their own, each at its stream's own pace.
//!
//! A court's pictures leave at their own times, however slowly the box takes what was before; by how much
//! they left late is told, so that a bench that cannot keep pace does not flatter the box.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::media::{CourtId, MediaTime};
use crate::tools::bench::clip::Clip;
use crate::tools::bench::usage::PUBLISHER;
use crate::tools::rig::publish::Publisher;

/// So many courts share a thread: at 60 pictures a second each it is a tenth busy.
const ON_A_THREAD: usize = 16;

/// When a publisher begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Begun {
    /// Nobody.
    None,
    /// The first.
    First,
    /// All, one after another.
    All,
    /// All are to end.
    Ended,
}

/// Is told of each picture: court, time, and by how much it left late.
pub(crate) type OnSent = Arc<dyn Fn(&CourtId, MediaTime, Duration) + Send + Sync>;

/// Who publishes what, and where.
pub(crate) struct Publishers {
    /// The courts, and the address of each.
    pub(crate) courts: Vec<(CourtId, String)>,
    pub(crate) clip: Arc<Clip>,
    /// One begins so long after the one before.
    pub(crate) apart: Duration,
    pub(crate) on_sent: OnSent,
}

impl Publishers {
    /// Starts the threads. They end with [`Begun::Ended`], and say then what went wrong.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn start(
        self,
        begun: &watch::Receiver<Begun>,
    ) -> anyhow::Result<Vec<std::thread::JoinHandle<Vec<String>>>> {
        let threads = self.courts.len().div_ceil(ON_A_THREAD).max(1);
        let mut of_thread: Vec<Vec<(usize, CourtId, String)>> = vec![Vec::new(); threads];
        for (number, (court, url)) in self.courts.into_iter().enumerate() {
            if let Some(of_thread) = of_thread.get_mut(number % threads) {
                of_thread.push((number, court, url));
            }
        }
        let mut started = Vec::with_capacity(threads);
        for (thread, courts) in of_thread.into_iter().enumerate() {
            let (begun, clip) = (begun.clone(), Arc::clone(&self.clip));
            let (on_sent, apart) = (Arc::clone(&self.on_sent), self.apart);
            let run = move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let Ok(runtime) = runtime else { return vec!["no runtime".to_owned()] };
                runtime.block_on(async {
                    let mut all = JoinSet::new();
                    for (number, court, url) in courts {
                        let one = One {
                            after: apart * u32::try_from(number).unwrap_or(u32::MAX),
                            is_first: number == 0,
                            court,
                            url,
                            clip: Arc::clone(&clip),
                            on_sent: Arc::clone(&on_sent),
                        };
                        all.spawn(one.publish(begun.clone()));
                    }
                    all.join_all().await.into_iter().flatten().collect()
                })
            };
            let name = format!("{PUBLISHER}-{thread}");
            let thread = std::thread::Builder::new().name(name).spawn(run);
            started.push(thread.context("start a publisher")?);
        }
        Ok(started)
    }
}

/// One court's publisher.
struct One {
    after: Duration,
    is_first: bool,
    court: CourtId,
    url: String,
    clip: Arc<Clip>,
    on_sent: OnSent,
}

impl One {
    /// What went wrong, if anything did.
    async fn publish(self, mut begun: watch::Receiver<Begun>) -> Option<String> {
        let mine = if self.is_first { Begun::First } else { Begun::All };
        // Woken by the bench; its end closes the channel.
        let begun_as = *begun.wait_for(|begun| *begun >= mine).await.ok()?;
        if begun_as == Begun::Ended {
            return None;
        }
        if !self.is_first {
            tokio::time::sleep(self.after).await;
        }
        let played = self.play(begun).await;
        played.err().map(|error| format!("{}: {error:#}", self.court))
    }

    async fn play(&self, mut begun: watch::Receiver<Begun>) -> anyhow::Result<()> {
        let mut publisher = Publisher::connect(&self.url).await?;
        for tag in self.clip.head() {
            publisher.send(tag.kind, tag.timestamp, tag.body).await?;
        }
        let start = Instant::now();
        for number in 0.. {
            let Some(played) = self.clip.tag(number) else { break };
            let due = start + Duration::from_millis(played.tag.timestamp.into());
            // Woken by the picture's time, or by the end.
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                _ = begun.wait_for(|begun| *begun == Begun::Ended) => break,
            }
            publisher.send(played.tag.kind, played.tag.timestamp, played.tag.body).await?;
            (self.on_sent)(&self.court, played.media, due.elapsed());
        }
        publisher.finish().await
    }
}
