//! Hashes a long clip beside the cutter: what is asked meanwhile, and the clips of shots, do not wait for it.
//!
//! One at a time: the disk is the recording's first. What was hashed is what was put together when it began;
//! whoever asks for it puts the clip together again, and takes it if it is of the same parts still.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::clips::cut::Part;
use crate::clips::files::Assembly;
use crate::mailbox::Bell;

/// A clip of more is hashed beside the cutter. Chosen: a shot's clip is some 10 MB, and what is shorter than
/// this is through in a third of a second where the disk reads 100 MB/s.
const LONG: u64 = 32 << 20;

/// What came of it.
#[derive(Debug)]
pub(crate) enum Hash {
    /// SHA-256, hexadecimal.
    Is(String),
    /// Ask again when the bell rings.
    Later,
}

/// The thread that hashes, while there is one.
#[derive(Debug)]
pub(crate) struct Aside {
    /// Rung when it is through.
    bell: Bell,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    id: String,
    parts: Vec<Part>,
    len: u64,
    answer: oneshot::Receiver<io::Result<String>>,
    stop: Arc<AtomicBool>,
    came: Option<io::Result<String>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ends behind the chunk that it reads, and nobody waits for it.
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Aside {
    pub(crate) const fn new(bell: Bell) -> Self {
        Self { bell, running: None }
    }

    /// True while something is hashed.
    pub(crate) fn is_busy(&mut self) -> bool {
        let Some(running) = &mut self.running else { return false };
        if running.came.is_none() {
            running.came = match running.answer.try_recv() {
                Ok(came) => Some(came),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Closed) => Some(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        running.came.is_none()
    }

    /// The hash of a clip that is put together of these parts.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn sha256(
        &mut self,
        id: &str,
        parts: &[Part],
        assembly: &Assembly,
    ) -> io::Result<Hash> {
        if assembly.len <= LONG {
            return assembly.sha256().map(Hash::Is);
        }
        if self.is_busy() {
            return Ok(Hash::Later);
        }
        if let Some(mut running) = self.running.take_if(|running| running.id == id)
            && running.parts == parts
            && running.len == assembly.len
            && let Some(came) = running.came.take()
        {
            return came.map(Hash::Is);
        }
        if self.running.is_some() {
            return Ok(Hash::Later); // of another, who comes for it
        }
        let (tell, answer) = oneshot::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (hashed, stopped, bell) = (assembly.clone(), Arc::clone(&stop), self.bell.clone());
        let run = move || {
            // Whoever wanted it may be gone.
            drop(tell.send(hashed.sha256_unless(&stopped)));
            bell.ring();
        };
        if std::thread::Builder::new().name("ring-hash".to_owned()).spawn(run).is_err() {
            return assembly.sha256().map(Hash::Is); // no thread: here, then
        }
        let (id, parts, len) = (id.to_owned(), parts.to_vec(), assembly.len);
        self.running = Some(Running { id, parts, len, answer, stop, came: None });
        Ok(Hash::Later)
    }

    /// Nobody comes for this one any more.
    pub(crate) fn forget(&mut self, id: &str) {
        self.running.take_if(|running| running.id == id);
    }
}
