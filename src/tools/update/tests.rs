//! Root's part over real files, with scripts for RAUC and systemctl.

use std::fs;

use serde_json::Value;

use super::*;
use crate::config::Overlay;
use crate::config::twin::{Store, Twin, Wanted};
use crate::disk::{seal, write_durably};

/// A box in a folder, whose RAUC and systemctl are scripts that write down what they are asked.
struct Boxed {
    dir: tempfile::TempDir,
    args: RootArgs,
}

const STATUS: &str = r#"{"compatible":"box","booted":"A","slots":[
    {"rootfs.0":{"bootname":"A","boot_status":"good"}},{"rootfs.1":{"bootname":"B","boot_status":"good"}}]}"#;

impl Boxed {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        let put = |name: &str, text: &str| put_beside(&at(name), text.as_bytes()).expect(name);
        for folder in ["data/update", "root"] {
            fs::create_dir_all(at(folder)).expect("made");
        }
        let here = dir.path().display();
        put(
            "rauc",
            &format!(
                "#!/bin/sh\necho \"rauc $*\" >> {here}/log\ncase \"$1 $2\" in\n\
                 'status --detailed') cat {here}/slots ;;\n\
                 'install '*) test ! -e {here}/full || {{ echo 'no room in the slot' >&2; exit 1; }}\n\
                 cp \"$2\" {here}/slot ;;\nesac\n"
            ),
        );
        put("systemctl", &format!("#!/bin/sh\necho \"systemctl $*\" >> {here}/log\n"));
        for script in ["rauc", "systemctl"] {
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(at(script), mode).expect("a script");
        }
        put("slots", STATUS);
        put("log", "");
        put("os-release", "ID=courtside-os\nVERSION_ID=\"0.1.0\"\n");
        put("keys", &key().public().to_file());
        put(
            "box.toml",
            &format!(
                "[box]\ndata_dir = \"{here}/data\"\n[update]\nkeys_file = \"{here}/keys\"\n\
                 folder = \"{here}/root\"\n"
            ),
        );
        let args = RootArgs {
            config: at("box.toml"),
            rauc: at("rauc"),
            systemctl: at("systemctl"),
            os_release: at("os-release"),
        };
        Self { dir, args }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn paper(&self, name: &str, json: &Value) {
        let bytes = seal(json.to_string().into_bytes());
        let path = self.at(name);
        write_durably(&RealDisk::new(), &path, &bytes).expect("written");
    }

    /// Asks for a bundle that the daemon has, and says what root's part makes of it.
    fn asks(&self, n: u64, what: &str, bundle: &[u8], comment: &str) -> Value {
        put_beside(&self.at("bundle"), bundle).expect("written");
        let file = RealDisk::new().open(&self.at("bundle"), OpenHow::Read).expect("there");
        let sums = hashes(&*file).expect("read");
        let theirs = self.at(&format!("data/update/{}.bundle", sums.sha256));
        put_beside(&theirs, bundle).expect("written");
        self.paper(
            "data/update/ask.json",
            &json!({
                "n": n, "what": what, "sha256": sums.sha256, "size": sums.bytes, "broker": true,
                "signature": key().sign_hash(&sums.blake2b, comment),
            }),
        );
        self.runs(|root, _| Ok(root.serve().map(|()| ExitCode::SUCCESS)?));
        self.status()
    }

