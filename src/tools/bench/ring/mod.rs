//! `courtside bench ring`: what recording costs, how far the quota is exceeded, and a start with many clips.
//!
//! Pictures are made up (`stream`): the ring looks at none of their bytes. Four rounds, each in a folder of
//! its own below `--dir`: courts that play at their own time, with a disk that counts (`counted`); slow
//! streams, for what is written beside the pictures; a small quota that is filled over and over; an index
//! of many clips. The last three run on a clock moved by hand, so they take no longer than the disk does.

mod counted;
mod stream;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use prometheus_client::metrics::histogram::Histogram;
use serde::Serialize;

use crate::clips::{
    ClipQuery, FragmentDurable, FragmentSink, MAX_PENDING, Ring, RingMeters, RingParts,
    RingSettings, RingStatus, line,
};
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::disk::{Disk, OpenHow, RealDisk};
use crate::event::{ClipOrder, ClipRequest};
use crate::mailbox::{Mailbox, Take, Tally, UnitMailbox, WhenFull};
use crate::media::{CourtId, MediaTime, Monotonic, UtcTime};
use crate::tools::bench::ring::counted::CountedDisk;
use crate::tools::bench::ring::stream::Stream;
use crate::tools::bench::spread::Spread;
use crate::tools::bench::usage::{PUBLISHER, Processor};
use crate::tools::private_folder::private_folder;
use crate::tools::tell::{remark, tell, tell_json};

/// Arguments of `bench ring`.
#[derive(Debug, Args)]
pub(crate) struct RingArgs {
    /// Courts that play
    #[arg(long, value_name = "N", default_value_t = 8)]
    courts: u16,
    /// Mbit/s of each court's pictures
    #[arg(long, value_name = "MBPS", default_value_t = 8.0)]
    mbps: f64,
    /// Pictures a second
    #[arg(long, value_name = "N", default_value_t = 30)]
    fps: u16,
    /// Seconds of play
    #[arg(long, value_name = "S", default_value_t = 30)]
    seconds: u16,
    /// Clips in the index of the last round
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    clips: u32,
    /// Times that the small quota is filled
    #[arg(long, value_name = "N", default_value_t = 10)]
    wraps: u16,
    /// Folder on the disk that is measured [default: the system's for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// An order of a clip every so often, of so much before and behind.
const ORDER_EVERY: Duration = Duration::from_secs(3);
const BEFORE: Duration = Duration::from_secs(4);
const BEHIND: Duration = Duration::from_secs(1);
/// A quota is filled many times with little: what it is exceeded by is segments, whatever is in them.
const WRAP_MBPS: f64 = 1.0;
/// Streams that are slower than any camera, Mbit/s: what is written beside the pictures shows there.
const SLOW: [f64; 4] = [0.1, 0.2, 0.33, 1.0];
/// The budgets of DESIGN §3 and of the ring.
const MOST_AMPLIFICATION: f64 = 1.02;
const MOST_CORES: f64 = 0.05;
const MOST_READY: Duration = Duration::from_secs(5);
const MOST_PAGE_MS: f64 = 20.0;
/// A clip is whole so long after its interval at most.
const MOST_CLIP_MS: f64 = 2000.0;

/// What was measured.
#[derive(Debug, Serialize)]
struct Measured {
    live: Live,
    slow: Vec<Slow>,
    wrap: Wrap,
    shelf: Shelf,
}

#[derive(Debug, Serialize)]
struct Live {
    courts: u16,
    mbps: f64,
    seconds: f64,
    cores: f64,
    amplification: f64,
    syncs_a_second: f64,
    lost_pictures: u64,
    /// From the end of its interval to a clip on disk.
    clip: Spread,
    /// How much earlier than asked players begin with a clip …
    early: Spread,
    /// … and how much later.
    late: Spread,
    /// Both are a picture at most.
    a_picture_ms: f64,
}

#[derive(Debug, Serialize)]
struct Slow {
    mbps: f64,
    sound: bool,
    amplification: f64,
}

#[derive(Debug, Serialize)]
struct Wrap {
    quota_bytes: u64,
    wraps: f64,
    /// The most that it was exceeded by.
    over_bytes: u64,
    longest_segment_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Shelf {
    clips: u32,
    ready_ms: f64,
    page: Spread,
    page_of_court: Spread,
}

impl RingArgs {
    /// Runs the bench. 3 when a budget is exceeded.
    ///
    /// # Errors
    /// What could not be started or measured.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        if self.courts == 0 || !(0.05..=200.0).contains(&self.mbps) || self.fps == 0 {
            bail!("name at least one court and picture, and 0.05 to 200 Mbit/s");
        }
        let base = match &self.dir {
            Some(dir) => dir.join(format!("courtside-bench-{:016x}", getrandom::u64()?)),
            None => private_folder("courtside-bench-ring")?,
        };
        let disk = RealDisk::new();
        disk.create_dir_all(&base).with_context(|| format!("make {}", base.display()))?;
        let measured = self.measured(&base);
        // What cannot be removed is left to its owner.
        let _left = std::fs::remove_dir_all(&base);
        let measured = measured?;
        if self.json {
            tell_json(&measured)?;
        } else {
            measured.tell();
        }
        Ok(ExitCode::from(if measured.is_within() { 0 } else { 3 }))
    }

