//! Text → checked values, or file:line:column, the nearest key and what to write.

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::config::Config;
use crate::config::appliance::RawBox;
use crate::config::characters;
use crate::config::claim::RawClaim;
use crate::config::court::{RawCourt, check_all};
use crate::config::detect::RawDetect;
use crate::config::example;
use crate::config::fault::{ConfigError, Fault, Findings, at, nearest};
use crate::config::game::RawGame;
use crate::config::health::RawHealth;
use crate::config::http::RawHttp;
use crate::config::ingest::RawIngest;
use crate::config::look::RawLook;
use crate::config::origin::Origin;
use crate::config::ring::RawRing;
use crate::config::update::RawUpdate;
use crate::config::uplink::RawUplink;
use crate::config::upload::RawUpload;

/// The file as it stands, every table with its own struct. Unknown keys are refused.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Courtside's configuration")]
pub(super) struct RawConfig {
    #[serde(default, rename = "box")]
    appliance: RawBox,
    #[schemars(with = "RawUplink")]
    uplink: Option<Spanned<RawUplink>>,
    #[serde(default)]
    claim: RawClaim,
    #[serde(default)]
    ingest: RawIngest,
    #[serde(default)]
    http: RawHttp,
    #[serde(default)]
    ring: RawRing,
    #[serde(default)]
    upload: RawUpload,
    #[serde(default)]
    update: RawUpdate,
    #[schemars(with = "Vec<RawCourt>", length(max = 256))]
    #[serde(default)]
    court: Vec<Spanned<RawCourt>>,
    #[serde(default)]
    detect: RawDetect,
    #[serde(default)]
    game: RawGame,
    #[serde(default)]
    look: RawLook,
    #[serde(default)]
    health: RawHealth,
}

/// Checks and completes a configuration. Reads nothing but secrets, and those through `origin`.
///
/// # Errors
/// [`ConfigError::Refused`], with every fault found: the first of form, or all of value.
pub fn parse(text: &str, origin: &Origin<'_>) -> Result<Config, ConfigError> {
    let refused = |faults| ConfigError::Refused { file: origin.file.to_owned(), faults };
    let misleading = characters::in_text(text);
    if !misleading.is_empty() {
        return Err(refused(misleading));
    }
    let raw: RawConfig =
        toml::from_str(text).map_err(|error| refused(vec![explain(text, &error)]))?;
    let mut findings = Findings::new(text);
    let parts = check(raw, origin, &mut findings);
    let (mut faults, advice, secret_files) = findings.into_parts();
    faults.extend(characters::in_values(text));
    faults.sort_by_key(|fault| (fault.line, fault.column));
    match parts {
        Some(config) if faults.is_empty() => Ok(Config { advice, secret_files, ..config }),
        _ => Err(refused(faults)),
    }
}

fn check(raw: RawConfig, origin: &Origin<'_>, findings: &mut Findings<'_>) -> Option<Config> {
    let appliance = raw.appliance.check(origin, findings);
    let (section, uplink) = match raw.uplink {
        Some(table) => (table.span(), table.into_inner()),
        None => (0..0, RawUplink::default()),
    };
    let claim = raw.claim.check(origin, findings);
    let uplink = uplink.check(section, claim.enabled, origin, findings);
    // A box that is to be claimed is told its courts from afar.
    let may_be_empty = uplink.as_ref().is_some_and(|uplink| uplink.broker.is_none());
    let ingest = raw.ingest.check(origin, findings);
    let data_dir =
        appliance.as_ref().map(|appliance| appliance.data_dir.clone()).unwrap_or_default();
    let http = raw.http.check(&data_dir, origin, findings);
    let ring = raw.ring.check(findings);
    let upload = raw.upload.check(origin, findings);
    let update = raw.update.check(origin, findings);
    let courts = check_all(raw.court, may_be_empty, ingest.as_ref(), origin, findings);
    let detect = raw.detect.check(origin, findings);
    let game = raw.game.check(findings);
    let look = raw.look.check(findings);
    let health = raw.health.check(findings);
    Some(Config {
        appliance: appliance?,
        uplink: uplink?,
        claim,
        ingest: ingest?,
        http: http?,
        ring,
        upload,
        update,
        courts,
        detect,
        game,
        look,
        health,
        advice: Vec::new(),
        secret_files: Vec::new(),
    })
}

