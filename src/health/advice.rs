//! What costs the venue latency or accuracy, in milliseconds or pixels, and what to change (pure).

use std::time::Duration;

use crate::event::state::Advice;
use crate::event::words::AdviceAbout;
use crate::media::{Codec, RimBox};

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
    /// How unevenly pictures arrive: the latest of the last seconds against the earliest, ms.
    pub burst_ms: Option<f64>,
    /// True once a B slice has been seen.
    pub b_frames: bool,
    /// Pictures that the decoder holds back.
    pub held_back: u32,
    /// Pictures that the encoder looks ahead, by its own word.
    pub lookahead: Option<u16>,
    /// For how long nothing has moved, where that is worth telling.
    pub still_for: Option<Duration>,
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
    advice.extend(frozen(measured));
    advice.extend(order(measured));
    advice.extend(lookahead(measured));
    advice.extend(key_frames(measured));
    advice.extend(bursts(measured));
    advice.extend(bitrate(measured));
    advice.extend(ring_px.iter().enumerate().filter_map(|(rim, width)| ring(rim, *width)));
    advice
}

/// Says which rims, in pixels of a picture of size `picture`, lie outside of it: with their middle, from
/// where a call would be of the picture's edge.
#[must_use]
pub fn outside(rims: &[RimBox], picture: (u32, u32)) -> Vec<Advice> {
    let [width, height] = [picture.0, picture.1].map(f64::from);
    let lies_outside = |rim: &RimBox| {
        let (x, y) = (f64::from(rim.x + rim.w / 2.0), f64::from(rim.y + rim.h / 2.0));
        !((0.0..width).contains(&x) && (0.0..height).contains(&y))
    };
    let told = |(index, rim): (usize, &RimBox)| {
        let text =
            format!("rim {index} is drawn at {rim}, outside the picture of {width} × {height}");
        let advice = Advice::new(AdviceAbout::RimOutside, text);
        advice.with("width_px", width).with("height_px", height)
    };
    rims.iter().enumerate().filter(|(_, rim)| lies_outside(rim)).map(told).collect()
}

fn interval_ms(measured: &Measured) -> Option<f64> {
    Some(1000.0 / measured.fps.filter(|fps| *fps > 0.0)?)
}

fn counted(pictures: u32) -> String {
    if pictures == 1 { "1 picture".to_owned() } else { format!("{pictures} pictures") }
}

fn frozen(measured: &Measured) -> Option<Advice> {
    let seconds = measured.still_for?.as_secs();
    let text = format!(
        "pictures come, and for {seconds} s nothing in them has moved; an empty hall of which the encoder \
         sends no noise looks the same"
    );
    #[expect(clippy::cast_precision_loss, reason = "seconds, for people")]
    Some(Advice::new(AdviceAbout::Frozen, text).with("still_s", seconds as f64))
}

fn order(measured: &Measured) -> Option<Advice> {
    let interval_ms = interval_ms(measured)?;
    let held = measured.held_back;
    if !measured.b_frames && held == 0 {
        return None;
    }
    // At the least one picture: a B-frame is sent after the picture that it looks ahead to.
    let pictures = held.max(u32::from(measured.b_frames));
    let cost = f64::from(pictures) * interval_ms;
    let held = counted(pictures);
    let (about, text) = if measured.b_frames {
        let text = format!(
            "the camera sends B-frames: the decoder waits for {held}, {cost:.0} ms, and the encoder at \
             least as long before it sends"
        );
        (AdviceAbout::BFrames, text)
    } else {
        let text = format!(
            "the decoder holds {held} back, {cost:.0} ms, though the camera sends no B-frames"
        );
        (AdviceAbout::Reorder, text)
    };
    Some(Advice::new(about, text).costs(cost).with("pictures", pictures.into()))
}

fn lookahead(measured: &Measured) -> Option<Advice> {
    let interval_ms = interval_ms(measured)?;
    let pictures = measured.lookahead.filter(|pictures| *pictures > 0)?;
    let cost = f64::from(pictures) * interval_ms;
    let text = format!(
        "the encoder looks {} ahead before it sends one, {cost:.0} ms",
        counted(pictures.into())
    );
    Some(Advice::new(AdviceAbout::Lookahead, text).costs(cost).with("pictures", pictures.into()))
}

fn key_frames(measured: &Measured) -> Option<Advice> {
    let seconds = measured.key_interval_s.filter(|seconds| *seconds > LONG_GOP_S)?;
    let text = format!(
        "key frames come every {seconds:.1} s: after a lost picture nothing is called for up to that \
         long, and clips begin up to that early"
    );
    Some(Advice::new(AdviceAbout::LongGop, text).costs(seconds * 1000.0))
}

