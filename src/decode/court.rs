//! One court's decoding thread: takes units, keeps a pipeline for them, and mends what breaks.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::decode::DecodeSettings;
use crate::decode::annexb::annex_b;
use crate::decode::backend::{Backend, Order, Pipeline, Push};
use crate::decode::choose::{self, Candidate, Failures};
use crate::decode::gate::Gate;
use crate::decode::outlet::{Found, Outlet};
use crate::decode::reorder::Reorder;
use crate::mailbox::{DropReason, Take, UnitMailbox};
use crate::media::{
    AccessUnit, CloseReason, Codec, CodecParameters, MediaTime, Monotonic, SessionId, StreamInfo,
    StreamItem,
};

/// Units inside a pipeline beyond those that it must hold for reordering (chosen: a quarter of a
/// second at 30 fps; the mailbox in front holds the second that the design allows).
const BOUND: usize = 8;
/// Pictures that a decoder may hold where nothing is declared (ITU-T H.264 A.3.1: MaxDpbFrames).
const MAX_REORDER: u8 = 16;
/// A pipeline that holds its bound and gives nothing for so long is built anew.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest that a pipeline may take to give what is inside at its end.
const DRAIN: Duration = Duration::from_secs(1);
/// The first wait before a failed pipeline is built anew; doubles to the last.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Units of a group that are kept for a new pipeline, in case a B slice comes (chosen: two seconds;
/// they are decoded twice, in some 0.3 s).
const MAX_REPLAY: usize = 64;
/// How often the thread looks for errors while nothing comes.
const LOOK: Duration = Duration::from_millis(100);

/// See the module. Owns all that it decides on; lives on one thread.
pub(crate) struct Court {
    settings: DecodeSettings,
    backend: Box<dyn Backend>,
    /// What it hands on to and counts in. Serves no pipeline: each has one of its own made from it.
    outlet: Outlet,
    patience: Duration,
    first_wait: Duration,
    session: Option<SessionId>,
    gate: Gate,
    reorder: Reorder,
    /// The units since the last key frame, while a B slice would come as a surprise.
    group: Vec<AccessUnit>,
    rate: Rate,
    running: Option<CurrentPipeline>,
    failures: Failures,
    back_off: Duration,
    retry_at: Monotonic,
    /// What the log and the status were last told, so that each choice is told once.
    told: Option<String>,
}

struct CurrentPipeline {
    pipeline: Box<dyn Pipeline>,
    outlet: Arc<Outlet>,
    candidate: &'static Candidate,
    layout: Layout,
    bound: usize,
}

/// What a pipeline cannot change while it runs.
#[derive(PartialEq, Eq)]
struct Layout {
    codec: Codec,
    width: u32,
    height: u32,
    mime_codec: String,
    low_delay: bool,
}

impl Layout {
    fn of(parameters: &CodecParameters, low_delay: bool) -> Self {
        Self {
            codec: parameters.codec,
            width: parameters.width,
            height: parameters.height,
            mime_codec: parameters.mime_codec.clone(),
            low_delay,
        }
    }
}

impl Court {
    /// `outlet` is new: that of the court's first pipeline is made from it, and of each one after.
    pub(crate) fn new(settings: DecodeSettings, backend: Box<dyn Backend>, outlet: Outlet) -> Self {
        Self {
            settings,
            backend,
            patience: PATIENCE,
            first_wait: BACK_OFF.0,
            session: None,
            gate: Gate::default(),
            reorder: Reorder::default(),
            group: Vec::new(),
            rate: Rate::default(),
            running: None,
            failures: Failures::default(),
            back_off: BACK_OFF.0,
            retry_at: outlet.clock.monotonic(),
            outlet,
            told: None,
        }
    }

    /// Decodes until `units` is closed and empty, then drains.
    pub(crate) fn run(mut self, units: &UnitMailbox) {
        let span = tracing::info_span!("decode", court = %self.settings.court);
        let _entered = span.enter();
        loop {
            match units.take(LOOK) {
                Take::Item(StreamItem::Opened(info)) => self.opened(&info),
                Take::Item(StreamItem::Video(unit)) => self.unit(&unit),
                Take::Item(StreamItem::Closed { session, reason }) => self.closed(session, reason),
                Take::Item(StreamItem::Audio(_) | StreamItem::Wall(_)) => {}
                Take::TimedOut => self.look(),
                Take::Closed => break,
            }
        }
        if let Some(session) = self.session {
            self.closed(session, CloseReason::Shutdown);
        }
        self.drain();
    }

