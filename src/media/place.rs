//! Where a drawn rim lies in the picture that comes, and whether a ring that is seen is that rim
//! (DESIGN §4.1, `rims_of`). Pure; the only place that does arithmetic on boxes of rims.

use crate::media::names::RimBox;

/// How far two aspects may differ, as a share, and still be the same picture: encoders round sizes
/// to whole blocks (640×360 is sent as 640×368, 854×480 stands for 853.3×480).
const SAME_ASPECT: f64 = 0.03;

/// Farther than this from the box, in widths of the ring, is elsewhere.
const NEAR: f32 = 0.35;
/// A width that differs by more than this factor is elsewhere too: the camera was zoomed.
const SAME_SCALE: f32 = 1.3;
/// A ring of quite another size is another ring.
const OTHER_SCALE: f32 = 2.5;

/// The rims cannot be placed, so nothing is called at this court.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum RimFault {
    #[error(
        "no calls: the rims were drawn on a picture of {of_width}x{of_height}, the camera now \
         sends {width}x{height}, which is another aspect; set the camera back, or draw the rims \
         again and set `rims_of = [{width}, {height}]`"
    )]
    OtherAspect { of_width: u32, of_height: u32, width: u32, height: u32 },
}

/// Returns `rims`, drawn on a picture of size `rims_of`, in pixels of one of size `picture`.
///
/// # Errors
/// [`RimFault::OtherAspect`] when the two pictures are not of the same aspect.
pub fn place_rims(
    rims: &[RimBox],
    rims_of: (u32, u32),
    picture: (u32, u32),
) -> Result<Vec<RimBox>, RimFault> {
    let [of_width, of_height, width, height] =
        [rims_of.0, rims_of.1, picture.0, picture.1].map(f64::from);
    let (across, down) = (width / of_width, height / of_height);
    if !((across / down).ln().abs() <= SAME_ASPECT) {
        return Err(RimFault::OtherAspect {
            of_width: rims_of.0,
            of_height: rims_of.1,
            width: picture.0,
            height: picture.1,
        });
    }
    #[expect(clippy::cast_possible_truncation, reason = "sizes of pictures: exact enough as f32")]
    let (across, down) = (across as f32, down as f32);
    let placed = |rim: &RimBox| RimBox {
        x: rim.x * across,
        y: rim.y * down,
        w: rim.w * across,
        h: rim.h * down,
    };
    Ok(rims.iter().map(placed).collect())
}

/// What one look says of one rim.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sight {
    /// The ring is where its box was drawn.
    AtBox,
    /// It is not there, but here.
    Elsewhere(RimBox),
    /// No ring was seen that could be it.
    Nothing,
}

/// True if `ring` is the ring that was drawn as `drawn`.
#[must_use]
pub fn is_at(drawn: RimBox, ring: RimBox) -> bool {
    distance(drawn, ring) <= NEAR * drawn.w && ratio(drawn, ring) <= SAME_SCALE
}

/// What the rings of one picture say of a rim drawn as `drawn`.
#[must_use]
pub fn sight(drawn: RimBox, rings: &[RimBox]) -> Sight {
    if rings.iter().any(|ring| is_at(drawn, *ring)) {
        return Sight::AtBox;
    }
    rings
        .iter()
        .filter(|ring| ratio(drawn, **ring) <= OTHER_SCALE)
        .min_by(|a, b| distance(drawn, **a).total_cmp(&distance(drawn, **b)))
        .map_or(Sight::Nothing, |ring| Sight::Elsewhere(*ring))
}

fn distance(a: RimBox, b: RimBox) -> f32 {
    let across = a.x + a.w / 2.0 - b.x - b.w / 2.0;
    let down = a.y + a.h / 2.0 - b.y - b.h / 2.0;
    across.hypot(down)
}

fn ratio(a: RimBox, b: RimBox) -> f32 {
    (a.w / b.w).max(b.w / a.w)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIM: RimBox = RimBox { x: 612.0, y: 188.0, w: 44.0, h: 22.0 };

    #[test]
    fn another_size_of_the_same_aspect_is_scaled() {
        let placed = place_rims(&[RIM], (1280, 720), (1920, 1080)).expect("same aspect");
        assert_eq!(placed, [RimBox { x: 918.0, y: 282.0, w: 66.0, h: 33.0 }]);
        for picture in [(1280, 720), (854, 480), (640, 368), (1920, 1088)] {
            assert!(place_rims(&[RIM], (1280, 720), picture).is_ok(), "{picture:?}");
        }
    }

    #[test]
    fn another_aspect_stops_the_calls_and_says_what_to_do() {
        for picture in [(640, 480), (720, 1280), (1280, 0), (0, 0)] {
            assert!(place_rims(&[RIM], (1280, 720), picture).is_err(), "{picture:?}");
        }
        let fault = place_rims(&[RIM], (1280, 720), (640, 480)).expect_err("aspect").to_string();
        insta::assert_snapshot!(fault, @"no calls: the rims were drawn on a picture of 1280x720, the camera now sends 640x480, which is another aspect; set the camera back, or draw the rims again and set `rims_of = [640, 480]`");
    }
}
