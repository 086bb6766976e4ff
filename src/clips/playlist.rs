//! Recordings as players list them (pure): HLS, RFC 8216bis, fragmented MP4, byte ranges into one file.
//!
//! A stretch is what a player fetches at once: whole fragments of one segment of the ring, from a key frame
//! on wherever there is one in time. The stretches of a segment never change while it grows: what was listed
//! once stays as it was, and the last is listed when the next has begun.

use std::fmt::Write as _;

use crate::clips::fragment::Fragment;
use crate::clips::timeline::Ticks;
use crate::media::UtcTime;

/// A stretch ends at the first key frame after so long: a request for each half a second would cost more
/// than it gives. Less than the 2 s that encoders are set to, since their times are rounded.
const LEAST: Ticks = Ticks::from_millis(1_900);
/// … and without one after so long: else a stream of one key frame would never be listed.
const MOST: Ticks = Ticks::from_millis(10_000);
/// A hole of more than this is told as a discontinuity, so that a player jumps over it.
const HOLE: Ticks = Ticks::from_millis(1_000);
/// No segment of the ring (60 s) has more stretches.
pub(crate) const STRETCHES_MOST: u64 = 64;

/// What a player fetches at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Its first byte.
    pub(crate) from: u64,
    /// Behind its last byte.
    pub(crate) to: u64,
    /// Media time of its first picture.
    pub(crate) start: Ticks,
    /// … of its end.
    pub(crate) end: Ticks,
    /// True if decoding can start here.
    pub(crate) key: bool,
}

/// The stretches of fragments in a row, each with its first byte and the one behind its last. `grows`: more
/// come, and the last stretch is not whole yet.
pub(crate) fn stretches<'a>(
    fragments: impl IntoIterator<Item = (&'a Fragment, u64, u64)>,
    grows: bool,
) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    for (fragment, from, to) in fragments {
        let (start, end) = fragment.span;
        let fresh = Stretch { from, to, start, end, key: fragment.starts_with_key() };
        let Some(last) = all.last_mut() else {
            all.push(fresh);
            continue;
        };
        let long = start.since(last.start);
        if (fresh.key && long >= LEAST) || long >= MOST {
            if !breaks(last.end, start) {
                last.end = last.end.max(start);
            }
            all.push(fresh);
        } else {
            last.to = to;
            last.end = last.end.max(end);
        }
    }
    if grows {
        all.pop();
    }
    all
}

/// Fragments where players find them in their segment: farther behind than they lie, where it is packed.
pub(crate) fn as_played(
    fragments: &[Fragment],
) -> impl Iterator<Item = (&Fragment, u64, u64)> + '_ {
    let mut unpacked = 0;
    fragments.iter().map(move |fragment| {
        let from = fragment.offset + unpacked;
        unpacked += u64::from(fragment.moof).saturating_sub(fragment.stored.into());
        (fragment, from, fragment.end() + unpacked)
    })
}

/// True where a player has to begin anew: time went back, or there is nothing for a while.
pub(crate) const fn breaks(before: Ticks, then: Ticks) -> bool {
    then.since(before).0.saturating_abs() > HOLE.0
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) stretch: Stretch,
    /// Of the media, as seen from the list.
    pub(crate) uri: String,
    /// Of what stands before the first fragment, and the bytes of it where it is part of a file.
    pub(crate) init: (String, Option<u64>),
    /// A player begins anew here.
    pub(crate) anew: bool,
    /// The wall's time of its first picture, where that is to be told.
    pub(crate) time: Option<UtcTime>,
}

/// How a list ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Ask again: more comes.
    Goes,
    /// That is all, and a player begins so far into it.
    Here(Ticks),
}

