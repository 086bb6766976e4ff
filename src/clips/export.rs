//! Films out of a ring's files: any intervals, in as few MP4 as players allow ([`film`](crate::clips::film)).
//!
//! Reads the ring as [`RingReader`] found it and takes no lock, so a daemon may record meanwhile. A segment
//! that goes while a film of it is read ends the reading with `NotFound`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clips::cut::Piece;
use crate::clips::files::{CHUNK, open_segment, read_moof, read_part};
use crate::clips::film::{
    Chapter, Entry, HELD, Reel, Scene, SoundEntry, Stretch, entries, film_time, joined, lay_out,
    samples, scenes,
};
use crate::clips::fragment::{Scanned, Verify};
use crate::clips::index::{SegmentEntry, SegmentNumber};
use crate::clips::reader::{RingReader, damage_in};
use crate::clips::timeline::Ticks;
use crate::disk::{Disk, DiskFile, OpenHow};
use crate::media::{CourtId, MediaTime, SessionId, UtcTime};

/// Segments of a film that are kept open, so that none of them is gone before it was read. Chosen: a
/// process may have 1,024 files; what is beyond is opened when its turn comes.
const KEPT_OPEN: usize = 256;

/// An interval that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its court.
    pub court: CourtId,
    /// Its session.
    pub session: SessionId,
    /// First moment.
    pub from: MediaTime,
    /// Last moment.
    pub to: MediaTime,
    /// What its chapter is called, beside the time; may be empty.
    pub title: String,
}

/// What becomes of scenes that no player takes in the same file: of another codec, or another sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apart {
    /// They are other files.
    Files,
    /// Most of what is wanted decides; what has another codec is left out, another sound is silent.
    LeftOut,
}

/// In which order what is wanted is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// As it was played.
    AsPlayed,
    /// As it is named; what overlaps stands where the last of it is named.
    AsNamed,
}

/// What a ring has of what was wanted.
#[derive(Debug)]
pub struct Films {
    /// In order.
    pub films: Vec<Film>,
    /// What is not in them, or not as it was, in words.
    pub told: Vec<String>,
}

/// A film: an MP4 that can be read from end to end.
#[derive(Debug)]
pub struct Film {
    /// What it shows, in order.
    pub shown: Vec<Shown>,
    disk: Arc<dyn Disk>,
    pieces: Vec<Piece>,
    files: Vec<Segment>,
}

/// A scene of a film.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its court.
    pub court: CourtId,
    /// Its session.
    pub session: SessionId,
    /// Where in the film it begins, seconds.
    pub at_s: f64,
    /// Media time of its first picture.
    pub start: MediaTime,
    /// Media time of its end.
    pub end: MediaTime,
    /// What the box's clock showed at its first picture, to about a second.
    pub utc: Option<UtcTime>,
}

#[derive(Clone, Debug)]
struct Segment {
    path: PathBuf,
    file: Option<Arc<dyn DiskFile>>,
}

impl Film {
    /// Length of the MP4.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Gives its bytes in chunks, until `sink` has enough.
    ///
    /// # Errors
    /// What the file system says; `NotFound` when a segment was evicted meanwhile.
    pub fn read(&self, mut sink: impl FnMut(Vec<u8>) -> bool) -> io::Result<()> {
        let mut last: Option<(usize, Arc<dyn DiskFile>)> = None;
        for piece in &self.pieces {
            match piece {
                Piece::Memory(bytes) => {
                    if !bytes.chunks(CHUNK).all(|chunk| sink(chunk.to_vec())) {
                        return Ok(());
                    }
                }
                Piece::File { part, offset, len } => {
                    let file = match &last {
                        Some((open, file)) if open == part => Arc::clone(file),
                        _ => self.open(*part)?,
                    };
                    last = Some((*part, Arc::clone(&file)));
                    let (mut at, end) = (*offset, offset + len);
                    while at < end {
                        let n = usize::try_from(end - at).unwrap_or(usize::MAX).min(CHUNK);
                        if !sink(read_part(&*file, at, n)?) {
                            return Ok(());
                        }
                        at += n as u64;
                    }
                }
            }
        }
        Ok(())
    }

    fn open(&self, part: usize) -> io::Result<Arc<dyn DiskFile>> {
        let segment = self.files.get(part).ok_or(io::ErrorKind::NotFound)?;
        match &segment.file {
            Some(file) => Ok(Arc::clone(file)),
            None => Ok(Arc::from(self.disk.open(&segment.path, OpenHow::Read)?)),
        }
    }
}

