//! `[[court]]`: a camera, its key, and the rims that it sees.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::example::EXAMPLE_KEY;
use crate::config::fault::Findings;
use crate::config::ingest::IngestConfig;
use crate::config::origin::Origin;
use crate::config::relay::{self, RawRelay, RelayConfig};
use crate::config::secret::Secret;
use crate::floor::{FloorDrawn, Laid};
use crate::media::{CourtId, RimBox};

/// More courts than a hall has, and than a box decodes; each costs threads and memory (chosen).
const COURTS_MOST: usize = 256;
/// More rims than a camera sees; each is looked at in every picture (chosen).
const RIMS_MOST: usize = 16;
/// No codec that we take draws a wider picture.
const PICTURE_MOST_PX: f64 = 16_384.0;
/// Below this a ring has too few pixels to see a ball pass through it.
const RING_LEAST_PX: f32 = 8.0;
/// More than any camera with a frame store needs.
const CAMERA_DELAY_MOST_MS: u32 = 60_000;
/// Shorter keys can be guessed from the network.
const KEY_ADVISED_CHARS: usize = 8;

/// `[[court]]`, checked.
#[derive(Clone)]
pub struct CourtConfig {
    /// The court's name; no two are the same.
    pub name: CourtId,
    /// What a camera publishes to, under `/live/`; no two are the same.
    pub stream_key: Secret,
    /// The rims, in pixels of `rims_of`. May be empty: then nothing is called.
    pub rims: Vec<RimBox>,
    /// Width and height of the picture that `rims` were drawn on; the first stream's, if absent.
    pub rims_of: Option<[u32; 2]>,
    /// Where its painted floor lies in the picture; without one no spot of a shot is known.
    pub floor: Option<Laid>,
    /// From shutter to the camera's own time stamp; taken off `time`. Zero unless given.
    pub camera_delay: Duration,
    /// Where its stream is forwarded to, unchanged.
    pub relays: Vec<RelayConfig>,
}

/// One camera and the rims that it sees.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCourt {
    /// Name of the court: 1 to 32 of a-z, 0-9 and '-'.
    #[schemars(extend("x-applies" = "stream"))]
    #[schemars(with = "String", required, regex(pattern = "^[a-z0-9-]{1,32}$"))]
    name: Option<Spanned<String>>,
    /// Key that the camera publishes with: `rtmp://BOX/live/KEY`.
    #[schemars(extend("x-applies" = "stream", "x-secret" = true))]
    #[schemars(with = "Option<String>")]
    stream_key: Option<Spanned<String>>,
    /// File whose first line is that key, instead of `stream_key`. A name without folder is looked
    /// for among systemd's credentials first.
    #[schemars(extend("x-applies" = "stream"))]
    #[schemars(with = "Option<PathBuf>")]
    stream_key_file: Option<Spanned<PathBuf>>,
    /// Each rim as [x, y, width, height] of the ring, in pixels of the picture.
    #[schemars(extend("x-applies" = "stream"))]
    #[schemars(with = "Vec<[f64; 4]>", length(max = 16))]
    #[serde(default)]
    rims: Vec<Spanned<Vec<f64>>>,
    /// [width, height] of the picture that `rims` were drawn on; the first stream's, if absent.
    #[schemars(extend("x-applies" = "stream"))]
    #[schemars(with = "Option<[u32; 2]>")]
    rims_of: Option<Spanned<Vec<u32>>>,
    /// The painted floor: a rule book's court, and the pixels at which points of it are seen.
    #[schemars(extend("x-applies" = "stream"))]
    #[schemars(with = "Option<FloorDrawn>")]
    floor: Option<Spanned<FloorDrawn>>,
    /// Milliseconds from shutter to the camera's own time stamp.
    #[schemars(extend("x-applies" = "hot"))]
    #[schemars(with = "Option<u32>")]
    camera_delay_ms: Option<Spanned<u32>>,
    /// Where the stream is forwarded to, unchanged.
    #[schemars(extend("x-applies" = "hot", "x-secret" = true))]
    #[schemars(with = "Vec<RawRelay>", length(max = 4))]
    #[serde(default)]
    relay: Vec<Spanned<RawRelay>>,
}

