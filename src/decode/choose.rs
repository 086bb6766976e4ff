//! Which decoder, and why (pure). Hardware first; what is out (`setbacks`) is left out.

use std::sync::Arc;

use crate::decode::setbacks::{Out, Rules, Setbacks};
use crate::media::{Codec, CodecParameters, Monotonic};

/// Which kind of decoder a court shall have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefer {
    /// The first of the machine's decoders, hardware before software.
    #[default]
    Auto,
    /// Software, whatever else is there (comparisons, benches).
    Software,
}

/// A decoder that may exist on a machine, and how it is set for low latency.
///
/// Properties are looked up when it is made and passed over where a release does not have them.
#[derive(Debug, PartialEq, Eq)]
pub struct Candidate {
    /// GStreamer's name of it.
    pub(crate) factory: &'static str,
    codec: Codec,
    /// What it is, for people.
    kind: &'static str,
    hardware: bool,
    /// For machines that have no other in software, and never instead of one that failed: whoever
    /// publishes shall not choose by his bytes which library reads them.
    last_resort: bool,
    /// A parser that it needs in front.
    pub(crate) parser: Option<&'static str>,
    /// What brings its pictures to system memory, where it does not do so itself.
    pub(crate) download: Option<&'static str>,
    /// Properties, always.
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// Properties while the stream has no B-frames.
    pub(crate) low_delay: &'static [(&'static str, &'static str)],
}

/// libavcodec: each frame thread would add a picture, and strict compliance waits for the level's
/// whole picture buffer where the SPS promises nothing (measured: 6 pictures at 720p).
///
/// Threads by slices help streams that have some; by default a box of 16 cores would start 16 a court.
const LIBAV: &[(&str, &str)] = &[
    ("thread-type", "slice"),
    ("max-threads", "4"),
    ("std-compliance", "normal"),
    ("qos", "false"),
    NEVER_GIVES_UP,
];
/// Releases before 1.22 end the pipeline after ten damaged units in a row. What is damaged is counted
/// as such here, and what stands still is built anew.
const NEVER_GIVES_UP: (&str, &str) = ("max-errors", "-1");
const NVDEC: &[(&str, &str)] = &[("max-display-delay", "0"), ("qos", "false"), NEVER_GIVES_UP];
const JETSON: &[(&str, &str)] = &[("enable-max-performance", "true")];
const JETSON_LOW_DELAY: &[(&str, &str)] = &[("disable-dpb", "true")];

/// Best first. Not the stateless `nvh264sldec` of 1.22: it holds one picture back (measured).
const CANDIDATES: &[Candidate] = &[
    Candidate {
        factory: "nvv4l2decoder",
        codec: Codec::H264,
        kind: "Jetson hardware",
        hardware: true,
        last_resort: false,
        parser: Some("h264parse"),
        download: Some("nvvidconv"),
        settings: JETSON,
        low_delay: JETSON_LOW_DELAY,
    },
    Candidate {
        factory: "nvv4l2decoder",
        codec: Codec::H265,
        kind: "Jetson hardware",
        hardware: true,
        last_resort: false,
        parser: Some("h265parse"),
        download: Some("nvvidconv"),
        settings: JETSON,
        low_delay: JETSON_LOW_DELAY,
    },
    Candidate {
        factory: "nvh264dec",
        codec: Codec::H264,
        kind: "NVIDIA hardware",
        hardware: true,
        last_resort: false,
        parser: Some("h264parse"),
        download: None,
        settings: NVDEC,
        low_delay: &[],
    },
    Candidate {
        factory: "nvh265dec",
        codec: Codec::H265,
        kind: "NVIDIA hardware",
        hardware: true,
        last_resort: false,
        parser: Some("h265parse"),
        download: None,
        settings: NVDEC,
        low_delay: &[],
    },
    Candidate {
        factory: "avdec_h264",
        codec: Codec::H264,
        kind: "software",
        hardware: false,
        last_resort: false,
        parser: None,
        download: None,
        settings: LIBAV,
        low_delay: &[],
    },
    Candidate {
        factory: "avdec_h265",
        codec: Codec::H265,
        kind: "software",
        hardware: false,
        last_resort: false,
        parser: None,
        download: None,
        settings: LIBAV,
        low_delay: &[],
    },
    Candidate {
        factory: "openh264dec",
        codec: Codec::H264,
        kind: "software, slower",
        hardware: false,
        last_resort: true,
        parser: Some("h264parse"),
        download: None,
        settings: &[("qos", "false"), NEVER_GIVES_UP],
        low_delay: &[],
    },
];

