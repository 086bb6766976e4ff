//! One stream's ear: samples with their times in, whistles out, and what the crowd made of a moment. Pure.
//!
//! Samples follow one another; their times are believed for where they begin, and followed slowly from there (they are
//! of whole milliseconds, or jitter). Times that jump begin anew: a whistle across a gap is none.

use crate::hear::air::Air;
use crate::hear::crowd::{Crowd, Jump};
use crate::hear::front::{Front, HOP};
use crate::hear::net::Net;
use crate::hear::whistle::{Whistle, Whistles};
use crate::media::MediaTime;

/// Samples a second.
pub const RATE: u32 = 16_000;
/// From the begin of a run of samples to the middle of the two frames of its first hop.
const FIRST_MIDDLE: i64 = 384;
/// Farther off than this they do not follow one another (chosen: more than two frames of AAC).
const JUMP_NANOS: i64 = 100_000_000;
/// So much of a smaller difference is made up with each piece.
const FOLLOWED: i64 = 16;
/// From this share on a hop is left out of the crowd.
const NO_CROWD: f32 = 0.3;

/// See the module.
#[derive(Clone, Debug)]
pub struct Ear {
    net: Net,
    air: Air,
    front: Front,
    whistles: Whistles,
    crowd: Crowd,
    /// The time of the first sample since it began anew, as it is believed by now; samples since; hops since.
    run: Option<(MediaTime, i64, i64)>,
}

impl Ear {
    /// An ear that has heard nothing.
    #[must_use]
    pub fn new(net: Net, air: Air) -> Self {
        let (front, whistles, crowd) = (Front::default(), Whistles::default(), Crowd::default());
        Self { net, air, front, whistles, crowd, run: None }
    }

    /// Takes samples of 16 kHz, -1 to 1, of which the first stands at `at`; returns the whistles that are over.
    pub fn take(&mut self, at: MediaTime, samples: &[f32]) -> Vec<Whistle> {
        let mut told = Vec::new();
        let off = self.run.map(|(from, heard, _)| at.nanos_since(from.plus_nanos(nanos(heard))));
        let run = match (self.run, off) {
            (Some((from, heard, hops)), Some(off)) if off.abs() <= JUMP_NANOS => {
                (from.plus_nanos(off / FOLLOWED), heard, hops)
            }
            _ => {
                told.extend(self.whistles.end());
                self.front.begin_anew();
                // Times that run back are another clock's.
                if off.is_some_and(|off| off < 0) {
                    self.crowd.begin_anew();
                }
                (at, 0, 0)
            }
        };
        let (from, heard, mut hops) = run;
        let Self { net, air, front, whistles, crowd, .. } = self;
        front.take(samples, |hop| {
            let middle = i64::try_from(HOP).unwrap_or(i64::MAX) * hops + FIRST_MIDDLE;
            let at = air.sounded(from.plus_nanos(nanos(middle)));
            let share = net.share(&hop.row);
            told.extend(whistles.step(at, share));
            crowd.step(at, hop.power, share >= NO_CROWD);
            hops += 1;
        });
        self.run = Some((from, heard + i64::try_from(samples.len()).unwrap_or(0), hops));
        told
    }

    /// The session is over: what still blows ends, and what follows is of other times.
    pub fn end(&mut self) -> Option<Whistle> {
        self.front.begin_anew();
        self.crowd.begin_anew();
        self.run = None;
        self.whistles.end()
    }

    /// What the crowd made of a moment; `None` while that is not heard out, and where too little was heard before.
    #[must_use]
    pub fn crowd(&self, moment: MediaTime) -> Option<Jump> {
        self.crowd.jump(moment)
    }
}

