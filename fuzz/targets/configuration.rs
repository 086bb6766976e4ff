//! A configuration file of any text: refused with places that exist in it, or told back as TOML.

use std::io;
use std::path::Path;

use courtside::config::{ConfigError, Origin, parse};

/// Reads `data` as a configuration. Files that it names hold a secret, or are not there.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = |path: &Path| match path.as_os_str().len() % 2 {
        0 => Ok("a-secret-in-a-file\n".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let file = Path::new("courtside.toml");
    let origin = Origin { file, credentials: None, hostname: Some("venue"), read: &read };
    match parse(text, &origin) {
        Ok(config) => {
            let told = config.to_toml();
            assert!(told.parse::<toml::Table>().is_ok(), "no TOML: {told}");
            assert!(!told.contains("a-secret-in-a-file"), "a secret is told: {told}");
        }
        Err(ConfigError::Refused { faults, .. }) => {
            assert!(!faults.is_empty(), "refused without a reason");
            // A fault at the end of the text stands behind its last line.
            let lines = text.split('\n').count();
            for fault in faults {
                assert!((1..=lines).contains(&fault.line), "line {} of {lines}", fault.line);
                assert!(fault.column >= 1 && !fault.text.is_empty(), "{fault:?}");
            }
        }
        Err(ConfigError::Read { .. }) => unreachable!("nothing was read"),
    }
}