    fn opened(&mut self, info: &Arc<StreamInfo>) {
        if let Some(session) = self.session {
            self.closed(session, CloseReason::Ended);
        }
        self.session = Some(info.session);
        self.group.clear();
        self.gate = Gate::default();
        self.rate = Rate::default();
        self.outlet.sink.opened(info);
    }

    fn closed(&mut self, session: SessionId, reason: CloseReason) {
        self.drain();
        if self.session.take_if(|open| *open == session).is_some() {
            self.outlet.sink.closed(session, reason);
        }
    }

    /// Looks for a pipeline that failed while nothing was given to it.
    fn look(&mut self) {
        if let Some(running) = &self.running
            && let Found::Failed(reason) =
                running.outlet.room(usize::MAX, self.patience, Duration::ZERO)
        {
            self.failed(&reason, DropReason::Undecodable);
        }
    }

    fn unit(&mut self, unit: &AccessUnit) {
        if let Err(reason) = self.gate.admit(unit) {
            self.outlet.tally.refused(reason);
            return;
        }
        self.reorder.see(unit);
        self.measure(unit);
        if unit.key && !self.keep_pipeline(unit) {
            self.refuse(DropReason::AwaitingKey);
            return;
        }
        if self.reorder.is_broken() {
            self.replay();
        }
        self.keep(unit);
        if let Err(reason) = self.give(unit, false) {
            self.refuse(reason);
        }
    }

    /// Gives `unit` to the pipeline, waiting until it takes one; `again` if an earlier one had it.
    ///
    /// # Errors
    /// Why it was not given.
    fn give(&mut self, unit: &AccessUnit, again: bool) -> Result<(), DropReason> {
        let sets = if unit.key { self.reorder.sets(&unit.parameters) } else { &[] };
        let data = annex_b(sets, &unit.data).ok_or(DropReason::Undecodable)?;
        if !self.wait_for_room() {
            return Err(DropReason::AwaitingKey);
        }
        let running = self.running.as_mut().ok_or(DropReason::AwaitingKey)?;
        let (pts, dts) = running.outlet.goes_in(unit, again);
        if let Err(reason) = running.pipeline.push(Push { data, pts, dts, key: unit.key }) {
            self.failed(&reason, DropReason::Undecodable);
        }
        Ok(())
    }

    /// Keeps `unit` for [`Court::replay`] while that may be needed.
    fn keep(&mut self, unit: &AccessUnit) {
        if unit.key {
            self.group.clear();
        }
        let surprising = self.reorder.low_delay() && unit.parameters.low_delay_sets.is_some();
        if surprising && (unit.key || !self.group.is_empty()) {
            self.group.push(unit.clone());
        }
        if self.group.len() > MAX_REPLAY {
            self.group = Vec::new();
        }
    }

    /// The first B slice: a new pipeline, told to wait, is given the group so far. Only pictures
    /// that belong before the last one handed on are lost. A group that was not kept goes on as it
    /// is, without its B pictures, up to the next key frame.
    fn replay(&mut self) {
        let group = std::mem::take(&mut self.group);
        let Some(key) = group.first() else { return };
        self.reorder.wait(&key.parameters);
        let last = self.drain();
        if !self.build(&key.parameters, last) {
            return;
        }
        for unit in &group {
            if self.give(unit, true).is_err() {
                return;
            }
        }
    }

    fn refuse(&mut self, reason: DropReason) {
        self.outlet.tally.refused(reason);
        self.gate.close();
    }

    /// Sees that a pipeline for `unit`, a key unit, runs. False while there is none.
    fn keep_pipeline(&mut self, unit: &AccessUnit) -> bool {
        let layout = Layout::of(&unit.parameters, self.reorder.low_delay());
        if self.running.as_ref().is_some_and(|running| running.layout != layout) {
            self.drain();
        }
        if self.running.is_some() {
            return true;
        }
        if self.outlet.clock.monotonic() < self.retry_at {
            return false;
        }
        self.build(&unit.parameters, None)
    }