    fn measured(&self, base: &Path) -> anyhow::Result<Measured> {
        remark(format_args!("{} s of play …", self.seconds));
        let live = self.live(&base.join("live"))?;
        remark("slow streams …");
        let mut slow = Vec::new();
        for sound in [false, true] {
            for mbps in SLOW {
                let dir = base.join(format!("slow-{mbps}-{sound}"));
                slow.push(slow_stream(&dir, mbps, i64::from(self.fps), sound)?);
            }
        }
        remark(format_args!("a quota that is filled {} times …", self.wraps));
        let wrap = self.wrap(&base.join("wrap"))?;
        remark(format_args!("an index of {} clips …", self.clips));
        let shelf = many_clips(&base.join("shelf"), self.clips)?;
        Ok(Measured { live, slow, wrap, shelf })
    }

    fn streams(&self, mbps: f64) -> anyhow::Result<Vec<Stream>> {
        let of = |n: u16| {
            let court = CourtId::new(&format!("court-{n}"))?;
            Ok(Stream::new(court, u64::from(n) + 1, mbps, i64::from(self.fps), true))
        };
        (0..self.courts).map(of).collect()
    }

    fn live(&self, dir: &Path) -> anyhow::Result<Live> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let disk = CountedDisk::new();
        let counts = Arc::clone(&disk.counts);
        let streams = self.streams(self.mbps)?;
        let settings = RingSettings::new(dir.to_owned(), 64 << 30);
        let mut bench = Bench::open(settings, Arc::new(disk), &clock, &streams)?;
        bench.ring.start()?;
        let begun = clock.monotonic();
        let (before, syncs_before) = (Processor::now(), counts.now().0);
        let long = Duration::from_secs(u64::from(self.seconds));
        let ended = Arc::new(AtomicBool::new(false));
        let hops = bench.hops.clone();
        let publisher = std::thread::Builder::new().name(PUBLISHER.to_owned()).spawn({
            let (clock, ended) = (Arc::clone(&clock), Arc::clone(&ended));
            move || {
                publish(streams, &hops, &clock, begun, long);
                ended.store(true, Ordering::Release);
            }
        })?;
        let mut waits = bench.orders_while(&clock, begun, &ended);
        let seconds = clock.monotonic().since(begun).as_secs_f64();
        let (cores, _) = Processor::now().cores_since(before, seconds);
        let syncs = counts.now().0 - syncs_before;
        if publisher.join().is_err() {
            bail!("the publisher ended badly");
        }
        let (early, late) = bench.begins(&waits);
        let clip = Spread::of(waits.drain(..).filter_map(|wait| wait.took));
        let status = bench.end();
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let syncs_a_second = syncs as f64 / seconds;
        Ok(Live {
            courts: self.courts,
            mbps: self.mbps,
            seconds,
            cores,
            amplification: amplification(&status),
            syncs_a_second,
            lost_pictures: status.courts.iter().map(|court| court.lost_pictures).sum(),
            clip,
            early,
            late,
            a_picture_ms: 1000.0 / f64::from(self.fps),
        })
    }

    fn wrap(&self, dir: &Path) -> anyhow::Result<Wrap> {
        // Two segments a court: what goes is at most as much as what comes.
        let clock = manual();
        let streams = self.streams(WRAP_MBPS)?;
        let a_segment = {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "60 s")]
            let bytes = ((WRAP_MBPS * 1e6 / 8.0 + 12_000.0) * 60.0) as u64;
            bytes.min(64 << 20)
        };
        let quota_bytes = a_segment * 2 * u64::from(self.courts);
        let settings = RingSettings {
            keep_free_bytes: 0,
            ballast_bytes: 0,
            ..RingSettings::new(dir.to_owned(), quota_bytes)
        };
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let mut bench = Bench::open(settings, Arc::new(RealDisk::new()), &shared, &streams)?;
        let quota_bytes = bench.ring.status().storage.quota_bytes;
        let mut streams = streams;
        let (mut over_bytes, mut longest) = (0, 0);
        let goal = quota_bytes.saturating_mul(u64::from(self.wraps));
        for (stream, hop) in streams.iter().zip(&bench.hops) {
            hop.offer(stream.opened(clock.monotonic()));
        }
        loop {
            for (stream, hop) in streams.iter_mut().zip(&bench.hops) {
                for item in stream.next(clock.monotonic()) {
                    hop.offer(item);
                }
            }
            clock.advance(Duration::from_millis(1000 / u64::from(self.fps)));
            bench.ring.pump();
            let status = bench.ring.status();
            over_bytes = over_bytes.max(status.storage.ring_bytes.saturating_sub(quota_bytes));
            for court in &status.courts {
                longest = longest.max(court.bytes / court.segments.max(1));
            }
            if status.bytes_encoded >= goal {
                break;
            }
        }
        let status = bench.end();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let wraps = status.bytes_encoded as f64 / quota_bytes.max(1) as f64;
        Ok(Wrap { quota_bytes, wraps, over_bytes, longest_segment_bytes: longest.max(a_segment) })
    }
}

