//! The last picture of a court as JPEG, encoded when somebody looks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::media::{ChromaLayout, CourtId, CpuPicture, Frame, Monotonic, Plane, SessionId};

/// A newer picture is drawn at most so often a court, however many look (chosen).
const EVERY: Duration = Duration::from_millis(300);
/// Small enough for a wall by Wi-Fi, good enough to draw a rim on (chosen).
const QUALITY: u8 = 82;

/// The pictures drawn last. The lock of a court's picture is held while it is drawn, so that who
/// comes meanwhile waits for that one instead of drawing it again.
#[derive(Default)]
pub(super) struct Pictures {
    /// Who has it draws. It rests as long as it drew: all who look take half a core at most, of however many
    /// courts, and the courts' own work has the rest.
    pencil: Arc<Mutex<()>>,
    drawn: parking_lot::Mutex<HashMap<CourtId, Arc<Mutex<Option<Drawn>>>>>,
}

struct Drawn {
    session: SessionId,
    decoded: Monotonic,
    jpeg: Bytes,
}

impl Pictures {
    /// A JPEG of `frame`, or of one that is hardly older. `None` if its pixels cannot be read.
    pub(super) async fn jpeg(&self, court: &CourtId, frame: Arc<Frame>) -> Option<Bytes> {
        let place = Arc::clone(self.drawn.lock().entry(court.clone()).or_default());
        let mut drawn = place.lock_owned().await;
        if let Some(drawn) = &*drawn
            && drawn.session == frame.session
            && frame.decoded < drawn.decoded.plus(EVERY)
        {
            return Some(drawn.jpeg.clone());
        }
        let pencil = Arc::clone(&self.pencil).lock_owned().await;
        let (sender, jpeg) = oneshot::channel();
        // On its own: it rests too where nobody waits any more.
        drop(tokio::spawn(async move {
            let began = Instant::now();
            // Some 10 ms of work: not for a thread of the network.
            let drawing = tokio::task::spawn_blocking(move || {
                let jpeg = Bytes::from(encode(&frame)?);
                let (session, decoded) = (frame.session, frame.decoded);
                *drawn = Some(Drawn { session, decoded, jpeg: jpeg.clone() });
                Some(jpeg)
            });
            drop(sender.send(drawing.await.ok().flatten()));
            sleep_until(began + began.elapsed() * 2).await;
            drop(pencil);
        }));
        jpeg.await.ok()?
    }
}

fn encode(frame: &Frame) -> Option<Vec<u8>> {
    jpeg(frame, frame.width)
}

/// A JPEG of `frame`, every n-th pixel of it, so that it is at most `width` wide. `None` if its pixels
/// cannot be read. Some 10 ms of work.
#[must_use]
pub fn jpeg(frame: &Frame, width: u32) -> Option<Vec<u8>> {
    let step = frame.width.div_ceil(width.max(1)).max(1);
    let size = |pixels: u32| u16::try_from(pixels / step).ok().filter(|pixels| *pixels > 0);
    let (width, height) = (size(frame.width)?, size(frame.height)?);
    let step = usize::try_from(step).ok()?;
    let planes = Planes { step, ..Planes::of(frame.to_cpu().ok()?, width, height)? };
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode_image(planes).ok()?;
    Some(jpeg)
}

/// The planes of a picture, and the way from video range to JPEG's full range.
///
/// BT.709's colours are shown as if they were BT.601's: a hue slightly off, for a look at a rim.
struct Planes<'a> {
    width: u16,
    height: u16,
    /// Of so many pixels each way one is drawn.
    step: usize,
    luma: Plane<'a>,
    chroma: Chroma<'a>,
    full_luma: [u8; 256],
    full_chroma: [u8; 256],
}

enum Chroma<'a> {
    Apart(Plane<'a>, Plane<'a>),
    Interleaved(Plane<'a>),
}

