//! Rings that `clips import` left below `{data_dir}/import`: who asks to be forgotten is forgotten there too.
//!
//! Each has a name, a lock and an audit log of its own, and no thread. [`delete`] asks the daemon's ring and those
//! that have something of it, at once: such a ring is opened, does what the daemon's does (`deleting`), its audit log says
//! so, and is closed. An interval in UTC is looked for by the file's own time, a game by when it was played, since
//! nothing of an import knows of games. Whoever asked may leave: it goes on.
//!
//! Fails: an import that is under way holds its ring, and nobody knows yet what it will have of it: refused, with
//! what to do, while the daemon's own goes all the same. What a stop cut is done at the next start ([`finish`]).

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::clips::audit::{self, AuditRead};
use crate::clips::deleting::UTC_SLACK_NS;
use crate::clips::desk::{
    FragmentDurable, FragmentSink, RingError, RingMeters, RingParts, RingSettings,
};
use crate::clips::files::Places;
use crate::clips::index::SegmentEntry;
use crate::clips::keeping::{Delete, DeleteWhat, Deleted, DeletedImport, Interval};
use crate::clips::reader::RingReader;
use crate::clips::ring::Ring;
use crate::clips::shelf::{Imports, Shelf, ShelfError};
use crate::clips::timeline::Ticks;
use crate::disk::{Disk, LockError};
use crate::mailbox::{Mailbox, Tally, WhenFull};
use crate::media::{CourtId, Foreign, UtcTime};

/// A deletion takes the ring some rounds of its threads' work, which nothing else disturbs.
const ROUNDS: usize = 64;
/// An import's ring never evicts.
const ENDLESS: u64 = 1 << 50;

/// What was deleted in an import.
type Found = (DeletedImport, Deleted);

/// Deletes on demand, in the daemon's ring and in imports. Answers when it is gone and the audit logs say so.
///
/// # Errors
/// [`ShelfError`], as of [`Shelf::delete`]; `NotRecorded` where neither has anything of it.
pub async fn delete(shelf: &Shelf, delete: Delete) -> Result<Deleted, ShelfError> {
    let begun = shelf.imports().map(|imports| begin(imports, wishes(shelf, &delete)));
    let own = shelf.delete(delete).await;
    let Some(begun) = begun.transpose().map_err(ShelfError::Disk)? else { return own };
    together(own, begun.await.map_err(|_| ShelfError::Busy)??)
}

