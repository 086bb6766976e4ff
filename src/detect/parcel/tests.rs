//! Parcels that are taken, and everything that is refused: any changed byte first of all.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::detect::bundle::files::hex;
use crate::media::base64;
use crate::minisign::{Signature, SignatureError};

const NETWORK: &[u8] = b"not a network, but its hash is right";
const OTHER: &[u8] = b"another one, for int8";

fn manifest(version: &str) -> String {
    let (first, second) = (hex(&Sha256::digest(NETWORK)), hex(&Sha256::digest(OTHER)));
    format!(
        r#"format = 2
name = "toy"
version = "{version}"
task = "ring"
budget_ms = 60.0
[[file]]
path = "toy.onnx"
precision = "fp32"
device = "any"
sha256 = "{first}"
[[file]]
path = "toy-int8.onnx"
precision = "int8"
device = "cpu"
sha256 = "{second}"
[ring.frame]
name = "frame"
width = 640
height = 360
[ring.found]
name = "found"
stride = 8
unit = 16.0
[ring.decision]
least = 0.3
apart = 0.5
most = 16
[provenance]
data = "rendered"
rights = ["all ours"]
"#
    )
}

fn key(n: u8) -> SecretKey {
    SecretKey::from_random([n; 8], [n; 32]).expect("a key")
}

fn files() -> Vec<(String, Vec<u8>)> {
    let file = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    vec![file("toy.onnx", NETWORK), file("toy-int8.onnx", OTHER)]
}

/// `text`, signed as the bundle `toy` of `version`.
fn packed(text: &str, version: &str) -> Vec<u8> {
    let signature = key(1).sign(text.as_bytes(), &trusted_comment("toy", version));
    pack(text, &signature, &files()).expect("packed")
}

fn good() -> Vec<u8> {
    packed(&manifest("0.2.0"), "0.2.0")
}

/// What a box that trusts key 1 and has nothing installed says.
fn said(parcel: &[u8]) -> Result<Accepted, Refused> {
    with(parcel, &|_| None)
}

fn with(parcel: &[u8], installed: &dyn Fn(&str) -> Option<Installed>) -> Result<Accepted, Refused> {
    let keys = [key(7).public(), key(1).public()];
    let rules = Rules { keys: &keys, most_bytes: Rules::MOST_BYTES, licensed: true, installed };
    accept(&parcel.to_vec(), &rules)
}

fn why(refused: Result<Accepted, Refused>) -> String {
    refused.expect_err("refused").to_string()
}

#[test]
fn a_good_parcel_says_who_it_is_and_where_its_files_lie() {
    let parcel = good();
    let found = said(&parcel).expect("good");
    assert_eq!((found.name.as_str(), found.version.to_string().as_str()), ("toy", "0.2.0"));
    assert_eq!((found.signed_by, found.known), (key(1).public().id(), false));
    let part = found.parcel.file("toy-int8.onnx").expect("there");
    assert_eq!(part.read(&parcel).expect("read"), OTHER);
    assert_eq!(found.parcel.manifest, manifest("0.2.0"));
}

/// Every byte: one of its bits, and the one that makes a small letter a large one.
#[test]
fn any_changed_byte_is_refused() {
    let parcel = good();
    let keys = [key(1).public()];
    let rules =
        Rules { keys: &keys, most_bytes: Rules::MOST_BYTES, licensed: true, installed: &|_| None };
    for at in 0..parcel.len() {
        for bit in [at % 8, 5] {
            let mut changed = parcel.clone();
            changed[at] ^= 1 << bit;
            assert!(accept(&changed, &rules).is_err(), "byte {at}, bit {bit}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_other_bytes_are_refused(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
        put in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let parcel = good();
        let mut changed = parcel.clone();
        for (from, to) in cuts {
            let (from, to) = (from.index(changed.len() + 1), to.index(changed.len() + 1));
            changed.splice(from.min(to)..from.max(to), put.iter().copied());
        }
        prop_assume!(changed != parcel);
        prop_assert!(said(&changed).is_err());
    }

    /// Whatever comes, nothing panics, and nothing is taken.
    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 0..400), head in any::<bool>()) {
        let mut bytes = if head { b"courtside parcel 1\nmodel.toml ".to_vec() } else { Vec::new() };
        bytes.extend(noise);
        prop_assert!(said(&bytes).is_err());
    }
}

