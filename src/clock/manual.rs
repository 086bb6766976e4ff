//! A clock that tests move by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::clock::time::{Clock, Reached, Wake};
use crate::media::{Monotonic, UtcTime};

/// A clock that stands still until it is moved. Clones are one clock.
#[derive(Clone, Debug)]
pub struct ManualClock {
    shared: Arc<ManualTime>,
}

struct ManualTime {
    boot: String,
    // Time and who waits for it change together.
    hands: Mutex<Hands>,
    /// Wakes threads in `alarm_within`: somebody waits for a time.
    alarm: Condvar,
    // Called without the other lock: who is woken looks at the clock.
    wakes: Mutex<Vec<Wake>>,
}

struct Hands {
    monotonic: Monotonic,
    utc: UtcTime,
    waiting: Vec<Waiting>,
    next: u64,
}

struct Waiting {
    number: u64,
    at: Monotonic,
    waker: Option<Waker>,
}

impl std::fmt::Debug for ManualTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hands = self.hands.lock();
        write!(f, "Manual({:?}, {:?})", hands.monotonic, hands.utc)
    }
}

impl ManualClock {
    /// Stands at `utc`, monotonic 0.
    #[must_use]
    pub fn at(utc: UtcTime) -> Self {
        Self::of_boot("by-hand", utc)
    }

    /// Stands at `utc`, monotonic 0, of the boot that is called so.
    #[must_use]
    pub fn of_boot(boot: &str, utc: UtcTime) -> Self {
        let hands = Hands { monotonic: Monotonic::ZERO, utc, waiting: Vec::new(), next: 0 };
        let (hands, wakes) = (Mutex::new(hands), Mutex::default());
        let (boot, alarm) = (boot.to_owned(), Condvar::new());
        Self { shared: Arc::new(ManualTime { boot, hands, alarm, wakes }) }
    }

    /// Moves both clocks, then wakes everybody who waits for a time.
    pub fn advance(&self, by: Duration) {
        let due: Vec<Waker> = {
            let mut hands = self.shared.hands.lock();
            hands.monotonic = hands.monotonic.plus(by);
            hands.utc = hands.utc.plus_nanos(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX));
            let now = hands.monotonic;
            let due = hands.waiting.iter_mut().filter(|waiting| waiting.at <= now);
            due.filter_map(|waiting| waiting.waker.take()).collect()
        };
        self.shared.wakes.lock().retain(|wake| wake());
        due.into_iter().for_each(Waker::wake);
    }

    /// Steps UTC alone, as an administrator or NTP does.
    pub fn step_utc(&self, to: UtcTime) {
        self.shared.hands.lock().utc = to;
    }

    /// How many were woken by a time that has come, and are still at it.
    #[must_use]
    pub fn at_work(&self) -> usize {
        let hands = self.shared.hands.lock();
        hands.waiting.iter().filter(|waiting| waiting.at <= hands.monotonic).count()
    }

    /// The next time that somebody waits for.
    #[must_use]
    pub fn next_alarm(&self) -> Option<Monotonic> {
        let hands = self.shared.hands.lock();
        hands.waiting.iter().map(|waiting| waiting.at).min()
    }

    /// The same, waiting on this thread until somebody waits for one, for `patience` of real time.
    #[must_use]
    pub fn alarm_within(&self, patience: Duration) -> Option<Monotonic> {
        let mut hands = self.shared.hands.lock();
        // Woken by `reached`.
        let nobody = |hands: &mut Hands| hands.waiting.is_empty();
        self.shared.alarm.wait_while_for(&mut hands, nobody, patience);
        hands.waiting.iter().map(|waiting| waiting.at).min()
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Monotonic {
        self.shared.hands.lock().monotonic
    }

    fn utc(&self) -> UtcTime {
        self.shared.hands.lock().utc
    }

    fn boot(&self) -> String {
        self.shared.boot.clone()
    }

    fn reached(&self, at: Monotonic) -> Reached {
        let mut hands = self.shared.hands.lock();
        let number = hands.next;
        hands.next += 1;
        hands.waiting.push(Waiting { number, at, waker: None });
        drop(hands);
        self.shared.alarm.notify_all();
        Box::pin(ByHand { shared: Arc::clone(&self.shared), number })
    }

    fn when_moved(&self, wake: Wake) {
        self.shared.wakes.lock().push(wake);
    }
}