impl<'a> Planes<'a> {
    fn of(picture: &'a dyn CpuPicture, width: u16, height: u16) -> Option<Self> {
        let chroma = match picture.chroma() {
            ChromaLayout::I420 => Chroma::Apart(picture.plane(1)?, picture.plane(2)?),
            ChromaLayout::Nv12 => Chroma::Interleaved(picture.plane(1)?),
        };
        // ITU-T H.273: 16..235 and 16..240 in video, 0..255 in JFIF.
        let table = |scaled: fn(f32) -> f32| {
            std::array::from_fn(|byte| {
                let byte = u8::try_from(byte).unwrap_or(u8::MAX);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "clamped"
                )]
                let full = scaled(f32::from(byte)).round().clamp(0.0, 255.0) as u8;
                full
            })
        };
        Some(Self {
            width,
            height,
            step: 1,
            luma: picture.plane(0)?,
            chroma,
            full_luma: table(|byte| (byte - 16.0) * 255.0 / 219.0),
            full_chroma: table(|byte| (byte - 128.0) * 255.0 / 224.0 + 128.0),
        })
    }
}

/// Row `y` of a plane; empty where the buffer ends early.
fn row<'a>(plane: &Plane<'a>, y: usize) -> &'a [u8] {
    plane.bytes.get(y.saturating_mul(plane.stride)..).unwrap_or_default()
}

impl Planes<'_> {
    /// Row `y` of the picture, every `step`-th pixel of it.
    fn fill_thinned(&self, y: usize, luma: &mut Vec<u8>, cb: &mut Vec<u8>, cr: &mut Vec<u8>) {
        let full = |table: &[u8; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or(0);
        let at = |row: &[u8], x: usize, none: u8| row.get(x).copied().unwrap_or(none);
        let lumas = row(&self.luma, y);
        let (cbs, crs, apart) = match &self.chroma {
            Chroma::Apart(cb, cr) => (row(cb, y / 2), row(cr, y / 2), 1),
            Chroma::Interleaved(both) => {
                let row = row(both, y / 2);
                (row, row.get(1..).unwrap_or_default(), 2)
            }
        };
        for x in (0..usize::from(self.width)).map(|x| x * self.step) {
            luma.push(full(&self.full_luma, at(lumas, x, 16)));
            cb.push(full(&self.full_chroma, at(cbs, x / 2 * apart, 128)));
            cr.push(full(&self.full_chroma, at(crs, x / 2 * apart, 128)));
        }
    }
}

