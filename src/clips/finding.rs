//! Where in the ring an interval is that somebody names.

use std::time::Duration;

use crate::clips::cut::NoClip;
use crate::clips::desk::{ChangeError, CourtProgress, Desk};
use crate::clips::files::open_segment;
use crate::clips::fragment::Verify;
use crate::clips::index::SegmentEntry;
use crate::clips::keeping::{Interval, Span, Timed, most_of, of_wall};
use crate::clips::timeline::Ticks;
use crate::media::{CourtId, Foreign, SessionId};

impl Desk {
    /// The moments of one session that an interval names.
    pub(crate) fn find(&self, interval: &Interval) -> Result<Span, ChangeError> {
        match interval {
            Interval::Stream { court, session, from, to } => {
                let session = session.to_string();
                let state = self.state.lock();
                let known = state.index.segments().find(|entry| entry.session == session);
                let known = known.map(|entry| entry.court.clone());
                let live = || {
                    let mut courts = state.courts.iter();
                    let plays = |facts: &CourtProgress| {
                        facts.live.is_some_and(|live| live.to_string() == session)
                    };
                    courts.find(|(_, facts)| plays(facts)).map(|(court, _)| court.clone())
                };
                let found = known.or_else(live).filter(|is| court.as_ref().is_none_or(|c| c == is));
                let court = found.ok_or_else(not_recorded)?;
                Ok(Span { court, session, from: *from, to: *to })
            }
            Interval::Wall { court, from, to } => {
                let court = self.court(court.as_ref())?;
                let timed = self.timed(&court);
                let live = self.state.lock().courts.get(&court).and_then(|facts| facts.live);
                let live = live.map(|session| session.to_string());
                Ok(most_of(of_wall(&timed, live.as_deref(), (*from, *to))).map_err(no)?)
            }
            Interval::Last { court, by } => {
                let court = self.court(court.as_ref())?;
                let (newest, live) = {
                    let state = self.state.lock();
                    let of_court = state.index.segments().filter(|entry| entry.court == court);
                    let live = state.courts.get(&court).and_then(|facts| facts.live);
                    (of_court.max_by_key(|entry| entry.id).cloned(), live)
                };
                let newest = newest.ok_or_else(not_recorded)?;
                let mut to = Ticks(newest.end).media();
                let age = self.age_of(&court, &newest);
                if age > BEHIND + *by {
                    return Err(too_old(&court, age, *by));
                }
                // What is played on is there up to now; of what has ended the entry says what is missing.
                let goes_on = live.is_some_and(|live| live.to_string() == newest.session);
                if age > BEHIND && !goes_on {
                    to = to.plus(age);
                }
                Ok(Span { court, session: newest.session, from: to.minus(*by), to })
            }
        }
    }

    /// A court that is recorded, or was; the only one where none is named.
    pub(crate) fn court(&self, named: Option<&CourtId>) -> Result<CourtId, ChangeError> {
        let state = self.state.lock();
        match named {
            Some(court) => Ok(court.clone()),
            None if state.courts.len() == 1 => {
                state.courts.keys().next().cloned().ok_or(ChangeError::Unknown)
            }
            None => {
                let names: Vec<_> = state.courts.keys().map(CourtId::as_str).collect();
                let why = format_args!("this box has the courts {}: name one", names.join(", "))
                    .to_string();
                Err(ChangeError::NotRecorded { why: Foreign::told(why) })
            }
        }
    }

    /// The segments of a court that know their time, with it. Those of earlier versions' indexes are
    /// asked, once.
    pub(crate) fn timed(&self, court: &CourtId) -> Vec<Timed> {
        let entries: Vec<_> = {
            let state = self.state.lock();
            state.index.segments().filter(|entry| entry.court == *court).cloned().collect()
        };
        let timed = |entry: SegmentEntry| {
            let ahead = self.ahead_of(court, &entry)?;
            Some((entry, ahead))
        };
        entries.into_iter().filter_map(timed).collect()
    }

