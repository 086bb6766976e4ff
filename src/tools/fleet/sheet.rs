//! What a fleet's run came to, for people and as JSON.

use serde::Serialize;

use crate::tools::bench::spread::Spread;
use crate::tools::fleet::book::Sum;
use crate::tools::fleet::claims::Claims;
use crate::tools::fleet::cost::Busy;

/// Parts of a process that are a box's.
pub(super) const OF_A_BOX: [&str; 3] = ["outbox", "inbox", "fleet-net"];

/// What a box takes.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Cost {
    /// By part, ms/s, of all boxes together.
    pub(super) busy: Busy,
    /// Of one box, ms of processor a second.
    pub(super) box_ms_a_second: f64,
    /// Of one box, bytes.
    pub(super) box_bytes: u64,
    /// Of the broker, ms of processor a second.
    pub(super) broker_ms_a_second: Option<f64>,
    pub(super) broker_bytes: Option<u64>,
}

/// A time in which something was away, and how long it took until all was well again.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Away {
    pub(super) seconds: f64,
    /// Until the last box had a session again, s.
    pub(super) back_seconds: f64,
    /// … and had nothing to send any more, s.
    pub(super) drained_seconds: f64,
    /// Events that waited on the boxes' disks when it was over.
    pub(super) waited: u64,
}

/// The whole.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Sheet {
    pub(super) boxes: usize,
    /// `tmpfs`, or another word for where the boxes' folders lie.
    pub(super) filesystem: String,
    pub(super) claims: Claims,
    pub(super) opened_seconds: f64,
    pub(super) connected_seconds: f64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    /// Bytes on disk of one box, at the end.
    pub(super) disk_bytes: u64,
    pub(super) quiet: Cost,
    pub(super) playing: Cost,
    /// Events a second while they play.
    pub(super) messages_a_second: f64,
    /// Decided → heard, while they play.
    pub(super) heard_after: Spread,
    /// Asked → done, while they play.
    pub(super) commands_after: Spread,
    /// Absent at a broker of others.
    pub(super) broker_away: Option<Away>,
    pub(super) half_away: Away,
    /// Boxes that ended and began anew meanwhile.
    pub(super) begun_anew: usize,
    pub(super) burst_messages: u64,
    pub(super) burst_seconds: f64,
    /// Boxes in which the last configuration wanted is what it should be: in force, or refused.
    pub(super) twins_right: usize,
    /// Boxes that the broker calls online in the end.
    pub(super) online: usize,
    pub(super) sum: Sum,
}

impl Sheet {
    /// Nothing lost, nothing doubled, everything done, everybody there.
    pub(super) const fn is_good(&self) -> bool {
        self.claims.right == self.boxes
            && self.claims.doubles == 0
            && self.sum.is_good()
            && self.twins_right == self.boxes
            && self.online == self.boxes
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let Sum {
            decided,
            heard,
            lost,
            repeats,
            doubled,
            unknown,
            commands,
            commands_done,
            commands_doubled,
        } = self.sum;
        let mut lines = vec![
            format!("{} boxes, their folders on {}", self.boxes, self.filesystem),
            line("claims", self.claims.to_string()),
            line("opened", format!("{:.1} s", self.opened_seconds)),
            line("connected", format!("{:.1} s", self.connected_seconds)),
            line("quiet", self.quiet.to_string()),
            line("playing", self.playing.to_string()),
            line(
                "",
                format!(
                    "{:.0} events/s; decided → heard p50 {:.1}, p99 {:.1} ms; asked → done p50 {:.0}, \
                     p99 {:.0} ms",
                    self.messages_a_second,
                    self.heard_after.p50_ms,
                    self.heard_after.p99_ms,
                    self.commands_after.p50_ms,
                    self.commands_after.p99_ms
                ),
            ),
            line(
                "at once",
                format!("{} descriptors, {} threads here", self.descriptors, self.threads),
            ),
        ];
        if let Some(away) = &self.broker_away {
            lines.push(line("broker away", away.to_string()));
        }
        let anew = format!("{}; {} began anew meanwhile", self.half_away, self.begun_anew);
        lines.push(line("half away", anew));
        let rate = self.burst_messages as f64 / self.burst_seconds.max(1e-3);
        lines.push(line(
            "burst",
            format!("{} events in {:.1} s: {rate:.0}/s", self.burst_messages, self.burst_seconds),
        ));
        lines.push(line("disk", format!("{} KiB a box", self.disk_bytes >> 10)));
        lines.push(line(
            "events",
            format!(
                "{decided} decided, {heard} heard: {lost} lost, {doubled} doubled, {unknown} of nobody; \
                 {repeats} repeats alike"
            ),
        ));
        lines.push(line(
            "commands",
            format!(
                "{commands} asked twice, {commands_done} done, {commands_doubled} ran more than once"
            ),
        ));
        lines.push(line("twins", format!("{} right", self.twins_right)));
        lines.push(line("online", self.online.to_string()));
        let verdict = if self.is_good() { "nothing lost, nothing doubled" } else { "NOT GOOD" };
        lines.push(verdict.to_owned());
        lines
    }
}

fn line(what: &str, told: String) -> String {
    format!("{what:12} {told}")
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = |name: &str| self.busy.0.get(name).copied().unwrap_or_default() / 10.0;
        write!(
            f,
            "{} KiB and {:.2} ms/s of processor a box (of one core in all: outbox {:.0} %, inbox {:.0} %, \
             network {:.0} %)",
            self.box_bytes >> 10,
            self.box_ms_a_second,
            part("outbox"),
            part("inbox"),
            part("fleet-net")
        )?;
        if let (Some(ms), Some(bytes)) = (self.broker_ms_a_second, self.broker_bytes) {
            write!(f, "; broker {} MiB, {:.0} % of a core", bytes >> 20, ms / 10.0)?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { boxes, right, doubles, signed, cuts, breaks, desk_cuts, seconds } = self;
        let orphans = boxes - right;
        write!(
            f,
            "{right} of {boxes} right, {orphans} orphans, {doubles} doubles; {signed} signed, {cuts} cuts, \
             {breaks} broken links, the desk cut off {desk_cuts} times, {seconds:.1} s"
        )
    }
}

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seconds, back_seconds, drained_seconds, waited } = self;
        write!(
            f,
            "{seconds:.0} s: {waited} events waited; all back after {back_seconds:.1} s, all sent after \
             {drained_seconds:.1} s"
        )
    }
}