/// Checks all courts, and that none takes another's name or key.
pub(super) fn check_all(
    raw: Vec<Spanned<RawCourt>>,
    may_be_empty: bool,
    ingest: Option<&IngestConfig>,
    origin: &Origin<'_>,
    findings: &mut Findings<'_>,
) -> Vec<CourtConfig> {
    if raw.is_empty() && !may_be_empty {
        let text = "no [[court]]: add one with `name`, `stream_key` and `rims`; \
                    `courtside config example` shows how";
        findings.fault(0..0, text);
    }
    if let Some(beyond) = raw.get(COURTS_MOST) {
        let text = format!(
            "{} courts, and a box takes at most {COURTS_MOST}: take this one and those behind it out, \
             and give them a box of their own",
            raw.len()
        );
        findings.fault(beyond.span(), text);
        return Vec::new();
    }
    let mut courts: Vec<CourtConfig> = Vec::with_capacity(raw.len());
    let mut keys: BTreeMap<String, CourtId> = BTreeMap::new();
    for court in raw {
        let section = court.span();
        let Some(court) = court.into_inner().check(section.clone(), ingest, origin, findings)
        else {
            continue;
        };
        if courts.iter().any(|other| other.name == court.name) {
            let text = format!("a second court `{}`: give each court its own `name`", court.name);
            findings.fault(section.clone(), text);
        }
        // The key itself is in no text: it is a secret.
        if let Some(other) = keys.insert(court.stream_key.expose().to_owned(), court.name.clone()) {
            let text = format!(
                "courts `{other}` and `{}` have the same stream key: give each its own",
                court.name
            );
            findings.fault(section, text);
        }
        courts.push(court);
    }
    courts
}

impl RawCourt {
    fn check(
        self,
        section: std::ops::Range<usize>,
        ingest: Option<&IngestConfig>,
        origin: &Origin<'_>,
        findings: &mut Findings<'_>,
    ) -> Option<CourtConfig> {
        let name = match &self.name {
            Some(written) => match CourtId::new(written.get_ref()) {
                Ok(name) => Some(name),
                Err(error) => {
                    findings.fault(written.span(), error);
                    None
                }
            },
            None => {
                findings.fault(
                    section.clone(),
                    "[[court]] has no `name`: write, for example, name = \"a\"",
                );
                None
            }
        };
        let stream_key = self.stream_key(section, origin, findings);
        let rims_of = self.rims_of.as_ref().and_then(|written| picture_size(written, findings));
        if let Some(beyond) = self.rims.get(RIMS_MOST) {
            let text = format!(
                "{} rims, and a court takes at most {RIMS_MOST}: take this one and those behind it out",
                self.rims.len()
            );
            findings.fault(beyond.span(), text);
        }
        let written = self.rims.iter().take(RIMS_MOST);
        let rims: Vec<RimBox> =
            written.filter_map(|written| rim(written, rims_of, findings)).collect();
        let floor = self.floor.as_ref().and_then(|written| floor(written, rims_of, findings));
        let camera_delay_ms = self.camera_delay_ms.map_or(0, |written| {
            if *written.get_ref() > CAMERA_DELAY_MOST_MS {
                let text =
                    format!("`camera_delay_ms` is out of range: write 0 to {CAMERA_DELAY_MOST_MS}");
                findings.fault(written.span(), text);
            }
            written.into_inner()
        });
        let relays = relay::check_all(self.relay, origin, findings);
        if let Some(ingest) = ingest {
            relay::refuse_loops(&relays, ingest, findings);
        }
        let relays = relays.into_iter().map(|(_, relay)| relay).collect();
        let (name, stream_key) = (name?, stream_key?);
        if self.rims.is_empty() {
            findings.advise(format!(
                "court {name}: no `rims`, so nothing is called; draw one on the page of the box"
            ));
        }
        for rim in rims.iter().filter(|rim| rim.w < RING_LEAST_PX) {
            findings.advise(format!(
                "court {name}: a ring of {} pixels is too narrow to call shots; zoom the camera in \
                 (20 or more are good)",
                rim.w
            ));
        }
        for advice in floor.iter().flat_map(|laid| laid.told(&laid.middles(&rims, rims_of)).advice)
        {
            findings.advise(format!("court {name}: its `floor`: {advice}"));
        }
        if stream_key.expose().len() < KEY_ADVISED_CHARS {
            findings.advise(format!("court {name}: the stream key is short enough to be guessed"));
        }
        let camera_delay = Duration::from_millis(camera_delay_ms.into());
        Some(CourtConfig { name, stream_key, rims, rims_of, floor, camera_delay, relays })
    }

