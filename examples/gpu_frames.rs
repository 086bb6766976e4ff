//! Tries on a GPU what no other machine can: pictures that stay there, and the kernels on them.
//!
//! `kernels` needs nothing but the GPU (for compute-sanitizer); `frames FILE EXPECTED` decodes an
//! elementary stream through the box's own decoder and holds every picture against the software's, by
//! hash, and the kernels' crops against the CPU's; `held FILE` never lets go of a picture for a while;
//! `courts N FILE SECONDS` plays that file to N courts at its own rate. `tests/device/frames.sh` prepares
//! the files and prints one table. Exit: 0 all as it should be · 1 something is not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use courtside::clock::{Clock, SystemClock};
use courtside::decode::{DecodeSettings, Decoder, FrameSink, InstalledDecoders};
use courtside::detect::{
    Channel, CropInput, Cutter, FrameInput, Look, PictureInput, Placement, States, View,
};
use courtside::device::{Buffer, Cuda, CudaPicture, Floats, Gpu, Samples, Span, Surface};
use courtside::disk::RealDisk;
use courtside::mailbox::{Tally, UnitMailbox};
use courtside::media::{
    AccessUnit, CloseReason, Codec, CodecParameters, Colour, CourtId, DevicePixels, Frame,
    HostCopies, MediaTime, Monotonic, Pixels, RimBox, SessionId, StreamInfo, StreamItem,
};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::{Condvar, Mutex};
use sha2::{Digest, Sha256};

/// One grey level.
const GREY: f32 = 1.0 / 255.0;
/// Pictures a second of the streams.
const RATE: u64 = 30;

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let began = clock.monotonic();
    let folder = std::env::temp_dir().join("courtside-gpu-frames");
    let gpu = Gpu::keeping(Arc::new(RealDisk::new()), folder);
    let cuda = gpu.cuda()?;
    let opened = clock.monotonic().since(began);
    row(
        "GPU",
        format!(
            "{cuda}; opened in {} ms, kernels {}",
            opened.as_millis(),
            match cuda.is_kept() {
                true => "from disk",
                false => "compiled",
            }
        ),
    );
    match words.as_slice() {
        ["kernels"] => kernels(&cuda, &clock, true),
        ["kernels", "untimed"] => kernels(&cuda, &clock, false),
        ["frames", file, expected] => frames(&gpu, &cuda, &clock, file, expected),
        ["held", file] => held(&gpu, &clock, file),
        ["courts", number, file, seconds] => {
            courts(&gpu, &cuda, &clock, number.parse()?, file, seconds.parse()?)
        }
        _ => bail!("kernels [untimed] | frames FILE EXPECTED | held FILE | courts N FILE SECONDS"),
    }
}

#[expect(clippy::print_stdout, reason = "an example's purpose")]
fn row(what: &str, result: impl std::fmt::Display) {
    println!("| {what} | {result} |");
}

/// The inputs of the shipped bundles, and one of all channels.
fn inputs() -> [PictureInput; 3] {
    let crop = |size, channels: &[Channel]| {
        let (name, channels) = ("frame".to_owned(), channels.to_vec());
        PictureInput::Around(CropInput { name, size, channels, rings: 4.0, above: 1.5 })
    };
    let name = "frame".to_owned();
    [
        crop(80, &[Channel::Y]),
        crop(96, &[Channel::Y, Channel::Cb, Channel::Cr]),
        PictureInput::Whole(FrameInput { name, width: 640, height: 360 }),
    ]
}

/// Rims in a picture of that size: in the middle, small at an edge, large, half outside.
fn rims((width, height): (u32, u32)) -> [RimBox; 4] {
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let (w, h) = (width as f32, height as f32);
    [(0.47, 0.3, 0.05), (0.01, 0.02, 0.02), (0.4, 0.4, 0.2), (0.97, 0.9, 0.06)]
        .map(|(x, y, ring)| RimBox { x: x * w, y: y * h, w: ring * w, h: ring * w / 2.0 })
}

fn placement(frame: &Frame, rim: RimBox) -> Placement {
    Placement { picture: (frame.width, frame.height), view: View::Around(rim) }
}

