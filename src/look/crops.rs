//! What was seen round each ring in the last seconds, in memory alone (pure).
//!
//! Nothing else of a picture is kept: a square of [`RINGS`] ring widths, as the model of the ring sees it, in the
//! stream's own pixels, thinned where that is more than [`SIDE_MOST`] across. A new session begins with none.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::media::{ChromaLayout, CpuPicture, MediaTime, Plane, RimBox, SessionId};

/// Ring widths across a crop, and above the ring: those of RimNet, so that both see the same.
const RINGS: f64 = 3.2;
const ABOVE: f64 = 0.9;
/// Pixels across what is kept of one picture (chosen: more than a cell of the sheet has).
const SIDE_MOST: usize = 256;
/// How long a crop is kept (chosen: the longest attempt and its final).
const KEEP: Duration = Duration::from_secs(4);
/// Crops of one rim: those of `KEEP` at 16 pictures a second, and no more whatever the times say.
const MOST: usize = 64;
/// What a sheet begins with, before the ball reached the ring.
const BEFORE: Duration = Duration::from_millis(400);
/// Crops of a sheet: 16 at 15 pictures a second show 1.1 s.
pub(crate) const SHEET: usize = 16;

/// A square round a ring, of one picture: planes of `side` and `side / 2` across, in video range.
#[derive(Debug, PartialEq)]
pub struct Crop {
    /// The picture's time.
    pub at: MediaTime,
    /// Pixels across; even.
    pub side: usize,
    /// Y.
    pub luma: Vec<u8>,
    /// Cb.
    pub cb: Vec<u8>,
    /// Cr.
    pub cr: Vec<u8>,
}

impl Crop {
    /// Cuts the square round `rim` out of a picture of `size`; beyond its edges the edge goes on. `None` where
    /// there is no such square, or the planes end early.
    #[must_use]
    pub fn cut(
        picture: &dyn CpuPicture,
        (width, height): (u32, u32),
        rim: &RimBox,
        at: MediaTime,
    ) -> Option<Self> {
        let square = Square::of(rim)?;
        let (width, height) = (usize::try_from(width).ok()?, usize::try_from(height).ok()?);
        let half = (width.div_ceil(2), height.div_ceil(2));
        let luma = picture.plane(0)?;
        let luma = square.plane(&luma, (width, height), (1, 0))?;
        let small = square.halved();
        let (cb, cr) = match picture.chroma() {
            ChromaLayout::I420 => (
                small.plane(&picture.plane(1)?, half, (1, 0))?,
                small.plane(&picture.plane(2)?, half, (1, 0))?,
            ),
            ChromaLayout::Nv12 => {
                let both = picture.plane(1)?;
                (small.plane(&both, half, (2, 0))?, small.plane(&both, half, (2, 1))?)
            }
        };
        Some(Self { at, side: square.side, luma, cb, cr })
    }
}

/// Where it is cut: `side` samples from `left`, `top` on, each `step` from the one before, in pixels of a plane.
#[derive(Clone, Copy, Debug)]
struct Square {
    left: i64,
    top: i64,
    side: usize,
    step: i64,
}

impl Square {
    fn of(rim: &RimBox) -> Option<Self> {
        let width = f64::from(rim.w);
        let across = RINGS * width;
        // More is no ring; also refuses what is no number.
        if !(1.0..=20_000.0).contains(&width) || !rim.x.is_finite() || !rim.y.is_finite() {
            return None;
        }
        let left = f64::from(rim.x) + width / 2.0 - across / 2.0;
        let top = f64::from(rim.y) - ABOVE * width;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded above; a cast of f64 saturates"
        )]
        let (pixels, left, top) =
            (across.round() as usize, left.round() as i64, top.round() as i64);
        let step = pixels.div_ceil(SIDE_MOST).max(1);
        let side = (pixels / step).max(2) & !1;
        let step = i64::try_from(step).ok()?;
        // On whole samples of chroma.
        Some(Self { left: left & !1, top: top & !1, side, step })
    }

    /// The same square in a plane of half the size.
    const fn halved(self) -> Self {
        Self { left: self.left / 2, top: self.top / 2, side: self.side / 2, step: self.step }
    }

    /// The square out of a plane, of which every `every`-th byte of a row counts, from the `first` on.
    fn plane(
        &self,
        plane: &Plane<'_>,
        (width, height): (usize, usize),
        (every, first): (usize, usize),
    ) -> Option<Vec<u8>> {
        let (last_x, last_y) = (
            i64::try_from(width).ok()?.checked_sub(1)?,
            i64::try_from(height).ok()?.checked_sub(1)?,
        );
        if last_x < 0 || last_y < 0 {
            return None;
        }
        let side = i64::try_from(self.side).ok()?;
        let mut out = Vec::with_capacity(self.side * self.side);
        for row in 0..side {
            let y = usize::try_from((self.top + row * self.step).clamp(0, last_y)).ok()?;
            let line = plane.bytes.get(y.checked_mul(plane.stride)?..)?;
            for column in 0..side {
                let x = usize::try_from((self.left + column * self.step).clamp(0, last_x)).ok()?;
                out.push(*line.get(x * every + first)?);
            }
        }
        Some(out)
    }
}