fn manual() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(UtcTime::from_nanos(1_800_000_000_000_000_000)))
}

fn amplification(status: &RingStatus) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let ratio = status.bytes_written as f64 / status.bytes_encoded.max(1) as f64;
    ratio
}

/// Two minutes of one court.
fn slow_stream(dir: &Path, mbps: f64, fps: i64, sound: bool) -> anyhow::Result<Slow> {
    let clock = manual();
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    // Of these the sound is part, as an encoder's setting says it.
    let pictures = if sound { (mbps - 0.096).max(0.05) } else { mbps };
    let streams = vec![Stream::new(CourtId::new("a")?, 1, pictures, fps, sound)];
    let settings = RingSettings {
        keep_free_bytes: 0,
        ballast_bytes: 0,
        ..RingSettings::new(dir.to_owned(), 1 << 30)
    };
    let mut bench = Bench::open(settings, Arc::new(RealDisk::new()), &shared, &streams)?;
    let mut streams = streams;
    for (stream, hop) in streams.iter_mut().zip(&bench.hops) {
        hop.offer(stream.opened(clock.monotonic()));
        while stream.next_at() < MediaTime::from_millis(120_000) {
            let due = stream.next_at().nanos_since(MediaTime::ZERO);
            let now = i64::try_from(clock.monotonic().as_nanos()).unwrap_or(i64::MAX);
            clock.advance(Duration::from_nanos(due.saturating_sub(now).max(0).unsigned_abs()));
            for item in stream.next(clock.monotonic()) {
                hop.offer(item);
            }
            bench.ring.pump();
        }
    }
    Ok(Slow { mbps, sound, amplification: amplification(&bench.end()) })
}