    /// How far UTC is ahead of the stream in a segment, ns.
    fn ahead_of(&self, court: &CourtId, entry: &SegmentEntry) -> Option<i64> {
        let by_anchor = self.wall.as_ref().and_then(|anchors| {
            let session = SessionId::parse(&entry.session)?;
            let start = Ticks(entry.start).media();
            let stamp = anchors.stamp(court, session, start, None);
            stamp.source.map(|_| stamp.utc.as_nanos().saturating_sub(start.as_nanos()))
        });
        by_anchor.or(entry.ahead_ns).or_else(|| self.learn_ahead(entry))
    }

    /// How long ago the last of a segment came; nothing where its time is not known.
    fn age_of(&self, court: &CourtId, entry: &SegmentEntry) -> Duration {
        let Some(ahead_ns) = self.ahead_of(court, entry) else { return Duration::ZERO };
        let came = Ticks(entry.end).media().as_nanos().saturating_add(ahead_ns);
        let age = self.clock.utc().as_nanos().saturating_sub(came);
        Duration::from_nanos(u64::try_from(age).unwrap_or(0))
    }

    fn learn_ahead(&self, entry: &SegmentEntry) -> Option<i64> {
        let path = self.places.segment(entry);
        let opened = open_segment(&*self.disk, &path, entry.bytes, Verify::Last).ok()?;
        let ahead_ns = opened.scanned.ahead_ns()?;
        self.state.lock().index.learn_ahead(entry.id, ahead_ns);
        Some(ahead_ns)
    }
}

/// What plays is recorded up to so long ago: a fragment, or what a bad line holds back (chosen).
const BEHIND: Duration = Duration::from_secs(5);

fn too_old(court: &CourtId, age: Duration, by: Duration) -> ChangeError {
    let why = format_args!(
        "what came last of court {court} came {:.0} s ago, and nothing of the last {} s: name what is to be kept by \
         `from` and `to`",
        age.as_secs_f64(),
        by.as_secs_f64()
    )
    .to_string();
    ChangeError::NotRecorded { why: Foreign::told(why) }
}

fn not_recorded() -> ChangeError {
    no(NoClip::NotRecorded)
}

