//! How much of the GPU's memory is free, read on a thread of its own: a driver that is gone never answers.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::decode::Decoders;
use crate::device::DeviceMemory;
use crate::media::Monotonic;

/// How often it is read: a decoder takes its memory within a second.
const EVERY: Duration = Duration::from_secs(1);
/// What was read so long ago says nothing any more: the driver does not answer.
const TOO_OLD: Duration = Duration::from_secs(10);

/// What was read, and when.
type Read = Option<(DeviceMemory, Monotonic)>;

/// See the module. The thread ends with it.
#[derive(Debug)]
pub(crate) struct GpuMemory {
    asks: SyncSender<()>,
    // Written by the thread when it was told, copied by who asks.
    read: Arc<Mutex<Read>>,
    asked: Option<Monotonic>,
}

impl GpuMemory {
    /// Of the device in which `decoders` leave their pictures.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn of(decoders: Arc<dyn Decoders>, clock: Arc<dyn Clock>) -> io::Result<Self> {
        // While it hangs in the driver nobody waits for it: who finds one question there asks no second one.
        let (asks, asked) = sync_channel(1);
        let read = Arc::<Mutex<Read>>::default();
        let write = Arc::clone(&read);
        // Woken by a question, or by the end of who asks.
        let work = move || {
            while asked.recv().is_ok() {
                let memory = decoders.device_memory();
                *write.lock() = memory.map(|memory| (memory, clock.monotonic()));
            }
        };
        thread::Builder::new().name("gpu-memory".to_owned()).spawn(work)?;
        Ok(Self { asks, read, asked: None })
    }

    /// What was read last, if that is not too old; has it read anew where it is time.
    pub(crate) fn latest(&mut self, now: Monotonic) -> Read {
        if self.asked.is_none_or(|asked| now.since(asked) >= EVERY) {
            self.asked = Some(now);
            // Full: it was not answered yet.
            let _answered_or_not = self.asks.try_send(());
        }
        (*self.read.lock()).filter(|(_, at)| now.since(*at) < TOO_OLD)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::clock::ManualClock;
    use crate::decode::{Backend, DecodeError};
    use crate::media::UtcTime;

    /// Says what it has until it hangs.
    #[derive(Debug)]
    struct Scripted {
        hangs: AtomicBool,
        seen: Mutex<u32>,
    }

    impl Decoders for Scripted {
        fn backend(&self) -> Result<Arc<dyn Backend>, DecodeError> {
            Err(DecodeError::NotBuilt)
        }

        fn device_memory(&self) -> Option<DeviceMemory> {
            *self.seen.lock() += 1;
            while self.hangs.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            Some(DeviceMemory { free: 5, all: 8 })
        }
    }

    fn until(mut done: impl FnMut() -> bool) {
        while !done() {
            thread::yield_now();
        }
    }

    #[test]
    fn what_was_read_is_known_until_the_driver_does_not_answer_any_more() {
        let scripted = Arc::new(Scripted { hangs: AtomicBool::new(false), seen: Mutex::new(0) });
        let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
        let decoders = Arc::clone(&scripted) as Arc<dyn Decoders>;
        let mut memory =
            GpuMemory::of(decoders, Arc::clone(&clock) as Arc<dyn Clock>).expect("a thread");
        until(|| memory.latest(clock.monotonic()).is_some());
        let read = memory.latest(clock.monotonic());
        assert_eq!(read, Some((DeviceMemory { free: 5, all: 8 }, clock.monotonic())));
        assert_eq!(*scripted.seen.lock(), 1, "once a second");
        scripted.hangs.store(true, Ordering::Relaxed);
        clock.advance(EVERY);
        assert_eq!(memory.latest(clock.monotonic()), read, "a second old");
        until(|| *scripted.seen.lock() == 2);
        clock.advance(TOO_OLD);
        // Nobody waits for it, however often it is asked.
        (0..3).for_each(|_| assert_eq!(memory.latest(clock.monotonic()), None));
        scripted.hangs.store(false, Ordering::Relaxed);
        until(|| memory.latest(clock.monotonic()).is_some());
    }
}
