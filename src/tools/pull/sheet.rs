//! What came of a pull: of each box, and of all.

use serde::Serialize;

use crate::media::Foreign;
use crate::tools::pull::fetch::Fetched;
use crate::tools::pull::http::{Entry, Listed};

/// What came of one box.
#[derive(Debug, Default, Serialize)]
pub(super) struct BoxSheet {
    /// Where it was asked.
    pub(super) url: String,
    #[serde(rename = "box")]
    pub(super) name: String,
    /// Clips that are here and verified.
    clips: u64,
    /// … of which these were here before.
    had: u64,
    /// Bytes that were fetched now.
    moved_bytes: u64,
    /// Bytes that were here already, whole clips and begun ones.
    had_bytes: u64,
    /// Times that a clip went on where it had stopped.
    resumed: u64,
    acknowledged: u64,
    /// Clips that will come.
    making: u64,
    /// It never heard of that game.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unknown: bool,
    failed: Vec<FailedClip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Foreign>,
}

#[derive(Debug, Serialize)]
pub(super) struct FailedClip {
    clip: String,
    why: Foreign,
}

impl BoxSheet {
    /// Nothing yet.
    pub(super) fn begins(url: &str, name: &str) -> Self {
        Self { url: url.to_owned(), name: name.to_owned(), ..Self::default() }
    }

    /// Notes what there will be, and gives what there is.
    pub(super) fn lists(&mut self, listed: Listed) -> Vec<Entry> {
        (self.making, self.unknown) = (listed.making, listed.unknown);
        listed.entries.into_iter().filter(|entry| entry.media.is_some()).collect()
    }

    /// Adds a clip.
    pub(super) fn add(
        &mut self,
        clip: String,
        (fetched, failed): (Fetched, Option<anyhow::Error>),
    ) {
        self.moved_bytes += fetched.moved;
        self.had_bytes += fetched.had;
        self.resumed += fetched.resumed;
        self.clips += u64::from(fetched.whole);
        self.had += u64::from(fetched.was_whole);
        self.acknowledged += u64::from(fetched.acknowledged);
        if let Some(error) = failed {
            self.failed.push(FailedClip { clip, why: Foreign::told(format!("{error:#}")) });
        }
    }

    /// Adds that a clip was acknowledged, or why not.
    pub(super) fn acknowledges(&mut self, clip: String, failed: Option<anyhow::Error>) {
        match failed {
            None => self.acknowledged += 1,
            Some(error) => {
                self.failed.push(FailedClip { clip, why: Foreign::told(format!("{error:#}")) });
            }
        }
    }

    /// In a line.
    pub(super) fn line(&self) -> String {
        let name = if self.name.is_empty() { &self.url } else { &self.name };
        if let Some(error) = &self.error {
            return format!("{name}: {error}");
        }
        if self.unknown {
            return format!("{name}: it never heard of that game");
        }
        let Self { clips, had, moved_bytes, had_bytes, resumed, acknowledged, failed, .. } = self;
        format!(
            "{name}: {clips} clips ({had} were here), {moved_bytes} bytes moved, {had_bytes} were here, \
             {resumed} resumed, {acknowledged} acknowledged, {} failed",
            failed.len()
        )
    }
}

/// What came of all.
#[derive(Debug, Serialize)]
pub(super) struct Sheet {
    moved_bytes: u64,
    had_bytes: u64,
    clips: u64,
    acknowledged: u64,
    /// Clips that will come.
    pub(super) making: u64,
    failed: u64,
    boxes: Vec<BoxSheet>,
}

impl Sheet {
    /// Of all boxes.
    pub(super) fn of(boxes: Vec<BoxSheet>) -> Self {
        let sum = |of: fn(&BoxSheet) -> u64| boxes.iter().map(of).sum();
        Self {
            moved_bytes: sum(|sheet| sheet.moved_bytes),
            had_bytes: sum(|sheet| sheet.had_bytes),
            clips: sum(|sheet| sheet.clips),
            acknowledged: sum(|sheet| sheet.acknowledged),
            making: sum(|sheet| sheet.making),
            failed: sum(|sheet| sheet.failed.len() as u64 + u64::from(sheet.error.is_some())),
            boxes,
        }
    }

    /// True if all that was wanted came.
    pub(super) fn is_good(&self) -> bool {
        self.failed == 0 && self.making == 0 && !self.knows_nothing()
    }

    /// True if a game was asked for that no box has heard of.
    pub(super) fn knows_nothing(&self) -> bool {
        !self.boxes.is_empty() && self.boxes.iter().all(|sheet| sheet.unknown)
    }

    /// For a person.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { clips, moved_bytes, had_bytes, acknowledged, failed, boxes, .. } = self;
        let mut lines = Vec::new();
        for sheet in boxes {
            for FailedClip { clip, why } in &sheet.failed {
                lines.push(format!("{}: {clip}: {why}", sheet.name));
            }
        }
        lines.push(format!(
            "{clips} clips of {} boxes: {moved_bytes} bytes moved, {had_bytes} were here, \
             {acknowledged} acknowledged, {failed} failed",
            boxes.len()
        ));
        lines
    }
}
