//! `ring/news.log`: what the world has to be told of clips, until the outbox has it.
//!
//! A line is `{checksum} {JSON}\n`. `due` is synced before the change on disk that it tells of. `told`
//! says that the outbox has all up to it, and is not synced: lost, they are told again. Once nothing
//! waits, all lines but the first are cut off. A line that rots is left out, those behind it are read; the log as it
//! was goes aside before that, and it is told.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use crate::clips::clip::{Clip, MAX_JSON, NoEntry};
use crate::clips::files::{Log, Places};
use crate::clips::index::ClipBrief;
use crate::clips::lines::{index_format, line, rot, whole};
use crate::disk::{
    Disk, Format, OpenHow, Wrong, copy_by, is_harm, put_by, read_whole, write_durably,
};
use crate::event::clip::ClipTold;
use crate::event::words::ClipWord;
use crate::event::{Event, FactId, Saying};
use crate::media::{CourtId, MediaTime};

/// The format of the log of news that this version writes.
pub const NEWS_FORMAT: Format = Format::FIRST;
/// No log is longer: ten times what may wait.
const MAX_LOG: u64 = 64 << 20;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum NewsRecord {
    /// How the lines are to be read: the first one.
    Format(Format),
    /// It is to be told, once the change that it tells of is on disk.
    Due(Box<Item>),
    /// The outbox has all up to this one on its disk.
    Told {
        /// Counts the news.
        n: u64,
    },
}

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    /// Counts the news of a log.
    pub(crate) n: u64,
    court: CourtId,
    fact: FactId,
    revision: u32,
    at_ns: i64,
    told: ClipTold,
}

impl Item {
    /// `None` of an event that tells of no clip.
    fn of(n: u64, event: Event) -> Option<Self> {
        let Saying::Clip(told) = event.saying else { return None };
        let Event { court, fact, revision, at, .. } = event;
        Some(Self { n, court, fact, revision, at_ns: at.as_nanos(), told })
    }

    /// The clip that it tells of.
    pub(crate) fn of_clip(&self) -> &str {
        &self.told.id
    }

    /// What it says became of it.
    pub(crate) const fn state(&self) -> ClipWord {
        self.told.state
    }

    /// As it is told.
    pub(crate) fn event(&self) -> Event {
        Event {
            court: self.court.clone(),
            session: self.fact.session,
            game: None,
            fact: self.fact,
            revision: self.revision,
            attempt: 0,
            at: MediaTime::from_nanos(self.at_ns),
            saying: Saying::Clip(self.told.clone()),
            clip: None,
        }
    }

    /// Whether it came about, by what is on disk: a cut between its line and the change leaves the line.
    ///
    /// A clip that is not known any more was, or its bytes could not have gone.
    fn came_about(&self, disk: &dyn Disk, places: &Places, brief: Option<&ClipBrief>) -> bool {
        match self.told.state {
            ClipWord::Gone => brief.is_none_or(|brief| brief.gone_ns.is_some()),
            // What a later version wrote is believed.
            ClipWord::Other => true,
            ClipWord::Kept | ClipWord::Deleted if brief.is_some_and(|brief| brief.unread) => true,
            ClipWord::Deleted => brief.is_none_or(|brief| brief.gone_ns.is_some()),
            ClipWord::Kept => {
                let read = brief.map(|brief| read_whole(disk, &places.clip(&brief.id), MAX_JSON));
                let Some(Ok(bytes)) = read else { return false };
                match Clip::read(&bytes) {
                    Ok(clip) => {
                        clip.revision >= self.revision
                            && (clip.kept.is_some() || clip.deleted_ns.is_some())
                    }
                    Err(NoEntry::Newer(_)) => true,
                    Err(NoEntry::Damaged) => false,
                }
            }
        }
    }
}

/// The log, for who writes it. Made with its first line.
#[derive(Debug)]
pub(crate) struct NewsLog {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    log: Option<Log>,
    next: u64,
    /// Read at the start: what no `told` stands behind, in order.
    found: Vec<Item>,
}