impl RingReader {
    /// The intervals of a court's sessions in which the box's clock showed `from` to `to`. Right to about
    /// a second; sessions that were recorded before the clock was set are not among them.
    #[must_use]
    pub fn between(&self, court: &CourtId, (from, to): (UtcTime, UtcTime)) -> Vec<Wanted> {
        let mut found: Vec<Wanted> = Vec::new();
        for entry in self.segments().filter(|entry| entry.court == *court) {
            let Some(session) = SessionId::parse(&entry.session) else { continue };
            let times = self.media_at(entry.id, from).zip(self.media_at(entry.id, to));
            let Some((first, last)) = times else { continue };
            if last.0 < entry.start || first.0 > entry.end {
                continue;
            }
            let to = last.media();
            // No farther than the session goes: what is between two is nobody's loss.
            let (from, to) = (first.media().max(Ticks(entry.start).media()), to);
            let to = to.min(Ticks(entry.end).media());
            match found.iter_mut().find(|wanted| wanted.session == session) {
                Some(wanted) => wanted.to = to,
                None => found.push(Wanted {
                    court: court.clone(),
                    session,
                    from,
                    to,
                    title: String::new(),
                }),
            }
        }
        found
    }

    /// Joins intervals to films; what overlaps is shown once.
    ///
    /// # Errors
    /// `NotFound` when nothing of them is in the ring; or what the file system says.
    pub fn films(
        &self,
        wanted: &[Wanted],
        title: Option<&str>,
        (sequence, apart): (Sequence, Apart),
    ) -> io::Result<Films> {
        let mut gathered = Gathered {
            ring: self,
            entries: Vec::new(),
            sounds: Vec::new(),
            files: Vec::new(),
            stretches: BTreeMap::new(),
            damaged: Vec::new(),
        };
        let mut told = Vec::new();
        let mut takes = Vec::new();
        for group in groups(wanted) {
            takes.extend(gathered.takes(&group, &mut told)?);
            told.extend(gathered.damage(&group));
        }
        if takes.is_empty() {
            let text = "nothing of this is in the ring: it was never recorded, or evicted";
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        takes.sort_by_key(|take: &Take| match sequence {
            Sequence::AsPlayed => take.order,
            Sequence::AsNamed => i64::try_from(take.named).unwrap_or(i64::MAX),
        });
        let parts = match apart {
            Apart::Files => gathered.files_of(takes),
            Apart::LeftOut => vec![gathered.most_of(takes, &mut told)],
        };
        let films = parts.into_iter().map(|part| gathered.film(&part, title)).collect();
        Ok(Films { films, told })
    }
}

/// What is wanted of one session.
struct Group<'a> {
    court: &'a CourtId,
    session: SessionId,
    /// The title of each, and as the how many-th of all it is named.
    wanted: Vec<(Ticks, Ticks, (usize, &'a str))>,
}

fn groups(wanted: &[Wanted]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (named, one) in wanted.iter().enumerate() {
        let told = (named, one.title.as_str());
        let interval = (Ticks::of(one.from), Ticks::of(one.to), told);
        let same =
            |group: &&mut Group<'_>| group.session == one.session && *group.court == one.court;
        match groups.iter_mut().find(same) {
            Some(group) => group.wanted.push(interval),
            None => groups.push(Group {
                court: &one.court,
                session: one.session,
                wanted: vec![interval],
            }),
        }
    }
    groups
}

/// A scene, with what is told of it.
struct Take {
    court: CourtId,
    session: SessionId,
    scene: Scene,
    utc: Option<UtcTime>,
    /// Of one session by its own time, of several by the box's clock, which may step.
    order: i64,
    /// As the how many-th of what is wanted it is named, the last of it.
    named: usize,
    /// Media times in it at which a chapter begins, and what they are called.
    chapters: Vec<(Ticks, String)>,
}

/// What was read of the ring, by number.
struct Gathered<'a> {
    ring: &'a RingReader,
    entries: Vec<Entry>,
    sounds: Vec<SoundEntry>,
    files: Vec<Segment>,
    stretches: BTreeMap<SegmentNumber, Stretch>,
    /// Segments with something that cannot be read.
    damaged: Vec<(SegmentEntry, Scanned)>,
}

impl Gathered<'_> {
    /// The scenes of a session.
    fn takes(&mut self, group: &Group<'_>, told: &mut Vec<String>) -> io::Result<Vec<Take>> {
        let mut segments = BTreeMap::new();
        for (from, to, _) in &group.wanted {
            for entry in self.ring.around(group.court, group.session, (*from, *to)) {
                self.read(&entry)?;
                segments.insert(entry.id, entry);
            }
        }
        let stretches: Vec<Stretch> =
            segments.keys().filter_map(|id| self.stretches.get(id)).cloned().collect();
        let mut takes = Vec::new();
        let mut order = i64::MIN;
        for (from, to, titles) in joined(group.wanted.clone()) {
            let found = scenes(&stretches, from, to);
            let name = format!("court {}, session {}", group.court, group.session);
            tell(told, &name, (from, to), &found);
            let count = found.len();
            let named = titles.iter().map(|(_, (named, _))| *named).max().unwrap_or_default();
            for (n, scene) in found.into_iter().enumerate() {
                let (start, end) = (scene.start, scene.end);
                let utc_of = |at: Ticks| {
                    let segment = segments.values().rfind(|entry| entry.start <= at.0);
                    segment.and_then(|entry| self.ring.utc_in(entry.id, at))
                };
                let of_this = |at: Ticks| (n == 0 || at >= start) && (at < end || n + 1 == count);
                let mut chapters: Vec<_> = titles
                    .iter()
                    .filter(|(at, _)| of_this(*at))
                    .map(|(at, (_, title))| {
                        let shown = (*at).max(start);
                        (*at, chapter(title, shown, utc_of(shown)))
                    })
                    .collect();
                match chapters.first_mut() {
                    Some((at, _)) => *at = start,
                    None => chapters.push((start, chapter("", start, utc_of(start)))),
                }
                let utc = utc_of(start);
                order = order.max(utc.map_or(i64::MIN, UtcTime::as_nanos));
                let (court, session) = (group.court.clone(), group.session);
                takes.push(Take { court, session, scene, utc, order, named, chapters });
            }
        }
        Ok(takes)
    }

