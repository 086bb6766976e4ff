//! What costs the venue latency or accuracy, in milliseconds or pixels, and what to change (pure).

use crate::event::state::Advice;
use crate::event::words::AdviceAbout;
use crate::media::Codec;

/// What was measured of a court's stream; absent where too little has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// The coding.
    pub codec: Option<Codec>,
    /// Width of the picture, pixels.
    pub width: u32,
    /// Height of the picture, pixels.
    pub height: u32,
    /// Pictures a second.
    pub fps: Option<f64>,
    /// kbit/s.
    pub bitrate_kbps: Option<f64>,
    /// Distance of key frames, s.
    pub key_interval_s: Option<f64>,
    /// 95th percentile of how much later a unit arrives than the stream's own clock says, ms.
    pub jitter_p95_ms: Option<f64>,
    /// True once a B slice has been seen.
    pub b_frames: bool,
    /// Pictures that the decoder holds back.
    pub held_back: u32,
}

/// Key frames further apart than this make every loss and every clip's start cost that much, s.
const LONG_GOP_S: f64 = 4.0;
/// Bits a pixel under which the encoder drops the net's swing first (chosen: 2 Mbit/s at 720p30).
const LOW_BITS_PER_PIXEL: f64 = 0.072;
/// H.265 does with about half.
const H265_SAVES: f64 = 0.5;
/// A ring narrower than this is called worse (px).
const SMALL_RING_PX: f64 = 30.0;
/// Calls on a ring narrower than this cannot be relied on (px).
pub const TINY_RING_PX: f64 = 14.0;

/// Says what the venue can change, with what it costs now. Nothing to change gives an empty list.
#[must_use]
pub fn advise(measured: &Measured, ring_px: &[f64]) -> Vec<Advice> {
    let mut advice = Vec::new();
    advice.extend(order(measured));
    advice.extend(key_frames(measured));
    advice.extend(bursts(measured));
    advice.extend(bitrate(measured));
    advice.extend(ring_px.iter().enumerate().filter_map(|(rim, width)| ring(rim, *width)));
    advice
}

fn order(measured: &Measured) -> Option<Advice> {
    let interval_ms = 1000.0 / measured.fps.filter(|fps| *fps > 0.0)?;
    let held = measured.held_back;
    if !measured.b_frames && held == 0 {
        return None;
    }
    // At the least one picture: a B-frame is sent after the picture that it looks ahead to.
    let pictures = held.max(u32::from(measured.b_frames));
    let cost = f64::from(pictures) * interval_ms;
    let counted =
        if pictures == 1 { "1 picture".to_owned() } else { format!("{pictures} pictures") };
    let (about, text) = if measured.b_frames {
        (
            AdviceAbout::BFrames,
            format!(
                "The camera sends B-frames: the decoder waits for {counted}, {cost:.0} ms, and the \
                 encoder at least as long before it sends. Switch B-frames off in the camera \
                 (profile Baseline, or \"B-frames: 0\", in OBS \"tune: zerolatency\")."
            ),
        )
    } else {
        (
            AdviceAbout::Reorder,
            format!(
                "The decoder holds {counted} back, {cost:.0} ms, though the camera sends no \
                 B-frames. Set profile Baseline in the camera, or report its model to us."
            ),
        )
    };
    Some(Advice { about, costs_ms: Some(cost), pixels: None, text })
}

fn key_frames(measured: &Measured) -> Option<Advice> {
    let seconds = measured.key_interval_s.filter(|seconds| *seconds > LONG_GOP_S)?;
    let text = format!(
        "Key frames come every {seconds:.1} s: after a lost picture nothing is called for up to \
         that long, and clips begin up to that early. Set the key frame interval to 2 s."
    );
    let costs_ms = Some(seconds * 1000.0);
    Some(Advice { about: AdviceAbout::LongGop, costs_ms, pixels: None, text })
}

fn bursts(measured: &Measured) -> Option<Advice> {
    let interval_ms = 1000.0 / measured.fps.filter(|fps| *fps > 0.0)?;
    let late = measured.jitter_p95_ms.filter(|late| *late > interval_ms)?;
    let text = format!(
        "Pictures arrive in bursts, up to {late:.0} ms late (one in twenty later still). Use a \
         cable instead of Wi-Fi, and in the encoder constant bit rate, a buffer of one picture and \
         no lookahead."
    );
    Some(Advice { about: AdviceAbout::Bursts, costs_ms: Some(late), pixels: None, text })
}