/// A wait for the clock. It stands among the waiting until it is dropped.
struct ByHand {
    shared: Arc<ManualTime>,
    number: u64,
}

impl Future for ByHand {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut hands = self.shared.hands.lock();
        let now = hands.monotonic;
        let Some(own) = hands.waiting.iter_mut().find(|waiting| waiting.number == self.number)
        else {
            return Poll::Ready(());
        };
        if own.at <= now {
            return Poll::Ready(());
        }
        own.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        self.shared.hands.lock().waiting.retain(|waiting| waiting.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock::time::{Ticks, within};

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().expect("runtime")
    }

    #[test]
    fn a_wait_ends_when_its_time_has_come_and_no_sooner() {
        let clock = ManualClock::at(UtcTime::from_nanos(0));
        runtime().block_on(async {
            let waiting = tokio::spawn(clock.reached(Monotonic::from_nanos(2_000_000_000)));
            tokio::task::yield_now().await;
            clock.advance(Duration::from_millis(1_999));
            assert_eq!(clock.at_work(), 0);
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            clock.advance(Duration::from_millis(1));
            assert_eq!(clock.at_work(), 1, "until it has been seen to");
            waiting.await.expect("ended");
            assert_eq!((clock.at_work(), clock.next_alarm()), (0, None));
        });
    }

    #[test]
    fn an_alarm_is_awaited_by_who_will_move_the_clock() {
        let clock = ManualClock::at(UtcTime::from_nanos(0));
        assert_eq!(clock.alarm_within(Duration::ZERO), None, "nobody waits");
        let at = Monotonic::from_nanos(2_000_000_000);
        let (done, held) = std::sync::mpsc::sync_channel::<()>(0);
        let waits = std::thread::spawn({
            let clock = clock.clone();
            move || {
                let _waiting = clock.reached(at);
                assert!(held.recv().is_err(), "nothing is sent on it");
            }
        });
        assert_eq!(clock.alarm_within(Duration::from_secs(30)), Some(at));
        drop(done);
        waits.join().expect("ended");
        assert_eq!(clock.next_alarm(), None);
    }

    #[test]
    fn ticks_come_at_once_and_then_by_the_clock() {
        let clock = ManualClock::at(UtcTime::from_nanos(0));
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        runtime().block_on(async {
            let mut ticks = Ticks::new(&shared, Duration::from_secs(1));
            ticks.tick().await;
            assert_eq!(clock.at_work(), 1, "its work is under way");
            let none = tokio::select! { biased; () = ticks.tick() => false, () = async {} => true };
            assert!(none, "not yet");
            assert_eq!(clock.at_work(), 0);
            clock.advance(Duration::from_secs(1));
            ticks.tick().await;
        });
    }

    #[test]
    fn what_takes_too_long_by_the_clock_is_given_up() {
        let clock = ManualClock::at(UtcTime::from_nanos(0));
        runtime().block_on(async {
            let other = clock.clone();
            let late = tokio::spawn(async move {
                within(&other, Duration::from_secs(1), std::future::pending::<()>()).await
            });
            tokio::task::yield_now().await;
            clock.advance(Duration::from_secs(1));
            assert_eq!(late.await.expect("ended"), None);
            assert_eq!(within(&clock, Duration::ZERO, async { 7 }).await, Some(7));
        });
    }

    #[test]
    fn a_move_wakes_threads_until_they_are_gone() {
        let clock = ManualClock::at(UtcTime::from_nanos(0));
        let (woken, alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)));
        let (counted, left) = (Arc::clone(&woken), Arc::clone(&alive));
        clock.when_moved(Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            left.load(Ordering::Relaxed) > 0
        }));
        clock.advance(Duration::from_secs(1));
        alive.store(0, Ordering::Relaxed);
        clock.advance(Duration::from_secs(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(woken.load(Ordering::Relaxed), 2);
    }
}
