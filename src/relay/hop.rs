//! A court's messages on their way to one relay: a bounded hop that loses whole runs up to the next key
//! picture, never one message out of a run.
//!
//! ```text
//! Shut ──open──→ AwaitingKey ──key──→ Open ──full──→ AwaitingKey
//!   ↑              publish ends ↺        └─ publish ends → AwaitingKey
//!   └── shut: nobody takes it; what is inside is let go ──┘
//! ```
//! Every message that is offered is counted, and those that are put in again for who joins; each is taken, is
//! waiting, or was dropped for a reason (DESIGN §2). A payload is shared with the ring's and the decoder's, and
//! with that of other relays: nothing is copied here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::mailbox::{DropReason, Tally};
use crate::relay::headers::{Headers, Part};
use crate::rtmp::message::Message;

/// Stream time that a relay may be behind (DESIGN §2).
const BOUND: Duration = Duration::from_secs(4);
/// Bytes whatever the stream time: 4 s of 64 Mbit/s.
const MAX_BYTES: usize = 32 << 20;
/// Messages whatever their time: reached under absurd timestamps alone.
const MAX_MESSAGES: usize = 4096;

/// What is taken from the hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A message as it came.
    Message(Message),
    /// The publisher has ended: what follows is another's.
    Ended,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Hop {
    // The one lock of the hop: queue, gate and counts change together. Held for a message, by ingest too.
    queue: Mutex<Queue>,
    /// Wakes the relay's task: something came.
    arrived: Notify,
    tally: Tally,
    /// How often it was full.
    overflows: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    gate: Gate,
    /// Items behind the last end of a publisher: those of the one that publishes.
    of_this: usize,
    /// What a server would have been told, once it has taken all that is inside.
    told: Headers,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gate {
    /// Nobody takes anything.
    #[default]
    Shut,
    /// The next key picture comes in, with what must go before it.
    AwaitingKey,
    /// A run is under way.
    Open,
}

impl Hop {
    /// A hop that is shut, and counts into `tally`.
    pub(crate) fn new(tally: Tally) -> Self {
        let (queue, overflows) = (Mutex::default(), AtomicU64::new(0));
        Self { queue, arrived: Notify::new(), tally, overflows }
    }

    /// Takes messages in from the next key picture on.
    pub(crate) fn open(&self) {
        let mut queue = self.queue.lock();
        if queue.gate == Gate::Shut {
            queue.gate = Gate::AwaitingKey;
        }
    }

    /// Takes nothing in any more, and lets go what is inside, for this reason.
    pub(crate) fn shut(&self, reason: DropReason) {
        let mut queue = self.queue.lock();
        for item in queue.items.drain(..) {
            if matches!(item, Item::Message(_)) {
                self.tally.dropped(reason);
            }
        }
        *queue = Queue::default();
    }

    /// Hands a message on. Never waits. `headers` are what the stream begins with now, this one included.
    pub(crate) fn offer(&self, message: &Message, part: Part, headers: &Headers) {
        let mut queue = self.queue.lock();
        match queue.gate {
            Gate::Shut => return self.tally.refused(DropReason::NoPeer),
            Gate::AwaitingKey if part != Part::Key => {
                return self.tally.refused(DropReason::AwaitingKey);
            }
            Gate::AwaitingKey | Gate::Open => {}
        }
        if !queue.fits(message) {
            queue.gate = Gate::AwaitingKey;
            self.overflows.fetch_add(1, Ordering::Relaxed);
            return self.tally.refused(DropReason::Full);
        }
        if queue.gate == Gate::AwaitingKey {
            let missing: Vec<_> =
                headers.beyond(&queue.told).map(|(part, header)| (part, header.clone())).collect();
            for (part, header) in missing {
                // At the time of what it goes before: time never runs backwards for who joins.
                let header = Message { timestamp: message.timestamp, ..header };
                queue.put(header, part, &self.tally);
            }
            queue.gate = Gate::Open;
        }
        queue.put(message.clone(), part, &self.tally);
        drop(queue);
        self.arrived.notify_one();
    }

    /// Says that the publisher has ended.
    pub(crate) fn ended(&self) {
        let mut queue = self.queue.lock();
        if queue.gate == Gate::Shut {
            return;
        }
        queue.gate = Gate::AwaitingKey;
        queue.told = Headers::default();
        queue.of_this = 0;
        // One that ends without a message between them is no second one.
        if queue.items.back() != Some(&Item::Ended) {
            queue.items.push_back(Item::Ended);
        }
        drop(queue);
        self.arrived.notify_one();
    }

    /// Waits until a message is inside, and gives a look at it. Ends of publishers before it are taken: whoever
    /// waits is not connected. Cancel-safe.
    pub(crate) async fn begins(&self) -> Message {
        loop {
            let woken = self.arrived.notified();
            {
                let mut queue = self.queue.lock();
                while queue.items.front() == Some(&Item::Ended) {
                    queue.items.pop_front();
                }
                if let Some(Item::Message(message)) = queue.items.front() {
                    // The first that says how the pictures are coded, where there is one.
                    let video = queue.items.iter().find_map(|item| match item {
                        Item::Message(message) if is_video(message) => Some(message),
                        _ => None,
                    });
                    return video.unwrap_or(message).clone();
                }
            }
            // Woken by `offer` and `ended`.
            woken.await;
        }
    }

    /// Takes the oldest item, waiting for one. Cancel-safe.
    pub(crate) async fn taken(&self) -> Item {
        loop {
            let woken = self.arrived.notified();
            if let Some(item) = self.queue.lock().take(&self.tally) {
                return item;
            }
            // Woken by `offer` and `ended`.
            woken.await;
        }
    }

    /// How often a message found no room.
    pub(crate) fn overflows(&self) -> u64 {
        self.overflows.load(Ordering::Relaxed)
    }

    /// The counts now.
    pub(crate) const fn tally(&self) -> &Tally {
        &self.tally
    }
}

const fn is_video(message: &Message) -> bool {
    message.kind == crate::rtmp::message::kind::VIDEO
}

impl Queue {
    fn fits(&self, message: &Message) -> bool {
        let oldest = self.items.len() - self.of_this.min(self.items.len());
        let oldest = match self.items.get(oldest) {
            Some(Item::Message(oldest)) => oldest.timestamp,
            _ => message.timestamp,
        };
        // 32 bits that wrap; a time before the oldest is no span.
        let span = message.timestamp.wrapping_sub(oldest).cast_signed();
        let span = u64::try_from(span).unwrap_or(0);
        u128::from(span) <= BOUND.as_millis()
            && self.bytes + message.body.len() <= MAX_BYTES
            && self.items.len() < MAX_MESSAGES
    }

    fn put(&mut self, message: Message, part: Part, tally: &Tally) {
        self.told.note(part, &message);
        self.bytes += message.body.len();
        self.of_this += 1;
        tally.offered();
        self.items.push_back(Item::Message(message));
    }

    fn take(&mut self, tally: &Tally) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.of_this = self.of_this.min(self.items.len());
        if let Item::Message(message) = &item {
            self.bytes = self.bytes.saturating_sub(message.body.len());
            tally.taken();
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::rtmp::message::kind;

    fn message(of: u8, timestamp: u32, body: &[u8]) -> Message {
        Message { timestamp, kind: of, stream: 1, body: Bytes::copy_from_slice(body) }
    }

    const HEADER: &[u8] = b"\x17\x00\0\0\0rec";
    const KEY: &[u8] = b"\x17\x01\0\0\0key";
    const INTER: &[u8] = b"\x27\x01\0\0\0nal";

    /// A hop, and what its court's stream begins with.
    struct Court {
        hop: Hop,
        headers: Headers,
    }

    impl Court {
        fn new() -> Self {
            Self { hop: Hop::new(Tally::default()), headers: Headers::default() }
        }

        fn offer(&mut self, of: u8, timestamp: u32, body: &[u8]) {
            let message = message(of, timestamp, body);
            let part = Part::of(&message);
            self.headers.note(part, &message);
            self.hop.offer(&message, part, &self.headers);
            assert!(self.hop.tally().count().balances());
        }

        fn video(&mut self, timestamp: u32, body: &[u8]) {
            self.offer(kind::VIDEO, timestamp, body);
        }

        fn take(&self) -> Option<Item> {
            self.hop.queue.lock().take(&self.hop.tally)
        }

        /// All that is inside, as `time kind`.
        fn drain(&self) -> Vec<String> {
            let told = |item| match item {
                Item::Ended => "ended".to_owned(),
                Item::Message(message) => {
                    let what = match Part::of(&message) {
                        Part::Metadata => "metadata",
                        Part::VideoHeader => "header",
                        Part::AudioHeader => "sound header",
                        Part::Key => "key",
                        Part::Other if message.kind == kind::AUDIO => "sound",
                        Part::Other => "inter",
                    };
                    format!("{} {what}", message.timestamp)
                }
            };
            std::iter::from_fn(|| self.take()).map(told).collect()
        }

        fn dropped(&self) -> Vec<(DropReason, u64)> {
            self.hop.tally().count().dropped.into_iter().collect()
        }
    }

    #[test]
    fn whoever_joins_gets_what_a_stream_begins_with_and_then_the_next_key_picture() {
        let mut court = Court::new();
        court.video(0, HEADER);
        court.video(0, KEY);
        assert_eq!(court.dropped(), [(DropReason::NoPeer, 2)]);
        court.hop.open();
        court.video(40, INTER);
        court.offer(kind::AUDIO, 41, b"\xaf\x01aac");
        court.video(2_000, KEY);
        court.video(2_040, INTER);
        assert_eq!(court.drain(), ["2000 header", "2000 key", "2040 inter"]);
        // It has them by now.
        court.video(4_000, KEY);
        assert_eq!(court.drain(), ["4000 key"]);
        assert_eq!(court.dropped(), [(DropReason::AwaitingKey, 2), (DropReason::NoPeer, 2)]);
    }

    #[test]
    fn four_seconds_are_held_and_what_follows_is_let_go_up_to_a_key_picture_that_fits() {
        let mut court = Court::new();
        court.hop.open();
        court.video(0, HEADER);
        for frame in 0..200 {
            court.video(frame * 40, if frame % 50 == 0 { KEY } else { INTER });
        }
        // 0 to 4,000 ms are inside: the header, and 101 pictures; the rest does not fit.
        let count = court.hop.tally().count();
        assert_eq!(count.waiting, 102);
        assert_eq!(
            count.dropped[&DropReason::Full],
            2,
            "a run begins, and the key picture after it"
        );
        assert_eq!(court.drain().len(), 102);
        // A header that was let go in between comes before the next key picture.
        court.video(8_000, b"\x17\x00\0\0\0new");
        court.video(8_000, KEY);
        assert_eq!(court.drain(), ["8000 header", "8000 key"]);
    }

    #[test]
    fn the_next_publisher_begins_with_what_is_its_own() {
        let mut court = Court::new();
        court.hop.open();
        court.video(9_000_000, HEADER);
        court.video(9_000_000, KEY);
        court.hop.ended();
        court.hop.ended();
        court.headers = Headers::default();
        // Its times are others, and no span.
        court.video(0, INTER);
        court.video(40, HEADER);
        court.video(40, KEY);
        let expected = ["9000000 header", "9000000 key", "ended", "40 header", "40 key"];
        assert_eq!(court.drain(), expected);
    }

    #[test]
    fn a_hop_that_is_shut_holds_nothing() {
        let mut court = Court::new();
        court.hop.ended();
        court.hop.open();
        court.video(0, HEADER);
        court.video(0, KEY);
        court.hop.shut(DropReason::NoPeer);
        court.video(40, INTER);
        assert_eq!(court.drain(), [""; 0]);
        let dropped = [(DropReason::AwaitingKey, 1), (DropReason::NoPeer, 3)];
        assert_eq!(court.dropped(), dropped);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Offer(u8, u32),
        Take,
        Open,
        Shut,
        Ended,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0_u8..4, any::<u32>()).prop_map(|(what, at)| Step::Offer(what, at)),
            4 => (0_u8..4, 0_u32..6_000).prop_map(|(what, at)| Step::Offer(what, at)),
            3 => Just(Step::Take),
            1 => Just(Step::Open),
            1 => Just(Step::Shut),
            1 => Just(Step::Ended),
        ]
    }

    proptest! {
        /// Whatever comes: every message is counted, a run begins with a key picture that its header goes
        /// before, and the bound holds.
        #[test]
        fn nothing_is_lost_without_a_reason(steps in prop::collection::vec(step(), 1..400)) {
            let mut court = Court::new();
            let mut taken = Vec::new();
            for step in steps {
                match step {
                    Step::Offer(0, at) => court.video(at, HEADER),
                    Step::Offer(1, at) => court.video(at, KEY),
                    Step::Offer(2, at) => court.video(at, INTER),
                    Step::Offer(_, at) => court.offer(kind::AUDIO, at, b"\xaf\x01aac"),
                    Step::Take => taken.extend(court.take()),
                    Step::Open => court.hop.open(),
                    Step::Shut => { court.hop.shut(DropReason::NoPeer); taken.clear(); }
                    Step::Ended => court.hop.ended(),
                }
                let queue = court.hop.queue.lock();
                prop_assert!(queue.items.len() <= MAX_MESSAGES + 1);
                let bytes: usize = queue.items.iter().map(|item| match item {
                    Item::Message(message) => message.body.len(),
                    Item::Ended => 0,
                }).sum();
                prop_assert_eq!(queue.bytes, bytes);
                drop(queue);
                prop_assert!(court.hop.tally().count().balances());
                // What a server has been given since it was connected begins with a header or a key picture.
                if let Some(Item::Message(first)) = taken.first() {
                    prop_assert!(matches!(Part::of(first), Part::VideoHeader | Part::Key));
                }
            }
        }
    }
}