    /// What of it is damaged, in words.
    fn damage(&self, group: &Group<'_>) -> BTreeSet<String> {
        let session = group.session.to_string();
        let of_it = |entry: &SegmentEntry| entry.court == *group.court && entry.session == session;
        let all = self.damaged.iter().filter(|(entry, _)| of_it(entry));
        let times = || group.wanted.iter().map(|(from, to, _)| (*from, *to));
        all.flat_map(|(entry, scanned)| times().flat_map(|at| damage_in(entry, scanned, at)))
            .collect()
    }

    /// Reads what a segment has, once: whole fragments alone.
    fn read(&mut self, entry: &SegmentEntry) -> io::Result<()> {
        if self.stretches.contains_key(&entry.id) {
            return Ok(());
        }
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a segment is not what it was");
        let path = self.ring.path_of(entry);
        let opened = open_segment(&**self.ring.disk(), &path, entry.bytes, Verify::All)?;
        if opened.scanned.wrong(entry.bytes, Ticks(entry.end)).is_some() {
            self.damaged.push((entry.clone(), opened.scanned.clone()));
        }
        let file = self.files.len();
        let (video, sound) = entries(&opened.scanned.head).ok_or_else(damaged)?;
        let mut stretch = Stretch {
            entry: number(&mut self.entries, video, Entry::alike),
            sound: sound.map(|sound| {
                let clock = sound.clock;
                (number(&mut self.sounds, sound, PartialEq::eq), clock)
            }),
            ..Stretch::default()
        };
        let origins = opened.scanned.origins();
        let mut before = opened.scanned.head.len;
        // Nothing is decoded from what is damaged: not before the next key picture.
        let mut broken = false;
        for fragment in &opened.scanned.fragments {
            let gap = |(from, to): &(u64, u64)| *from < fragment.offset && *to > before;
            broken |= opened.scanned.damaged.iter().any(gap);
            before = fragment.end();
            let moof = read_moof(&*opened.file, fragment)?;
            let (mut pictures, sounds) =
                samples(&moof, fragment, origins, file).ok_or_else(damaged)?;
            if broken {
                let key = pictures.iter().position(|picture| picture.key);
                broken = key.is_none();
                pictures.drain(..key.unwrap_or(pictures.len()));
            }
            stretch.pictures.extend(pictures);
            stretch.sounds.extend(sounds);
        }
        let kept = (file < KEPT_OPEN).then_some(opened.file);
        self.files.push(Segment { path, file: kept });
        self.stretches.insert(entry.id, stretch);
        Ok(())
    }

    fn kind(&self, take: &Take) -> Option<[u8; 4]> {
        self.entries.get(take.scene.entry).map(|entry| entry.kind)
    }

    /// As many files as players need.
    fn files_of(&self, takes: Vec<Take>) -> Vec<Vec<Take>> {
        let mut parts: Vec<Vec<Take>> = Vec::new();
        for take in takes {
            let fits = parts.last().is_some_and(|part| {
                let sound = sound_of(part);
                part.last().is_some_and(|last| self.kind(last) == self.kind(&take))
                    && sound.zip(take.scene.sound).is_none_or(|(one, other)| one.0 == other.0)
            });
            match parts.last_mut() {
                Some(part) if fits => part.push(take),
                _ => parts.push(vec![take]),
            }
        }
        parts
    }