/// The crops of one court, oldest first.
#[derive(Debug, Default)]
pub struct Crops {
    session: Option<SessionId>,
    rims: Vec<VecDeque<Arc<Crop>>>,
}

impl Crops {
    /// A picture of `session`: what is round each rim of it.
    pub fn take(&mut self, session: SessionId, of_rims: Vec<Option<Crop>>) {
        if self.session != Some(session) {
            *self = Self { session: Some(session), rims: Vec::new() };
        }
        self.rims.resize_with(of_rims.len(), VecDeque::new);
        for (kept, crop) in self.rims.iter_mut().zip(of_rims) {
            let Some(crop) = crop else { continue };
            let oldest = crop.at.minus(KEEP);
            // Times that go back belong to what is forgotten with them.
            kept.retain(|known| known.at >= oldest && known.at < crop.at);
            if kept.len() >= MOST {
                kept.pop_front();
            }
            kept.push_back(Arc::new(crop));
        }
    }

    /// The session is over.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// The crops of a sheet of an attempt: from shortly before the ball reached the ring to the newest, at most
    /// [`SHEET`] of them evenly, the newest always. None where they are gone.
    #[must_use]
    pub fn of_attempt(&self, session: SessionId, rim: u16, reached: MediaTime) -> Vec<Arc<Crop>> {
        let Some(kept) = self.rims.get(usize::from(rim)).filter(|_| self.session == Some(session))
        else {
            return Vec::new();
        };
        let from = reached.minus(BEFORE);
        let seen: Vec<&Arc<Crop>> = kept.iter().filter(|crop| crop.at >= from).collect();
        // Before the ball came there is nothing to see of it.
        if !seen.iter().any(|crop| crop.at >= reached) {
            return Vec::new();
        }
        let count = seen.len().min(SHEET);
        let last = seen.len() - 1;
        let chosen = (0..count).map(|n| match count {
            1 => last,
            _ => n * last / (count - 1),
        });
        chosen.filter_map(|at| seen.get(at).map(|crop| Arc::clone(crop))).collect()
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |crop: &Arc<Crop>| crop.luma.len() + crop.cb.len() + crop.cr.len();
        self.rims.iter().flatten().map(of).sum()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Planes of a picture of a test: luma is x + y, chroma 100 and 200 and their x.
    #[derive(Debug)]
    pub(in crate::look) struct Painted {
        nv12: bool,
        planes: Vec<(Vec<u8>, usize)>,
    }

    impl CpuPicture for Painted {
        fn chroma(&self) -> ChromaLayout {
            if self.nv12 { ChromaLayout::Nv12 } else { ChromaLayout::I420 }
        }
        fn plane(&self, index: usize) -> Option<Plane<'_>> {
            self.planes.get(index).map(|(bytes, stride)| Plane { bytes, stride: *stride })
        }
    }

    /// A picture of this size whose luma is `luma(x, y)`.
    pub(in crate::look) fn painted(
        (width, height): (usize, usize),
        nv12: bool,
        luma: impl Fn(usize, usize) -> u8,
    ) -> Painted {
        let stride = width + 7;
        let mut y_plane = vec![0; stride * height];
        for y in 0..height {
            for x in 0..width {
                y_plane[y * stride + x] = luma(x, y);
            }
        }
        let (half, rows) = (width.div_ceil(2), height.div_ceil(2));
        let byte = |x: usize, base: usize| u8::try_from((base + x) % 256).expect("a byte");
        let row = |base: usize| (0..half).map(move |x| byte(x, base));
        let planes = if nv12 {
            let both: Vec<u8> = row(100).zip(row(200)).flat_map(|(b, r)| [b, r]).collect();
            vec![(y_plane, stride), (both.repeat(rows), 2 * half)]
        } else {
            let plane = |base: usize| (row(base).collect::<Vec<_>>().repeat(rows), half);
            vec![(y_plane, stride), plane(100), plane(200)]
        };
        Painted { nv12, planes }
    }