    fn stream_key(
        &self,
        section: std::ops::Range<usize>,
        origin: &Origin<'_>,
        findings: &mut Findings<'_>,
    ) -> Option<Secret> {
        let (secret, span) = match (&self.stream_key, &self.stream_key_file) {
            (Some(key), None) => {
                findings.secret_in(origin.file);
                (Secret::new(key.get_ref()), key.span())
            }
            (None, Some(file)) => (origin.secret(file, findings)?, file.span()),
            (Some(_), Some(file)) => {
                findings
                    .fault(file.span(), "`stream_key` and `stream_key_file`: write one of them");
                return None;
            }
            (None, None) => {
                findings.fault(section, "[[court]] has no `stream_key` (nor `stream_key_file`)");
                return None;
            }
        };
        let good = |c: u8| c.is_ascii_alphanumeric() || b"-_.~!$*+=:@".contains(&c);
        let key = secret.expose();
        if key == EXAMPLE_KEY {
            let text = "this is the key of the example, which everybody knows: make up your own, or \
                        take one from `courtside config example`";
            findings.fault(span, text);
            return None;
        }
        if (1..=128).contains(&key.len()) && key.bytes().all(good) {
            return Some(secret);
        }
        let text = "the stream key cannot be written in an RTMP address: use 1 to 128 letters, digits \
                    and any of - _ . ~ ! $ * + = : @";
        findings.fault(span, text);
        None
    }
}

fn picture_size(written: &Spanned<Vec<u32>>, findings: &mut Findings<'_>) -> Option<[u32; 2]> {
    let size = match written.get_ref().as_slice() {
        &[width, height] => Some([width, height]),
        _ => None,
    };
    let fits = |side: &u32| *side > 0 && f64::from(*side) <= PICTURE_MOST_PX;
    let size = size.filter(|sides| sides.iter().all(fits));
    if size.is_none() {
        let text = "`rims_of` is the size of a picture: write, for example, rims_of = [1280, 720]";
        findings.fault(written.span(), text);
    }
    size
}

/// A floor that can be laid, in a picture of the aspect that the rims were drawn on.
fn floor(
    written: &Spanned<FloorDrawn>,
    rims_of: Option<[u32; 2]>,
    findings: &mut Findings<'_>,
) -> Option<Laid> {
    let laid = match written.get_ref().lay() {
        Ok(laid) => laid,
        Err(why) => {
            findings.fault(written.span(), format!("`floor` cannot be laid: {why}"));
            return None;
        }
    };
    if let Some([width, height]) = rims_of
        && laid.scale((width, height)).is_none()
    {
        let text = format!(
            "`floor` was clicked on a picture of another aspect than the {width} x {height} of `rims_of`: \
             click it again on the picture that comes now"
        );
        findings.fault(written.span(), text);
        return None;
    }
    Some(laid)
}