/// What is told where openh264 is all that there is in software.
const LAST_RESORT: &str = "openh264 is the only decoder of H.264 in software here. Releases before 2.5.1 (Debian 12 has \
    2.3.1) have a hole that whoever has a stream key may use to take the program over (CVE-2025-27091), and none \
    decodes interlaced pictures. Install gstreamer1.0-libav and restart courtside: openh264 is then left alone.";

/// Every factory that may be asked for.
pub(crate) fn factories() -> impl Iterator<Item = &'static str> {
    CANDIDATES.iter().flat_map(|candidate| {
        [Some(candidate.factory), candidate.parser, candidate.download].into_iter().flatten()
    })
}

/// What a choice is made from.
#[derive(Clone, Copy)]
pub(crate) struct Choosing<'a> {
    pub(crate) prefer: Prefer,
    pub(crate) rules: Rules,
    pub(crate) exists: &'a dyn Fn(&str) -> bool,
    pub(crate) out: &'a dyn Fn(&'static str) -> Option<Out>,
}

/// A decoder with the reason for it.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) candidate: &'static Candidate,
    /// For people: `avdec_h264 (software): no nvv4l2decoder or nvh264dec on this machine`.
    pub(crate) told: String,
    /// The best of this machine is out, and this is another: what to tell.
    pub(crate) stands_in: Option<String>,
    /// What this machine should have besides, and why.
    pub(crate) advice: Option<&'static str>,
}

impl Choosing<'_> {
    /// Those of this machine, best first, and those that it lacks.
    fn installed(&self, codec: Codec) -> (Vec<&'static Candidate>, Vec<&'static Candidate>) {
        let wanted = CANDIDATES.iter().filter(|candidate| {
            candidate.codec == codec && (self.prefer == Prefer::Auto || !candidate.hardware)
        });
        let (mut there, missing): (Vec<_>, Vec<_>) =
            wanted.partition(|candidate| (self.exists)(candidate.factory));
        let software = there.iter().any(|candidate| !candidate.hardware && !candidate.last_resort);
        if software && !self.rules.last_resort_stands_in {
            there.retain(|candidate| !candidate.last_resort);
        }
        (there, missing)
    }

    /// Chooses for `codec`.
    ///
    /// If every decoder is out, the best of them is tried for ever: it is the stream that is wrong
    /// then, and a court without pictures has nothing to lose.
    ///
    /// # Errors
    /// What to install, when nothing exists.
    pub(crate) fn choose(&self, codec: Codec) -> Result<Choice, String> {
        let (there, mut missing) = self.installed(codec);
        let Some(best) = there.first().copied() else {
            return Err(format!(
                "no decoder for {} on this machine (looked for {}): install gstreamer1.0-libav",
                codec.name(),
                names(&missing, ", ")
            ));
        };
        let out: Vec<Option<Out>> =
            there.iter().map(|candidate| (self.out)(candidate.factory)).collect();
        let at = out.iter().position(Option::is_none);
        let hopeless = if self.rules.forgiving { Some(best) } else { there.last().copied() };
        let candidate = at.and_then(|at| there.get(at).copied()).or(hopeless).unwrap_or(best);
        let before = at.unwrap_or(there.len());
        let failed = there.iter().zip(&out).take(before).filter_map(|(candidate, out)| {
            out.as_ref().map(|out| format!("{} failed ({})", candidate.factory, out.reason))
        });
        let mut why: Vec<String> = failed.collect();
        missing.retain(|missing| missing.is_better_than(candidate));
        if !missing.is_empty() && !candidate.hardware {
            why.push(format!("no {} on this machine", names(&missing, " or ")));
        }
        if self.prefer == Prefer::Software {
            why.push("software was asked for".to_owned());
        }
        if why.is_empty() {
            why.push("the best of this machine".to_owned());
        }
        let told = format!("{} ({}): {}", candidate.factory, candidate.kind, why.join("; "));
        let stands_in = match out.first() {
            Some(Some(out)) if candidate != best => Some(format!(
                "{} ({}) stands in for {}, which failed ({}); tried again after {} s",
                candidate.factory,
                candidate.kind,
                best.factory,
                out.reason,
                out.wait.as_secs()
            )),
            Some(_) | None => None,
        };
        // Beside one in hardware too: it stands in when that fails.
        let mut software = there.iter().filter(|candidate| !candidate.hardware);
        let advice = software.next().is_some_and(|best| best.last_resort).then_some(LAST_RESORT);
        Ok(Choice { candidate, told, stands_in, advice })
    }

    /// The best decoder that is better than `running`, is out, and may be tried again by `now`.
    pub(crate) fn due(&self, running: &Candidate, now: Monotonic) -> Option<&'static Candidate> {
        let (there, _) = self.installed(running.codec);
        let mut better = there.into_iter().take_while(|candidate| *candidate != running);
        better
            .find(|candidate| (self.out)(candidate.factory).is_some_and(|out| out.again_at <= now))
    }
}

