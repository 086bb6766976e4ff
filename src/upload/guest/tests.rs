//! A guest on links that are simulated: the clock by hand, what the link gives by max-min fairness.

use super::*;

const TICK: Duration = Duration::from_millis(20);
const PIECE: u64 = 16 << 10;

/// Boxes on one link.
struct Venue {
    /// Bits a second.
    link: f64,
    now: Monotonic,
    boxes: Vec<Guest>,
    /// What the network owes each box, bytes.
    owed: Vec<f64>,
    /// How long it has had each wait since that took something last.
    held: Vec<Duration>,
    sent: Vec<u64>,
    chance: u64,
}

impl Venue {
    fn of(link: f64, terms: GuestTerms, count: usize) -> Self {
        let mut venue = Self {
            link,
            now: Monotonic::ZERO,
            boxes: Vec::new(),
            owed: Vec::new(),
            held: Vec::new(),
            sent: Vec::new(),
            chance: 7,
        };
        for _ in 0..count {
            venue.joins(terms);
        }
        venue
    }

    fn joins(&mut self, terms: GuestTerms) {
        let mut guest = Guest::new(terms, self.now);
        guest.begins();
        self.boxes.push(guest);
        self.owed.push(0.0);
        self.held.push(Duration::ZERO);
        self.sent.push(0);
    }

    /// What each gets of the link, bits a second: nobody more than he takes, and what he leaves is shared.
    fn shares(&self) -> Vec<f64> {
        let wants: Vec<f64> =
            self.boxes.iter().map(|one| one.pace().unwrap_or(f64::INFINITY)).collect();
        let mut order: Vec<usize> = (0..wants.len()).collect();
        order.sort_by(|a, b| wants[*a].total_cmp(&wants[*b]));
        let mut gets = vec![0.0; wants.len()];
        let mut left = self.link;
        for (done, one) in order.iter().enumerate() {
            let fair = left / (wants.len() - done) as f64;
            gets[*one] = wants[*one].min(fair);
            left -= gets[*one];
        }
        gets
    }

    /// Everybody has something to send all the time.
    fn run(&mut self, time: Duration) {
        let end = self.now.plus(time);
        while self.now < end {
            let gets = self.shares();
            self.now = self.now.plus(TICK);
            for (one, guest) in self.boxes.iter_mut().enumerate() {
                let takes = guest.pace().unwrap_or(f64::INFINITY);
                self.held[one] += if takes > gets[one] * 1.0001 { TICK } else { Duration::ZERO };
                self.owed[one] += gets[one] * TICK.as_secs_f64() / 8.0;
                let pieces = (self.owed[one] / PIECE as f64) as u64;
                for _ in 0..pieces {
                    self.chance =
                        self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let held = std::mem::take(&mut self.held[one]);
                    guest.took(self.now, PIECE, held, self.chance >> 33);
                    // The next one, at once.
                    guest.wait(self.now, PIECE);
                    self.sent[one] += PIECE;
                    self.owed[one] -= PIECE as f64;
                }
            }
        }
    }

    /// Bits a second of each over `time`.
    fn rates(&mut self, time: Duration) -> Vec<f64> {
        let before = self.sent.clone();
        self.run(time);
        let each = self.sent.iter().zip(before);
        each.map(|(after, before)| (after - before) as f64 * 8.0 / time.as_secs_f64()).collect()
    }
}

const USUAL: GuestTerms = GuestTerms { share: 0.7, most: None };
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn alone_it_takes_its_share_of_what_the_uplink_gives() {
    for link in [1e6, 5e6, 20e6, 100e6] {
        let mut venue = Venue::of(link, USUAL, 1);
        venue.run(MINUTE);
        let [rate] = venue.rates(20 * MINUTE)[..] else { panic!("one") };
        assert!((rate / (0.7 * link) - 1.0).abs() < 0.05, "{rate} of {link}");
        let measured = venue.boxes[0].measured().expect("measured") as f64;
        assert!((measured / link - 1.0).abs() < 0.05, "{measured} of {link}");
    }
}

#[test]
fn a_cap_is_never_exceeded_and_is_what_it_takes_where_there_is_more() {
    let mut venue = Venue::of(50e6, GuestTerms { share: 0.7, most: Some(2_000_000) }, 1);
    for _ in 0..30 {
        let [rate] = venue.rates(Duration::from_secs(10))[..] else { panic!("one") };
        assert!((0.95..=1.02).contains(&(rate / 2e6)), "{rate}");
    }
    // An uplink that is less than the cap is shared as ever.
    let mut venue = Venue::of(1e6, GuestTerms { share: 0.7, most: Some(2_000_000) }, 1);
    venue.run(MINUTE);
    let [rate] = venue.rates(20 * MINUTE)[..] else { panic!("one") };
    assert!((rate / 0.7e6 - 1.0).abs() < 0.05, "{rate}");
}