fn rim(
    written: &Spanned<Vec<f64>>,
    rims_of: Option<[u32; 2]>,
    findings: &mut Findings<'_>,
) -> Option<RimBox> {
    let &[x, y, w, h] = written.get_ref().as_slice() else {
        let text = "a rim is four numbers, x, y, width and height: write, for example, \
                    rims = [[612, 188, 44, 22]]";
        findings.fault(written.span(), text);
        return None;
    };
    let sides = [x, y, w, h];
    if !sides.iter().all(|side| (0.0..=PICTURE_MOST_PX).contains(side)) || w <= 0.0 || h <= 0.0 {
        let text = "a rim lies in the picture and has a width and a height: x and y from 0, \
                    width and height above 0, all up to 16384";
        findings.fault(written.span(), text);
        return None;
    }
    if let Some([width, height]) = rims_of
        && (x + w > f64::from(width) || y + h > f64::from(height))
    {
        let text = format!(
            "this rim reaches out of the picture of {width} x {height} that `rims_of` names"
        );
        findings.fault(written.span(), text);
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "0 to 16384: exact to a thousandth pixel")]
    let pixels = |side: f64| side as f32;
    Some(RimBox { x: pixels(x), y: pixels(y), w: pixels(w), h: pixels(h) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::load::parse;
    use crate::config::origin::Origin;
    use crate::config::{Config, ConfigError};

    const FOUR: &str = "key-left = [420, 330], key-right = [820, 334], elbow-left = [366, 520], \
                        elbow-right = [902, 526]";

    fn with(floor: &str) -> Result<Config, ConfigError> {
        let text = format!(
            "[box]\nname = \"rim-1\"\n[uplink]\nbroker = \"mqtt://127.0.0.1:1883\"\n[[court]]\nname = \"a\"\n\
             stream_key = \"north-hoop-1\"\nrims = [[612, 188, 44, 22]]\nrims_of = [1280, 720]\nfloor = {floor}\n"
        );
        let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let file = Path::new("courtside.toml");
        parse(&text, &Origin { file, credentials: None, hostname: None, read: &read })
    }

    #[test]
    fn a_floor_is_taken_told_back_and_advised_of() {
        let config =
            with(&format!("{{ plan = \"fiba\", of = [1280, 720], points = {{ {FOUR} }} }}"));
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let laid = config.courts[0].floor.as_ref().expect("laid");
        assert_eq!((laid.plan.name.as_str(), laid.drawn.points.len()), ("fiba", 4));
        let shown: toml::Table = config.to_toml().parse().expect("TOML");
        let told = &shown["court"][0]["floor"];
        assert_eq!(told["points"]["elbow-right"][0].as_float(), Some(902.0), "{told}");
        assert!(
            config.advice.iter().any(|line| line.contains("click a fifth")),
            "{:?}",
            config.advice
        );
    }

    #[test]
    fn a_floor_that_cannot_be_is_refused_at_its_line_with_what_to_do() {
        let mirrored = FOUR.replace("left", "L").replace("right", "left").replace('L', "right");
        for (floor, said) in [
            ("{ plan = \"fibba\", of = [1280, 720], points = {} }".to_owned(), "no court `fibba`"),
            ("{ plan = \"fiba\", of = [1280, 720], points = {} }".to_owned(), "0 of at least 4"),
            (
                format!("{{ plan = \"fiba\", of = [1280, 720], points = {{ {mirrored} }} }}"),
                "exchanged everywhere",
            ),
            (
                format!("{{ plan = \"fiba\", of = [640, 480], points = {{ {FOUR} }} }}"),
                "lies outside",
            ),
            (
                format!("{{ plan = \"fiba\", of = [1280, 960], points = {{ {FOUR} }} }}"),
                "another aspect",
            ),
        ] {
            let Err(error) = with(&floor) else { panic!("{floor} is taken") };
            let error = error.to_string();
            assert!(
                error.contains(said) && error.contains("courtside.toml:10"),
                "{floor}: {error}"
            );
        }
    }
}