fn names(candidates: &[&Candidate], between: &str) -> String {
    let names: Vec<&str> = candidates.iter().map(|candidate| candidate.factory).collect();
    names.join(between)
}

impl Candidate {
    /// True if it stands before `other` in the order of preference.
    pub(crate) fn is_better_than(&self, other: &Self) -> bool {
        let place = |one: &Self| CANDIDATES.iter().position(|candidate| candidate == one);
        place(self) < place(other)
    }
}

/// What is known of the decoders for `set`, as a choice asks for it.
pub(crate) fn out_of<'a>(
    setbacks: &'a Setbacks,
    set: &'a Arc<CodecParameters>,
) -> impl Fn(&'static str) -> Option<Out> + 'a {
    move |factory| setbacks.out(factory, set)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn choice(
        codec: Codec,
        machine: &[&str],
        out: &[(&'static str, &str)],
        rules: Rules,
    ) -> Result<Choice, String> {
        let out = |factory: &'static str| {
            let (_, reason) = out.iter().find(|(name, _)| *name == factory)?;
            let wait = Duration::from_secs(10);
            let reason = (*reason).to_owned();
            Some(Out { reason, wait, again_at: Monotonic::ZERO.plus(wait) })
        };
        let exists = |factory: &str| machine.contains(&factory);
        Choosing { prefer: Prefer::Auto, rules, exists: &exists, out: &out }.choose(codec)
    }

    fn told(codec: Codec, machine: &[&str]) -> String {
        match choice(codec, machine, &[], Rules::default()) {
            Ok(choice) => choice.told,
            Err(fault) => fault,
        }
    }

    #[test]
    fn the_best_decoder_of_each_machine_is_taken_with_its_reason() {
        for (codec, machine, expected) in [
            (
                Codec::H264,
                &["avdec_h264", "openh264dec"][..],
                "avdec_h264 (software): no nvv4l2decoder or nvh264dec on this machine",
            ),
            (
                Codec::H264,
                &["avdec_h264", "nvh264dec", "nvh264sldec"],
                "nvh264dec (NVIDIA hardware): the best of this machine",
            ),
            (
                Codec::H265,
                &["avdec_h265", "nvv4l2decoder", "nvh265dec"],
                "nvv4l2decoder (Jetson hardware): the best of this machine",
            ),
            (
                Codec::H264,
                &["openh264dec"],
                "openh264dec (software, slower): no nvv4l2decoder or nvh264dec or avdec_h264 on \
                 this machine",
            ),
            (
                Codec::H265,
                &["openh264dec"],
                "no decoder for H.265 on this machine (looked for nvv4l2decoder, nvh265dec, \
                 avdec_h265): install gstreamer1.0-libav",
            ),
        ] {
            assert_eq!(told(codec, machine), expected);
        }
    }

    #[test]
    fn what_is_out_is_stood_in_for_and_that_is_said() {
        let machine = ["nvh264dec", "avdec_h264"];
        let gone = [("nvh264dec", "no CUDA device")];
        let choice = choice(Codec::H264, &machine, &gone, Rules::default()).expect("one");
        assert_eq!(
            choice.told,
            "avdec_h264 (software): nvh264dec failed (no CUDA device); no nvv4l2decoder on this \
             machine"
        );
        assert_eq!(
            choice.stands_in.as_deref(),
            Some(
                "avdec_h264 (software) stands in for nvh264dec, which failed (no CUDA device); \
                 tried again after 10 s"
            )
        );
    }

    #[test]
    fn a_stream_that_all_fail_at_is_left_to_the_best_and_nobody_stands_in() {
        let machine = ["nvh264dec", "avdec_h264"];
        let all = [("nvh264dec", "odd"), ("avdec_h264", "odd too")];
        let choice = choice(Codec::H264, &machine, &all, Rules::default()).expect("one");
        assert_eq!((choice.candidate.factory, choice.stands_in), ("nvh264dec", None));
        assert!(choice.told.contains("avdec_h264 failed (odd too)"), "{}", choice.told);
    }

    #[test]
    fn openh264_never_stands_in_for_a_libav_that_failed() {
        let failed = [("avdec_h264", "odd")];
        for (machine, last_resort_stands_in, expected) in [
            (&["avdec_h264", "openh264dec"][..], false, "avdec_h264"),
            (&["nvh264dec", "avdec_h264", "openh264dec"], false, "nvh264dec"),
            (&["nvh264dec", "openh264dec"], false, "nvh264dec"),
            (&["openh264dec"], false, "openh264dec"),
            // Without the rule, who publishes chooses.
            (&["avdec_h264", "openh264dec"], true, "openh264dec"),
        ] {
            let rules = Rules { last_resort_stands_in, ..Rules::default() };
            let choice = choice(Codec::H264, machine, &failed, rules).expect("one");
            assert_eq!(choice.candidate.factory, expected, "{machine:?}");
        }
    }

    #[test]
    fn a_machine_with_openh264_alone_is_told_what_to_install_and_why() {
        let advised = |codec, machine: &[&str]| {
            choice(codec, machine, &[], Rules::default()).expect("one").advice
        };
        for machine in [&["openh264dec"][..], &["nvh264dec", "openh264dec"]] {
            let advice = advised(Codec::H264, machine).expect("advised");
            for part in ["openh264", "CVE-2025-27091", "Install gstreamer1.0-libav"] {
                assert!(advice.contains(part), "{machine:?}: {advice}");
            }
        }
        for machine in [&["avdec_h264", "openh264dec"][..], &["nvh264dec"], &["avdec_h264"]] {
            assert_eq!(advised(Codec::H264, machine), None, "{machine:?}");
        }
        assert_eq!(advised(Codec::H265, &["avdec_h265", "openh264dec"]), None);
    }

    #[test]
    fn only_what_is_better_and_has_waited_long_enough_is_tried_again() {
        let exists = |factory: &str| ["nvh264dec", "avdec_h264"].contains(&factory);
        let running = |factory| CANDIDATES.iter().find(|one| one.factory == factory).expect("one");
        let wait = Duration::from_secs(5);
        let again_at = Monotonic::ZERO.plus(wait);
        let out = |_| Some(Out { reason: "odd".to_owned(), wait, again_at });
        let rules = Rules::default();
        let choosing = Choosing { prefer: Prefer::Auto, rules, exists: &exists, out: &out };
        let due = |of, now| choosing.due(running(of), now).map(|candidate| candidate.factory);
        assert_eq!(due("avdec_h264", Monotonic::ZERO), None);
        assert_eq!(due("avdec_h264", again_at), Some("nvh264dec"));
        assert_eq!(due("nvh264dec", again_at), None);
        let software = Choosing { prefer: Prefer::Software, ..choosing };
        assert_eq!(software.due(running("avdec_h264"), again_at), None, "it was not asked for");
    }
}