/// A ring with an index of so many clips, as a season leaves it: opened, and asked for pages.
fn many_clips(dir: &Path, clips: u32) -> anyhow::Result<Shelf> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let clock = manual();
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    let settings = || RingSettings {
        keep_free_bytes: 0,
        ballast_bytes: 0,
        ..RingSettings::new(dir.to_owned(), 1 << 30)
    };
    // One that was really cut, whose entry all the others have under their own names.
    let mut streams = vec![Stream::new(CourtId::new("a")?, 1, 0.1, 10, false)];
    let mut bench = Bench::open(settings(), Arc::clone(&disk), &shared, &streams)?;
    if let (Some(stream), Some(hop)) = (streams.first_mut(), bench.hops.first().cloned()) {
        hop.offer(stream.opened(clock.monotonic()));
        for _ in 0..100 {
            for item in stream.next(clock.monotonic()) {
                hop.offer(item);
            }
            clock.advance(Duration::from_millis(100));
            bench.ring.pump();
        }
        bench.order(stream, "first", (Duration::from_secs(2), Duration::from_secs(5)));
        bench.ring.pump();
    }
    bench.end();
    let log = dir.join("clips.index");
    let mut lines = crate::disk::read_whole(&*disk, &log, 1 << 20)?;
    let entry = crate::disk::read_whole(&*disk, &dir.join("clips/first.json"), 1 << 20)?;
    let entry: serde_json::Value = serde_json::from_slice(&entry).context("the first clip")?;
    for n in 2..=clips {
        let id = format!("a-0000000000000001-shot-{n}");
        let mut own = entry.clone();
        own["id"] = id.as_str().into();
        own["number"] = n.into();
        let file = disk.open(&dir.join(format!("clips/{id}.json")), OpenHow::CreateNew)?;
        file.write_at(0, &serde_json::to_vec_pretty(&own)?)?;
        lines.extend(line(&serde_json::json!({
            "what": "is", "id": id, "number": n, "segments": own["segments"],
            "pinned": true, "made_ns": own["made_ns"],
        })));
    }
    let index = disk.open(&log, OpenHow::CreateOrOpen)?;
    index.write_at(0, &lines)?;
    let real = SystemClock::new();
    let begun = real.monotonic();
    let none = Vec::new();
    let bench = Bench::open(settings(), disk, &shared, &none)?;
    let ready = real.monotonic().since(begun);
    let shelf = bench.ring.shelf();
    let known = bench.ring.status().storage.clips;
    if known != u64::from(clips) {
        bail!("{known} clips are known, not {clips}");
    }
    let pages = |court: Option<&str>| {
        let steps = (0..50).map(|n| u64::from(clips) * n / 50);
        Spread::of(steps.map(|after| {
            let begun = real.monotonic();
            let court = court.map(str::to_owned);
            let page = shelf.list(&ClipQuery { after, limit: 100, court });
            let _shown = serde_json::to_vec(&page.clips);
            real.monotonic().since(begun)
        }))
    };
    let (page, page_of_court) = (pages(None), pages(Some("a")));
    bench.end();
    Ok(Shelf { clips, ready_ms: ready.as_secs_f64() * 1e3, page, page_of_court })
}

/// A ring with its ends in our hands.
struct Bench {
    ring: Ring,
    hops: Vec<UnitMailbox>,
    courts: Vec<(CourtId, crate::media::SessionId)>,
    orders: Mailbox<ClipOrder>,
    done: Mailbox<String>,
}

/// A clip that was ordered.
struct Wait {
    id: String,
    /// When its interval had passed.
    passed: Monotonic,
    took: Option<Duration>,
}

struct Deaf;

impl FragmentSink for Deaf {
    fn fragment(&self, _: &FragmentDurable) {}
}

impl Bench {
    fn open(
        settings: RingSettings,
        disk: Arc<dyn Disk>,
        clock: &Arc<dyn Clock>,
        streams: &[Stream],
    ) -> anyhow::Result<Self> {
        let hop = |_: &Stream| UnitMailbox::new(Duration::from_secs(4), Tally::default());
        let hops: Vec<_> = streams.iter().map(hop).collect();
        let names = streams.iter().map(|stream| stream.court.clone());
        let orders = Mailbox::new(MAX_PENDING, WhenFull::DropNewest, Tally::default());
        let done = Mailbox::new(MAX_PENDING, WhenFull::DropNewest, Tally::default());
        let unmeasured = || Histogram::new([1.0]);
        let ring = Ring::open(RingParts {
            settings,
            disk,
            clock: Arc::clone(clock),
            courts: names.zip(hops.iter().cloned()).collect(),
            orders: orders.clone(),
            done: done.clone(),
            sink: Arc::new(Deaf),
            news: None,
            wall: None,
            games: None,
            meters: RingMeters { write_seconds: unmeasured(), fsync_seconds: unmeasured() },
        })?;
        let courts = streams.iter().map(|stream| (stream.court.clone(), stream.session)).collect();
        Ok(Self { ring, hops, courts, orders, done })
    }