/// Every import and its audit log.
///
/// # Errors
/// What the file system says.
pub fn audits(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<(String, AuditRead)>> {
    let read = |(name, ring): (String, PathBuf)| {
        audit::read(disk, &Places::new(&ring).audit()).map(|read| (name, read))
    };
    let mut audits: Vec<_> = rings(disk, dir)?.into_iter().map(read).collect::<Result<_, _>>()?;
    audits.retain(|(_, (records, damaged))| !records.is_empty() || *damaged > 0);
    Ok(audits)
}

/// Does what a stop left undone in imports, on a thread of its own.
///
/// # Errors
/// There is no thread to be had.
pub fn finish(shelf: &Shelf) -> io::Result<()> {
    let Some(imports) = shelf.imports() else { return Ok(()) };
    let run = move || {
        for (name, ring) in rings(&*imports.disk, &imports.dir).unwrap_or_default() {
            let undone = || {
                let read = audit::read(&*imports.disk, &Places::new(&ring).audit());
                read.is_ok_and(|(records, _)| !audit::open(&records).is_empty())
            };
            if !undone() {
                continue;
            }
            match open(&imports, &ring) {
                Ok(mut opened) => {
                    for _ in 0..ROUNDS {
                        opened.pump();
                        if !undone() {
                            break;
                        }
                    }
                    opened.join();
                }
                Err(error) => warn!(import = name, %error, "a deletion on demand is not finished"),
            }
        }
    };
    std::thread::Builder::new().name("imports".to_owned()).spawn(run).map(drop)
}

/// What is looked for in imports, and by whom.
struct Wishes {
    what: Vec<DeleteWhat>,
    reason: Option<Foreign>,
    by: Foreign,
}

fn wishes(shelf: &Shelf, delete: &Delete) -> Wishes {
    let what = match &delete.what {
        DeleteWhat::Game(id) => {
            let played = shelf.game(id.as_str());
            let walls = played.into_iter().flat_map(|game| {
                let to = game.to.or_else(|| shelf.utc()).unwrap_or(game.from);
                game.courts.into_iter().map(move |court| {
                    let (court, from) = (Some(court), game.from);
                    DeleteWhat::Interval(Interval::Wall { court, from, to })
                })
            });
            walls.collect()
        }
        other => vec![other.clone()],
    };
    Wishes { what, reason: delete.reason.clone(), by: delete.by.clone() }
}

/// Begins it on a thread that nobody has to wait for.
fn begin(
    imports: Imports,
    wishes: Wishes,
) -> io::Result<oneshot::Receiver<Result<Vec<Found>, ShelfError>>> {
    let (reply, answer) = oneshot::channel();
    // Whoever asked may be gone.
    let run = move || drop(reply.send(in_all(&imports, &wishes)));
    std::thread::Builder::new().name("imports".to_owned()).spawn(run)?;
    Ok(answer)
}

/// In one after the other; one that refuses holds up no other.
fn in_all(imports: &Imports, wishes: &Wishes) -> Result<Vec<Found>, ShelfError> {
    let (mut found, mut refused) = (Vec::new(), None);
    for (name, ring) in rings(&*imports.disk, &imports.dir).map_err(ShelfError::Disk)? {
        match in_one(imports, &ring, wishes) {
            Ok(deleted) => {
                for deleted in deleted {
                    let number = deleted.number;
                    info!(import = name, deletion = number, "deleted on demand in an import");
                    found.push((DeletedImport { import: name.clone(), number }, deleted));
                }
            }
            Err(error) => refused = Some(refused.unwrap_or(error)),
        }
    }
    refused.map_or(Ok(found), Err)
}

fn in_one(imports: &Imports, ring: &Path, wishes: &Wishes) -> Result<Vec<Deleted>, ShelfError> {
    let reader = RingReader::open(ring, Arc::clone(&imports.disk)).map_err(ShelfError::Disk)?;
    let wanted: Vec<_> = wishes.what.iter().filter_map(|what| has(&reader, what)).collect();
    if wanted.is_empty() {
        // Of one that is under way nobody knows yet what it will have of a time.
        let may_come =
            |what: &DeleteWhat| matches!(what, DeleteWhat::Interval(Interval::Wall { .. }));
        let held =
            || matches!(imports.disk.lock(&Places::new(ring).lock()), Err(LockError::InUse { .. }));
        return match wishes.what.iter().any(may_come) && held() {
            true => Err(under_way()),
            false => Ok(Vec::new()),
        };
    }
    let mut opened = open(imports, ring).map_err(|error| match error {
        RingError::InUse(_) => under_way(),
        error => {
            ShelfError::Disk(io::Error::other(format!("the import in {}: {error}", ring.display())))
        }
    })?;
    let mut deleted = Vec::new();
    let mut refused = None;
    for what in wanted {
        let (reason, by) = (wishes.reason.clone(), wishes.by.clone());
        match ask(&mut opened, Delete { what, reason, by }) {
            Ok(done) => deleted.push(done),
            Err(ShelfError::NoSuchClip | ShelfError::NotRecorded { .. }) => {}
            Err(error) => refused = Some(error),
        }
    }
    opened.join();
    refused.map_or(Ok(deleted), Err)
}

fn under_way() -> ShelfError {
    let why =
        "an import that has some of it, or may come to it, is under way: ask again once it is over";
    ShelfError::Disk(io::Error::other(why))
}

fn ask(ring: &mut Ring, delete: Delete) -> Result<Deleted, ShelfError> {
    let mut answer = ring.shelf().asks_to_delete(delete)?;
    for _ in 0..ROUNDS {
        ring.pump();
        match answer.try_recv() {
            Ok(done) => return Ok(done?),
            Err(oneshot::error::TryRecvError::Empty) => {}
            Err(oneshot::error::TryRecvError::Closed) => break,
        }
    }
    Err(ShelfError::Busy)
}

/// What is asked for, as this ring may have it.
fn has(reader: &RingReader, what: &DeleteWhat) -> Option<DeleteWhat> {
    let any = |is: &dyn Fn(&SegmentEntry) -> bool| reader.segments().any(is);
    match what {
        DeleteWhat::Clip(id) => {
            reader.shelf().ok()?.read(id).ok()?;
            Some(what.clone())
        }
        DeleteWhat::Session(session) => {
            let session = session.to_string();
            any(&|entry| entry.session == session).then(|| what.clone())
        }
        DeleteWhat::Interval(Interval::Stream { court, session, .. }) => {
            let session = session.to_string();
            let is = |entry: &SegmentEntry| {
                entry.session == session && court.as_ref().is_none_or(|name| entry.court == *name)
            };
            any(&is).then(|| what.clone())
        }
        DeleteWhat::Interval(Interval::Wall { court, from, to }) => {
            let (since, until) = (from.plus_nanos(-UTC_SLACK_NS), to.plus_nanos(UTC_SLACK_NS));
            let at = |entry: &SegmentEntry, ticks| reader.utc_in(entry.id, Ticks(ticks));
            let is = |entry: &&SegmentEntry| {
                let (begins, ends) = (at(entry, entry.start), at(entry, entry.end));
                court.as_ref().is_none_or(|name| entry.court == *name)
                    && begins.is_some_and(|begins| begins <= until)
                    && ends.is_some_and(|ends| ends >= since)
            };
            let found: BTreeSet<CourtId> =
                reader.segments().filter(is).map(|entry| entry.court.clone()).collect();
            // An import is of one court.
            let court = found.into_iter().next()?;
            let (from, to): (UtcTime, UtcTime) = (*from, *to);
            Some(DeleteWhat::Interval(Interval::Wall { court: Some(court), from, to }))
        }
        DeleteWhat::Interval(Interval::Last { .. }) | DeleteWhat::Game(_) => None,
    }
}

struct Deaf;

impl FragmentSink for Deaf {
    fn fragment(&self, _: &FragmentDurable) {}
}

/// A ring that nothing is recorded into.
fn open(imports: &Imports, ring: &Path) -> Result<Ring, RingError> {
    let unmeasured = || Histogram::new([1.0]);
    let settings = RingSettings {
        keep_free_bytes: 0,
        ballast_bytes: 0,
        ..RingSettings::new(ring.to_owned(), ENDLESS)
    };
    Ring::open(RingParts {
        settings,
        disk: Arc::clone(&imports.disk),
        clock: Arc::clone(&imports.clock),
        courts: Vec::new(),
        orders: Mailbox::new(1, WhenFull::DropNewest, Tally::default()),
        done: Mailbox::new(1, WhenFull::DropNewest, Tally::default()),
        sink: Arc::new(Deaf),
        news: None,
        wall: None,
        games: None,
        meters: RingMeters { write_seconds: unmeasured(), fsync_seconds: unmeasured() },
    })
}

/// The rings of all imports, by name: those that are kept while they are made anew, too.
fn rings(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let or_none = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(Vec::new()),
        _ => Err(error),
    };
    let mut rings = Vec::new();
    for entry in disk.list(dir).or_else(or_none)? {
        let ring = dir.join(&entry.name).join("ring");
        if entry.is_dir && disk.names(&Places::new(&ring).segments).is_ok() {
            rings.push((entry.name, ring));
        }
    }
    rings.sort();
    Ok(rings)
}