    /// Builds a pipeline; pictures up to `last` were handed on by the one before. False if it
    /// cannot be built.
    fn build(&mut self, parameters: &CodecParameters, last: Option<MediaTime>) -> bool {
        let layout = Layout::of(parameters, self.reorder.low_delay());
        let exists = |factory: &str| self.backend.exists(factory);
        let chosen = choose::choose(layout.codec, self.settings.prefer, &exists, &self.failures);
        let choice = match chosen {
            Ok(choice) => choice,
            Err(fault) => {
                self.tell_fault(fault);
                self.wait_longer();
                return false;
            }
        };
        let outlet = Arc::new(self.outlet.of_next(last));
        outlet.clock.when_moved(Box::new(Outlet::waker(&outlet)));
        let order = Order { candidate: choice.candidate, parameters, low_delay: layout.low_delay };
        match self.backend.build(&order, Arc::clone(&outlet)) {
            Ok(pipeline) => {
                self.tell(choice.told);
                let bound = BOUND + usize::from(held_at_most(parameters, layout.low_delay));
                let candidate = choice.candidate;
                self.running = Some(CurrentPipeline { pipeline, outlet, candidate, layout, bound });
                true
            }
            Err(reason) => {
                self.failures.count(choice.candidate.factory, &reason);
                self.tell_fault(format!("{} does not start: {reason}", choice.candidate.factory));
                self.wait_longer();
                false
            }
        }
    }

    /// Waits until the pipeline takes another unit. False if it was given up instead.
    fn wait_for_room(&mut self) -> bool {
        loop {
            let Some(running) = &self.running else { return false };
            match running.outlet.room(running.bound, self.patience, LOOK) {
                Found::Room => return true,
                // The mailbox in front fills meanwhile and refuses to the next key frame.
                Found::Full => {}
                Found::Failed(reason) => {
                    self.failed(&reason, DropReason::NoPicture);
                    return false;
                }
            }
        }
    }

    /// Lets a pipeline go that cannot go on, and sets the time for the next.
    fn failed(&mut self, reason: &str, dropped: DropReason) {
        let Some(running) = self.running.take() else { return };
        let factory = running.candidate.factory;
        running.outlet.shut(dropped);
        let gave = running.outlet.pictures();
        running.pipeline.stop(true);
        if gave == 0 {
            self.failures.count(factory, reason);
        } else {
            self.failures.forgive(factory);
            self.back_off = self.first_wait;
        }
        self.gate.close();
        self.wait_longer();
        warn!(decoder = factory, reason, pictures = gave, "decoder is built anew");
        let mut status = self.outlet.status.lock();
        status.rebuilds += 1;
        status.fault = Some(format!("{factory} failed: {reason}; it is built anew"));
        status.last_error = Some(format!("{factory}: {reason}"));
    }

    fn wait_longer(&mut self) {
        self.retry_at = self.outlet.clock.monotonic().plus(self.back_off);
        self.back_off = (self.back_off * 2).min(BACK_OFF.1);
    }

    /// Lets the pipeline give what is inside, and ends it. Returns its last picture's time.
    fn drain(&mut self) -> Option<MediaTime> {
        let mut running = self.running.take()?;
        running.pipeline.end();
        let ended = running.outlet.wait_ended(DRAIN);
        running.outlet.shut(DropReason::NoPicture);
        if running.outlet.pictures() > 0 {
            self.failures.forgive(running.candidate.factory);
            self.back_off = self.first_wait;
        }
        if !ended {
            warn!(decoder = running.candidate.factory, "decoder did not end; it is left behind");
        }
        let last = running.outlet.last();
        running.pipeline.stop(!ended);
        last
    }

    fn measure(&mut self, unit: &AccessUnit) {
        self.rate.see(unit.dts);
        let mut status = self.outlet.status.lock();
        status.b_frames = self.reorder.has_b_frames();
        status.fps = self.rate.fps();
        status.reorder_ms = f64::from(status.held_back) * self.rate.interval_ms().unwrap_or(0.0);
    }

    /// Each choice is logged once and stands in the status.
    fn tell(&mut self, told: String) {
        if self.told.as_ref() != Some(&told) {
            info!(decoder = told, "decoder chosen");
            self.outlet.status.lock().decoder = Some(told.clone());
            self.told = Some(told);
        }
    }