impl ImageBuffer for Planes<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let width = usize::from(self.width);
        let [luma, cb, cr, _] = buffers;
        let full = |table: &[u8; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or(0);
        let y = usize::from(y) * self.step;
        if self.step > 1 {
            self.fill_thinned(y, luma, cb, cr);
            return;
        }
        let lumas = row(&self.luma, y).iter().copied().chain(std::iter::repeat(16)).take(width);
        luma.extend(lumas.map(|byte| full(&self.full_luma, byte)));
        let (cbs, crs, step) = match &self.chroma {
            Chroma::Apart(cb, cr) => (row(cb, y / 2), row(cr, y / 2), 1),
            Chroma::Interleaved(both) => {
                let row = row(both, y / 2);
                (row, row.get(1..).unwrap_or_default(), 2)
            }
        };
        for (buffer, samples) in [(cb, cbs), (cr, crs)] {
            let samples = samples.iter().step_by(step).copied().chain(std::iter::repeat(128));
            let doubled = samples.flat_map(|byte| [byte, byte]).take(width);
            buffer.extend(doubled.map(|byte| full(&self.full_chroma, byte)));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::media::{MediaTime, Pixels};

    /// A picture whose rows are longer than it is wide, as decoders give them.
    #[derive(Debug)]
    pub(in crate::page) struct Drawing {
        chroma: ChromaLayout,
        planes: Vec<(Vec<u8>, usize)>,
    }

    impl CpuPicture for Drawing {
        fn chroma(&self) -> ChromaLayout {
            self.chroma
        }

        fn plane(&self, index: usize) -> Option<Plane<'_>> {
            self.planes.get(index).map(|(bytes, stride)| Plane { bytes, stride: *stride })
        }
    }

    /// A frame drawn by a function of x and y: Y, Cb and Cr in video range.
    pub(in crate::page) fn drawn(
        size: (u32, u32),
        at_ms: u64,
        chroma: ChromaLayout,
        pixel: impl Fn(u32, u32) -> [u8; 3],
    ) -> Arc<Frame> {
        let (width, height) = size;
        let stride = width as usize + 13;
        let mut luma = vec![0; stride * height as usize];
        for y in 0..height {
            for x in 0..width {
                luma[y as usize * stride + x as usize] = pixel(x, y)[0];
            }
        }
        let (half, rows) = (width.div_ceil(2), height.div_ceil(2));
        let step = if chroma == ChromaLayout::Nv12 { 2 } else { 1 };
        let chroma_stride = half as usize * step + 5;
        let mut planes = vec![(luma, stride)];
        let count = if step == 2 { 1 } else { 2 };
        planes.extend((0..count).map(|_| (vec![0; chroma_stride * rows as usize], chroma_stride)));
        for y in 0..rows {
            for x in 0..half {
                let [_, cb, cr] = pixel((x * 2).min(width - 1), (y * 2).min(height - 1));
                let at = y as usize * chroma_stride + x as usize * step;
                planes[1].0[at] = cb;
                let (plane, at) = if step == 2 { (1, at + 1) } else { (2, at) };
                planes[plane].0[at] = cr;
            }
        }
        Arc::new(Frame {
            court: CourtId::new("a").expect("a name"),
            session: SessionId::from_bits(1),
            pts: MediaTime::from_millis(i64::try_from(at_ms).expect("small")),
            width,
            height,
            arrival: Monotonic::from_nanos(at_ms * 1_000_000),
            decoded: Monotonic::from_nanos(at_ms * 1_000_000),
            pixels: Pixels::Cpu(Box::new(Drawing { chroma, planes })),
        })
    }

    #[test]
    fn both_layouts_of_chroma_give_the_same_picture() {
        let pixel = |x: u32, y: u32| {
            [u8::try_from(16 + (x + y) % 200).expect("a byte"), if x < 40 { 90 } else { 160 }, 128]
        };
        for size in [(98, 61), (64, 64), (1, 1)] {
            let i420 = encode(&drawn(size, 0, ChromaLayout::I420, pixel)).expect("drawn");
            let nv12 = encode(&drawn(size, 0, ChromaLayout::Nv12, pixel)).expect("drawn");
            assert!(i420.starts_with(&[0xff, 0xd8]) && i420.ends_with(&[0xff, 0xd9]));
            assert_eq!(i420, nv12, "{size:?}");
        }
    }

    #[test]
    fn a_buffer_that_ends_early_is_drawn_as_far_as_it_goes() {
        let planes = vec![(vec![99; 70], 64), (Vec::new(), 32), (vec![1], 32)];
        let drawing = Drawing { chroma: ChromaLayout::I420, planes };
        let planes = Planes::of(&drawing, 64, 64).expect("planes");
        let mut buffers: [Vec<u8>; 4] = Default::default();
        planes.fill_buffers(1, &mut buffers);
        planes.fill_buffers(63, &mut buffers);
        assert!(buffers[..3].iter().all(|buffer| buffer.len() == 128));
    }

    #[test]
    fn many_who_look_share_one_drawing() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("runtime");
        runtime.block_on(async {
            let pictures = Pictures::default();
            let court = CourtId::new("a").expect("a name");
            let at = |ms| {
                drawn((64, 64), ms, ChromaLayout::I420, |x, _| {
                    [if x < 32 { 40 } else { 200 }, 128, 128]
                })
            };
            let first = pictures.jpeg(&court, at(0)).await.expect("drawn");
            let soon = pictures.jpeg(&court, at(299)).await.expect("drawn");
            assert_eq!(first.as_ptr(), soon.as_ptr());
            let later = pictures.jpeg(&court, at(300)).await.expect("drawn");
            assert_ne!(first.as_ptr(), later.as_ptr());
        });
    }
}
