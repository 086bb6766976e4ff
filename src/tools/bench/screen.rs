//! The operator's screen at the end of `bench latency --screen`: when each call stood there.
//!
//! A headless Chromium on this machine has the page open, so its clock is ours. `screen.js` notes when the
//! element of a call changed and when it was painted: by Element Timing where the browser gives it
//! (<https://w3c.github.io/element-timing/>), else when the frame after the change was made. There is no
//! panel at its end: what that adds (8 ms in the mean at 60 Hz, and its own delay) is not in the figures.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::media::{Foreign, ForeignKind, UtcTime};
use crate::tools::bench::spread::Spread;
use crate::tools::client::{Asked, Connection};
use crate::tools::rig::browser::Browser;
use crate::tools::tell::tell;

const NOTES: &str = include_str!("screen.js");
/// The operator's tablet.
const SIZE: (u32, u32) = (1024, 768);
/// The game that is on it.
pub(super) const GAME: &str = "bench";
/// A game with all its shots.
const ANSWER_MOST_BYTES: usize = 4 << 20;
/// Calls below which a p99 is nothing but the slowest of them.
pub(super) const CALLS_LEAST: usize = 100;
/// Looks at a page that loads, 100 ms each.
const LOOKS: u32 = 300;

/// One call as it came to the screen, ms of UTC.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Shown {
    pub(super) fact: String,
    pub(super) revision: u32,
    mutated: f64,
    /// The frame after it.
    #[serde(default)]
    framed: Option<f64>,
    /// By Element Timing.
    #[serde(default)]
    rendered: Option<f64>,
}

impl Shown {
    /// When its element changed.
    pub(super) fn mutated(&self) -> UtcTime {
        at(self.mutated)
    }

    /// When it was painted; `None` if the page ended before.
    pub(super) fn painted(&self) -> Option<UtcTime> {
        self.rendered.or(self.framed).map(at)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "ms of UTC, of this century")]
fn at(ms: f64) -> UtcTime {
    UtcTime::from_nanos((ms * 1e6) as i64)
}

/// From the shutter to the screen, by its parts. Each of the pictures that a call was made of.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ToScreen {
    /// Of the picture in which the ball reaches the ring, to the call on the screen.
    pub(super) outcome: Spread,
    /// The decision's own wait: from that picture to the one that decided, by the stream's clock.
    pub(super) wait: Spread,
    /// Of the picture that decided, to the call on the screen.
    pub(super) decided: Spread,
    /// Its parts: shutter to the last byte,
    pub(super) camera: Spread,
    /// last byte to the answer,
    pub(super) answer: Spread,
    /// answer to the changed element: decision, disk, the way to the page and its script,
    pub(super) page: Spread,
    /// and to the painted frame.
    pub(super) paint: Spread,
    /// Calls that never came to the screen.
    pub(super) missing: usize,
    /// Calls whose painting Element Timing told.
    pub(super) by_element_timing: usize,
}

/// What one call took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    pub(super) outcome: Option<Duration>,
    pub(super) wait: Option<Duration>,
    pub(super) decided: Option<Duration>,
    pub(super) camera: Option<Duration>,
    pub(super) answer: Option<Duration>,
    pub(super) page: Option<Duration>,
    pub(super) paint: Option<Duration>,
}

impl ToScreen {
    /// Of all calls; `missing` of them were never shown.
    pub(super) fn of(took: &[Took], shown: &[Shown], missing: usize) -> Self {
        let all = |of: fn(&Took) -> Option<Duration>| Spread::of(took.iter().filter_map(of));
        Self {
            outcome: all(|took| took.outcome),
            wait: all(|took| took.wait),
            decided: all(|took| took.decided),
            camera: all(|took| took.camera),
            answer: all(|took| took.answer),
            page: all(|took| took.page),
            paint: all(|took| took.paint),
            missing,
            by_element_timing: shown.iter().filter(|shown| shown.rendered.is_some()).count(),
        }
    }

    /// Of the calls of all runs together: of one run's few a percentile is no more than one of them.
    pub(super) fn pooled(took: &[Took], runs: &[Self]) -> Self {
        Self {
            by_element_timing: runs.iter().map(|run| run.by_element_timing).sum(),
            ..Self::of(took, &[], runs.iter().map(|run| run.missing).sum())
        }
    }

    /// True where a p99 says something: not only which call was the slowest.
    pub(super) const fn has_p99(&self) -> bool {
        self.outcome.n >= CALLS_LEAST
    }