/// Says of the parser's error where it is and what to write instead.
fn explain(text: &str, error: &toml::de::Error) -> Fault {
    let offset = error.span().map_or(0, |span| span.start);
    let message = short(error.message().trim());
    let message = message.as_str();
    let section = section_at(text, offset);
    if message.starts_with("invalid type: map, expected a sequence") {
        let said =
            format!("[{section}] may stand more than once: write [[{section}]], in two brackets");
        return at(text, offset, said);
    }
    let said = match message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
        Some((unknown, expected)) => unknown_key(unknown, &section, expected),
        None if message == "duplicate key" => {
            "this key stands twice in its table: take one out".to_owned()
        }
        None => match key_at(text, offset).and_then(|key| example::line_of(&section, key)) {
            Some(example) => format!("{message}: write, for example, {example}"),
            None => message.replace('\n', ", "),
        },
    };
    at(text, offset, said)
}

/// The beginning of a text that may hold anything of the file's.
pub(super) fn short(text: &str) -> String {
    const MOST_CHARS: usize = 400;
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// `expected` is the rest of serde's message; the keys of the table stand in it between backticks.
fn unknown_key(unknown: &str, section: &str, expected: &str) -> String {
    let keys: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    // An unknown table is looked at at the top level, whatever its own header says.
    let top = keys.contains(&"uplink");
    let place = match section {
        _ if top => "the file".to_owned(),
        "court" => "[[court]]".to_owned(),
        other => format!("[{other}]"),
    };
    let said = format!("unknown key `{unknown}` in {place}");
    if let Some(meant) = nearest(unknown, keys.iter().copied()) {
        return match example::line_of(section, meant) {
            Some(example) if !top => format!("{said}: did you mean `{meant}`, as in {example}?"),
            _ => format!("{said}: did you mean `{meant}`?"),
        };
    }
    match example::section_of(unknown) {
        Some(other) => format!("{said}: it belongs under {other}"),
        None => format!("{said}: take it out; known here are {}", keys.join(", ")),
    }
}

/// Name of the table that an offset lies in, without brackets; empty above the first.
pub(super) fn section_at(text: &str, offset: usize) -> String {
    let end =
        text.get(offset..).and_then(|rest| rest.find('\n')).map_or(text.len(), |n| offset + n);
    text.get(..end)
        .unwrap_or(text)
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('['))
        .filter_map(|line| line.trim_start_matches('[').split_once(']'))
        // A row of an array begins like a header, but holds no name.
        .map(|(name, _)| name.trim())
        .rfind(|name| name.bytes().all(|c| c.is_ascii_alphabetic() || b"_-.".contains(&c)))
        .map(str::to_owned)
        .unwrap_or_default()
}

