//! Floods against honest cameras, in simulated time; each beside the same without the bounds.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};

use proptest::prelude::*;

use super::*;

/// Steps from accept to a publish: handshake twice, connect, createStream, publish.
const STEPS: u32 = 5;
const KEY: u64 = 1;

fn at(millis: u64) -> Monotonic {
    Monotonic::from_nanos(millis * 1_000_000)
}

fn ip(last: u64) -> SocketAddr {
    (std::net::Ipv4Addr::from_bits(0x0A00_0000 + u32::try_from(last).unwrap_or(0)), 1).into()
}

/// From where a flood comes.
#[derive(Clone, Copy, Debug)]
enum From {
    /// The camera's own address.
    Beside,
    /// So many others.
    Others(u64),
    /// A new network of IPv6 each time.
    Endless,
}

/// How it goes about it.
#[derive(Clone, Copy, Debug)]
struct Flood {
    from: From,
    a_second: u64,
    /// Time for a step; none: it opens connections and says nothing.
    step: Option<u64>,
    /// How long it waits for an answer.
    patience: u64,
    /// Connections at once.
    at_once: usize,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    peer: SocketAddr,
    steps: u32,
    step: u64,
    patience: u64,
    begun: u64,
    right: bool,
    camera: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Open,
    Step(u64),
    Answer(u64),
    HangUp(u64),
}

/// A box, its flood, and cameras that come one after the other.
struct Simulated {
    core: Core,
    flood: Flood,
    due: BTreeMap<(u64, u64), Due>,
    attackers: usize,
    peers: BTreeMap<u64, Peer>,
    next: u64,
    /// Guesses that were told to be wrong, or whose being right would have been told by then.
    learnt: u64,
    /// When each camera was answered, after its first byte.
    cameras: Vec<Option<u64>>,
}

impl Simulated {
    fn new(limits: Limits, flood: Flood) -> Self {
        let (core, due) = (Core::new(limits, at(0)), [((0, 0), Due::Open)].into());
        let (peers, cameras) = (BTreeMap::new(), Vec::new());
        Self { core, flood, due, attackers: 0, peers, next: 0, learnt: 0, cameras }
    }

    fn then(&mut self, now: u64, after: u64, due: Due) {
        self.next += 1;
        self.due.insert((now + after, self.next), due);
    }

    fn ends(&mut self, number: Option<u64>) {
        let ended = number.and_then(|number| self.peers.remove(&number));
        self.attackers -= usize::from(ended.is_some_and(|peer| peer.camera.is_none()));
    }

    fn opens(&mut self, now: u64, peer: Peer) {
        self.next += 1;
        let number = self.next;
        let gone = self.core.enter(at(now), number, Door::Rtmp, Prefix::of(peer.peer));
        self.ends(gone);
        self.peers.insert(number, peer);
        if peer.step > 0 {
            self.then(now, peer.step, Due::Step(number));
        }
    }

    fn attacker(&mut self, now: u64) {
        let flood = self.flood;
        self.then(now, 1_000 / flood.a_second.min(1_000), Due::Open);
        if self.attackers >= flood.at_once {
            return;
        }
        self.attackers += 1;
        let peer = match flood.from {
            From::Beside => ip(1),
            From::Others(count) => ip(1_000 + self.next % count),
            From::Endless => {
                let bits = (0x2001_0db8_u128 << 96) | (u128::from(self.next) << 64);
                (Ipv6Addr::from_bits(bits), 1).into()
            }
        };
        let (step, patience) = (flood.step.unwrap_or(0), flood.patience);
        let begun = now;
        self.opens(now, Peer { peer, steps: 0, step, patience, begun, right: false, camera: None });
    }

    fn camera(&mut self, now: u64, peer: SocketAddr, step: u64) {
        let camera = Some(self.cameras.len());
        self.cameras.push(None);
        let (begun, patience) = (now, 10_000);
        self.opens(now, Peer { peer, steps: 0, step, patience, begun, right: true, camera });
    }