    /// The lines of a table whose first column has `wide` letters.
    pub(super) fn print(&self, wide: usize) {
        for (what, spread) in [
            ("outcome seen → painted", self.outcome),
            ("  the decision's own wait (stream)", self.wait),
            ("  deciding shutter → painted", self.decided),
            ("    shutter → last byte (our camera)", self.camera),
            ("    last byte → answer", self.answer),
            ("    answer → element on the page", self.page),
            ("    element → painted frame", self.paint),
        ] {
            tell(format_args!("{what:<wide$}{spread}"));
        }
        let (n, least) = (self.outcome.n, CALLS_LEAST);
        if self.has_p99() {
            tell(format_args!("{n} calls: each percentile is of all runs together"));
        } else {
            tell(format_args!(
                "{n} calls: a p99 wants {least}, that of these is the slowest one; give more --runs, --seconds or --rims"
            ));
        }
        tell(format_args!(
            "{} calls never came to the screen; of {} the browser itself told the painting",
            self.missing, self.by_element_timing
        ));
    }
}

/// Starts the game that the stage shows. What a court calls is its own from now on.
///
/// # Errors
/// The box refuses it.
pub(super) async fn start_game(operator: &mut Connection, court: &str) -> anyhow::Result<()> {
    let game = json!({
        "id": GAME, "rules": "pickup-21", "courts": [court],
        "teams": [{"id": "comets", "name": "Comets"}, {"id": "harbor", "name": "Harbor"}],
    });
    post(operator, "/v1/games", &game).await.map(drop)
}

/// What a box answers to what is posted.
///
/// # Errors
/// It refuses, in its own words; or there is no answer.
pub(super) async fn post(
    operator: &mut Connection,
    path: &str,
    body: &Value,
) -> anyhow::Result<Value> {
    let body = body.to_string();
    let asked = Asked { path, accept: "application/json", body: Some(&body) };
    let answer = operator.ask(&asked, &[], None).await?;
    let status = answer.status;
    let text = answer.whole(ANSWER_MOST_BYTES).await?;
    if !status.is_success() {
        bail!("{path}: {status}: {}", Foreign::bytes(ForeignKind::Text, &text));
    }
    Ok(serde_json::from_slice(&text)?)
}

/// A page that is open.
#[derive(Debug)]
pub(super) struct Screen(Browser);

impl Screen {
    /// Opens `path` of the daemon at `http`, and waits until it shows that the box's name is `name`. Blocking.
    ///
    /// # Errors
    /// When there is no browser, or the page does not come.
    pub(super) fn open(http: SocketAddr, path: &str, name: &str) -> anyhow::Result<Self> {
        let mut browser = Browser::open(&format!("http://{http}{path}"), SIZE, NOTES)?;
        let name = serde_json::to_string(name)?;
        let is_there = format!(
            "(async () => {{ for (let look = 0; look < {LOOKS}; look++) {{ \
             if (document.querySelector('#box')?.textContent === {name}) return true; \
             await new Promise((done) => setTimeout(done, 100)); }} return false; }})()"
        );
        if browser.value(&is_there)? != Value::Bool(true) {
            bail!("{path} does not name the box: open http://{http}{path} and see why");
        }
        Ok(Self(browser))
    }

    /// All calls that it has shown. Blocking.
    ///
    /// # Errors
    /// When the browser is gone.
    pub(super) fn shown(&mut self) -> anyhow::Result<Vec<Shown>> {
        let told = self.0.value("window.courtsideSeen()")?;
        serde_json::from_value(told).context("what the page noted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_p99_is_of_the_calls_of_all_runs_and_wants_a_hundred() {
        let took = |ms: u64| Took { outcome: Some(Duration::from_millis(ms)), ..Took::default() };
        let run = |from: u64| -> Vec<Took> { (from..from + 24).map(took).collect() };
        let runs: Vec<Vec<Took>> = (0..5).map(|n| run(100 * n)).collect();
        let screens: Vec<ToScreen> = runs.iter().map(|took| ToScreen::of(took, &[], 1)).collect();
        assert!(!screens[0].has_p99());
        let all = ToScreen::pooled(&runs.concat(), &screens);
        assert!(all.has_p99());
        assert_eq!((all.outcome.n, all.outcome.p99_ms, all.missing), (120, 422.0, 5));
    }

    #[test]
    fn what_the_browser_tells_of_the_painting_beats_the_frame_after() {
        let read = |text: &str| -> Shown { serde_json::from_str(text).expect("a call") };
        let both =
            r#"{"fact":"f","revision":1,"mutated":1000.5,"framed":1020.0,"rendered":1010.0}"#;
        assert_eq!(read(both).painted(), Some(UtcTime::from_nanos(1_010_000_000)));
        assert_eq!(read(both).mutated(), UtcTime::from_nanos(1_000_500_000));
        let frame = r#"{"fact":"f","revision":1,"mutated":1000.5,"framed":1020.0}"#;
        assert_eq!(read(frame).painted(), Some(UtcTime::from_nanos(1_020_000_000)));
        let none = r#"{"fact":"f","revision":0,"mutated":1000.5}"#;
        assert_eq!(read(none).painted(), None);
    }
}
