//! What mosquitto reads, as texts (pure). Tried with 2.0.11; the options are those of mosquitto.conf(5).

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::path::Path;

use ring::pbkdf2;

use crate::claim::{CLAIM_USER, OFFICE_USER, OPERATOR_USER, Serial, TECHNICIAN_USER, VIEWER_USER};
use crate::media::BoxName;
use crate::media::base64;
use crate::tools::provision::folder::{Settings, names};

/// What `mosquitto_passwd` takes. The passwords are 256 random bits: guessing them is no shorter by it.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(101).expect("not zero");
/// Bytes of salt in a password file.
pub(super) const SALT_BYTES: usize = 12;

/// The configuration. `user` is whose the folder is: mosquitto that root starts becomes somebody else, who
/// could not read it.
pub(super) fn conf(
    settings: &Settings,
    dir: &Path,
    bind: Option<&str>,
    user: Option<&str>,
) -> String {
    let at = |name: &str| dir.join(name).display().to_string();
    let mut text = String::from(
        "# Written by `courtside provision ca`, which never writes it again: change what you like.\n",
    );
    if let Some(user) = user {
        let _ = writeln!(text, "user {user}");
    }
    let _ = write!(
        text,
        "per_listener_settings false\nallow_anonymous false\nacl_file {}\npid_file {}\n",
        at(names::ACL),
        at(names::PID),
    );
    if settings.password_port.is_some() {
        let _ = writeln!(text, "password_file {}", at(names::PASSWORDS));
    }
    let _ = write!(
        text,
        "# What is retained, and what waits for who is away, survives a restart of the broker.\n\
         persistence true\npersistence_location {}/\nautosave_interval 60\n\
         # A back office that is away for a weekend finds what happened meanwhile.\n\
         max_queued_messages 100000\n\
         # No box sends and none takes more.\n\
         max_packet_size 1048576\n",
        at(names::DATA),
    );
    let bind = bind.map_or_else(String::new, |bind| format!(" {bind}"));
    let tls = format!(
        "cafile {}\ncertfile {}\nkeyfile {}\ntls_version tlsv1.2\n",
        at(names::BROKER_CA),
        at(names::SERVER),
        at(names::SERVER_KEY)
    );
    let _ = write!(
        text,
        "\n# Who comes here is who his certificate says.\nlistener {}{bind}\n{tls}crlfile {}\n\
         require_certificate true\nuse_identity_as_username true\n",
        settings.port,
        at(names::ENDED)
    );
    if let Some(port) = settings.password_port {
        let _ = write!(text, "\n# Who comes here has a password.\nlistener {port}{bind}\n{tls}");
    }
    text
}