/// A list as text. `first`: numbers of its first entry and of the discontinuities up to it.
pub(crate) fn text(entries: &[Listed], first: (u64, u64), end: End) -> String {
    let mut out = String::with_capacity(256 + entries.len() * 128);
    let longest = entries.iter().map(|entry| seconds(entry.stretch)).fold(0.0, f64::max);
    let independent = entries.iter().all(|entry| entry.stretch.key);
    let _ = write!(out, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{}\n", target(longest));
    let _ = writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", first.0);
    let _ = writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", first.1);
    if let End::Here(into) = end {
        out.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n");
        if into > Ticks(0) {
            let into = in_seconds(into);
            let _ = writeln!(out, "#EXT-X-START:TIME-OFFSET={into:.5},PRECISE=YES");
        }
    }
    if independent {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    let mut init = None;
    for (n, entry) in entries.iter().enumerate() {
        if entry.anew && n > 0 {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if init != Some(&entry.init) {
            init = Some(&entry.init);
            let (uri, bytes) = &entry.init;
            let _ = write!(out, "#EXT-X-MAP:URI=\"{uri}\"");
            if let Some(bytes) = bytes {
                let _ = write!(out, ",BYTERANGE=\"{bytes}@0\"");
            }
            out.push('\n');
        }
        if let Some(time) = entry.time {
            let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", time.to_rfc3339());
        }
        let Stretch { from, to, .. } = entry.stretch;
        let _ = writeln!(out, "#EXTINF:{:.5},", seconds(entry.stretch));
        let _ = write!(out, "#EXT-X-BYTERANGE:{}@{from}\n{}\n", to - from, entry.uri);
    }
    if matches!(end, End::Here(_)) {
        out.push_str("#EXT-X-ENDLIST\n");
    }
    out
}

fn seconds(stretch: Stretch) -> f64 {
    in_seconds(Ticks(stretch.end.since(stretch.start).0.max(1)))
}

fn in_seconds(long: Ticks) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds of a stretch")]
    let ticks = long.0 as f64;
    ticks / f64::from(crate::clips::timeline::VIDEO_TIMESCALE)
}

/// No entry, rounded, is longer; of few values, so that it stays the same from list to list
/// (RFC 8216bis, 4.4.3.1).
fn target(longest: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds of a stretch, not negative"
    )]
    let rounded = longest.round() as u64;
    match rounded {
        0..=4 => 4,
        5..=10 => 10,
        more => more,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clips::fragment::VideoSpan;

    /// Fragments of 0.5 s: `k` begins with a key frame, `.` does not, `_` is a gap.
    fn fragments(kinds: &str) -> Vec<Fragment> {
        let mut at = Ticks(0);
        let mut offset = 1000;
        let mut all = Vec::new();
        for kind in kinds.chars() {
            let end = Ticks(at.0 + 45_000);
            if kind != '_' {
                let (start, last, first_pts) = (at, Ticks(end.0 - 3000), at);
                let video = VideoSpan { start, last, first_pts, key: kind == 'k', pictures: 15 };
                let (video, span) = (Some(video), (at, end));
                let (moof, stored, mdat) = (34, 34, 50);
                all.push(Fragment { offset, moof, stored, mdat, video, audio: None, span });
                offset += 100;
            }
            at = end;
        }
        all
    }

    /// The stretches as "fragments from key" …
    fn check(kinds: &str, grows: bool, expected: &str) {
        let told: Vec<_> = stretches(as_played(&fragments(kinds)), grows)
            .iter()
            .map(|s| format!("{}{}", (s.to - s.from) / 100, if s.key { "k" } else { "." }))
            .collect();
        assert_eq!(told.join(" "), expected, "{kinds}");
    }

    #[test]
    fn stretches_begin_at_key_frames_and_are_some_seconds_long() {
        check("k...k...k...", false, "4k 4k 4k");
        check("k...k...k...", true, "4k 4k");
        check("k.k.k.k.", false, "4k 4k");
        check("kkkkkkkk", false, "4k 4k");
        check("k.......k.......", false, "8k 8k");
        // One key frame in a minute: cut all the same.
        check(&format!("k{}", ".".repeat(44)), false, "20k 20. 5.");
        check("....k...", false, "4. 4k");
        check("", false, "");
    }

    #[test]
    fn a_list_is_as_the_standard_has_it() {
        let entry = |n: usize, anew| {
            let all = stretches(as_played(&fragments("k...k...k...")), false);
            let init = (format!("segments/{}/init", if n < 2 { 1 } else { 2 }), None);
            let time = (n == 0).then(|| UtcTime::from_nanos(1_800_000_000_000_000_000));
            Listed { stretch: all[n], uri: "segments/1".to_owned(), init, anew, time }
        };
        let entries = [entry(0, true), entry(1, false), entry(2, true)];
        insta::assert_snapshot!(text(&entries, (64, 65), End::Goes), @r#"
        #EXTM3U
        #EXT-X-VERSION:7
        #EXT-X-TARGETDURATION:4
        #EXT-X-MEDIA-SEQUENCE:64
        #EXT-X-DISCONTINUITY-SEQUENCE:65
        #EXT-X-INDEPENDENT-SEGMENTS
        #EXT-X-MAP:URI="segments/1/init"
        #EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:00.000Z
        #EXTINF:2.00000,
        #EXT-X-BYTERANGE:400@1000
        segments/1
        #EXTINF:2.00000,
        #EXT-X-BYTERANGE:400@1400
        segments/1
        #EXT-X-DISCONTINUITY
        #EXT-X-MAP:URI="segments/2/init"
        #EXTINF:2.00000,
        #EXT-X-BYTERANGE:400@1800
        segments/1
        "#);
    }

    #[test]
    fn a_jump_is_told_and_a_rounded_time_is_none() {
        for (before, then, breaks_here) in
            [(0, 0, false), (0, 900, false), (0, 95_000, true), (900, 0, false), (95_000, 0, true)]
        {
            assert_eq!(breaks(Ticks(before), Ticks(then)), breaks_here, "{before} {then}");
        }
    }

    proptest! {
        #[test]
        fn what_was_listed_stays_as_it_was_while_more_comes(kinds in "[k._]{0,120}") {
            let all = fragments(&kinds);
            let whole = stretches(as_played(&all), false);
            for n in 0..=all.len() {
                let then = stretches(as_played(&all[..n]), true);
                prop_assert!(then.len() <= whole.len());
                for (then, now) in then.iter().zip(&whole) {
                    prop_assert_eq!(then, now);
                }
            }
            prop_assert!(whole.len() as u64 <= STRETCHES_MOST);
            let bytes: u64 = whole.iter().map(|s| s.to - s.from).sum();
            prop_assert_eq!(bytes, 100 * all.len() as u64);
            prop_assert!(whole.windows(2).all(|two| two[0].to == two[1].from));
        }
    }
}
