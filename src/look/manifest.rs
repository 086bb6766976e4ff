//! A hosted bundle's manifest → what is asked, where and for how much; or why it is refused (pure).
//!
//! The same head as every bundle's (`format`, `name`, `version`, `task = "rim"`, DESIGN §4.8), and instead of files:
//!
//! ```toml
//! where = "hosted"
//! role = "second"                      # "live", "second" or "teacher"
//! shape = "gemini"                     # "openai", "gemini" or "anthropic": the one line that exchanges it
//! model = "gemini-3.8-flash"           # by the server's name
//! address = "http://127.0.0.1:8080/v1" # the maker's own, if absent
//! key_file = "/etc/courtside/look.key" # its first line; absent where the server wants none
//! deadline_ms = 6000
//! cap_usd_a_day = 2.0
//! most_output_tokens = 1000            # thoughts included
//! effort = "low"                       # the server's choice, if absent
//! ask_below = 0.9                      # of the outcome called; the role `second` alone
//! prompt = "…"                         # ours, if absent
//! [price]
//! date = "2026-11-28"                  # when somebody looked
//! input_usd_a_million = 0.75
//! output_usd_a_million = 3.75
//! image_tokens = 1200                  # that a contact sheet counts at most
//! [provenance]
//! ```
//!
//! Whoever looks again is asked over HTTP(S) alone; a key goes out in clear to nobody but this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use time::Date;
use time::macros::format_description;

use crate::http::outgoing::Web;
use crate::look::choose::Role;
use crate::look::contract::{self, PROMPT};
use crate::look::money::{Money, Price, Tokens};
use crate::look::shape::Shape;
use crate::media::UtcTime;

/// The format that a manifest names.
const FORMAT: u32 = 2;
/// Bytes of a prompt (chosen: five times ours).
const PROMPT_MOST_BYTES: usize = 8_000;
/// Tokens that a server may add to a question by itself: roles, the schema, marks of a picture (chosen: ten times
/// what the three were seen to say of theirs would be 300).
const AROUND_TOKENS: u64 = 1_000;
/// Who says nothing within this of the local final may not revise it any more (DESIGN §4.10).
pub(crate) const REVISE_WITHIN: Duration = Duration::from_secs(10);
/// A final waits no longer than this, whatever a manifest says (chosen: a shot is told while it is still talked of).
const LIVE_MOST_MS: u32 = 5_000;

/// A checked hosted bundle.
#[derive(Clone, Debug)]
pub struct Hosted {
    /// Name of its folder.
    pub name: String,
    /// `major.minor.patch`.
    pub version: String,
    /// When it is asked.
    pub role: Role,
    /// How.
    pub shape: Shape,
    /// Where: the path in it stands before the shape's own.
    pub address: Web,
    /// The file of its key.
    pub key_file: Option<PathBuf>,
    /// The model, by its server's name.
    pub model: String,
    /// What is asked.
    pub prompt: String,
    /// What names the prompt.
    pub prompt_hash: String,
    /// How long an answer is waited for.
    pub deadline: Duration,
    /// The most of a day.
    pub cap: Money,
    /// What tokens cost.
    pub price: Price,
    /// When somebody looked the price up.
    pub price_date: Date,
    /// What a contact sheet counts at most.
    pub image_tokens: u32,
    /// The most that may be answered.
    pub most_output_tokens: u32,
    /// How hard it is to think.
    pub effort: Option<String>,
    /// A call of a smaller share is doubtful, ten thousandths.
    pub ask_below: u32,
}

/// Why a hosted bundle is refused. Each text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum HostedRefused {
    #[error("{manifest}:{line}:{column}: {problem}; correct the manifest (keys: DESIGN §4.10)")]
    Text { manifest: String, line: usize, column: usize, problem: String },
    #[error("{manifest}: {key} is {found}: {want}")]
    Value { manifest: String, key: &'static str, found: String, want: String },
    #[error(
        "{manifest} is a bundle of files, not of a server: name it in `bundles` of [detect], and in `bundle` of \
         [look] one with where = \"hosted\""
    )]
    Local { manifest: String },
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "where")]
    place: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: u32,
    name: String,
    version: String,
    task: String,
    #[serde(rename = "where")]
    _place: String,
    role: Role,
    shape: Shape,
    model: String,
    address: Option<String>,
    key_file: Option<PathBuf>,
    deadline_ms: u32,
    cap_usd_a_day: f64,
    #[serde(default = "usual_output")]
    most_output_tokens: u32,
    effort: Option<String>,
    #[serde(default = "usual_ask_below")]
    ask_below: f64,
    prompt: Option<String>,
    price: RawPrice,
    #[serde(default, rename = "provenance")]
    _provenance: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrice {
    date: String,
    input_usd_a_million: f64,
    output_usd_a_million: f64,
    #[serde(default = "usual_image")]
    image_tokens: u32,
}