fn numbers(bytes: &[u8], floats: Floats) -> Vec<f32> {
    match floats {
        Floats::F32 => bytes
            .chunks_exact(4)
            .filter_map(|four| Some(f32::from_le_bytes(four.try_into().ok()?)))
            .collect(),
        Floats::F16 => bytes
            .chunks_exact(2)
            .filter_map(|two| Some(widened(u16::from_le_bytes(two.try_into().ok()?))))
            .collect(),
    }
}

/// A half-precision number between 0 and 2.
fn widened(bits: u16) -> f32 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff) / 1024.0);
    if exponent == 0 {
        mantissa * 2_f32.powi(-14)
    } else {
        (1.0 + mantissa) * 2_f32.powi(exponent - 15)
    }
}

/// The same frame with its pixels on the CPU: what the CPU's path is given.
fn on_cpu(frame: &Frame) -> anyhow::Result<Arc<Frame>> {
    let Pixels::Device(pixels) = &frame.pixels else { bail!("a picture on the CPU") };
    let copy = pixels.picture().copy_to_cpu().map_err(|why| anyhow::anyhow!(why))?;
    Ok(Arc::new(Frame { court: frame.court.clone(), pixels: Pixels::Cpu(copy), ..shell(frame) }))
}

fn shell(frame: &Frame) -> Frame {
    Frame {
        court: frame.court.clone(),
        session: frame.session,
        pts: frame.pts,
        width: frame.width,
        height: frame.height,
        arrival: frame.arrival,
        decoded: frame.decoded,
        pixels: Pixels::Cpu(Box::new(Nothing)),
    }
}

#[derive(Debug)]
struct Nothing;

impl courtside::media::CpuPicture for Nothing {
    fn chroma(&self) -> courtside::media::ChromaLayout {
        courtside::media::ChromaLayout::Nv12
    }
    fn plane(&self, _index: usize) -> Option<courtside::media::Plane<'_>> {
        None
    }
}