    fn runs(&self, what: impl FnOnce(&Root<'_>, &SystemClock) -> anyhow::Result<ExitCode>) {
        self.args.root(RootArgs::own(self.args.config()), what).expect("done");
    }

    fn status(&self) -> Value {
        let bytes = fs::read(self.at("root/status.json")).expect("told");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// What was asked of the programs since, but for what they are.
    fn asked(&self) -> Vec<String> {
        let log = fs::read_to_string(self.at("log")).expect("a log");
        put_beside(&self.at("log"), b"").expect("written");
        let looks = "rauc status --detailed --output-format=json";
        log.lines().filter(|line| *line != looks).map(str::to_owned).collect()
    }
}

fn key() -> SecretKey {
    SecretKey::from_random([1; 8], [1; 32]).expect("a key")
}

const GOOD: &str = "courtside update 0.2.0 for box";

#[test]
fn rauc_is_asked_to_install_to_arm_and_to_mark_good_and_nothing_else() {
    let boxed = Boxed::new();
    let status = boxed.asks(1, "install", b"an image", GOOD);
    assert_eq!(status["kept"]["phase"], "installed", "{status}");
    let copy = boxed.at("root/bundle.raucb");
    let install = format!("rauc install {}", copy.display());
    assert_eq!(boxed.asked(), ["rauc status mark-good booted", &install]);
    assert_eq!(fs::read(boxed.at("slot")).expect("written"), b"an image");
    assert!(!copy.exists(), "root's copy is let go");
    let mode =
        |name: &str| fs::metadata(boxed.at(name)).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode("root/status.json"), mode("root/keeper.json")), (0o644, 0o600));
    // The same once more is nothing.
    boxed.asks(1, "install", b"an image", GOOD);
    assert_eq!(boxed.asked(), [""; 0]);
    let status = boxed.asks(2, "restart", b"an image", GOOD);
    assert_eq!(
        (&status["kept"]["phase"], &status["kept"]["told"]),
        (&"armed".into(), &true.into())
    );
    assert_eq!(boxed.asked(), ["rauc status mark-active other", "systemctl reboot"]);
    // It starts from the other slot, and has shown all.
    put_beside(
        &boxed.at("slots"),
        STATUS.replace("\"booted\":\"A\"", "\"booted\":\"B\"").as_bytes(),
    )
    .expect("written");
    put_beside(&boxed.at("os-release"), b"VERSION_ID=0.2.0\n").expect("written");
    let shown = json!({
        "boot": SystemClock::new().boot(), "ready": true, "clip": true, "outbox": true, "broker": true,
    });
    boxed.paper("data/update/trial.json", &shown);
    boxed.runs(good);
    assert_eq!(boxed.asked(), ["rauc status mark-good booted"]);
    assert_eq!(boxed.status()["kept"]["phase"], "good");
}

#[test]
fn what_is_wanted_from_afar_does_not_say_whose_images_are_installed() {
    let boxed = Boxed::new();
    put_beside(&boxed.at("keys"), b"").expect("written");
    put_beside(&boxed.at("theirs"), key().public().to_file().as_bytes()).expect("written");
    let wanted = json!({ "update": { "keys_file": boxed.at("theirs") } });
    let overlay = Overlay::new(wanted).expect("an object");
    let mut twin = Twin::default();
    twin.force = Wanted { revision: 1, overlay };
    let data = boxed.at("data");
    Store::of(&data).write(&RealDisk::new(), &twin).expect("written");
    let status = boxed.asks(1, "install", b"an image", GOOD);
    let why = status["kept"]["refused"]["reason"].as_str().expect("refused");
    assert!(why.contains("no key") && boxed.asked().is_empty(), "{status}");
}

#[test]
fn a_trusted_slot_is_marked_good_whatever_is_wrong_with_the_boxs_files() {
    for broken in ["keys", "os-release"] {
        let boxed = Boxed::new();
        fs::remove_file(boxed.at(broken)).expect("gone");
        boxed.runs(good);
        assert_eq!(boxed.asked(), ["rauc status mark-good booted"], "{broken}");
    }
    // A configuration that is refused: by the defaults, whose folder is not on this machine.
    let boxed = Boxed::new();
    put_beside(&boxed.at("box.toml"), b"[box\nnonsense").expect("written");
    let (data, update) = RootArgs::own(boxed.args.config());
    assert_eq!(update.folder, Path::new("/var/lib/courtside-update"));
    let update = UpdateConfig { folder: boxed.at("root"), ..update };
    boxed.args.root((data, update), good).expect("done");
    assert_eq!(boxed.asked(), ["rauc status mark-good booted"]);
}

#[test]
fn what_is_not_signed_is_older_or_does_not_fit_is_never_given_to_rauc() {
    let boxed = Boxed::new();
    let refused = |n, bundle: &[u8], comment| {
        let status = boxed.asks(n, "install", bundle, comment);
        assert_eq!(status["kept"]["phase"], "nothing", "{status}");
        status["kept"]["refused"]["reason"].as_str().expect("a reason").to_owned()
    };
    assert!(refused(1, b"x", "courtside update 0.0.9 for box").contains("0.1.0 runs"));
    assert!(refused(2, b"x", "courtside update 0.2.0 for other").contains("this machine is box"));
    assert!(refused(3, b"x", "courtside model toy 0.2.0").contains("no update"));
    put_beside(&boxed.at("keys"), b"").expect("written");
    assert!(refused(4, b"x", GOOD).contains("no key"));
    assert_eq!(boxed.asked(), [""; 0]);
    // What RAUC refuses is told with its words, and the slot is not started from.
    put_beside(&boxed.at("keys"), key().public().to_file().as_bytes()).expect("written");
    put_beside(&boxed.at("full"), b"").expect("written");
    assert!(refused(5, b"y", GOOD).contains("no room in the slot"));
    boxed.asked();
    let status = boxed.asks(6, "restart", b"y", GOOD);
    assert!(status["kept"]["refused"]["n"] == 6 && boxed.asked().is_empty(), "{status}");
}