    /// What fits into one file, by most of the time.
    fn most_of(&self, takes: Vec<Take>, told: &mut Vec<String>) -> Vec<Take> {
        let long = |take: &Take| take.scene.end.since(take.scene.start).0;
        let most = most(takes.iter().map(|take| (self.kind(take), long(take))));
        let (mut taken, left): (Vec<_>, Vec<_>) =
            takes.into_iter().partition(|take| Some(self.kind(take)) == most);
        if !left.is_empty() {
            told.push(format!("{} scenes of another codec are left out", left.len()));
        }
        let heard = taken.iter().filter_map(|take| Some((take.scene.sound?.0, long(take))));
        let heard = self::most(heard);
        let mut silent = 0;
        for take in &mut taken {
            if take.scene.sound.is_some_and(|(sound, _)| Some(sound) != heard) {
                take.scene.sound = None;
                silent += 1;
            }
        }
        if silent > 0 {
            told.push(format!("{silent} scenes are silent: their sound is of another kind"));
        }
        taken
    }

    fn film(&self, takes: &[Take], title: Option<&str>) -> Film {
        let sound = sound_of(takes).and_then(|(n, _)| Some((n, self.sounds.get(n)?)));
        let scenes: Vec<Scene> = takes.iter().map(|take| take.scene.clone()).collect();
        let begins = film_time(&scenes);
        let mut chapters = Vec::new();
        let mut shown = Vec::new();
        for (take, &at) in takes.iter().zip(&begins) {
            let start = take.scene.start;
            chapters.extend(take.chapters.iter().map(|(moment, title)| Chapter {
                at: Ticks(at.0 + moment.since(start).0.max(0)),
                title: title.clone(),
            }));
            shown.push(Shown {
                court: take.court.clone(),
                session: take.session,
                at_s: at.media().as_secs_f64(),
                start: start.media(),
                end: take.scene.end.media(),
                utc: take.utc,
            });
        }
        if chapters.len() < 2 {
            chapters.clear(); // one that is all of it leads nowhere
        }
        let taken = takes.first().and_then(|take| take.utc).map_or(0, UtcTime::as_nanos);
        let reel = Reel {
            title,
            taken: u64::try_from(taken / 1_000_000_000).unwrap_or(0),
            scenes: &scenes,
            entries: &self.entries,
            sound,
            chapters: &chapters,
        };
        let (disk, files) = (Arc::clone(self.ring.disk()), self.files.clone());
        Film { shown, disk, pieces: lay_out(&reel), files }
    }
}

fn sound_of(takes: &[Take]) -> Option<(usize, crate::clips::timeline::AudioClock)> {
    takes.iter().find_map(|take| take.scene.sound)
}

/// The number of a value among those that are known, as a new one if it is like none.
fn number<T>(known: &mut Vec<T>, value: T, alike: impl Fn(&T, &T) -> bool) -> usize {
    known.iter().position(|other| alike(other, &value)).unwrap_or_else(|| {
        known.push(value);
        known.len() - 1
    })
}

/// What the most is of.
fn most<K: Ord>(of: impl Iterator<Item = (K, i64)>) -> Option<K> {
    let mut sums = BTreeMap::new();
    for (kind, long) in of {
        *sums.entry(kind).or_insert(0) += long;
    }
    sums.into_iter().max_by_key(|(_, sum)| *sum).map(|(kind, _)| kind)
}

/// What a chapter is called: what it is, and when by the box's clock, or else by the stream's own.
fn chapter(title: &str, at: Ticks, utc: Option<UtcTime>) -> String {
    let when = match utc {
        // Without its milliseconds, which are not known.
        Some(utc) => {
            let text = utc.to_rfc3339().replace('T', " ");
            format!("{} UTC", text.split('.').next().unwrap_or_default())
        }
        None => format!("{:.1} s", at.media().as_secs_f64()),
    };
    if title.is_empty() { when } else { format!("{title}, {when}") }
}

/// Nearer to what was asked is as asked: a stream's sound begins before its pictures by as much.
const NEAR: Ticks = Ticks::from_millis(100);

/// Says what of an interval is missing, and what stands in for it.
fn tell(told: &mut Vec<String>, name: &str, (from, to): (Ticks, Ticks), found: &[Scene]) {
    let seconds = |ticks: Ticks| format!("{:.3} s", ticks.media().as_secs_f64());
    let (Some(first), Some(last)) = (found.first(), found.last()) else {
        told.push(format!("{name}: nothing from {} to {}", seconds(from), seconds(to)));
        return;
    };
    if first.start.since(from) > NEAR {
        told.push(format!("{name}: it begins {} late", seconds(first.start.since(from))));
    }
    for pair in found.windows(2) {
        let [before, after] = pair else { continue };
        let gap = after.start.since(before.end);
        if gap > HELD {
            let at = seconds(before.end);
            told.push(format!("{name}: {} behind {at} are missing, and closed up", seconds(gap)));
        }
    }
    if to.since(last.end) > NEAR {
        told.push(format!("{name}: it ends {} early", seconds(to.since(last.end))));
    }
}