/// Samples as time.
fn nanos(samples: i64) -> i64 {
    samples * 1_000_000_000 / i64::from(RATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The net that training wrote, and one scene of the same synthesis (models/train/hear/train.py, `vectors`).
    const NET: &[u8] = include_bytes!("../../models/hear/whistle.f32");
    const SCENE: &str = include_str!("../../models/hear/whistle.json");

    #[derive(serde::Deserialize)]
    struct Scene {
        pcm: Vec<i16>,
        hops: Vec<usize>,
        rows: Vec<Vec<f32>>,
        shares: Vec<f32>,
    }

    fn samples(scene: &Scene) -> Vec<f32> {
        scene.pcm.iter().map(|sample| f32::from(*sample) / 32_768.0).collect()
    }

    fn scene() -> Scene {
        serde_json::from_str(SCENE).expect("training wrote it")
    }

    #[test]
    fn front_and_net_are_those_of_the_training() {
        let (scene, net) = (scene(), Net::read(NET).expect("a net"));
        let (mut rows, mut shares) = (Vec::new(), Vec::new());
        Front::default().take(&samples(&scene), |hop| {
            rows.push(hop.row);
            shares.push(net.share(&hop.row));
        });
        assert_eq!(shares.len(), scene.shares.len());
        for (hop, wanted) in scene.hops.iter().zip(&scene.rows) {
            for (told, wanted) in rows[*hop].iter().zip(wanted) {
                assert!((told - wanted).abs() < 2e-3, "hop {hop}: {told} for {wanted}");
            }
        }
        for (told, wanted) in shares.iter().zip(&scene.shares) {
            assert!((told - wanted).abs() < 1e-2, "{told} for {wanted}");
        }
    }

    /// A whistle of 0.5 s in hiss: two partials, a warble of 30 Hz.
    fn blown(at_s: f32, seconds: f32) -> Vec<f32> {
        let mut seed = 9_u32;
        (0..(seconds * RATE as f32) as u32)
            .map(|n| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let hiss = (seed >> 8) as f32 / 8_388_608.0 - 1.0;
                let t = n as f32 / RATE as f32;
                let turn = |hz: f32| (std::f32::consts::TAU * hz * t).sin();
                let blows = (at_s..at_s + 0.5).contains(&t);
                let whistle = (turn(3_650.0) + 0.6 * turn(3_900.0)) * (0.7 + 0.3 * turn(30.0));
                0.02 * hiss + if blows { 0.1 * whistle } else { 0.0 }
            })
            .collect()
    }

    #[test]
    fn a_whistle_is_heard_where_it_was_blown_however_samples_are_cut_and_times_jitter() {
        let sound = blown(1.0, 3.0);
        for (cut, jitter) in [(48_000, 0), (372, 0), (341, 3), (1_024, 9)] {
            let air = Air { decimeters: 100, ..Air::default() };
            let mut ear = Ear::new(Net::read(NET).expect("a net"), air);
            let mut told = Vec::new();
            for (n, part) in sound.chunks(cut).enumerate() {
                let at = (n * cut) as i64 / 16 + if n % 2 == 0 { jitter } else { 0 };
                told.extend(ear.take(MediaTime::from_millis(5_000 + at), part));
            }
            told.extend(ear.end());
            let [one] = told.as_slice() else { panic!("{cut}: {told:?}") };
            let off = one.from.as_nanos() / 1_000_000 - (6_000 - 29);
            assert!(off.abs() <= 50, "{cut}: {off} ms off");
            assert!((400..=620).contains(&one.lasted.as_millis()), "{one:?}");
        }
    }

    #[test]
    fn a_gap_in_the_middle_of_a_whistle_parts_it() {
        let sound = blown(1.0, 3.0);
        let mut ear = Ear::new(Net::read(NET).expect("a net"), Air::default());
        let mut told = ear.take(MediaTime::ZERO, &sound[..20_000]);
        told.extend(ear.take(MediaTime::from_millis(60_000), &sound[20_000..]));
        told.extend(ear.end());
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].from.as_nanos() < 2_000_000_000 && told[1].from.as_nanos() >= 60_000_000_000
        );
    }
}