#[test]
fn every_refusal_says_what_to_do() {
    let parcel = good();
    let signed = |text: &str| packed(text, "0.2.0");
    let text = manifest("0.2.0");
    let by_other = key(2).sign(text.as_bytes(), &trusted_comment("toy", "0.2.0"));
    let forged = SecretKey::from_random([1; 8], [9; 32]).expect("a key");
    let forged = forged.sign(text.as_bytes(), &trusted_comment("toy", "0.2.0"));
    let as_other = key(1).sign(text.as_bytes(), &trusted_comment("toy", "0.3.0"));
    let mine = key(1).sign(text.as_bytes(), &trusted_comment("toy", "0.2.0"));
    let mut swapped = files();
    swapped.swap(0, 1);
    let mut altered = files();
    altered[1].1.push(0);
    let newer =
        String::from_utf8(parcel.clone()).expect("text").replacen("parcel 1", "parcel 2", 1);
    let legacy = include_str!("../../../tests/data/minisign/legacy.minisig");
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("something else", b"PK\x03\x04".to_vec()),
        ("of a newer format", newer.into_bytes()),
        ("cut", parcel[..parcel.len() - 1].to_vec()),
        ("with more behind it", [parcel.as_slice(), b"\0"].concat()),
        ("of an unknown key", pack(&text, &by_other, &files()).expect("packed")),
        ("of a key of the same name", pack(&text, &forged, &files()).expect("packed")),
        ("with another comment", pack(&text, &as_other, &files()).expect("packed")),
        ("files in another order", pack(&text, &mine, &swapped).expect("packed")),
        ("a file too few", pack(&text, &mine, &files()[..1]).expect("packed")),
        ("an altered file", pack(&text, &mine, &altered).expect("packed")),
        ("without data", signed(&text.replace("data = \"rendered\"", "data = \" \""))),
        ("without rights", signed(&text.replace("[\"all ours\"]", "[]"))),
        ("a task of tomorrow", signed(&text.replace("task = \"ring\"", "task = \"pose\""))),
        ("a format of tomorrow", signed(&text.replace("format = 2", "format = 3"))),
        ("no name", signed(&text.replace("name = \"toy\"", "name = \"../toy\""))),
        ("a version that is none", signed(&text.replace("0.2.0", "02.0.0"))),
        (
            "for a GPU alone",
            signed(&text.replace("\"any\"", "\"cuda\"").replace("\"cpu\"", "\"cuda\"")),
        ),
    ];
    let mut told: String =
        rows.iter().map(|(what, bytes)| format!("{what}: {}\n", why(said(bytes)))).collect();
    let no_keys =
        Rules { keys: &[], most_bytes: Rules::MOST_BYTES, licensed: true, installed: &|_| None };
    told.push_str(&format!("without keys: {}\n", why(accept(&parcel, &no_keys))));
    let unpackable = pack(&text, legacy, &files()).expect_err("no parcel").to_string();
    told.push_str(&format!("a legacy signature: {unpackable}\n"));
    insta::assert_snapshot!(told);
}