/// Room for a model that thinks before it says one word.
const fn usual_output() -> u32 {
    1_000
}

/// Chosen: what the design calls doubtful, p within 0.1 to 0.9.
const fn usual_ask_below() -> f64 {
    0.9
}

/// The most that one of the three counts a sheet of 768 × 768 as, and some.
const fn usual_image() -> u32 {
    1_200
}

/// True of a manifest that is of a hosted bundle, whatever else is wrong with it.
#[must_use]
pub fn is_hosted(text: &str) -> bool {
    toml::from_str::<Kind>(text).is_ok_and(|kind| kind.place.as_deref() == Some("hosted"))
}

/// The refusals of one manifest.
struct Check<'a> {
    manifest: &'a Path,
}

impl Check<'_> {
    fn wrong(&self, key: &'static str, found: impl std::fmt::Display, want: &str) -> HostedRefused {
        let (manifest, found) = (self.manifest.display().to_string(), found.to_string());
        HostedRefused::Value { manifest, key, found, want: want.to_owned() }
    }

    fn text(&self, text: &str, error: &toml::de::Error) -> HostedRefused {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..at).unwrap_or_default();
        HostedRefused::Text {
            manifest: self.manifest.display().to_string(),
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
            problem: error.message().replace('\n', ", "),
        }
    }

    fn money(&self, key: &'static str, dollars: f64) -> Result<Money, HostedRefused> {
        let money = Money::dollars(dollars);
        money.ok_or_else(|| self.wrong(key, dollars, "write dollars, for example 0.75"))
    }
}

/// Dollars a million tokens, as what one costs.
fn a_token(check: &Check<'_>, key: &'static str, dollars: f64) -> Result<Money, HostedRefused> {
    check.money(key, dollars)?;
    // A millionth of it, rounded up.
    check.money(key, dollars / 1e6)
}

impl Hosted {
    /// Reads and checks the manifest of the hosted bundle in the folder `name`.
    ///
    /// # Errors
    /// [`HostedRefused`]: what is wrong, and what to write.
    pub fn parse(name: &str, manifest: &Path, text: &str) -> Result<Self, HostedRefused> {
        let check = Check { manifest };
        let kind: Kind = toml::from_str(text).map_err(|error| check.text(text, &error))?;
        match kind.place.as_deref() {
            Some("hosted") => {}
            None | Some("local") => {
                return Err(HostedRefused::Local { manifest: manifest.display().to_string() });
            }
            Some(other) => {
                return Err(check.wrong("where", format!("\"{other}\""), "write \"hosted\""));
            }
        }
        let raw: Raw = toml::from_str(text).map_err(|error| check.text(text, &error))?;
        raw.check(name, &check)
    }

    /// The most that one question can cost.
    #[must_use]
    pub fn worst(&self) -> Money {
        // No token is shorter than a byte.
        let text = u64::try_from(self.prompt.len()).unwrap_or(u64::MAX);
        let input = u64::from(self.image_tokens) + text + AROUND_TOKENS;
        self.price.of(Tokens { input, output: self.most_output_tokens.into() })
    }

    /// Days since somebody looked the price up; negative where the clock is behind.
    #[must_use]
    pub fn price_age_days(&self, now: UtcTime) -> i64 {
        crate::look::money::day_of(now) - day_of_date(self.price_date)
    }

    /// The revision that an answer may still make comes within this of the local final.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.deadline.min(REVISE_WITHIN)
    }
}

fn day_of_date(date: Date) -> i64 {
    const JULIAN_DAY_OF_1970: i64 = 2_440_588;
    i64::from(date.to_julian_day()) - JULIAN_DAY_OF_1970
}