fn bitrate(measured: &Measured) -> Option<Advice> {
    let kbps = measured.bitrate_kbps?;
    let pixels = f64::from(measured.width) * f64::from(measured.height) * measured.fps?;
    let saves = if measured.codec == Some(Codec::H265) { H265_SAVES } else { 1.0 };
    let least_kbps = LOW_BITS_PER_PIXEL * saves * pixels / 1000.0;
    if pixels <= 0.0 || kbps >= least_kbps {
        return None;
    }
    let text = format!(
        "{:.1} Mbit/s is little for {} × {} at {:.0} pictures a second: the encoder drops the \
         net's movement first, by which a made shot is told. Set at least {:.0} Mbit/s.",
        kbps / 1000.0,
        measured.width,
        measured.height,
        measured.fps.unwrap_or(0.0),
        (2.0 * least_kbps / 1000.0).ceil()
    );
    Some(Advice { about: AdviceAbout::LowBitrate, costs_ms: None, pixels: None, text })
}

fn ring(rim: usize, width: f64) -> Option<Advice> {
    let advice = "Zoom in, move the camera closer, or send a larger picture";
    let text = if width < TINY_RING_PX {
        format!(
            "The ring of rim {rim} is only {width:.0} pixels wide: calls cannot be relied on. \
             {advice} until it is 40 or more."
        )
    } else if width < SMALL_RING_PX {
        format!(
            "The ring of rim {rim} is {width:.0} pixels wide: calls get better up to 40. {advice}."
        )
    } else {
        return None;
    };
    Some(Advice { about: AdviceAbout::SmallRing, costs_ms: None, pixels: Some(width), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Measured {
        Measured {
            codec: Some(Codec::H264),
            width: 1280,
            height: 720,
            fps: Some(30.0),
            bitrate_kbps: Some(4000.0),
            key_interval_s: Some(2.0),
            jitter_p95_ms: Some(8.0),
            b_frames: false,
            held_back: 0,
        }
    }

    fn told(measured: &Measured, ring_px: &[f64]) -> Vec<(AdviceAbout, Option<i64>)> {
        #[expect(clippy::cast_possible_truncation, reason = "small test values")]
        advise(measured, ring_px)
            .into_iter()
            .map(|advice| {
                (advice.about, advice.costs_ms.or(advice.pixels).map(|n| n.round() as i64))
            })
            .collect()
    }

    #[test]
    fn each_fault_is_told_with_what_it_costs_and_a_good_stream_with_nothing() {
        let about = |about, costs| vec![(about, costs)];
        let rows = [
            (good(), &[44.0][..], vec![]),
            (
                Measured { b_frames: true, held_back: 2, ..good() },
                &[],
                about(AdviceAbout::BFrames, Some(67)),
            ),
            (Measured { b_frames: true, ..good() }, &[], about(AdviceAbout::BFrames, Some(33))),
            (Measured { held_back: 6, ..good() }, &[], about(AdviceAbout::Reorder, Some(200))),
            (
                Measured { key_interval_s: Some(8.3), ..good() },
                &[],
                about(AdviceAbout::LongGop, Some(8300)),
            ),
            (
                Measured { jitter_p95_ms: Some(120.0), ..good() },
                &[],
                about(AdviceAbout::Bursts, Some(120)),
            ),
            (
                Measured { bitrate_kbps: Some(900.0), ..good() },
                &[],
                about(AdviceAbout::LowBitrate, None),
            ),
            (
                Measured { bitrate_kbps: Some(1400.0), codec: Some(Codec::H265), ..good() },
                &[],
                vec![],
            ),
            (good(), &[29.0], about(AdviceAbout::SmallRing, Some(29))),
            (good(), &[13.0], about(AdviceAbout::SmallRing, Some(13))),
            (Measured::default(), &[], vec![]),
        ];
        for (measured, ring_px, expected) in rows {
            assert_eq!(told(&measured, ring_px), expected, "{measured:?}");
        }
    }

    #[test]
    fn sentences_say_what_to_do() {
        let worst = Measured {
            b_frames: true,
            held_back: 2,
            key_interval_s: Some(10.0),
            jitter_p95_ms: Some(200.0),
            bitrate_kbps: Some(500.0),
            ..good()
        };
        let text: Vec<String> =
            advise(&worst, &[10.0, 20.0]).into_iter().map(|advice| advice.text).collect();
        assert_eq!(text.len(), 6);
        for sentence in text {
            assert!(sentence.ends_with('.') && sentence.len() < 300, "{sentence}");
        }
    }
}
