//! The files of the page, in the binary: its text, its looks and the modules of its script.
//!
//! Served from our own origin like all else, under the policy that `http` sends with every answer.

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::http::Problem;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// For as long as a browser likes: another version has another address.
const KEPT: &str = "private, max-age=31536000, immutable";

/// The modules of the script, by the names that they import each other by; `page.js` is the first.
const MODULES: &[(&str, &str)] = &[
    ("calibration.js", include_str!("script/calibration.js")),
    ("calls.js", include_str!("script/calls.js")),
    ("clip.js", include_str!("script/clip.js")),
    ("court.js", include_str!("script/court.js")),
    ("dom.js", include_str!("script/dom.js")),
    ("keep.js", include_str!("script/keep.js")),
    ("models.js", include_str!("script/models.js")),
    ("page.js", include_str!("script/page.js")),
    ("recording.js", include_str!("script/recording.js")),
    ("rims.js", include_str!("script/rims.js")),
    ("ring.js", include_str!("script/ring.js")),
    ("service.js", include_str!("script/service.js")),
    ("session.js", include_str!("script/session.js")),
    ("state.js", include_str!("script/state.js")),
    ("stream.js", include_str!("script/stream.js")),
    ("verdicts.js", include_str!("script/verdicts.js")),
    ("vitals.js", include_str!("script/vitals.js")),
    ("wall.js", include_str!("script/wall.js")),
    ("who.js", include_str!("script/who.js")),
    ("words.js", include_str!("script/words.js")),
];

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|| file(HTML, include_str!("page.html"))))
        .route("/page.css", get(|| file(CSS, include_str!("page.css"))))
        .route("/script/{name}", get(script))
        .route("/vendor/hls.light.min.mjs", get(player))
}

async fn script(Path(asked): Path<String>) -> Response {
    match MODULES.iter().find(|(name, _)| **name == asked) {
        Some((_, text)) => file(SCRIPT, text).await.into_response(),
        None => Problem::not_found("the page has no such script").into_response(),
    }
}

/// What is not ours, and the page asks for when somebody plays a recording. It asks by version.
async fn player() -> impl IntoResponse {
    let kept = [(header::CONTENT_TYPE, SCRIPT), (header::CACHE_CONTROL, KEPT)];
    (kept, include_str!("vendor/hls.light.min.mjs"))
}

async fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What a module imports.
    fn imports(text: &str) -> Vec<&str> {
        text.lines()
            .filter(|line| line.starts_with("import "))
            .map(|line| line.split('"').nth(1).expect("a path in quotes"))
            .map(|path| path.strip_prefix("./").expect("beside it"))
            .collect()
    }

    #[test]
    fn every_module_is_served_and_reached_and_none_imports_another_in_a_circle() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/page/script");
        let on_disk: BTreeSet<String> = std::fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        let served: BTreeSet<String> = MODULES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(on_disk, served, "name each file of script/ in MODULES");

        // Those whose imports are all placed already, again and again: a circle is never placed.
        let mut placed: BTreeSet<&str> = BTreeSet::new();
        while let Some((name, _)) = MODULES.iter().find(|(name, text)| {
            !placed.contains(name) && imports(text).iter().all(|import| placed.contains(import))
        }) {
            placed.insert(name);
        }
        let left: Vec<_> = MODULES.iter().filter(|(name, _)| !placed.contains(name)).collect();
        assert!(left.is_empty(), "in a circle, or importing what is not there: {left:?}");

        let imported: BTreeSet<&str> = MODULES.iter().flat_map(|(_, text)| imports(text)).collect();
        let never: Vec<_> =
            placed.difference(&imported).filter(|name| **name != "page.js").collect();
        assert!(never.is_empty(), "never imported: {never:?}");
    }
}