impl Raw {
    fn check(self, folder: &str, check: &Check<'_>) -> Result<Hosted, HostedRefused> {
        if self.format != FORMAT {
            let want = "write 2; a newer one needs a newer courtside";
            return Err(check.wrong("format", self.format, want));
        }
        if self.name != folder {
            let want = format!("write \"{folder}\", the name of its folder");
            return Err(check.wrong("name", format!("\"{}\"", self.name), &want));
        }
        let parts: Vec<&str> = self.version.split('.').collect();
        if parts.len() != 3 || !parts.iter().all(|part| part.parse::<u32>().is_ok()) {
            let want = "write three numbers, for example \"0.1.0\"";
            return Err(check.wrong("version", format!("\"{}\"", self.version), want));
        }
        if self.task != "rim" {
            let want = "write \"rim\": a second look says made or missed";
            return Err(check.wrong("task", format!("\"{}\"", self.task), want));
        }
        let address = self.address(check)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/@".contains(c);
        let dots = self.model.split('/').any(|part| part == "..");
        if !(1..=128).contains(&self.model.len()) || !self.model.chars().all(plain) || dots {
            let want = "write the model's name, as its server has it";
            return Err(check.wrong("model", format!("\"{}\"", self.model), want));
        }
        let longest = if self.role == Role::Live { LIVE_MOST_MS } else { 60_000 };
        if !(200..=longest).contains(&self.deadline_ms) {
            let want = format!("write 200 to {longest} for the role \"{}\"", self.role.word());
            return Err(check.wrong("deadline_ms", self.deadline_ms, &want));
        }
        if !(16..=32_000).contains(&self.most_output_tokens) {
            let want = "write 16 to 32000; a model that thinks needs some hundreds";
            return Err(check.wrong("most_output_tokens", self.most_output_tokens, want));
        }
        if let Some(effort) = &self.effort
            && !self.shape.efforts().contains(&effort.as_str())
        {
            let want = format!("write one of {}", self.shape.efforts().join(", "));
            return Err(check.wrong("effort", format!("\"{effort}\""), &want));
        }
        if !(0.5..=1.0).contains(&self.ask_below) {
            let want = "write 0.5 to 1: the share of an outcome that was called";
            return Err(check.wrong("ask_below", self.ask_below, want));
        }
        let prompt = self.prompt.unwrap_or_else(|| PROMPT.to_owned());
        if prompt.trim().is_empty() || prompt.len() > PROMPT_MOST_BYTES {
            let want =
                format!("write 1 to {PROMPT_MOST_BYTES} bytes, or leave it out: ours is taken");
            return Err(check.wrong("prompt", format!("{} bytes", prompt.len()), &want));
        }
        let date = Date::parse(&self.price.date, format_description!("[year]-[month]-[day]"));
        let Ok(price_date) = date else {
            let want = "write the day on which somebody looked, for example \"2026-11-28\"";
            return Err(check.wrong("price.date", format!("\"{}\"", self.price.date), want));
        };
        let input = a_token(check, "price.input_usd_a_million", self.price.input_usd_a_million)?;
        let output = a_token(check, "price.output_usd_a_million", self.price.output_usd_a_million)?;
        if !(64..=100_000).contains(&self.price.image_tokens) {
            let want =
                "write 64 to 100000: what the server counts a picture of 768 × 768 as, at most";
            return Err(check.wrong("price.image_tokens", self.price.image_tokens, want));
        }
        let cap = check.money("cap_usd_a_day", self.cap_usd_a_day)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0.5 to 1")]
        let ask_below = (self.ask_below * 1e4).round() as u32;
        let hosted = Hosted {
            name: self.name,
            version: self.version,
            role: self.role,
            shape: self.shape,
            address,
            key_file: self.key_file,
            model: self.model,
            prompt_hash: contract::hash(&prompt),
            prompt,
            deadline: Duration::from_millis(self.deadline_ms.into()),
            cap,
            price: Price { input, output },
            price_date,
            image_tokens: self.price.image_tokens,
            most_output_tokens: self.most_output_tokens,
            effort: self.effort,
            ask_below,
        };
        // Who can ask nothing at all should know it before the game.
        if hosted.worst() > hosted.cap {
            let want = format!(
                "one question can cost ${:.6}: raise it, or lower `most_output_tokens`",
                hosted.worst().as_dollars()
            );
            return Err(check.wrong("cap_usd_a_day", self.cap_usd_a_day, &want));
        }
        Ok(hosted)
    }

    fn address(&self, check: &Check<'_>) -> Result<Web, HostedRefused> {
        let text = self.address.as_deref().unwrap_or(self.shape.address());
        // It may hold what nobody should read: it is not told again.
        let wrong = |want: &str| Err(check.wrong("address", "none that can be asked", want));
        let Some(mut web) = Web::parse(text) else {
            return wrong(
                "write https://HOST/PATH, or http://127.0.0.1:PORT/v1 of a server of your own",
            );
        };
        if web.target.contains('?') {
            return wrong("leave out what stands behind `?`: a key belongs into `key_file`");
        }
        while web.target.ends_with('/') {
            web.target.pop();
        }
        let local = web.host == "localhost"
            || web.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !web.tls && !local && self.key_file.is_some() {
            return wrong("write https://: a key would cross the network in clear");
        }
        Ok(web)
    }
}

#[cfg(test)]
mod tests;