    fn tell_fault(&mut self, fault: String) {
        if self.told.as_ref() != Some(&fault) {
            warn!(fault, "no decoder");
            self.told = Some(fault.clone());
        }
        self.outlet.status.lock().fault = Some(fault);
    }
}

/// Pictures that a decoder must hold to give them in order.
fn held_at_most(parameters: &CodecParameters, low_delay: bool) -> u8 {
    match parameters.reorder_frames {
        Some(frames) => frames.min(MAX_REORDER),
        None if low_delay && parameters.low_delay_sets.is_some() => 0,
        None => MAX_REORDER,
    }
}

/// The stream's own rate, from decoding times: smoothed over some 16 pictures.
#[derive(Debug, Default)]
struct Rate {
    last: Option<MediaTime>,
    interval_ns: Option<f64>,
}

impl Rate {
    #[expect(clippy::cast_precision_loss, reason = "intervals of seconds at most")]
    fn see(&mut self, dts: MediaTime) {
        if let Some(last) = self.last.replace(dts) {
            let interval = dts.nanos_since(last).max(0) as f64;
            self.interval_ns =
                Some(self.interval_ns.map_or(interval, |mean| mean + (interval - mean) / 16.0));
        }
    }

    fn interval_ms(&self) -> Option<f64> {
        self.interval_ns.map(|nanos| nanos / 1e6)
    }

    fn fps(&self) -> Option<f64> {
        self.interval_ns.filter(|nanos| *nanos > 0.0).map(|nanos| 1e9 / nanos)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    use bytes::Bytes;
    use parking_lot::Mutex;

    use crate::clock::SystemClock;
    use crate::decode::outlet::Picture;
    use crate::decode::{DecoderStatus, FrameSink};
    use crate::mailbox::Tally;
    use crate::media::{ChromaLayout, CourtId, CpuPicture, Frame, Plane};

    pub(crate) fn parameters(width: u32, height: u32) -> Arc<CodecParameters> {
        let size = width.to_be_bytes();
        Arc::new(CodecParameters {
            codec: Codec::H264,
            width,
            height,
            config: Bytes::new(),
            parameter_sets: vec![Bytes::copy_from_slice(&size)],
            low_delay_sets: Some(vec![Bytes::from_static(b"low")]),
            reorder_frames: None,
            mime_codec: "avc1.64001f".to_owned(),
        })
    }

    pub(crate) fn unit_of(of: &Arc<CodecParameters>, sequence: u64, key: bool) -> AccessUnit {
        let at = MediaTime::from_millis(i64::try_from(sequence).expect("small") * 33);
        AccessUnit {
            session: SessionId::from_bits(7),
            sequence,
            pts: at,
            dts: at,
            key,
            b_slices: false,
            data: Bytes::from_static(&[0, 0, 0, 1, 0x65]),
            parameters: Arc::clone(of),
            arrival: Monotonic::ZERO,
        }
    }

    pub(crate) fn unit(sequence: u64, key: bool) -> AccessUnit {
        unit_of(&parameters(1280, 720), sequence, key)
    }

    #[derive(Debug)]
    struct Gray;
    impl CpuPicture for Gray {
        fn chroma(&self) -> ChromaLayout {
            ChromaLayout::I420
        }
        fn plane(&self, _index: usize) -> Option<Plane<'_>> {
            None
        }
    }