/// How far the kernel's crops of `frames` are from the CPU's, over all inputs, rims and precisions.
fn apart(cuda: &Arc<Cuda>, frames: &[Arc<Frame>]) -> anyhow::Result<f32> {
    let twins = frames.iter().map(|frame| on_cpu(frame)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut most = 0_f32;
    for input in inputs() {
        for floats in [Floats::F32, Floats::F16] {
            let mut cutter = Cutter::new(cuda, &input, floats);
            let of_frame = rims((1, 1)).len();
            cutter.set_slots(frames.len() * of_frame);
            for (at, frame) in frames.iter().enumerate() {
                for (nth, rim) in rims((frame.width, frame.height)).into_iter().enumerate() {
                    cutter.place(at * of_frame + nth, placement(frame, rim))?;
                }
            }
            let mut cut = |frames: &[Arc<Frame>]| -> anyhow::Result<Vec<f32>> {
                let looks: Vec<Look<'_>> = frames
                    .iter()
                    .enumerate()
                    .flat_map(|(at, frame)| {
                        let slots = at * of_frame..(at + 1) * of_frame;
                        slots.map(move |slot| Look { slot, frame, dt_seconds: 0.0 })
                    })
                    .collect();
                let out = Buffer::zeros(cuda, looks.len() * cutter.values() * floats.bytes())?;
                cutter.cut(&looks.iter().collect::<Vec<_>>(), &out.span())?;
                Ok(numbers(&cuda.download(&out.span())?, floats))
            };
            let (found, wanted) = (cut(frames)?, cut(&twins)?);
            ensure!(
                found.len() == wanted.len() && found.iter().any(|value| *value > 0.0),
                "nothing"
            );
            most = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(most, f32::max);
        }
    }
    Ok(most)
}

/// Noise as a surface of a decoder's kind, in device memory.
fn noise(
    cuda: &Arc<Cuda>,
    size: (u32, u32),
    samples: Samples,
    seed: u32,
) -> anyhow::Result<Arc<Frame>> {
    let step = samples.bytes();
    let pitch = (usize::try_from(size.0)? * step).next_multiple_of(512);
    let rows = usize::try_from(size.1)?;
    let surface = Surface {
        size,
        samples,
        luma_pitch: pitch,
        chroma_offset: pitch * rows,
        chroma_pitch: pitch,
    };
    let mut state = seed;
    let bytes: Vec<u8> = (0..surface.bytes().context("a surface")?)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect();
    let picture = CudaPicture::uploaded(cuda, &bytes, surface, Colour::default())?;
    let pixels = DevicePixels::new(
        Box::new(picture.context("a whole picture")?),
        Arc::new(HostCopies::at_most(1)),
    );
    Ok(Arc::new(Frame {
        court: CourtId::new("noise")?,
        session: SessionId::from_bits(1),
        pts: MediaTime::ZERO,
        width: size.0,
        height: size.1,
        arrival: Monotonic::ZERO,
        decoded: Monotonic::ZERO,
        pixels: Pixels::Device(pixels),
    }))
}

/// The kernels alone: exact-size surfaces of noise, states moved and read back, time a launch.
fn kernels(cuda: &Arc<Cuda>, clock: &Arc<dyn Clock>, timed: bool) -> anyhow::Result<()> {
    let sizes = [(if timed { 1920 } else { 640 }, 360), (322, 182), (353, 287), (64, 48)];
    let mut off = 0_f32;
    for (samples, seed) in [(Samples::Nv12, 1), (Samples::P010, 9)] {
        let frames = sizes.map(|size| noise(cuda, size, samples, seed));
        let frames = frames.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        off = off.max(apart(cuda, &frames)?);
    }
    row("kernel ÷ CPU on noise, NV12 and P010, FP32 and FP16, grey levels", off / GREY);
    ensure!(off <= GREY, "more than one grey level");
    states(cuda)?;
    row("states gathered and scattered, more slots than a launch has rows", "as they were");
    if !timed {
        return Ok(());
    }
    let frame = noise(cuda, (1920, 1080), Samples::Nv12, 3)?;
    for looks in [1, 8, 32, 64] {
        for input in [0, 2] {
            let input = inputs()[input].clone();
            let mut cutter = Cutter::new(cuda, &input, Floats::F16);
            cutter.set_slots(looks);
            for slot in 0..looks {
                cutter.place(slot, placement(&frame, rims((1920, 1080))[0]))?;
            }
            let looks: Vec<Look<'_>> =
                (0..looks).map(|slot| Look { slot, frame: &frame, dt_seconds: 0.0 }).collect();
            let looks: Vec<&Look<'_>> = looks.iter().collect();
            let out = Buffer::zeros(cuda, looks.len() * cutter.values() * 2)?;
            let mut times = Vec::new();
            for _ in 0..200 {
                let began = clock.monotonic();
                cutter.cut(&looks, &out.span())?;
                cuda.synchronize()?;
                times.push(clock.monotonic().since(began));
            }
            let [_, _, high, wide] = input.shape();
            let what =
                format!("cut of {} looks at 1080p into {wide}x{high}, launch to end", looks.len());
            row(&what, spread(times.split_off(20)));
        }
    }
    Ok(())
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: usize| {
        times
            .get(times.len().saturating_sub(1) * share / 100)
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    format!("p50 {:.3}, p99 {:.3}, max {:.3} ms (n {})", at(50), at(99), at(100), times.len())
}

fn states(cuda: &Arc<Cuda>) -> anyhow::Result<()> {
    for floats in [Floats::F32, Floats::F16] {
        // More states than a launch takes, of odd lengths; more rows than one has.
        let counts: Vec<usize> = (0..40).map(|n| 1 + n * 37).collect();
        let (slots, bytes) = (100, floats.bytes());
        let mut states = States::new(cuda, &counts, floats);
        states.set_slots(slots)?;
        let rows: Vec<usize> = (0..slots).rev().step_by(1).take(70).collect();
        let batches = counts
            .iter()
            .map(|count| Buffer::zeros(cuda, rows.len() * count * bytes))
            .collect::<Result<Vec<_>, _>>()?;
        let spans: Vec<Span<'_>> = batches.iter().map(Buffer::span).collect();
        let content = |state: usize, length: usize| -> Vec<u8> {
            (0..length)
                .map(|n| n.wrapping_mul(31).wrapping_add(state * 7).to_le_bytes()[0])
                .collect()
        };
        for (state, span) in spans.iter().enumerate() {
            cuda.upload(&content(state, span.bytes()), span)?;
        }
        states.scatter(&rows, &spans)?;
        // Kept where slots stay; gone where a slot is reset; found again in another order.
        states.set_slots(slots + 3)?;
        states.reset(99)?;
        for span in &spans {
            cuda.clear(span)?;
        }
        let back: Vec<usize> = rows.iter().rev().copied().collect();
        states.gather(&back, &spans)?;
        for (state, (span, count)) in spans.iter().zip(&counts).enumerate() {
            let (found, whole) = (cuda.download(span)?, content(state, span.bytes()));
            let mut wanted: Vec<&[u8]> = whole.chunks_exact(count * bytes).rev().collect();
            let zeros = vec![0; count * bytes];
            if let Some(last) = wanted.last_mut() {
                *last = &zeros;
            }
            ensure!(found == wanted.concat(), "state {state} of {floats:?} is another");
        }
    }
    Ok(())
}

/// Takes pictures, and hands them to whoever waits.
struct Taken {
    frames: Mutex<Vec<Arc<Frame>>>,
    came: Condvar,
    /// Pictures that were looked at, which a publisher that waits for them counts.
    done: AtomicU64,
}

impl FrameSink for Taken {
    fn opened(&self, _info: &Arc<StreamInfo>) {}
    fn frame(&self, frame: Arc<Frame>) {
        self.frames.lock().push(frame);
        self.came.notify_all();
    }
    fn closed(&self, _session: SessionId, _reason: CloseReason) {
        self.came.notify_all();
    }
}

impl Taken {
    fn new() -> Arc<Self> {
        Arc::new(Self { frames: Mutex::default(), came: Condvar::new(), done: AtomicU64::new(0) })
    }

    fn take(&self) -> Vec<Arc<Frame>> {
        let mut frames = self.frames.lock();
        if frames.is_empty() {
            self.came.wait_for(&mut frames, Duration::from_millis(50));
        }
        std::mem::take(&mut *frames)
    }
}

/// A court that plays `units` at their own rate from a thread of its own.
struct Playing {
    taken: Arc<Taken>,
    decoder: Decoder,
    publisher: std::thread::JoinHandle<()>,
    hop: Tally,
    tally: Tally,
}

impl Playing {
    fn start(
        decoders: &InstalledDecoders,
        clock: &Arc<dyn Clock>,
        name: &str,
        units: Vec<AccessUnit>,
        ahead: Duration,
        most_ahead: u64,
    ) -> anyhow::Result<Self> {
        let court = CourtId::new(name)?;
        let (hop, tally, taken) = (Tally::default(), Tally::default(), Taken::new());
        let mailbox = UnitMailbox::new(Duration::from_secs(1), hop.clone());
        let session = units.first().context("no units")?.session;
        mailbox.offer(StreamItem::Opened(Arc::new(StreamInfo {
            court: court.clone(),
            session,
            peer: "test".to_owned(),
            encoder: None,
            opened: clock.monotonic(),
        })));
        let settings = DecodeSettings::new(court);
        let sink = Arc::clone(&taken) as Arc<dyn FrameSink>;
        let decoder = Decoder::start(
            settings,
            mailbox.clone(),
            sink,
            tally.clone(),
            Arc::clone(clock),
            decoders,
        )?;
        let begins = clock.monotonic().plus(ahead);
        let clock = Arc::clone(clock);
        let looked_at = Arc::clone(&taken);
        let publisher = std::thread::spawn(move || {
            for (number, mut unit) in (0..).zip(units) {
                let due = begins.plus(Duration::from_nanos(number * 1_000_000_000 / RATE));
                while let now = clock.monotonic()
                    && now < due
                {
                    std::thread::park_timeout(due.since(now));
                }
                // A hash and a CPU's crop take longer than a picture lasts: no picture is lost by that.
                while number >= looked_at.done.load(Ordering::Relaxed).saturating_add(most_ahead) {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
                unit.arrival = clock.monotonic();
                mailbox.offer(StreamItem::Video(unit));
            }
            mailbox.offer(StreamItem::Closed { session, reason: CloseReason::Ended });
            mailbox.close();
        });
        Ok(Self { taken, decoder, publisher, hop, tally })
    }

    /// Waits for its end, and says what was dropped where.
    fn end(self) -> String {
        // The publisher ends by itself; a decoder that died has said so.
        let _ended = self.publisher.join();
        self.decoder.join();
        let words = |tally: &Tally| {
            let dropped: BTreeMap<_, _> =
                tally.count().dropped.into_iter().map(|(why, n)| (why.name(), n)).collect();
            if dropped.is_empty() { "none".to_owned() } else { format!("{dropped:?}") }
        };
        format!("{} in front, {} inside", words(&self.hop), words(&self.tally))
    }
}

/// Every picture against the software's, and the kernels on every tenth.
fn frames(
    gpu: &Gpu,
    cuda: &Arc<Cuda>,
    clock: &Arc<dyn Clock>,
    file: &str,
    expected: &str,
) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(expected).with_context(|| expected.to_owned())?;
    let expected: Vec<&str> = text.lines().collect();
    let units = read(file)?;
    let count = units.len();
    let decoders = InstalledDecoders::on(gpu);
    let playing = Playing::start(&decoders, clock, "court", units, Duration::from_millis(300), 6)?;
    let (mut same, mut came, mut off, mut copies) = (0, 0, 0_f32, 0);
    let (mut first, mut late, mut colours) = (None, Vec::new(), Vec::<String>::new());
    let mut some: Vec<Arc<Frame>> = Vec::new();
    loop {
        let over = playing.publisher.is_finished() && playing.decoder.status().pictures == came;
        let frames = playing.taken.take();
        if frames.is_empty() && over {
            break;
        }
        for frame in frames {
            let Pixels::Device(pixels) = &frame.pixels else { bail!("a picture on the CPU") };
            let own = pixels.picture().as_any().downcast_ref::<CudaPicture>().context("whose?")?;
            let number = usize::try_from(frame.pts.nanos_since(MediaTime::ZERO) / 1_000_000)?;
            let number = (number * usize::try_from(RATE)? + 500) / 1000;
            let hash = hash(own.surface(), &own.bytes()?);
            same += u64::from(expected.get(number).is_some_and(|wanted| *wanted == hash));
            came += 1;
            late.push(frame.decoded.since(frame.arrival));
            first.get_or_insert(frame.decoded.since(frame.arrival));
            copies = pixels.copies().made();
            let colour = format!("{:?}, {}", own.surface().samples, own.colour());
            if !colours.contains(&colour) {
                colours.push(colour);
            }
            if number % 12 == 0 && some.len() < 4 {
                some.push(frame);
            }
            if some.len() == 4 {
                off = off.max(apart(cuda, &some)?);
                some.clear();
            }
            playing.taken.done.fetch_add(1, Ordering::Relaxed);
        }
    }
    let told = playing.decoder.status().decoder.unwrap_or_default();
    let dropped = playing.end();
    let name = file.rsplit('/').next().unwrap_or(file);
    row(&format!("{name}: decoder"), told);
    row(&format!("{name}: as the stream says"), colours.join("; "));
    row(&format!("{name}: pictures of {count}, dropped"), format!("{came}, {dropped}"));
    row(&format!("{name}: byte for byte the software's"), format!("{same} of {came}"));
    row(&format!("{name}: kernel ÷ CPU, grey levels"), off / GREY);
    row(&format!("{name}: copies to the CPU"), copies);
    row(&format!("{name}: unit in → picture, the first"), format!("{first:?}"));
    row(&format!("{name}: unit in → picture"), spread(late));
    ensure!(same == came && usize::try_from(came)? == count, "a picture is lost, or another");
    ensure!(off <= GREY && off > 0.0 && copies == 0, "the kernels, or a copy");
    Ok(())
}

/// SHA-256 over the visible samples: luma, then interleaved chroma.
fn hash(surface: &Surface, bytes: &[u8]) -> String {
    let (width, height) = surface.size;
    let step = surface.samples.bytes();
    let mut hash = Sha256::new();
    let planes = [
        (0, surface.luma_pitch, width as usize * step, height as usize),
        (
            surface.chroma_offset,
            surface.chroma_pitch,
            width.div_ceil(2) as usize * 2 * step,
            height.div_ceil(2) as usize,
        ),
    ];
    for (offset, pitch, row, rows) in planes {
        for y in 0..rows {
            hash.update(
                bytes.get(offset + y * pitch..offset + y * pitch + row).unwrap_or_default(),
            );
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whoever holds pictures for ever costs pictures, counted, and neither the decoder nor the device.
fn held(gpu: &Gpu, clock: &Arc<dyn Clock>, file: &str) -> anyhow::Result<()> {
    let decoders = InstalledDecoders::on(gpu);
    let units = read(file)?;
    let count = units.len();
    let playing = Playing::start(&decoders, clock, "court", units, Duration::ZERO, u64::MAX)?;
    let (mut held, mut let_go, mut after) = (Vec::new(), 0, 0);
    let half = Duration::from_nanos(count as u64 * 500_000_000 / RATE);
    let until = clock.monotonic().plus(half);
    while !playing.publisher.is_finished() {
        let frames = playing.taken.take();
        if clock.monotonic() < until {
            held.extend(frames);
        } else {
            let_go = let_go.max(held.len());
            held.clear();
            after += frames.len();
        }
    }
    let dropped = playing.end();
    row(
        "held for ever: surfaces, and pictures after they were let go",
        format!("{let_go}, {after}"),
    );
    row("held for ever: dropped", dropped);
    ensure!(let_go > 4 && after > count / 3, "the decoder starved");
    Ok(())
}

/// N courts at their own rate, every picture cut for one rim.
fn courts(
    gpu: &Gpu,
    cuda: &Arc<Cuda>,
    clock: &Arc<dyn Clock>,
    number: usize,
    file: &str,
    seconds: usize,
) -> anyhow::Result<()> {
    let units = read(file)?;
    let decoders = InstalledDecoders::on(gpu);
    let input = inputs()[0].clone();
    let (before, rss) = (cuda.memory()?.0, resident()?);
    let wanted = seconds * usize::try_from(RATE)?;
    let playing = (0..number)
        .map(|court| {
            let units = looped(&units, wanted);
            let ahead = Duration::from_millis(500 + court as u64 * 7);
            Playing::start(&decoders, clock, &format!("court-{court}"), units, ahead, u64::MAX)
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut cutter = Cutter::new(cuda, &input, Floats::F16);
    cutter.set_slots(number);
    let out = Buffer::zeros(cuda, number * cutter.values() * 2)?;
    let (mut placed, mut came, mut copies) = (vec![false; number], 0_u64, 0);
    let (mut decoded, mut cut, mut most) = (Vec::new(), Vec::new(), 0);
    let mut batch: Vec<(usize, Arc<Frame>)> = Vec::new();
    while !playing.iter().all(|court| court.publisher.is_finished()) {
        for (slot, court) in playing.iter().enumerate() {
            let frames = std::mem::take(&mut *court.taken.frames.lock());
            came += frames.len() as u64;
            decoded.extend(frames.iter().map(|frame| frame.decoded.since(frame.arrival)));
            batch.extend(frames.last().map(|frame| (slot, Arc::clone(frame))));
        }
        if batch.is_empty() {
            std::thread::park_timeout(Duration::from_micros(500));
            continue;
        }
        for (slot, frame) in &batch {
            if let Some(placed) = placed.get_mut(*slot).filter(|placed| !**placed) {
                cutter.place(*slot, placement(frame, rims((frame.width, frame.height))[0]))?;
                *placed = true;
            }
            if let Pixels::Device(pixels) = &frame.pixels {
                copies = copies.max(pixels.copies().made());
            }
        }
        let began = clock.monotonic();
        let looks: Vec<Look<'_>> = batch
            .iter()
            .map(|(slot, frame)| Look { slot: *slot, frame, dt_seconds: 0.0 })
            .collect();
        cutter.cut(&looks.iter().collect::<Vec<_>>(), &out.span())?;
        cuda.synchronize()?;
        cut.push(clock.monotonic().since(began));
        batch.clear();
        let held = playing.iter().filter_map(|court| court.decoder.status().surfaces);
        most = held.map(|(held, _)| held).max().unwrap_or(0).max(most);
    }
    let (device, host) = (before.saturating_sub(cuda.memory()?.0), resident()?.saturating_sub(rss));
    let dropped: Vec<String> = playing.into_iter().map(Playing::end).collect();
    let clean = dropped.iter().filter(|one| *one == "none in front, none inside").count();
    let name = file.rsplit('/').next().unwrap_or(file);
    let head = format!("{number} courts of {name}, {seconds} s");
    row(&format!("{head}: pictures of {}", number * wanted), came);
    row(&format!("{head}: courts without a drop"), format!("{clean} of {number}"));
    row(&format!("{head}: unit in → picture"), spread(decoded));
    row(&format!("{head}: a batch cut"), spread(cut));
    row(&format!("{head}: device memory a court"), format!("{} MiB", (device / number) >> 20));
    row(
        &format!("{head}: RSS a court, units of this test included"),
        format!("{} MiB", (host / number) >> 20),
    );
    row(&format!("{head}: surfaces held at most, copies to the CPU"), format!("{most}, {copies}"));
    Ok(())
}

/// Bytes of the process in memory.
fn resident() -> anyhow::Result<usize> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: usize = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}

/// `count` units: the stream again and again, its times going on.
fn looped(units: &[AccessUnit], count: usize) -> Vec<AccessUnit> {
    (0..count)
        .zip(units.iter().cycle())
        .map(|(number, unit)| stamped(unit.clone(), number))
        .collect()
}

fn stamped(mut unit: AccessUnit, number: usize) -> AccessUnit {
    let at = i64::try_from(number * 1000).unwrap_or(0) / RATE.cast_signed();
    (unit.pts, unit.dts) = (MediaTime::from_millis(at), MediaTime::from_millis(at));
    unit.sequence = number as u64;
    unit
}

/// The access units of an elementary stream without B-frames.
fn read(file: &str) -> anyhow::Result<Vec<AccessUnit>> {
    gst::init()?;
    let codec = if file.contains("265") { Codec::H265 } else { Codec::H264 };
    let name = if codec == Codec::H265 { "h265" } else { "h264" };
    let line = format!(
        "filesrc location={file} ! {name}parse config-interval=0 ! \
         video/x-{name},stream-format=byte-stream,alignment=au ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&line)?.downcast::<gst::Pipeline>();
    let pipeline = pipeline.map_err(|_| anyhow::anyhow!("no pipeline"))?;
    let out = pipeline.by_name("out").and_downcast::<gst_app::AppSink>().context("the sink")?;
    pipeline.set_state(gst::State::Playing)?;
    let mut units: Vec<AccessUnit> = Vec::new();
    let mut sets: Vec<Bytes> = Vec::new();
    while let Some(sample) = out.try_pull_sample(gst::ClockTime::from_seconds(5)) {
        let caps = sample.caps().and_then(|caps| caps.structure(0)).context("caps")?;
        let size =
            (caps.get::<i32>("width")?.cast_unsigned(), caps.get::<i32>("height")?.cast_unsigned());
        let map = sample.buffer().context("data")?.map_readable()?;
        let (mut data, mut key, mut fresh) = (Vec::new(), false, Vec::new());
        for nal in nal_units(&map) {
            let head = *nal.first().context("an empty unit")?;
            match (codec, if codec == Codec::H264 { head & 31 } else { head >> 1 & 63 }) {
                (Codec::H264, 7 | 8) | (Codec::H265, 32..=34) => {
                    fresh.push(Bytes::copy_from_slice(nal));
                    continue;
                }
                (Codec::H264, 5) | (Codec::H265, 16..=21) => key = true,
                _ => {}
            }
            data.extend_from_slice(&u32::try_from(nal.len())?.to_be_bytes());
            data.extend_from_slice(nal);
        }
        if !fresh.is_empty() {
            sets = fresh;
        }
        let parameters = match units.last() {
            Some(last) if last.parameters.parameter_sets == sets => Arc::clone(&last.parameters),
            _ => Arc::new(CodecParameters {
                codec,
                width: size.0,
                height: size.1,
                config: Bytes::new(),
                parameter_sets: sets.clone(),
                low_delay_sets: None,
                reorder_frames: Some(0),
                mime_codec: String::new(),
            }),
        };
        let unit = AccessUnit {
            session: SessionId::from_bits(1),
            sequence: 0,
            pts: MediaTime::ZERO,
            dts: MediaTime::ZERO,
            key,
            b_slices: false,
            data: data.into(),
            parameters,
            arrival: Monotonic::ZERO,
        };
        let number = units.len();
        units.push(stamped(unit, number));
    }
    pipeline.set_state(gst::State::Null)?;
    Ok(units)
}

fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts: Vec<usize> = stream
        .windows(3)
        .enumerate()
        .filter(|(_, window)| *window == [0, 0, 1])
        .map(|(at, _)| at + 3)
        .collect();
    let ends: Vec<usize> = starts.iter().skip(1).map(|at| at - 3).chain([stream.len()]).collect();
    starts.into_iter().zip(ends).map(|(from, to)| {
        let unit = stream.get(from..to).unwrap_or_default();
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        unit.get(..unit.len() - zeros).unwrap_or_default()
    })
}