    const RIM: RimBox = RimBox { x: 100.0, y: 60.0, w: 40.0, h: 20.0 };

    fn at(ms: i64) -> MediaTime {
        MediaTime::from_millis(ms)
    }

    fn sum(x: usize, y: usize) -> u8 {
        u8::try_from((x + y) % 256).expect("a byte")
    }

    #[test]
    fn what_is_kept_is_the_square_round_the_ring_and_nothing_else() {
        let size = (320, 180);
        let crops: Vec<Crop> = [false, true]
            .map(|nv12| Crop::cut(&painted(size, nv12, sum), (320, 180), &RIM, at(0)).expect("cut"))
            .into();
        assert_eq!(crops[0], crops[1], "both layouts are one picture");
        let crop = &crops[0];
        // 3.2 rings of 40: from 56 to 184 across, from 24 to 152 down.
        assert_eq!((crop.side, crop.luma.len(), crop.cb.len()), (128, 128 * 128, 64 * 64));
        assert_eq!((crop.luma[0], crop.luma[128 * 127 + 127]), (sum(56, 24), sum(183, 151)));
        assert_eq!((crop.cb[0], crop.cr[63]), (100 + 28, 35));
    }

    #[test]
    fn beyond_the_picture_its_edge_goes_on_and_what_is_no_ring_is_no_square() {
        let picture = painted((64, 48), false, sum);
        let cut = |rim| Crop::cut(&picture, (64, 48), &rim, at(0));
        let corner = cut(RimBox { x: 0.0, y: 0.0, w: 20.0, h: 10.0 }).expect("cut");
        assert_eq!((corner.side, corner.luma[0]), (64, 0));
        for w in [0.0, f32::NAN, f32::INFINITY, -4.0, 1e6] {
            assert_eq!(cut(RimBox { x: 0.0, y: 0.0, w, h: 1.0 }), None, "{w}");
        }
        assert_eq!(cut(RimBox { x: f32::NAN, ..RIM }), None);
        // Its buffer is shorter than it says.
        assert_eq!(Crop::cut(&picture, (64, 480), &RIM, at(0)), None);
        let wide = Crop::cut(&picture, (64, 48), &RimBox { w: 300.0, ..RIM }, at(0)).expect("cut");
        assert!(wide.side <= SIDE_MOST && wide.side.is_multiple_of(2), "{}", wide.side);
    }

    fn crop(ms: i64) -> Crop {
        let (luma, cb, cr) = (vec![0; 4], vec![0; 1], vec![0; 1]);
        Crop { at: at(ms), side: 2, luma, cb, cr }
    }

    fn times(crops: &[Arc<Crop>]) -> Vec<i64> {
        crops.iter().map(|crop| crop.at.as_nanos() / 1_000_000).collect()
    }

    #[test]
    fn a_sheet_goes_from_before_the_ring_to_the_newest() {
        let session = SessionId::from_bits(1);
        let mut crops = Crops::default();
        for n in 0..60 {
            crops.take(session, vec![Some(crop(n * 66)), None]);
        }
        let chosen = times(&crops.of_attempt(session, 0, at(2_600)));
        assert_eq!((chosen.len(), chosen[0], chosen[15]), (SHEET, 2_244, 59 * 66));
        assert!(chosen.windows(2).all(|pair| (66..=132).contains(&(pair[1] - pair[0]))));
        // Few are taken as they are.
        assert_eq!(times(&crops.of_attempt(session, 0, at(3_830))).len(), 8);
        // Gone, not there yet, another rim, another session.
        assert!(crops.of_attempt(session, 0, at(3_900)).is_empty());
        assert!(crops.of_attempt(session, 1, at(2_600)).is_empty());
        assert!(crops.of_attempt(session, 2, at(2_600)).is_empty());
        assert!(crops.of_attempt(SessionId::from_bits(2), 0, at(2_600)).is_empty());
    }

    #[test]
    fn memory_is_bounded_whatever_the_times_say() {
        let session = SessionId::from_bits(1);
        let mut crops = Crops::default();
        for n in 0..5_000 {
            crops.take(session, vec![Some(crop(n)), Some(crop(-n))]);
        }
        assert!(crops.bytes() <= 2 * MOST * 6, "{}", crops.bytes());
        crops.take(session, vec![Some(crop(60_000))]);
        assert_eq!(crops.bytes(), 6, "what is old goes, and so does a rim that is no more");
        crops.take(SessionId::from_bits(2), vec![Some(crop(0))]);
        assert_eq!(crops.bytes(), 6);
        crops.forget();
        assert_eq!(crops.bytes(), 0);
    }
}