    /// What the scripted decoder does with the pictures of one pipeline.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Script {
        /// Gives each at once.
        Good,
        /// Gives nothing, and hangs at its end.
        Mute,
        /// Reports an error at the third unit.
        Dies,
        /// Marks every second one as damaged.
        Damages,
        /// Does not start.
        Refuses,
    }

    struct Scripted {
        // Shared with the test, which reads what was built.
        built: Arc<Mutex<Vec<(u32, bool, &'static str)>>>,
        /// One entry a pipeline; the last one stands for all that follow.
        scripts: Vec<Script>,
    }

    struct Playing {
        script: Script,
        outlet: Arc<Outlet>,
        taken: u32,
        width: u32,
    }

    impl Backend for Scripted {
        fn exists(&self, factory: &str) -> bool {
            matches!(factory, "nvh264dec" | "avdec_h264")
        }
        fn build(
            &self,
            order: &Order<'_>,
            outlet: Arc<Outlet>,
        ) -> Result<Box<dyn Pipeline>, String> {
            let mut built = self.built.lock();
            let at = built.len().min(self.scripts.len() - 1);
            let width = order.parameters.width;
            built.push((width, order.low_delay, order.candidate.factory));
            match self.scripts[at] {
                Script::Refuses => Err("no device".to_owned()),
                script => Ok(Box::new(Playing { script, outlet, taken: 0, width })),
            }
        }
    }

    impl Pipeline for Playing {
        fn push(&mut self, unit: Push) -> Result<(), String> {
            self.outlet.entered();
            self.taken += 1;
            let whole = match self.script {
                Script::Mute => return Ok(()),
                Script::Dies if self.taken == 3 => {
                    self.outlet.failed("bad stream".to_owned());
                    return Ok(());
                }
                Script::Damages => self.taken % 2 == 1,
                Script::Good | Script::Dies | Script::Refuses => true,
            };
            self.outlet.picture(Picture {
                ticket: Some(unit.pts),
                width: self.width,
                height: 2,
                pixels: whole.then(|| Box::new(Gray) as _),
            });
            Ok(())
        }
        fn end(&mut self) {
            if self.script != Script::Mute {
                self.outlet.ended();
            }
        }
        fn stop(self: Box<Self>, _hangs: bool) {}
    }

    #[derive(Default)]
    struct Received {
        // Written by the court, read by the test after it has ended.
        frames: Mutex<Vec<(MediaTime, u32)>>,
        marks: Mutex<Vec<&'static str>>,
        over: AtomicBool,
    }

    impl FrameSink for Received {
        fn opened(&self, _info: &Arc<StreamInfo>) {
            self.marks.lock().push("opened");
        }
        fn frame(&self, frame: Arc<Frame>) {
            assert!(!self.over.load(Ordering::Relaxed), "no frame after the end of its session");
            self.frames.lock().push((frame.pts, frame.width));
        }
        fn closed(&self, _session: SessionId, _reason: CloseReason) {
            self.over.store(true, Ordering::Relaxed);
            self.marks.lock().push("closed");
        }
    }

    struct Played {
        seen: Arc<Received>,
        tally: Tally,
        status: DecoderStatus,
        built: Vec<(u32, bool, &'static str)>,
    }

    /// Gives `units` to a court whose pipelines play `scripts`, and lets it run dry.
    fn play(scripts: &[Script], units: Vec<AccessUnit>) -> Played {
        let court = CourtId::new("north").expect("name");
        let hop = UnitMailbox::new(Duration::from_secs(60), Tally::default());
        hop.offer(StreamItem::Opened(Arc::new(StreamInfo {
            court: court.clone(),
            session: SessionId::from_bits(7),
            peer: String::new(),
            encoder: None,
            opened: Monotonic::ZERO,
        })));
        for unit in units {
            assert!(hop.offer(StreamItem::Video(unit)));
        }
        hop.close();
        let (seen, tally) = (Arc::new(Received::default()), Tally::default());
        let status = Arc::new(Mutex::new(DecoderStatus::default()));
        let built = Arc::new(Mutex::new(Vec::new()));
        let backend = Scripted { built: Arc::clone(&built), scripts: scripts.to_vec() };
        let sink = Arc::clone(&seen);
        let clock = Arc::new(SystemClock::new());
        let outlet = Outlet::new(court.clone(), sink, tally.clone(), clock, Arc::clone(&status));
        let mut tested = Court::new(DecodeSettings::new(court), Box::new(backend), outlet);
        tested.patience = Duration::from_millis(20);
        (tested.first_wait, tested.back_off) = (Duration::ZERO, Duration::ZERO);
        tested.run(&hop);
        let count = tally.count();
        assert!(count.balances() && count.waiting == 0, "{count:?}");
        assert_eq!(*seen.marks.lock(), ["opened", "closed"]);
        let (status, built) = (status.lock().clone(), built.lock().clone());
        Played { seen, tally, status, built }
    }

    /// `count` units with a key frame at every tenth.
    fn stream(count: u64) -> Vec<AccessUnit> {
        (0..count).map(|sequence| unit(sequence, sequence % 10 == 0)).collect()
    }

    fn dropped(played: &Played) -> Vec<(DropReason, u64)> {
        played.tally.count().dropped.into_iter().collect()
    }

    #[test]
    fn every_unit_becomes_a_picture_with_its_own_time() {
        let played = play(&[Script::Good], stream(40));
        let expected: Vec<_> = (0..40).map(|n| (MediaTime::from_millis(n * 33), 1280)).collect();
        assert_eq!(*played.seen.frames.lock(), expected);
        assert_eq!(dropped(&played), []);
        assert_eq!(played.status.held_back, 0);
        assert_eq!(played.built, [(1280, true, "nvh264dec")]);
        assert!(played.status.fps.is_some_and(|fps| (fps - 30.3).abs() < 0.1));
    }

    #[test]
    fn a_start_within_a_group_and_a_lost_unit_wait_for_a_key_frame() {
        let mut units = stream(40);
        units.remove(15);
        units.drain(..3);
        let played = play(&[Script::Good], units);
        assert_eq!(dropped(&played), [(DropReason::AwaitingKey, 7 + 4)]);
        assert_eq!(played.seen.frames.lock().len(), 25);
    }

    #[test]
    fn a_unit_that_is_no_list_of_nal_units_costs_its_group_alone() {
        let mut units = stream(30);
        units[12].data = Bytes::from_static(&[0, 0, 9, 9, 1]);
        let played = play(&[Script::Good], units);
        assert_eq!(dropped(&played), [(DropReason::AwaitingKey, 7), (DropReason::Undecodable, 1)]);
    }

    #[test]
    fn damaged_pictures_are_counted_and_not_handed_on() {
        let played = play(&[Script::Damages], stream(20));
        assert_eq!(dropped(&played), [(DropReason::Undecodable, 10)]);
        assert_eq!(played.seen.frames.lock().len(), 10);
    }

    #[test]
    fn a_change_of_size_or_a_first_b_slice_gets_a_new_pipeline_at_its_key_frame() {
        let mut units = stream(30);
        for unit in &mut units[10..20] {
            unit.parameters = parameters(640, 360);
        }
        units[23].b_slices = true;
        units.extend((30..35).map(|sequence| unit(sequence, sequence == 30)));
        let played = play(&[Script::Good], units);
        assert_eq!(dropped(&played), []);
        let low_delay: Vec<_> = played.built.iter().map(|built| (built.0, built.1)).collect();
        assert_eq!(low_delay, [(1280, true), (640, true), (1280, true), (1280, false)]);
        assert!(played.status.b_frames);
        assert_eq!(played.status.rebuilds, 0);
    }

    #[test]
    fn a_pipeline_that_dies_is_built_anew_at_a_key_frame() {
        let played = play(&[Script::Dies, Script::Good], stream(30));
        // Two pictures came; the third unit died with it, seven more lost their references.
        assert_eq!(dropped(&played), [(DropReason::AwaitingKey, 7), (DropReason::NoPicture, 1)]);
        assert_eq!(played.status.rebuilds, 1);
        assert_eq!(played.status.last_error.as_deref(), Some("nvh264dec: bad stream"));
        assert_eq!(played.status.fault, None, "pictures come again");
    }

    #[test]
    fn a_mute_pipeline_is_given_up_and_the_next_decoder_is_taken_and_said() {
        let played = play(&[Script::Mute, Script::Mute, Script::Good], stream(90));
        assert_eq!(played.status.rebuilds, 2);
        let factories: Vec<_> = played.built.iter().map(|built| built.2).collect();
        assert_eq!(factories, ["nvh264dec", "nvh264dec", "avdec_h264"]);
        let told = played.status.decoder.as_deref().expect("told");
        assert!(told.starts_with("avdec_h264 (software): nvh264dec failed"), "{told}");
        assert!(played.tally.count().taken > 0);
        assert!(dropped(&played).iter().any(|(reason, _)| *reason == DropReason::NoPicture));
    }

    #[test]
    fn a_decoder_that_does_not_start_is_a_fault_that_passes() {
        let played = play(&[Script::Refuses, Script::Good], stream(30));
        assert_eq!(dropped(&played), [(DropReason::AwaitingKey, 10)]);
        assert_eq!(played.status.fault, None);
        let refused = play(&[Script::Refuses], stream(30));
        assert_eq!(dropped(&refused), [(DropReason::AwaitingKey, 30)]);
        assert!(refused.status.fault.expect("said").contains("no device"));
    }
}