/// The key whose value stands at an offset.
fn key_at(text: &str, offset: usize) -> Option<&str> {
    let before = text.get(..offset)?;
    let line = before.get(before.rfind('\n').map_or(0, |newline| newline + 1)..)?;
    line.split_once('=').map(|(key, _)| key.trim())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::*;

    const SMALLEST: &str = r#"
[box]
name = "rim-1"
data_dir = "/var/lib/courtside"

[uplink]
broker = "mqtt://127.0.0.1:1883"

[[court]]
name = "a"
stream_key = "north-hoop"      # publish to rtmp://BOX/live/north-hoop
rims = [[612, 188, 44, 22]]    # x, y, width, height of the ring in pixels of the stream
"#;

    fn parsed(text: &str) -> Result<Config, ConfigError> {
        let files = |path: &Path| match path.to_str() {
            Some("/etc/courtside/key" | "/run/credentials/key") => {
                Ok(format!("{}-secret\n", path.display().to_string().replace('/', ".")))
            }
            Some("/etc/courtside/empty") => Ok("\n".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        parse(
            text,
            &Origin {
                file: Path::new("/etc/courtside/c.toml"),
                credentials: None,
                hostname: Some("hall\n"),
                read: &files,
            },
        )
    }

    fn refusal(text: &str) -> String {
        parsed(text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn ten_lines_are_enough() {
        let config = parsed(SMALLEST).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.appliance.name.as_str(), "rim-1");
        let broker = config.uplink.broker.as_ref().map(crate::config::Broker::url);
        assert_eq!(broker.as_deref(), Some("mqtt://127.0.0.1:1883"));
        assert_eq!(config.courts.len(), 1);
        assert_eq!(config.courts[0].rims[0].w, 44.0);
        assert_eq!(config.http.token_file, Path::new("/var/lib/courtside/token"));
        assert_eq!(config.ring.quota_bytes, None);
        assert_eq!(config.advice, Vec::<String>::new());
    }

    #[test]
    fn only_broker_and_courts_have_no_default() {
        let text = "[uplink]\nbroker = \"mqtt://b\"\n[[court]]\nname = \"a\"\nstream_key = \"12345678\"\nrims = []\n";
        let config = parsed(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.appliance.name.as_str(), "hall");
        assert_eq!(config.advice.len(), 1, "a court without rims: {:?}", config.advice);
        insta::assert_snapshot!(refusal("[claim]\nenabled = false"));
    }

    #[test]
    fn a_box_without_a_broker_is_to_be_claimed_and_needs_no_court() {
        let config = parsed("").unwrap_or_else(|error| panic!("{error}"));
        assert!(config.uplink.broker.is_none() && config.courts.is_empty() && config.claim.enabled);
        assert_eq!(config.claim.files[0], Path::new("/media/*/courtside-claim.toml"));
        let text = "[claim]\nfiles = [\"stick/*/c.toml\"]\nserial_file = \"serial\"\n";
        let config = parsed(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.claim.files, [Path::new("/etc/courtside/stick/*/c.toml")]);
        assert_eq!(config.claim.serial_file.as_deref(), Some(Path::new("/etc/courtside/serial")));
        for files in ["\"/m*/c.toml\"", "\"/*/*/*/c.toml\""] {
            let said = refusal(&format!("[claim]\nfiles = [{files}]"));
            assert!(said.contains(":2:9: `files`: a `*` stands for one whole folder"), "{said}");
        }
        // Who writes the rest of [uplink] has forgotten the broker.
        assert!(refusal("[uplink]\nusername = \"u\"").contains("[uplink] has no `broker`"));
        assert!(refusal("[uplink]\nbroker = \"mqtt://b\"").contains("no [[court]]"));
    }

    #[test]
    fn a_refusal_says_where_and_what_to_write() {
        let with = |from: &str, to: &str| {
            assert!(SMALLEST.contains(from), "{from}");
            refusal(&SMALLEST.replacen(from, to, 1))
        };
        let table = [
            with("stream_key", "strem_key"),
            with("[box]", "[boks]"),
            with("[box]", "[box]\nstream_key = \"x\""),
            with("[box]", "[box]\nbananas = 1"),
            with("\"rim-1\"", "\"Rim 1\""),
            with("\"rim-1\"", "7"),
            with("mqtt://", "http://"),
            with("broker = ", "username = \"u\" #"),
            with("[[612, 188, 44, 22]]", "[[612, 188, 44]]"),
            with("[[612, 188, 44, 22]]", "[[612, 188, -44, 22]]"),
            with("[[612, 188, 44, 22]]", "[[612, 188, 44, nan]]"),
            with("[[612, 188, 44, 22]]", "[612, 188, 44, 22]"),
            with(
                "[[612, 188, 44, 22]]",
                "[\n[612, 188, 44, 22],\n[1, 2, 3, \"4\"],\n]\nrim_of = [1, 1]",
            ),
            with("[[612, 188, 44, 22]]", "[\n[612, 188, 44, 22],\n]\nrim_of = [1, 1]"),
            with("[[612, 188, 44, 22]]", "[[612, 188, 44, 22]]\nrims_of = [640, 360]"),
            with("[[612, 188, 44, 22]]", "[[612, 188, 44, 22]]\nrims_of = [640]"),
            with("[[court]]", "[court]"),
            with("[[court]]", "[ring]\npin_days = \"ten\"\n[[court]]"),
            with("[[court]]", "[ring]\npin_days = 0\nquota_bytes = 1\n[[court]]"),
            with("[[court]]", "[ring]\nquota_bytes = -1\n[[court]]"),
            with("[[court]]", "[http]\nlisten = \"0.0.0.0:80\"\n[[court]]"),
            with("[[court]]", "[http]\nlisten = \"localhost:80\"\n[[court]]"),
            with("[[court]]", "[http]\ncert_file = \"c.pem\"\n[[court]]"),
            with("[[court]]", "[ingest]\nrtmps = \"0.0.0.0:1936\"\n[[court]]"),
            with("[[court]]", "[ingest]\nrtmp = \"off\"\n[[court]]"),
            with(
                "[[court]]",
                "[detect]\ndevice = \"gpu\"\ncalibrate = \"maybe\"\nbundles = [\"../x\"]\n[[court]]",
            ),
            with(
                "[[court]]",
                "[detect]\nmodel_memory_bytes = 1\nmodel_multiply_adds = 9223372036854775807\n[[court]]",
            ),
            with("[[court]]", "[[court]]\nname = \"a\"\nstream_key = \"north-hoop\"\n[[court]]"),
            with("\"north-hoop\"", "\"north hoop\""),
            with("\"north-hoop\"", "\"CHANGE-ME\""),
            with("stream_key = ", "stream_key_file = \"empty\"\n#"),
            with("stream_key = ", "stream_key_file = \"absent\"\n#"),
            with("stream_key = ", "stream_key_file = \"key\"\nstream_key = "),
            with("name = \"a\"", "name = \"a\"\nname = \"b\""),
            with("name = \"a\"", "name = \"a"),
        ];
        insta::assert_snapshot!(table.join("\n"));
    }

    fn courts(count: usize, rims: usize) -> String {
        let rims = vec!["[1, 2, 30, 20]"; rims].join(", ");
        let court = |n| {
            format!("[[court]]\nname = \"c{n}\"\nstream_key = \"key-of-{n}\"\nrims = [{rims}]\n")
        };
        "[uplink]\nbroker = \"mqtt://b\"\n".to_owned() + &(0..count).map(court).collect::<String>()
    }

    #[test]
    fn a_bundle_may_be_named_with_its_precision() {
        let with = |detect: &str| format!("[detect]\n{detect}\n{}", courts(1, 1));
        let told = refusal(&with("bundles = [\"rimnet:fp64\"]"));
        assert!(told.contains("`rimnet:fp64` is no name of a bundle"), "{told}");
        assert!(told.contains("\":fp16\" or \":int8\""), "{told}");
        assert!(!refusal(&with("bundles = [\"rimnet:\"]")).is_empty());
        let told = refusal(&with("dla = 2"));
        assert!(told.contains("`dla` is no core of a Jetson: write 0 or 1"), "{told}");
        let good = "bundles = [\"rimnet:fp16\", \"rimnet:fp32\"]\ndla = 1\ndevice = \"tensorrt:1\"";
        assert_eq!(refusal(&with(good)), "");
    }

    #[test]
    fn what_repeats_has_a_bound_and_the_refusal_says_which_is_beyond() {
        for good in [courts(256, 1), courts(1, 16)] {
            assert_eq!(refusal(&good), "");
        }
        let many = |what: &str, of: usize| format!("[{}]", vec![what; of].join(", "));
        let long = "x".repeat(5000);
        for (text, expected) in [
            (courts(257, 1), ":1027:1: 257 courts, and a box takes at most 256"),
            (courts(1000, 1), ":1027:1: 1000 courts, and a box takes at most 256"),
            (courts(1, 17), ":6:265: 17 rims, and a court takes at most 16"),
            (courts(1, 30_000), ":6:265: 30000 rims, and a court takes at most 16"),
            (
                format!("[detect]\nbundles = {}\n{}", many("\"rimnet\"", 17), courts(1, 1)),
                ":2:11: 17 bundles, and a box takes at most 16",
            ),
            (
                format!("[health]\nlog = \"{long}\"\n{}", courts(1, 1)),
                ":2:7: `log` is longer than 4096 bytes",
            ),
            (
                courts(1, 1).replace("broker", &format!("username = \"{long}\"\nbroker")),
                ":2:12: `username` is no name: write at most 256 characters",
            ),
            (
                courts(1, 1).replace("mqtt://b", &format!("mqtt://{long}")),
                ":2:10: `broker` has no usable host",
            ),
        ] {
            let said = refusal(&text);
            assert!(said.contains(expected) && said.lines().count() == 1, "{expected}: {said}");
            assert!(said.len() < 300, "{said}");
        }
    }

    #[test]
    fn a_file_of_nothing_but_faults_is_told_of_in_a_few() {
        let text = courts(256, 16).replace("[1, 2, 30, 20]", "[1, 2, 30]");
        let said = refusal(&text);
        assert_eq!(said.lines().count(), 51);
        assert!(said.ends_with("and 4046 more: mend these first"), "{said}");
        assert_eq!(refusal(&"\u{202e}\n".repeat(250_000)).lines().count(), 20);
        let key = "k".repeat(500_000);
        assert!(refusal(&format!("{key} = 1")).len() < 1000);
    }

    #[test]
    fn what_nests_without_end_is_refused_and_not_followed() {
        let deep = 100_000;
        for text in [
            format!("x = {}{}", "[".repeat(deep), "]".repeat(deep)),
            format!("x = {}1{}", "{a=".repeat(deep), "}".repeat(deep)),
            format!("{}x = 1", "a.".repeat(deep)),
            format!("[{}x]", "a.".repeat(deep)),
            format!("[[{}x]]", "a.".repeat(deep)),
        ] {
            let said = refusal(&text);
            assert!(!said.is_empty() && said.len() < 1000, "{said}");
        }
    }

    #[test]
    fn files_that_hold_secrets_are_known() {
        let text = courts(1, 1)
            .replace("stream_key = ", "stream_key_file = \"key\" #")
            .replace("broker", "username = \"u\"\npassword_file = \"key\"\nbroker")
            + "[http]\ncert_file = \"c.pem\"\nkey_file = \"k.pem\"\n";
        let files = |text: &str| {
            let config = parsed(text).unwrap_or_else(|error| panic!("{error}"));
            config.secret_files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(files(&text), ["/etc/courtside/k.pem", "/etc/courtside/key"]);
        assert_eq!(files(SMALLEST), ["/etc/courtside/c.toml"], "a stream key stands in it");
    }

    #[test]
    fn what_would_mislead_who_reads_the_file_is_refused_and_not_repeated() {
        let hidden = refusal(&SMALLEST.replace("# publish", "# \u{202e}\u{1b}[2Jpublish"));
        assert_eq!(
            hidden,
            r"/etc/courtside/c.toml:11:34: this line contains \u{202e}, which is not seen or changes how a line is read: write it again without"
        );
        let smuggled = refusal(&SMALLEST.replace("/var/lib/courtside", r"/var/\u200blib"));
        assert!(smuggled.contains(r"c.toml:4:12: this text contains \u{200b}"), "{smuggled}");
        let quoted = refusal(&SMALLEST.replace("rims =", r#""r\u001bims\n" ="#));
        assert!(quoted.lines().all(|line| line.starts_with("/etc/courtside/c.toml:")), "{quoted}");
        assert!(quoted.lines().all(crate::media::Foreign::is_plain), "{quoted}");
    }

    #[test]
    fn a_secret_is_no_part_of_a_refusal() {
        let text = SMALLEST.replace(
            "[[court]]",
            "[[court]]\nname = \"b\"\nstream_key = \"north-hoop\"\n[[court]]",
        );
        assert!(!refusal(&text).contains("north-hoop"), "{}", refusal(&text));
    }

    #[test]
    fn a_credential_of_systemd_comes_before_a_file_beside_ours() {
        let text = SMALLEST.replace("stream_key = ", "stream_key_file = \"key\" #");
        let key = |credentials| {
            let read = |path: &Path| Ok(path.display().to_string().replace('/', ".") + "\n");
            let origin = Origin {
                file: Path::new("/etc/courtside/c.toml"),
                credentials,
                hostname: None,
                read: &read,
            };
            let config = parse(&text, &origin).unwrap_or_else(|error| panic!("{error}"));
            config.courts[0].stream_key.expose().to_owned()
        };
        assert_eq!(key(None), ".etc.courtside.key");
        assert_eq!(key(Some(Path::new("/run/credentials"))), ".run.credentials.key");
    }
}
