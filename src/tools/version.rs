//! `courtside --version`: what this binary is, and what it finds on this machine.
//!
//! `-V` is the first line alone, for scripts.

use crate::clips;
use crate::config::twin;
use crate::detect;
use crate::game;
use crate::uplink;

/// The name and number of this version.
const LINE: &str = concat!("courtside ", env!("CARGO_PKG_VERSION"));

/// All of it, a line each.
pub(super) fn told() -> String {
    let commit = option_env!("COURTSIDE_COMMIT").unwrap_or("unknown");
    let features = if cfg!(feature = "gstreamer") { "gstreamer" } else { "none" };
    let engines: Vec<String> = detect::engines_found().iter().map(ToString::to_string).collect();
    let engines = engines.join(", ");
    let stores: Vec<String> =
        [("outbox", uplink::STORE_FORMAT), ("inbox", uplink::INBOX_FORMAT.format.into())]
            .into_iter()
            .chain(
                clips::FORMATS.into_iter().chain(game::FORMATS).map(|(name, n)| (name, n.into())),
            )
            .chain([("twins", twin::FORMAT.format.into())])
            .chain([("manifests", detect::MANIFEST_FORMAT.into())])
            .map(|(name, format)| format!("{name} {format}"))
            .collect();
    let stores = stores.join(", ");
    format!(
        "{LINE}\ncommit: {commit}\nfeatures: {features}\nengines: {engines}\nstores: {stores}\n"
    )
}