/// What both came to. What the daemon's ring never had is no error where an import had it.
fn together(own: Result<Deleted, ShelfError>, found: Vec<Found>) -> Result<Deleted, ShelfError> {
    let mut all = match own {
        Ok(own) => own,
        Err(ShelfError::NoSuchClip | ShelfError::NotRecorded { .. }) if !found.is_empty() => {
            Deleted::default()
        }
        Err(error) => return Err(error),
    };
    for (import, deleted) in found {
        all.clips.extend(deleted.clips);
        all.segments += deleted.segments;
        all.holed += deleted.holed;
        all.bytes += deleted.bytes;
        all.imports.push(import);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::clips::audit::AuditRecord;
    use crate::clips::games::{GameTime, Games};
    use crate::clips::synthetic::tenths;
    use crate::clips::test_ring::{TestRing, meters, settings};
    use crate::clock::{Clock, ManualClock};
    use crate::disk::ForgetfulDisk;
    use crate::media::{GameId, MediaTime, SessionId};

    const DIR: &str = "/data/import";
    const IMPORTED: SessionId = SessionId::from_bits(0x1a);
    /// When the recording began.
    const BEGAN: UtcTime = UtcTime::from_nanos(1_700_000_000_000_000_000);

    struct Played(BTreeMap<String, GameTime>);

    impl Games for Played {
        fn game(&self, id: &str) -> Option<GameTime> {
            self.0.get(id).cloned()
        }

        fn at(&self, _: &CourtId, _: UtcTime) -> Option<GameId> {
            None
        }
    }

    /// An import of six seconds that began when it is said, with a clip.
    fn imported(disk: &ForgetfulDisk, name: &str) -> PathBuf {
        let dir = Path::new(DIR).join(name).join("ring");
        let settings = RingSettings { recorded: Some(BEGAN), ..settings(dir.clone()) };
        let mut ring = TestRing::open(settings, Arc::new(disk.clone())).expect("a ring");
        ring.opened(IMPORTED);
        tenths(IMPORTED, 0..60, 20).for_each(|item| ring.feed(item));
        ring.closed(IMPORTED);
        ring.request("of-import", IMPORTED, (1200, 1900));
        assert_eq!(ring.told(), ["of-import"]);
        ring.join();
        dir
    }

    /// The daemon's ring, which is empty, with a game that was played from the recording's first second to its third.
    fn daemon(disk: &ForgetfulDisk) -> Ring {
        let court = CourtId::new("a").expect("a name");
        let second = |n: i64| BEGAN.plus_nanos(n * 1_000_000_000);
        let game = GameTime { courts: vec![court], from: second(1), to: Some(second(3)) };
        let clock = ManualClock::at(UtcTime::from_nanos(1_800_000_000_000_000_000));
        let mut ring = Ring::open(RingParts {
            settings: RingSettings { imports: Some(DIR.into()), ..settings("/data/ring".into()) },
            disk: Arc::new(disk.clone()),
            clock: Arc::new(clock) as Arc<dyn Clock>,
            courts: Vec::new(),
            orders: Mailbox::new(9, WhenFull::DropNewest, Tally::default()),
            done: Mailbox::new(9, WhenFull::DropNewest, Tally::default()),
            sink: Arc::new(Deaf),
            news: None,
            wall: None,
            games: Some(Arc::new(Played(BTreeMap::from([("cup".to_owned(), game)])))),
            meters: meters(),
        })
        .expect("a ring");
        ring.start().expect("threads");
        ring
    }

    fn wish(what: DeleteWhat) -> Delete {
        Delete { what, reason: Some(Foreign::text("asked")), by: Foreign::told("a test") }
    }

    fn wall(from: i64, to: i64) -> DeleteWhat {
        let at = |ms: i64| BEGAN.plus_nanos(ms * 1_000_000);
        let court = CourtId::new("a").ok();
        DeleteWhat::Interval(Interval::Wall { court, from: at(from), to: at(to) })
    }

    fn asked(ring: &Ring, what: DeleteWhat) -> Result<Deleted, ShelfError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(delete(&ring.shelf(), wish(what)))
    }

    /// Asked and done, in words.
    fn audited(disk: &ForgetfulDisk) -> Vec<String> {
        let word = |record: &AuditRecord| match record {
            AuditRecord::Format(_) => None,
            AuditRecord::Asked(asked) => Some(format!("asked by {}", asked.who)),
            AuditRecord::Done { bytes, .. } => Some(format!("done {}", *bytes > 0)),
            AuditRecord::Failed { why, .. } => Some(format!("failed {why}")),
        };
        let audits = audits(disk, Path::new(DIR)).expect("read");
        let records = audits.iter().flat_map(|(_, (records, _))| records);
        records.filter_map(word).collect()
    }

    fn left(disk: &ForgetfulDisk, ring: &Path) -> usize {
        RingReader::open(ring, Arc::new(disk.clone())).expect("read").segments().count()
    }

    #[test]
    fn what_is_named_by_clip_session_time_or_game_goes_in_imports_and_their_audit_log_says_so() {
        let seconds = |a: i64, b: i64| {
            let (from, to) = (MediaTime::from_millis(a * 1000), MediaTime::from_millis(b * 1000));
            DeleteWhat::Interval(Interval::Stream { court: None, session: IMPORTED, from, to })
        };
        let game = DeleteWhat::Game(GameId::new("cup").expect("a name"));
        for what in [
            DeleteWhat::Clip("of-import".to_owned()),
            DeleteWhat::Session(IMPORTED),
            seconds(1, 2),
            wall(1000, 2000),
            game,
        ] {
            let disk = ForgetfulDisk::new();
            let ring = imported(&disk, "abc");
            let daemon = daemon(&disk);
            let deleted = asked(&daemon, what.clone()).unwrap_or_else(|e| panic!("{what:?}: {e}"));
            assert_eq!(deleted.clips, ["of-import"], "{what:?}");
            assert_eq!(deleted.imports, [DeletedImport { import: "abc".to_owned(), number: 1 }]);
            assert!(deleted.bytes > 0, "{what:?}");
            assert_eq!(audited(&disk), ["asked by a test", "done true"], "{what:?}");
            let shelf = RingReader::open(&ring, Arc::new(disk.clone())).expect("read").shelf();
            let clip = shelf.expect("a shelf").read("of-import").expect("its entry stays");
            assert!(clip.media.is_none() && !clip.pinned && clip.deleted_ns.is_some(), "{clip:?}");
            daemon.join();
        }
    }

    #[test]
    fn an_import_of_another_time_or_session_is_left_alone_and_what_nobody_has_is_said() {
        let disk = ForgetfulDisk::new();
        let ring = imported(&disk, "abc");
        let daemon = daemon(&disk);
        let other = SessionId::from_bits(0x77);
        for what in [wall(60_000, 70_000), DeleteWhat::Session(other), DeleteWhat::Clip("x".into())]
        {
            let error = asked(&daemon, what.clone()).expect_err("nothing of it");
            let is = matches!(error, ShelfError::NotRecorded { .. } | ShelfError::NoSuchClip);
            assert!(is, "{what:?}: {error}");
        }
        assert_eq!((left(&disk, &ring), audited(&disk)), (1, Vec::new()));
        // While it is under way its ring is held: it is said, and nothing of it goes.
        let imports = daemon.shelf().imports().expect("imports");
        let held = open(&imports, &ring).expect("opened");
        let error = asked(&daemon, DeleteWhat::Session(IMPORTED)).expect_err("it is held");
        assert!(error.to_string().contains("ask again once it is over"), "{error}");
        // Nor does anybody know whether it comes to a time that it has not recorded yet.
        let error = asked(&daemon, wall(60_000, 70_000)).expect_err("it may come");
        assert!(error.to_string().contains("ask again once it is over"), "{error}");
        held.join();
        asked(&daemon, DeleteWhat::Session(IMPORTED)).expect("gone");
        assert_eq!(left(&disk, &ring), 0);
        daemon.join();
    }
}
