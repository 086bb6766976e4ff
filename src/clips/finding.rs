//! Where in the ring an interval is that somebody names.

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
                let timed = self.timed(&self.court(court.as_ref())?);
                Ok(most_of(of_wall(&timed, *from, *to)).map_err(no)?)
            }
            Interval::Last { court, by } => {
                let court = self.court(court.as_ref())?;
                let state = self.state.lock();
                let newest = state
                    .index
                    .segments()
                    .filter(|entry| entry.court == court)
                    .max_by_key(|e| e.id);
                let newest = newest.ok_or_else(not_recorded)?;
                let to = Ticks(newest.end).media();
                let session = newest.session.clone();
                Ok(Span { court: newest.court.clone(), session, from: to.minus(*by), to })
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
            let by_anchor = self.wall.as_ref().and_then(|anchors| {
                let session = SessionId::parse(&entry.session)?;
                let start = Ticks(entry.start).media();
                let stamp = anchors.stamp(court, session, start, None);
                stamp.source.map(|_| stamp.utc.as_nanos().saturating_sub(start.as_nanos()))
            });
            let ahead = by_anchor.or(entry.ahead_ns).or_else(|| self.learn_ahead(&entry))?;
            Some((entry, ahead))
        };
        entries.into_iter().filter_map(timed).collect()
    }

    fn learn_ahead(&self, entry: &SegmentEntry) -> Option<i64> {
        let path = self.places.segment(entry);
        let opened = open_segment(&*self.disk, &path, entry.bytes, Verify::Last).ok()?;
        let ahead_ns = opened.scanned.ahead_ns()?;
        self.state.lock().index.learn_ahead(entry.id, ahead_ns);
        Some(ahead_ns)
    }
}

fn not_recorded() -> ChangeError {
    no(NoClip::NotRecorded)
}

fn no(why: NoClip) -> ChangeError {
    ChangeError::NotRecorded { why: Foreign::told(why) }
}