    fn steps(&mut self, now: u64, number: u64) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        peer.steps += 1;
        let peer = *peer;
        if peer.steps < STEPS {
            self.core.moved(at(now), number, Door::Rtmp);
            return self.then(now, peer.step, Due::Step(number));
        }
        // Each guess is another one.
        let given = if peer.right { KEY } else { number + 1_000 };
        let took = Duration::from_millis(now - peer.begun);
        let ask =
            Ask { door: Door::Rtmp, peer: peer.peer, right: peer.right, given, what: KEY, took };
        self.core.left(number, Door::Rtmp);
        match self.core.ask(at(now), number, &ask) {
            Decided::Now => self.answered(now, number),
            Decided::Unheard => self.ends(Some(number)),
            Decided::Waits { instead } => {
                self.ends(instead);
                // Where right ones are answered at once, a guesser knows after the shortest while.
                let after = u64::try_from(self.core.answer_after().as_millis()).expect("short");
                self.then(now, after, Due::Answer(number));
                self.then(now, peer.patience, Due::HangUp(number));
            }
        }
    }

    fn answered(&mut self, now: u64, number: u64) {
        self.core.answered(number);
        let Some(peer) = self.peers.get(&number).copied() else { return };
        self.ends(Some(number));
        match peer.camera {
            Some(camera) => self.cameras[camera] = Some(now - peer.begun),
            None => self.learnt += 1,
        }
    }

    fn run(&mut self, until: u64) {
        while let Some(((now, _), due)) = self.due.first_key_value().map(|(k, d)| (*k, *d)) {
            if now >= until {
                return;
            }
            self.due.pop_first();
            match due {
                Due::Open => self.attacker(now),
                Due::Step(number) => self.steps(now, number),
                Due::Answer(number) => self.answered(now, number),
                Due::HangUp(number) => {
                    self.core.answered(number);
                    self.ends(Some(number));
                }
            }
        }
    }

    /// Ten cameras every half second, amid the flood -> those that got in, and how late the last one.
    fn ten_cameras(&mut self, peer: SocketAddr, step: u64) -> (usize, u64) {
        for camera in 0..10 {
            let now = 2_000 + 500 * camera;
            self.run(now);
            self.camera(now, peer, step);
        }
        self.run(11_000);
        let seen: Vec<u64> = self.cameras.iter().flatten().copied().collect();
        let steps = u64::from(STEPS) * step;
        (seen.len(), seen.iter().map(|took| took.saturating_sub(steps)).max().unwrap_or(0))
    }
}

fn guessing(from: From, a_second: u64, patience: u64) -> Flood {
    Flood { from, a_second, step: Some(2), patience, at_once: 400 }
}

#[test]
fn a_slow_camera_gets_in_whoever_floods() {
    for from in [From::Beside, From::Others(1), From::Others(100), From::Endless] {
        for (patience, step) in [(20, Some(2)), (2_000, Some(2)), (0, None)] {
            let flood = Flood { from, a_second: 400, step, patience, at_once: 400 };
            let (inside, late) = Simulated::new(Limits::default(), flood).ten_cameras(ip(1), 200);
            assert_eq!((inside, late <= 800), (10, true), "{flood:?}: {late} ms");
        }
    }
}

#[test]
fn without_the_bounds_a_slow_camera_stays_outside() {
    for from in [From::Beside, From::Endless] {
        let flood = Flood { from, a_second: 400, step: None, patience: 0, at_once: 400 };
        let (inside, _) = Simulated::new(Limits::off(), flood).ten_cameras(ip(1), 200);
        assert_eq!(inside, 0, "{flood:?}");
    }
}

/// Whether a camera of half a second a step stays, where 200 addresses open 2,000 connections a second that
/// each make one step and no more.
fn stays_amid_half_open(limits: Limits) -> bool {
    let (mut core, mut stays) = (Core::new(limits, at(0)), true);
    let camera = 3_000 * 4 + 3;
    for now in 0..6_000 {
        for nth in 0..2 {
            let number = now * 4 + nth;
            let from = Prefix::of(ip(1_000 + number % 200));
            stays &= core.enter(at(now), number, Door::Rtmp, from) != Some(camera);
            core.moved(at(now), number, Door::Rtmp);
        }
        if now == 3_000 {
            core.enter(at(now), camera, Door::Rtmp, Prefix::of(ip(1)));
        } else if now > 3_000 && now % 500 == 0 {
            core.moved(at(now), camera, Door::Rtmp);
        }
    }
    stays
}

#[test]
fn who_fills_the_door_again_and_again_pays_for_it() {
    assert!(stays_amid_half_open(Limits::default()));
    assert!(!stays_amid_half_open(Limits::off()));
}