impl NewsLog {
    /// Reads what a stop left. What is no log of ours is put aside.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn open(disk: Arc<dyn Disk>, places: &Places) -> io::Result<Self> {
        let path = places.news();
        let bytes = match read_whole(&*disk, &path, MAX_LOG) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if is_harm(&error) => {
                put_by(&*disk, &path, Wrong::Damaged(error.to_string()));
                None
            }
            Err(error) => return Err(error),
        };
        let Some(bytes) = bytes else {
            return Ok(Self { disk, path, log: None, next: 1, found: Vec::new() });
        };
        let format = index_format(&bytes);
        if !format.is_read_by(NEWS_FORMAT) {
            put_by(&*disk, &path, Wrong::Newer(format));
            return Ok(Self { disk, path, log: None, next: 1, found: Vec::new() });
        }
        let (found, next) = due(&bytes);
        if let Some(why) = rot(&bytes) {
            // Order: a copy of it as it was → what can be read in its place. A cut in between copies it again.
            copy_by(&*disk, &path, &bytes, why);
            let records = found.iter().map(|item| NewsRecord::Due(Box::new(item.clone())));
            let good: Vec<u8> =
                head().into_iter().chain(records.flat_map(|one| line(&one))).collect();
            write_durably(&*disk, &path, &good)?;
        } else if !bytes.ends_with(b"\n") {
            warn!(path = %path.display(), "the last line of the news is torn: left out");
        }
        Ok(Self { disk, path, log: None, next, found })
    }

    /// Lets go what a stop left of changes that did not come about.
    pub(crate) fn hold_against<'a>(
        &mut self,
        places: &Places,
        brief: impl Fn(&str) -> Option<&'a ClipBrief>,
    ) {
        let disk = Arc::clone(&self.disk);
        self.found.retain(|item| {
            let is = item.came_about(&*disk, places, brief(item.of_clip()));
            if !is {
                debug!(clip = item.of_clip(), state = %item.state(), "it never came about: not told");
            }
            is
        });
    }

    /// True if a stop left news that a clip's bytes went.
    pub(crate) fn knows_gone(&self, clip: &str) -> bool {
        self.found.iter().any(|item| item.of_clip() == clip && item.state() == ClipWord::Gone)
    }

    /// The same as [`Self::due`] for what a start finds out, behind what was found.
    pub(crate) fn found_out(&mut self, events: Vec<Event>) {
        let (items, written) = self.due(events);
        if let Err(error) = written {
            warn!(%error, "news of clips are not on disk: a stop before they are told loses them");
        }
        self.found.extend(items);
    }

    /// What is to be told, from a stop before.
    pub(crate) fn take_found(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.found)
    }

    /// Gives each a number and writes its line; they are on disk if that went well. How many bytes that was.
    pub(crate) fn due(&mut self, events: Vec<Event>) -> (Vec<Item>, io::Result<u64>) {
        let first = self.next;
        let items: Vec<_> =
            (first..).zip(events).filter_map(|(n, event)| Item::of(n, event)).collect();
        self.next = items.last().map_or(first, |item| item.n + 1);
        if items.is_empty() {
            return (items, Ok(0));
        }
        let lines: Vec<u8> =
            items.iter().flat_map(|item| line(&NewsRecord::Due(Box::new(item.clone())))).collect();
        let written = self.append(&lines, true);
        (items, written.map(|()| lines.len() as u64))
    }

    /// The outbox has all up to this one. `rest`: others wait yet.
    pub(crate) fn told(&mut self, n: u64, rest: bool) {
        let done =
            if rest { self.append(&line(&NewsRecord::Told { n }), false) } else { self.cut() };
        if let Err(error) = done {
            debug!(%error, "what was told of clips is not on disk: a start tells it again");
        }
    }

    fn append(&mut self, lines: &[u8], sync: bool) -> io::Result<()> {
        let mut bytes = Vec::new();
        let log = match &mut self.log {
            Some(log) => log,
            None => {
                // It never has its name without its first line: without that it is damaged.
                match self.disk.open(&self.path, OpenHow::Read) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        write_durably(&*self.disk, &self.path, &head())?;
                    }
                    opened => drop(opened?),
                }
                let file = self.disk.open(&self.path, OpenHow::ReadWrite)?;
                let len = file.len()?;
                if len > head().len() as u64 {
                    bytes.extend(b"\n\n"); // ends what a power cut may have torn, and says so
                }
                self.log.insert(Log::new(file, len))
            }
        };
        bytes.extend(lines);
        let written = log.append(&bytes).and_then(|()| if sync { log.sync() } else { Ok(()) });
        if written.is_err() {
            self.log = None; // nothing is known of its end: looked at again
        }
        written
    }

    /// Nothing waits. Not synced: lines that come back are told again.
    fn cut(&mut self) -> io::Result<()> {
        let cut = match &mut self.log {
            Some(log) => log.cut(head().len() as u64),
            None => {
                let file = self.disk.open(&self.path, OpenHow::ReadWrite)?;
                file.set_len(file.len()?.min(head().len() as u64))
            }
        };
        if cut.is_err() {
            self.log = None;
        }
        cut
    }
}

fn head() -> Vec<u8> {
    line(&NewsRecord::Format(NEWS_FORMAT))
}

/// What waits in a log, in order, and the next number.
fn due(bytes: &[u8]) -> (Vec<Item>, u64) {
    let (mut items, mut next) = (Vec::<Item>::new(), 1);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let record = whole(line).and_then(|json| serde_json::from_slice(json).ok());
        match record {
            Some(NewsRecord::Due(item)) => {
                next = next.max(item.n.saturating_add(1));
                items.push(*item);
            }
            Some(NewsRecord::Told { n }) => items.retain(|item| item.n > n),
            Some(NewsRecord::Format(_)) | None => {}
        }
    }
    (items, next)
}