fn bursts(measured: &Measured) -> Option<Advice> {
    let interval_ms = interval_ms(measured)?;
    let late = measured.burst_ms.filter(|late| *late > interval_ms)?;
    let text = format!("pictures arrive in bursts, up to {late:.0} ms late");
    Some(Advice::new(AdviceAbout::Bursts, text).costs(late))
}

fn bitrate(measured: &Measured) -> Option<Advice> {
    let kbps = measured.bitrate_kbps?;
    let fps = measured.fps?;
    let pixels = f64::from(measured.width) * f64::from(measured.height) * fps;
    let saves = if measured.codec == Some(Codec::H265) { H265_SAVES } else { 1.0 };
    let least_kbps = LOW_BITS_PER_PIXEL * saves * pixels / 1000.0;
    // In a still picture there is little to send.
    if pixels <= 0.0 || kbps >= least_kbps || measured.still_for.is_some() {
        return None;
    }
    let wanted = (2.0 * least_kbps / 1000.0).ceil();
    let text = format!(
        "{:.1} Mbit/s is little for {} × {} at {fps:.0} pictures a second: the encoder drops the net's \
         movement first, by which a made shot is told",
        kbps / 1000.0,
        measured.width,
        measured.height,
    );
    let todo =
        format!("set at least {wanted:.0} Mbit/s in the encoder, as constant bit rate (CBR)");
    let advice = Advice { todo, ..Advice::new(AdviceAbout::LowBitrate, text) };
    Some(advice.with("bitrate_kbps", kbps).with("wanted_kbps", 1000.0 * wanted))
}

fn ring(rim: usize, width: f64) -> Option<Advice> {
    let (about, text) = if width < TINY_RING_PX {
        let text = format!(
            "the ring of rim {rim} is only {width:.0} pixels wide: calls cannot be relied on"
        );
        (AdviceAbout::TinyRing, text)
    } else if width < SMALL_RING_PX {
        let text = format!("the ring of rim {rim} is {width:.0} pixels wide");
        (AdviceAbout::SmallRing, text)
    } else {
        return None;
    };
    let advice = Advice { pixels: Some(width), ..Advice::new(about, text) };
    Some(advice.with("width_px", width))
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
            burst_ms: Some(8.0),
            ..Measured::default()
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
                Measured { burst_ms: Some(120.0), ..good() },
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
            (good(), &[13.0], about(AdviceAbout::TinyRing, Some(13))),
            (
                Measured { lookahead: Some(40), ..good() },
                &[],
                about(AdviceAbout::Lookahead, Some(1333)),
            ),
            (Measured { lookahead: Some(0), ..good() }, &[], vec![]),
            (
                Measured {
                    still_for: Some(Duration::from_secs(42)),
                    bitrate_kbps: Some(90.0),
                    ..good()
                },
                &[],
                about(AdviceAbout::Frozen, None),
            ),
            (Measured::default(), &[], vec![]),
        ];
        for (measured, ring_px, expected) in rows {
            assert_eq!(told(&measured, ring_px), expected, "{measured:?}");
        }
    }

    #[test]
    fn sentences_say_what_is_seen_and_what_to_do() {
        let worst = Measured {
            b_frames: true,
            held_back: 2,
            lookahead: Some(40),
            key_interval_s: Some(10.0),
            burst_ms: Some(200.0),
            bitrate_kbps: Some(500.0),
            ..good()
        };
        let all = advise(&worst, &[10.0, 20.0]);
        assert_eq!(all.len(), 7);
        for Advice { text, todo, figures, about, .. } in all {
            assert!(text.len() < 200 && text.chars().any(char::is_numeric), "{about}: {text}");
            assert!(
                !text.ends_with('.') && !todo.is_empty() && todo.len() < 360,
                "{about}: {todo}"
            );
            assert!(!figures.is_empty(), "{about}");
        }
    }

    #[test]
    fn a_rim_whose_middle_is_not_in_the_picture_is_outside() {
        let rim = RimBox { x: 1_240.0, y: 188.0, w: 44.0, h: 22.0 };
        let off = RimBox { x: 1_500.0, ..rim };
        let told = outside(&[rim, off], (1280, 720));
        let [one] = &told[..] else { panic!("{told:?}") };
        assert_eq!(
            one.text,
            "rim 1 is drawn at [1500, 188, 44, 22], outside the picture of 1280 × 720"
        );
        assert!(outside(&[rim, off], (1920, 1080)).is_empty());
    }
}