/// Guesses a second that tell something, of ten seconds after the first five.
fn learnt(limits: Limits, flood: Flood) -> u64 {
    let mut simulated = Simulated::new(limits, flood);
    simulated.run(5_000);
    let before = simulated.learnt;
    simulated.run(15_000);
    (simulated.learnt - before) / 10
}

#[test]
fn patience_buys_five_guesses_a_second_of_an_address_and_fifty_of_all() {
    assert!(learnt(Limits::default(), guessing(From::Others(1), 400, 5_000)) <= 5);
    let many = learnt(Limits::default(), guessing(From::Others(100), 400, 5_000));
    assert!((10..=50).contains(&many), "{many}");
    let off = learnt(Limits::off(), guessing(From::Others(1), 400, 5_000));
    assert!(off >= 300, "without bounds: {off}");
}

/// Asks as fast as it can by right keys, after so many wrong ones: how many are answered at once.
fn at_once(limits: Limits, wrong: u64, right: u64) -> usize {
    let mut core = Core::new(limits, at(0));
    let took = Duration::ZERO;
    let ask = |right, given| Ask { door: Door::Rtmp, peer: ip(1), right, given, what: KEY, took };
    for guess in 0..wrong {
        core.ask(at(guess * 2), guess, &ask(false, guess));
        core.answered(guess);
    }
    let answers = (0..right).map(|id| core.ask(at(wrong * 2), wrong + id, &ask(true, KEY)));
    answers.filter(|decided| *decided == Decided::Now).count()
}

#[test]
fn hanging_up_early_escapes_nothing() {
    // The old fault: whoever hung up on wrong answers had all right ones at once.
    assert_eq!(at_once(Limits::off(), 430, 10), 10);
    assert_eq!(at_once(Limits::default(), 430, 10), 0);
    assert_eq!(at_once(Limits::default(), 4, 1), 1, "a few typing errors delay nobody");
}

#[test]
fn a_proven_camera_is_answered_at_once_whatever_is_guessed_beside_it() {
    let mut core = Core::new(Limits::default(), at(0));
    let took = Duration::ZERO;
    let ask = |right, given, what| Ask { door: Door::Rtmp, peer: ip(1), right, given, what, took };
    core.proved(Door::Rtmp, Prefix::of(ip(1)), KEY);
    for guess in 0..1_000 {
        core.ask(at(guess), guess, &ask(false, guess, 0));
    }
    assert_eq!(core.ask(at(1_000), 5_000, &ask(true, 7, KEY)), Decided::Now);
    let another = core.ask(at(1_000), 5_001, &ask(true, 8, KEY + 1));
    assert_ne!(another, Decided::Now, "not for a key that it never showed");
}

#[test]
fn the_same_wrong_key_again_is_no_guess() {
    let mut core = Core::new(Limits::default(), at(0));
    let took = Duration::ZERO;
    for second in 0..600 {
        let ask = Ask { door: Door::Rtmp, peer: ip(1), right: false, given: 9, what: 0, took };
        core.ask(at(second * 1_000), second, &ask);
        core.answered(second);
    }
    assert_eq!(core.faults(at(600_000)), Vec::<String>::new());
    let right = Ask { door: Door::Rtmp, peer: ip(1), right: true, given: KEY, what: KEY, took };
    assert_eq!(core.ask(at(600_000), 700, &right), Decided::Now);
}

#[test]
fn cameras_behind_one_address_with_a_typing_error_each_guess_nothing() {
    let mut core = Core::new(Limits::default(), at(0));
    let took = Duration::ZERO;
    for second in 0..600 {
        let given = second % 16;
        let ask = Ask { door: Door::Rtmp, peer: ip(1), right: false, given, what: 0, took };
        core.ask(at(second * 1_000), second, &ask);
        core.answered(second);
    }
    assert_eq!(core.faults(at(600_000)), Vec::<String>::new());
    // Twenty take turns with keys that were forgotten meanwhile: that is told.
    for second in 600..700 {
        let given = 100 + second % 20;
        let ask = Ask { door: Door::Rtmp, peer: ip(1), right: false, given, what: 0, took };
        core.ask(at(second * 1_000), second, &ask);
        core.answered(second);
    }
    assert_eq!(core.faults(at(700_000)).len(), 1);
}