/// The rights: a box has its own topics and nothing else (protocol.md §4.3 to §4.6). `bound` are the boxes
/// whose claim file is for them alone.
pub(super) fn acl<'a>(bound: impl IntoIterator<Item = &'a Serial>) -> String {
    let mut text = String::from(
        "# Written by `courtside provision`, and written again by it: put your own users behind another acl.\n",
    );
    let mut user = |name: &str, rights: &[(&str, &str)]| {
        let _ = writeln!(text, "\nuser {name}");
        for (right, topic) in rights {
            let _ = writeln!(text, "topic {right} {topic}");
        }
    };
    user(
        TECHNICIAN_USER,
        &[
            ("read", "courtside/#"),
            ("write", "courtside/1/+/command/+"),
            ("write", "courtside/1/+/operator/command/+"),
            ("write", "courtside/1/+/config/desired"),
            ("write", "courtside/1/+/claim/res"),
            ("write", "courtside/1/claim/+/res"),
        ],
    );
    user(
        OFFICE_USER,
        &[
            ("read", "courtside/1/+/event/#"),
            ("read", "courtside/1/+/game/#"),
            ("read", "courtside/1/+/state/#"),
            ("read", "courtside/1/+/config/reported"),
            ("read", "courtside/1/+/command/+/state"),
            ("read", "courtside/1/+/operator/command/+/state"),
            ("read", "courtside/1/+/answer/#"),
            ("write", "courtside/1/+/command/+"),
            ("write", "courtside/1/+/operator/command/+"),
            ("write", "courtside/1/+/config/desired"),
            ("readwrite", "homeassistant/#"),
        ],
    );
    user(
        OPERATOR_USER,
        &[
            ("read", "courtside/1/+/event/#"),
            ("read", "courtside/1/+/game/#"),
            ("read", "courtside/1/+/state/#"),
            ("read", "courtside/1/+/operator/command/+/state"),
            ("write", "courtside/1/+/operator/command/+"),
        ],
    );
    user(
        VIEWER_USER,
        &[
            ("read", "courtside/1/+/event/#"),
            ("read", "courtside/1/+/game/#"),
            ("read", "courtside/1/+/state/#"),
        ],
    );
    user(CLAIM_USER, &[("write", "courtside/1/claim/+/req"), ("read", "courtside/1/claim/+/res")]);
    for serial in bound {
        let (req, res) =
            (format!("courtside/1/claim/{serial}/req"), format!("courtside/1/claim/{serial}/res"));
        user(&bound_user(serial), &[("write", &req), ("read", &res)]);
    }
    text.push_str("\n# A box: its user is its name.\n");
    let writes = [
        "event/#",
        "game/#",
        "state/#",
        "config/reported",
        "command/+/state",
        "operator/command/+/state",
        "answer/#",
        "claim/req",
        "claim/trial",
        "claim/committed",
    ];
    let reads = ["command/+", "operator/command/+", "config/desired", "claim/res"];
    let rights = writes.map(|it| ("write", it)).into_iter().chain(reads.map(|it| ("read", it)));
    for (right, below) in rights {
        let _ = writeln!(text, "pattern {right} courtside/1/%u/{below}");
    }
    text.push_str("# Recordings that it imports are told as those of a box beside it.\n");
    for below in ["event/#", "game/#", "state/#"] {
        let _ = writeln!(text, "pattern write courtside/1/%u-import/{below}");
    }
    text.push_str("pattern write homeassistant/+/%u/#\npattern read homeassistant/status\n");
    text
}

/// The user of a claim file that is for one box.
pub(super) fn bound_user(serial: &Serial) -> String {
    format!("{CLAIM_USER}-{serial}")
}

/// A line of the password file, as `mosquitto_passwd` writes it: PBKDF2-HMAC-SHA512.
pub(super) fn password_line(name: &BoxName, password: &str, salt: [u8; SALT_BYTES]) -> String {
    let mut hash = [0; 64];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, ITERATIONS, &salt, password.as_bytes(), &mut hash);
    let (salt, hash) = (base64::encode(&salt), base64::encode(&hash));
    format!("{name}:$7${ITERATIONS}${salt}${hash}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hashed_as_mosquitto_does() {
        // `mosquitto_passwd -b FILE rim-1 secret` of mosquitto 2.0.11.
        let line = "rim-1:$7$101$LcGGrk2I8b1pZkce$cosadknkPhH4SxdyNsOIKAZSpIgL4DqwRfCag7f0fgIc4ooH9AHRWsDh0T/a0oXTcpE1mx5mWGy+mjZiPebUQA==\n";
        let salt = [0x2d, 0xc1, 0x86, 0xae, 0x4d, 0x88, 0xf1, 0xbd, 0x69, 0x66, 0x47, 0x1e];
        let name = BoxName::new("rim-1").expect("a name");
        assert_eq!(password_line(&name, "secret", salt), line);
    }

    #[test]
    fn the_rights_are_these() {
        let serial = Serial::new("CS-7").expect("a serial number");
        insta::assert_snapshot!(acl([&serial]));
    }

    #[test]
    fn the_configuration_is_this() {
        let settings = Settings {
            v: 1,
            name: "a venue".to_owned(),
            hosts: vec!["10.0.0.5".to_owned()],
            port: 8883,
            password_port: Some(8884),
            made: 0,
        };
        let dir = Path::new("/home/kim/venue");
        insta::assert_snapshot!(conf(&settings, dir, None, Some("kim")));
        let alone = Settings { password_port: None, ..settings };
        let text = conf(&alone, dir, Some("127.0.0.1"), None);
        assert!(!text.contains("password") && text.contains("listener 8883 127.0.0.1\n"), "{text}");
    }
}