#[test]
fn twenty_boxes_share_one_uplink_each_within_a_tenth_of_its_part() {
    let link = 20e6;
    for seed in [7, 8] {
        let mut venue = Venue::of(link, USUAL, 1);
        venue.chance = seed;
        for _ in 1..20 {
            venue.run(Duration::from_secs(7));
            venue.joins(USUAL);
        }
        venue.run(30 * MINUTE);
        let rates = venue.rates(40 * MINUTE);
        let total: f64 = rates.iter().sum();
        assert!(total <= link && total > 0.9 * link, "{total}: {rates:?}");
        let fair = total / 20.0;
        for rate in &rates {
            assert!((rate / fair - 1.0).abs() < 0.1, "{rate} of {fair}: {rates:?}");
        }
    }
}

#[test]
fn who_was_there_first_makes_room_for_who_comes() {
    let link = 10e6;
    let mut venue = Venue::of(link, USUAL, 1);
    venue.run(5 * MINUTE);
    venue.joins(USUAL);
    venue.run(20 * MINUTE);
    let rates = venue.rates(20 * MINUTE);
    assert!((rates[0] / rates[1] - 1.0).abs() < 0.1, "{rates:?}");
    // Both: 0.7 · 2 / 1.7 of it.
    let total: f64 = rates.iter().sum::<f64>() / link;
    assert!((0.74..0.9).contains(&total), "{total}");
    // One goes, and the other has its share again.
    venue.boxes.pop();
    venue.owed.pop();
    venue.held.pop();
    venue.sent.pop();
    venue.run(10 * MINUTE);
    let [rate] = venue.rates(10 * MINUTE)[..] else { panic!("one") };
    assert!((rate / (0.7 * link) - 1.0).abs() < 0.05, "{rate}");
}

#[test]
fn an_uplink_that_gives_less_than_before_is_noticed_within_seconds() {
    let mut venue = Venue::of(20e6, USUAL, 1);
    venue.run(2 * MINUTE);
    venue.link = 4e6;
    venue.run(Duration::from_secs(10));
    let allowed = venue.boxes[0].allowed();
    assert!(allowed < 3_800_000, "less than there is: {allowed}");
    venue.run(5 * MINUTE);
    let [rate] = venue.rates(5 * MINUTE)[..] else { panic!("one") };
    assert!((rate / (0.7 * 4e6) - 1.0).abs() < 0.1, "its share, once it has tried again: {rate}");
}

#[test]
fn a_link_that_drops_every_few_seconds_is_shared_as_if_it_did_not() {
    let mut venue = Venue::of(16e6, USUAL, 1);
    venue.run(MINUTE);
    let before = venue.sent[0];
    for _ in 0..60 {
        venue.link = 16e6;
        venue.run(Duration::from_secs(8));
        venue.link = 1.0;
        venue.run(Duration::from_secs(2));
    }
    let rate = (venue.sent[0] - before) as f64 * 8.0 / 480.0;
    // A try after each cut costs more than its share; to be held down by cuts would cost nine tenths of it.
    assert!((0.65..0.9).contains(&(rate / 16e6)), "{rate}");
}

#[test]
fn a_link_that_is_slow_is_not_taken_for_one_that_is_away() {
    // 16 KiB take 2.6 s.
    let mut venue = Venue::of(50e3, GuestTerms { share: 0.5, most: None }, 1);
    venue.run(5 * MINUTE);
    let [rate] = venue.rates(20 * MINUTE)[..] else { panic!("one") };
    assert!(rate < 0.7 * 50e3, "{rate}");
}

#[test]
fn a_sender_that_had_nothing_to_send_has_not_measured() {
    let mut guest = Guest::new(USUAL, Monotonic::ZERO);
    guest.begins();
    // A piece each second: that says nothing of the uplink.
    for second in 0..60 {
        let now = Monotonic::from_nanos(second * 1_000_000_000);
        assert_eq!(guest.wait(now, PIECE), Duration::ZERO);
        guest.took(now, PIECE, Duration::ZERO, 0);
    }
    assert_eq!(guest.measured(), None);
}