#[test]
fn who_shares_the_operators_address_is_not_told_which_guess_is_right() {
    let mut core = Core::new(Limits::default(), at(0));
    let took = Duration::ZERO;
    let ask = |right, given| Ask { door: Door::Http, peer: ip(1), right, given, what: 0, took };
    core.proved(Door::Http, Prefix::of(ip(1)), 0);
    for guess in 0..1_000 {
        core.ask(at(guess), guess, &ask(false, guess));
        core.answered(guess);
    }
    assert_ne!(core.ask(at(1_000), 5_000, &ask(true, 7)), Decided::Now);
}

#[test]
fn an_operator_waits_for_no_guesser_elsewhere() {
    let mut core = Core::new(Limits::default(), at(0));
    let took = Duration::ZERO;
    let ask = |peer, right, given| Ask { door: Door::Http, peer, right, given, what: 0, took };
    core.proved(Door::Http, Prefix::of(ip(1)), 0);
    for guess in 0..10_000 {
        core.ask(at(guess / 10), guess, &ask(ip(100 + guess % 500), false, guess));
        core.answered(guess);
    }
    assert_eq!(core.ask(at(1_000), 20_000, &ask(ip(1), true, 7)), Decided::Now);
    assert_ne!(core.ask(at(1_000), 20_001, &ask(ip(2), true, 7)), Decided::Now, "a stranger does");
}

#[test]
fn who_guesses_is_told_until_a_minute_after_it_ends() {
    let mut simulated = Simulated::new(Limits::default(), guessing(From::Others(1), 100, 10));
    simulated.run(60_000);
    let faults = simulated.core.faults(at(60_000));
    assert_eq!(faults.len(), 1, "{faults:?}");
    let told = &faults[0];
    assert!(told.starts_with("10.0.3.232 guessed stream keys "), "{told}");
    assert!(told.ends_with("if one may have been found, change the keys"), "{told}");
    assert_eq!(simulated.core.faults(at(121_000)), Vec::<String>::new());

    let mut simulated = Simulated::new(Limits::default(), guessing(From::Endless, 100, 10));
    simulated.run(60_000);
    let faults = simulated.core.faults(at(60_000));
    assert!(faults[0].contains("more addresses guessed stream keys"), "{faults:?}");

    let flood = Flood { step: None, a_second: 400, ..guessing(From::Others(1), 400, 0) };
    let mut simulated = Simulated::new(Limits::default(), Flood { at_once: 100_000, ..flood });
    simulated.run(60_000);
    let faults = simulated.core.faults(at(60_000));
    assert!(faults[0].contains("and said nothing"), "{faults:?}");
}

fn floods() -> impl Strategy<Value = Flood> {
    let from =
        prop_oneof![(1_u64..300).prop_map(From::Others), Just(From::Endless), Just(From::Beside)];
    let step = prop_oneof![Just(None), (1_u64..60).prop_map(Some)];
    (from, 5_u64..400, step, 0_u64..3_000, 1_usize..2_000).prop_map(
        |(from, a_second, step, patience, at_once)| Flood {
            from,
            a_second,
            step,
            patience,
            at_once,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of programs that guess as fast as they can, or say nothing: behind one NAT a camera must be slower
    /// than they are to be told from them.
    #[test]
    fn ten_of_ten_cameras_get_in_amid_any_flood(flood in floods(), step in 150_u64..500) {
        let (inside, late) = Simulated::new(Limits::default(), flood).ten_cameras(ip(1), step);
        prop_assert_eq!(inside, 10);
        prop_assert!(late <= 800, "{} ms", late);
    }

    /// From an address of its own, a quick one too.
    #[test]
    fn a_quick_camera_gets_in_beside_floods_from_elsewhere(flood in floods(), step in 1_u64..150) {
        let flood = match flood.from {
            From::Others(_) => flood,
            _ => Flood { from: From::Others(50), ..flood },
        };
        let (inside, late) = Simulated::new(Limits::default(), flood).ten_cameras(ip(1), step);
        prop_assert_eq!(inside, 10);
        prop_assert!(late <= 800, "{} ms", late);
    }

    /// A prefix never learns more than five guesses a second, however it goes about it.
    #[test]
    fn no_pattern_buys_more_guesses(
        a_second in 5_u64..1_000, step in 1_u64..300, patience in 0_u64..3_000, at_once in 1_usize..500,
    ) {
        let flood = Flood { from: From::Others(1), a_second, step: Some(step), patience, at_once };
        prop_assert!(learnt(Limits::default(), flood) <= 5);
    }
}