    /// Asks for a clip of a stream's time.
    fn order(&self, stream: &Stream, id: &str, (from, to): (Duration, Duration)) {
        self.order_of(&stream.court, stream.session, id, (from, to));
    }

    fn order_of(
        &self,
        court: &CourtId,
        session: crate::media::SessionId,
        id: &str,
        (from, to): (Duration, Duration),
    ) {
        let ns = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        let request = ClipRequest {
            id: id.to_owned(),
            from_ns: ns(from),
            to_ns: ns(to),
            reason: "made".into(),
            ..ClipRequest::default()
        };
        // A full hop is seen in what comes back.
        drop(self.orders.offer(ClipOrder { court: court.clone(), session, request }));
    }

    /// Asks for a clip of each court in turn until the play ends; how long each took.
    fn orders_while(
        &self,
        clock: &Arc<dyn Clock>,
        begun: Monotonic,
        ended: &AtomicBool,
    ) -> Vec<Wait> {
        let mut waits: Vec<Wait> = Vec::new();
        let mut next = BEFORE;
        while !ended.load(Ordering::Acquire) {
            let now = clock.monotonic();
            let played = now.since(begun);
            if played >= next {
                let at = waits.len() % self.courts.len().max(1);
                if let Some((court, session)) = self.courts.get(at) {
                    let id = format!("clip-{}", waits.len());
                    let to = played + BEHIND;
                    self.order_of(court, *session, &id, (played.saturating_sub(BEFORE), to));
                    waits.push(Wait { id, passed: begun.plus(to), took: None });
                }
                next += ORDER_EVERY;
            }
            if let Take::Item(id) = self.done.take(Duration::from_millis(20)) {
                let now = clock.monotonic();
                for wait in waits.iter_mut().filter(|wait| wait.id == id) {
                    wait.took = Some(now.since(wait.passed));
                }
            }
        }
        waits
    }

    /// How much earlier, and how much later than asked players begin with each clip.
    fn begins(&self, waits: &[Wait]) -> (Spread, Spread) {
        let shelf = self.ring.shelf();
        let early: Vec<i64> = waits
            .iter()
            .filter(|wait| wait.took.is_some())
            .filter_map(|wait| {
                let clip = shelf.read(&wait.id).ok()?;
                Some(clip.from_ns - clip.media?.shown_ns().0)
            })
            .collect();
        let spread = |sign: i64| {
            let ns = early.iter().map(|ns| (ns * sign).max(0).unsigned_abs());
            Spread::of(ns.map(Duration::from_nanos))
        };
        (spread(1), spread(-1))
    }

    fn end(self) -> RingStatus {
        self.hops.iter().for_each(UnitMailbox::close);
        self.ring.join()
    }
}

/// Plays each stream at its own time, as a camera does.
fn publish(
    mut streams: Vec<Stream>,
    hops: &[UnitMailbox],
    clock: &Arc<dyn Clock>,
    begun: Monotonic,
    long: Duration,
) {
    for (stream, hop) in streams.iter().zip(hops) {
        hop.offer(stream.opened(begun));
    }
    loop {
        let now = clock.monotonic();
        let played = now.since(begun);
        if played >= long {
            return;
        }
        for (stream, hop) in streams.iter_mut().zip(hops) {
            while stream.next_at() <= MediaTime::ZERO.plus(played) {
                for item in stream.next(now) {
                    hop.offer(item);
                }
            }
        }
        let next = streams.iter().map(Stream::next_at).min().unwrap_or(MediaTime::ZERO);
        let wait = next.nanos_since(MediaTime::ZERO.plus(played)).max(1_000_000).unsigned_abs();
        std::thread::park_timeout(Duration::from_nanos(wait));
    }
}

impl Live {
    /// True where each clip begins with the picture that was asked for, and is there in time. None was asked for in
    /// a play of some seconds.
    fn is_prompt(&self) -> bool {
        let most = |spread: &Spread, most_ms: f64| spread.n == 0 || spread.max_ms <= most_ms;
        most(&self.clip, MOST_CLIP_MS)
            && most(&self.early, self.a_picture_ms)
            && most(&self.late, self.a_picture_ms)
    }
}