fn no(why: NoClip) -> ChangeError {
    ChangeError::NotRecorded { why: Foreign::told(why) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clips::desk::CourtProgress;
    use crate::clips::synthetic::tenths;
    use crate::clips::test_ring::{TestRing, settings};
    use crate::clock::Clock as _;
    use crate::disk::ForgetfulDisk;
    use crate::media::{MediaTime, UtcTime};

    const FIRST: SessionId = SessionId::from_bits(0xf1);
    const SECOND: SessionId = SessionId::from_bits(0xf2);
    const NEVER: SessionId = SessionId::from_bits(0xf3);

    /// Two seconds of one session, a pause, four of another; and when each began.
    fn recorded() -> (TestRing, [UtcTime; 2]) {
        let shared = Arc::new(ForgetfulDisk::new());
        let mut ring = TestRing::open(settings("/ring".into()), shared).expect("a ring");
        let mut began = [UtcTime::from_nanos(0); 2];
        for (n, (session, pictures)) in [(FIRST, 20), (SECOND, 40)].into_iter().enumerate() {
            ring.wait(Duration::from_secs(100));
            began[n] = ring.clock.utc();
            ring.opened(session);
            tenths(session, 0..pictures, 20).for_each(|item| ring.feed(item));
            ring.closed(session);
        }
        (ring, began)
    }

    fn ms(span: &Span) -> (i64, i64) {
        (span.from.as_nanos() / 1_000_000, span.to.as_nanos() / 1_000_000)
    }

    #[test]
    fn a_session_is_found_once_it_plays_and_while_something_of_it_is_recorded() {
        let (mut ring, _) = recorded();
        let other = CourtId::new("b").expect("name");
        let (from, to) = (MediaTime::from_millis(1000), MediaTime::from_millis(1500));
        let of = |court: Option<&CourtId>, session| Interval::Stream {
            court: court.cloned(),
            session,
            from,
            to,
        };
        let desk = Arc::clone(ring.ring.desk());
        for court in [None, Some(&ring.court)] {
            let span = desk.find(&of(court, FIRST)).expect("recorded");
            assert_eq!((span.court.as_str(), ms(&span)), ("a", (1000, 1500)));
            assert_eq!(span.session, FIRST.to_string());
        }
        let not = |found| matches!(found, Err(ChangeError::NotRecorded { .. }));
        assert!(not(desk.find(&of(Some(&other), FIRST))), "it is another court's");
        assert!(not(desk.find(&of(None, NEVER))));
        ring.opened(NEVER);
        assert_eq!(desk.find(&of(None, NEVER)).expect("it plays").court.as_str(), "a");
    }

    #[test]
    fn times_of_the_wall_become_those_of_the_session_that_has_most_of_them() {
        let (ring, [first, second]) = recorded();
        let desk = ring.ring.desk();
        let wall =
            |from: UtcTime, to: UtcTime| desk.find(&Interval::Wall { court: None, from, to });
        let after = |at: UtcTime, ms: i64| at.plus_nanos(ms * 1_000_000);
        let span = wall(after(first, 500), after(first, 1500)).expect("recorded");
        assert_eq!((&span.session, ms(&span)), (&FIRST.to_string(), (500, 1500)));
        let span = wall(after(first, 1500), after(second, 3000)).expect("recorded");
        assert_eq!(span.session, SECOND.to_string());
        assert!(wall(after(first, -9000), after(first, -8000)).is_err());

        let last = Interval::Last { court: None, by: Duration::from_millis(700) };
        let span = desk.find(&last).expect("recorded");
        assert_eq!((&span.session, ms(&span)), (&SECOND.to_string(), (3300, 4000)));
    }

    #[test]
    fn the_last_seconds_are_those_up_to_now_and_not_those_of_a_stream_that_ended_before() {
        let (mut ring, _) = recorded();
        ring.wait(Duration::from_secs(160));
        let desk = Arc::clone(ring.ring.desk());
        let last =
            |seconds| desk.find(&Interval::Last { court: None, by: Duration::from_secs(seconds) });
        let Err(ChangeError::NotRecorded { why }) = last(5) else { panic!("{:?}", last(5)) };
        let told = why.as_str();
        assert!(told.starts_with("what came last of court a came 16"), "{told}");
        assert!(told.contains("nothing of the last 5 s") && told.contains("`from`"), "{told}");
        // Of a longer time there is the end of the stream, and the entry says what is missing.
        let span = last(300).expect("some of it");
        let (from, to) = ms(&span);
        assert_eq!((to - from, &span.session), (300_000, &SECOND.to_string()));
        assert!((150_000..165_000).contains(&to), "{to}");
    }

    #[test]
    fn what_an_earlier_index_did_not_know_is_read_from_the_segment_and_kept() {
        let (ring, [first, _]) = recorded();
        let desk = ring.ring.desk();
        let id = {
            let mut state = desk.state.lock();
            let entry = state.index.segments().next().cloned().expect("one");
            let id = entry.id;
            state.index.remove_segment(id);
            state.index.put_segment(SegmentEntry { ahead_ns: None, ..entry });
            id
        };
        let timed = desk.timed(&ring.court);
        assert_eq!(timed.len(), 2);
        assert_eq!((timed[0].0.id, timed[0].1), (id, first.as_nanos()));
        assert_eq!(
            desk.state.lock().index.segment(id).expect("there").ahead_ns,
            Some(first.as_nanos())
        );
    }

    #[test]
    fn a_court_need_not_be_named_where_there_is_one() {
        let (ring, _) = recorded();
        let desk = ring.ring.desk();
        assert_eq!(desk.court(None).expect("the only one"), ring.court);
        let other = CourtId::new("b").expect("name");
        desk.state.lock().courts.insert(other.clone(), CourtProgress::default());
        let Err(ChangeError::NotRecorded { why }) = desk.court(None) else {
            panic!("there are two")
        };
        assert!(why.as_str().contains("a, b"), "{why}");
        assert_eq!(desk.court(Some(&other)).expect("named"), other);
    }
}