#[test]
fn what_is_installed_decides_which_versions_are_taken() {
    let newest = |version: &str, text: &str| Installed {
        version: Version::parse(version).expect("a version"),
        manifest_sha256: hex(&Sha256::digest(text.as_bytes())),
    };
    let parcel = good();
    let has = |installed: Installed| {
        with(&parcel, &move |name| (name == "toy").then(|| installed.clone()))
    };
    assert!(!has(newest("0.1.9", "any")).expect("newer").known);
    assert!(has(newest("0.2.0", &manifest("0.2.0"))).expect("the same").known);
    let told = [
        why(has(newest("0.2.0", "another"))),
        why(has(newest("0.2.1", "any"))),
        why(has(newest("0.10.0", "any"))),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

/// Each rule keeps something out: without it, it comes in.
#[test]
fn without_a_rule_what_it_keeps_out_comes_in() {
    let keys = [key(1).public()];
    let usual =
        Rules { keys: &keys, most_bytes: Rules::MOST_BYTES, licensed: true, installed: &|_| None };
    let text = manifest("0.2.0").replace("rights = [\"all ours\"]\n", "");
    let unlicensed = packed(&text, "0.2.0");
    assert!(matches!(accept(&unlicensed, &usual), Err(Refused::Unlicensed { key: "rights" })));
    assert!(accept(&unlicensed, &Rules { licensed: false, ..usual }).is_ok());
    let parcel = good();
    let most_bytes = parcel.len() as u64 - 1;
    let usual = Rules { keys: &keys, most_bytes, licensed: true, installed: &|_| None };
    assert!(matches!(accept(&parcel, &usual), Err(Refused::TooLong { .. })));
    assert!(accept(&parcel, &Rules { most_bytes: most_bytes + 1, ..usual }).is_ok());
    let installed = Installed {
        version: Version::parse("1.0.0").expect("one"),
        manifest_sha256: String::new(),
    };
    assert!(matches!(with(&parcel, &|_| Some(installed.clone())), Err(Refused::Older { .. })));
    assert!(said(&parcel).is_ok());
}

/// Made with minisign 0.11: `minisign -G -W`, `minisign -S -t "courtside model toy 0.1.0"` over "hello\n".
/// Ed25519 gives one signature, so ours is the one that minisign made: each reads the other's.
#[test]
fn keys_and_signatures_are_those_of_minisign() {
    let secret = include_str!("../../../tests/data/minisign/k.sec");
    let public = include_str!("../../../tests/data/minisign/k.pub");
    let signature = include_str!("../../../tests/data/minisign/model.toml.minisig");
    let key = SecretKey::parse(secret).expect("minisign's");
    assert_eq!(key.public(), PublicKey::parse(public).expect("minisign's"));
    assert_eq!(key.public().to_file(), public);
    assert_eq!(key.to_secret_file().lines().nth(1), secret.lines().nth(1));
    let ours = key.sign(b"hello\n", "courtside model toy 0.1.0");
    let lines = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&ours), lines(signature));
    let parsed = Signature::parse(signature).expect("minisign's");
    let keys = [key.public()];
    let (comment, id) = parsed.verify(b"hello\n", &keys).expect("good");
    assert_eq!((comment, id.to_string()), ("courtside model toy 0.1.0", "8497A45502EC7C76".into()));
    assert!(matches!(parsed.verify(b"hello", &keys), Err(SignatureError::Forged)));
}

#[test]
fn a_key_that_is_none_is_told_from_one_that_is_locked_or_damaged() {
    let secret = key(3).to_secret_file();
    assert_eq!(SecretKey::parse(&secret).expect("ours").public(), key(3).public());
    let line = secret.lines().nth(1).expect("a line");
    let mut bytes = base64::decode(line).expect("text");
    bytes[70] ^= 1;
    let damaged = SecretKey::parse(&base64::encode(&bytes)).expect_err("damaged");
    bytes[2..4].copy_from_slice(b"Sc");
    let locked = SecretKey::parse(&base64::encode(&bytes)).expect_err("locked");
    let none = SecretKey::parse(&key(3).public().to_file()).expect_err("public");
    let public = PublicKey::parse(&secret).expect_err("secret");
    assert_eq!(
        [damaged, locked, none, public],
        [KeyError::Damaged, KeyError::Locked, KeyError::Secret, KeyError::Public]
    );
    assert_eq!(format!("{:?}", key(3)), "SecretKey { id: 0303030303030303, .. }");
}
