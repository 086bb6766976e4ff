//! Which decoder, and why (pure). Hardware first; what failed twice in a row is left out.

use std::collections::BTreeMap;

use crate::media::Codec;

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
const LIBAV: &[(&str, &str)] =
    &[("thread-type", "slice"), ("std-compliance", "normal"), ("qos", "false")];
const NVDEC: &[(&str, &str)] = &[("max-display-delay", "0"), ("qos", "false")];
const JETSON: &[(&str, &str)] = &[("enable-max-performance", "true")];
const JETSON_LOW_DELAY: &[(&str, &str)] = &[("disable-dpb", "true")];

/// Best first. Not the stateless `nvh264sldec` of 1.22: it holds one picture back (measured).
const CANDIDATES: &[Candidate] = &[
    Candidate {
        factory: "nvv4l2decoder",
        codec: Codec::H264,
        kind: "Jetson hardware",
        hardware: true,
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
        parser: Some("h264parse"),
        download: None,
        settings: &[("qos", "false")],
        low_delay: &[],
    },
];

/// Every factory that may be asked for.
pub(crate) fn factories() -> impl Iterator<Item = &'static str> {
    CANDIDATES.iter().flat_map(|candidate| {
        [Some(candidate.factory), candidate.parser, candidate.download].into_iter().flatten()
    })
}

/// Failures without a picture after which a decoder is left for the next one.
const GIVEN_UP_AFTER: u32 = 2;

/// Decoders that failed before they gave a picture, with how often and the last reason.
#[derive(Debug, Default)]
pub(crate) struct Failures(BTreeMap<&'static str, (u32, String)>);

impl Failures {
    /// One more, for `reason`.
    pub(crate) fn count(&mut self, factory: &'static str, reason: &str) {
        let entry = self.0.entry(factory).or_default();
        entry.0 += 1;
        reason.clone_into(&mut entry.1);
    }

    /// It gave a picture: what failed before is forgiven.
    pub(crate) fn forgive(&mut self, factory: &'static str) {
        self.0.remove(factory);
    }

    fn given_up(&self, factory: &str) -> Option<&str> {
        self.0
            .get(factory)
            .filter(|(times, _)| *times >= GIVEN_UP_AFTER)
            .map(|(_, reason)| reason.as_str())
    }
}

/// A decoder with the reason for it.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) candidate: &'static Candidate,
    /// For people: `avdec_h264 (software): no nvv4l2decoder or nvh264dec on this machine`.
    pub(crate) told: String,
}

/// Chooses for `codec` among what `exists`.
///
/// If every candidate that exists was given up, the last one of them is tried for ever: a court
/// without pictures has nothing to lose.
///
/// # Errors
/// What to install, when nothing exists.
pub(crate) fn choose(
    codec: Codec,
    prefer: Prefer,
    exists: &dyn Fn(&str) -> bool,
    failures: &Failures,
) -> Result<Choice, String> {
    let wanted = |candidate: &&'static Candidate| {
        candidate.codec == codec && (prefer == Prefer::Auto || !candidate.hardware)
    };
    let (mut missing, mut failed, mut last) = (Vec::new(), Vec::new(), None);
    let mut chosen = None;
    for candidate in CANDIDATES.iter().filter(wanted) {
        if !exists(candidate.factory) {
            missing.push(candidate.factory);
            continue;
        }
        last = Some(candidate);
        match failures.given_up(candidate.factory) {
            Some(reason) => failed.push(format!("{} failed ({reason})", candidate.factory)),
            None => {
                chosen = Some(candidate);
                break;
            }
        }
    }
    let Some(candidate) = chosen.or(last) else {
        return Err(format!(
            "no decoder for {} on this machine (looked for {}): install gstreamer1.0-libav",
            codec.name(),
            missing.join(", ")
        ));
    };
    let mut why = failed;
    if !missing.is_empty() && !candidate.hardware {
        why.push(format!("no {} on this machine", missing.join(" or ")));
    }
    if prefer == Prefer::Software {
        why.push("software was asked for".to_owned());
    }
    if why.is_empty() {
        why.push("the best of this machine".to_owned());
    }
    let told = format!("{} ({}): {}", candidate.factory, candidate.kind, why.join("; "));
    Ok(Choice { candidate, told })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(codec: Codec, machine: &[&str], failures: &Failures) -> String {
        match choose(codec, Prefer::Auto, &|factory| machine.contains(&factory), failures) {
            Ok(choice) => choice.told,
            Err(fault) => fault,
        }
    }

    #[test]
    fn the_best_decoder_of_each_machine_is_taken_with_its_reason() {
        let none = Failures::default();
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
            assert_eq!(told(codec, machine, &none), expected);
        }
    }

    #[test]
    fn what_failed_twice_is_left_and_said() {
        let machine = ["nvh264dec", "avdec_h264"];
        let mut failures = Failures::default();
        failures.count("nvh264dec", "no CUDA device");
        assert!(told(Codec::H264, &machine, &failures).starts_with("nvh264dec"));
        failures.count("nvh264dec", "no CUDA device");
        assert_eq!(
            told(Codec::H264, &machine, &failures),
            "avdec_h264 (software): nvh264dec failed (no CUDA device); no nvv4l2decoder on this \
             machine"
        );
        failures.count("avdec_h264", "odd");
        failures.count("avdec_h264", "odd");
        assert!(told(Codec::H264, &machine, &failures).starts_with("avdec_h264"), "the last one");
        failures.forgive("nvh264dec");
        assert!(told(Codec::H264, &machine, &failures).starts_with("nvh264dec"));
    }
}