impl Measured {
    fn is_within(&self) -> bool {
        let slow = self.slow.iter().filter(|slow| !slow.sound);
        slow.clone().all(|slow| slow.amplification <= MOST_AMPLIFICATION)
            && self.live.amplification <= MOST_AMPLIFICATION
            && self.live.cores <= MOST_CORES
            && self.live.lost_pictures == 0
            && self.live.is_prompt()
            && self.wrap.over_bytes <= self.wrap.longest_segment_bytes * u64::from(self.live.courts)
            && self.shelf.ready_ms <= MOST_READY.as_secs_f64() * 1e3
            && self.shelf.page.p99_ms <= MOST_PAGE_MS
    }

    fn tell(&self) {
        let Live { courts, mbps, seconds, cores, amplification, syncs_a_second, .. } = &self.live;
        tell(format_args!("{courts} courts of {mbps} Mbit/s, {seconds:.0} s:"));
        tell(format_args!("  cores                        {cores:8.3}   (at most {MOST_CORES})"));
        tell(format_args!(
            "  written ÷ encoded            {amplification:8.4}   (at most {MOST_AMPLIFICATION})"
        ));
        tell(format_args!("  syncs a second               {syncs_a_second:8.1}"));
        tell(format_args!("  pictures lost                {:8}", self.live.lost_pictures));
        tell("  ms                                p50      p95      p99      max");
        let picture = self.live.a_picture_ms;
        tell(format_args!(
            "  clip after its interval   {}   (at most {MOST_CLIP_MS:.0})",
            self.live.clip
        ));
        tell(format_args!(
            "  begins too early by       {}   (at most a picture: {picture:.1})",
            self.live.early
        ));
        tell(format_args!(
            "  begins too late by        {}   (at most a picture: {picture:.1})",
            self.live.late
        ));
        tell("one slow court, written ÷ encoded:");
        for slow in &self.slow {
            let sound = if slow.sound { "with sound" } else { "pictures alone" };
            tell(format_args!("  {:4} Mbit/s, {sound:<15} {:8.4}", slow.mbps, slow.amplification));
        }
        let Wrap { quota_bytes, wraps, over_bytes, longest_segment_bytes } = &self.wrap;
        tell(format_args!(
            "quota of {quota_bytes} bytes, filled {wraps:.1} times: exceeded by {over_bytes} bytes at \
             most (at most a segment a court: {} of {longest_segment_bytes})",
            self.live.courts
        ));
        let Shelf { clips, ready_ms, page, page_of_court } = &self.shelf;
        tell(format_args!("{clips} clips: open after {ready_ms:.0} ms (at most 5000)"));
        tell("  ms                                p50      p95      p99      max");
        tell(format_args!("  page of 100               {page}"));
        tell(format_args!("  page of 100 of a court    {page_of_court}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_beside_a_slow_stream_is_two_hundredths_at_most() {
        let dir = tempfile::tempdir().expect("a folder");
        for (mbps, fps, sound) in [
            (0.1, 30, false),
            (0.1, 25, false),
            (0.15, 60, false),
            (0.33, 30, false),
            (0.15, 30, true),
        ] {
            let place = dir.path().join(format!("{mbps}-{fps}-{sound}"));
            let slow = slow_stream(&place, mbps, fps, sound).expect("measured");
            println!("{mbps} Mbit/s, {fps} a second, sound {sound}: {:.4}", slow.amplification);
            assert!(
                slow.amplification > 1.0 && slow.amplification <= MOST_AMPLIFICATION,
                "{slow:?}"
            );
        }
    }

    #[test]
    fn a_clip_that_begins_more_than_a_picture_off_or_comes_late_is_no_good_figure() {
        let of = |ms: f64| Spread { n: 9, max_ms: ms, ..Spread::default() };
        let live = |clip: f64, early: f64, late: f64| Live {
            courts: 1,
            mbps: 1.0,
            seconds: 30.0,
            cores: 0.01,
            amplification: 1.001,
            syncs_a_second: 1.0,
            lost_pictures: 0,
            clip: of(clip),
            early: of(early),
            late: of(late),
            a_picture_ms: 33.4,
        };
        assert!(live(600.0, 33.0, 0.0).is_prompt());
        assert!(!live(2001.0, 33.0, 0.0).is_prompt());
        assert!(!live(600.0, 1000.0, 0.0).is_prompt());
        assert!(!live(600.0, 0.0, 34.0).is_prompt());
    }
}
