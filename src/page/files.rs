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
pub(super) const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// For as long as a browser likes: another version has another address.
const KEPT: &str = "private, max-age=31536000, immutable";

/// The modules of the scripts, by their paths below `script/`, by which they import each other. The first of
/// each page is the one that its text names.
const MODULES: &[(&str, &str)] = &[
    ("calibration.js", include_str!("script/calibration.js")),
    ("calls.js", include_str!("script/calls.js")),
    ("clip.js", include_str!("script/clip.js")),
    ("clock.js", include_str!("script/clock.js")),
    ("court.js", include_str!("script/court.js")),
    ("dom.js", include_str!("script/dom.js")),
    ("facts.js", include_str!("script/facts.js")),
    ("floor.js", include_str!("script/floor.js")),
    ("feed.js", include_str!("script/feed.js")),
    ("keep.js", include_str!("script/keep.js")),
    ("models.js", include_str!("script/models.js")),
    ("operate/add.js", include_str!("script/operate/add.js")),
    ("operate/period.js", include_str!("script/operate/period.js")),
    ("operate/ask.js", include_str!("script/operate/ask.js")),
    ("operate/board.js", include_str!("script/operate/board.js")),
    ("operate/calls.js", include_str!("script/operate/calls.js")),
    ("operate/clip.js", include_str!("script/operate/clip.js")),
    ("operate/desk.js", include_str!("script/operate/desk.js")),
    ("operate/find.js", include_str!("script/operate/find.js")),
    ("operate/game.js", include_str!("script/operate/game.js")),
    ("operate/health.js", include_str!("script/operate/health.js")),
    ("operate/keys.js", include_str!("script/operate/keys.js")),
    ("operate/operate.js", include_str!("script/operate/operate.js")),
    ("operate/queue.js", include_str!("script/operate/queue.js")),
    ("operate/thumbs.js", include_str!("script/operate/thumbs.js")),
    ("operate/words.js", include_str!("script/operate/words.js")),
    ("overlay/overlay.js", include_str!("script/overlay/overlay.js")),
    ("overlay/schedule.js", include_str!("script/overlay/schedule.js")),
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
        .route("/operate", get(|| file(HTML, include_str!("operate.html"))))
        .route("/operate.css", get(|| file(CSS, include_str!("operate.css"))))
        .route("/overlay", get(|| file(HTML, include_str!("overlay.html"))))
        .route("/overlay-base.css", get(|| file(CSS, include_str!("overlay-base.css"))))
        .route("/script/{name}", get(async |Path(name): Path<String>| script(&name).await))
        .route("/script/{folder}/{name}", get(part))
        .route("/vendor/hls.light.min.mjs", get(player))
}

async fn part(Path((folder, name)): Path<(String, String)>) -> Response {
    script(&format!("{folder}/{name}")).await
}

async fn script(asked: &str) -> Response {
    match MODULES.iter().find(|(name, _)| *name == asked) {
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

    /// The one of each page that its text names.
    const FIRST: [&str; 3] = ["page.js", "operate/operate.js", "overlay/overlay.js"];

    /// What a module imports, by path below `script/`.
    fn imports(name: &str, text: &str) -> Vec<String> {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        text.lines()
            .filter(|line| line.starts_with("import "))
            .map(|line| line.split('"').nth(1).expect("a path in quotes"))
            .map(|path| match path.strip_prefix("../") {
                Some(above) => above.to_owned(),
                None => {
                    let beside = path.strip_prefix("./").expect("beside it, or above");
                    format!("{folder}/{beside}").trim_start_matches('/').to_owned()
                }
            })
            .collect()
    }

    /// Every file below a folder, by path.
    fn below(folder: &std::path::Path, of: &str) -> BTreeSet<String> {
        std::fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry"))
            .flat_map(|entry| {
                let name = format!("{of}{}", entry.file_name().to_string_lossy());
                match entry.path().is_dir() {
                    true => below(&entry.path(), &format!("{name}/")),
                    false => BTreeSet::from([name]),
                }
            })
            .collect()
    }

    #[test]
    fn every_module_is_served_and_reached_and_none_imports_another_in_a_circle() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/page/script");
        let on_disk = below(std::path::Path::new(folder), "");
        let served: BTreeSet<String> = MODULES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(on_disk, served, "name each file of script/ in MODULES");

        // Those whose imports are all placed already, again and again: a circle is never placed.
        let mut placed: BTreeSet<&str> = BTreeSet::new();
        while let Some((name, _)) = MODULES.iter().find(|(name, text)| {
            !placed.contains(name)
                && imports(name, text).iter().all(|import| placed.contains(import.as_str()))
        }) {
            placed.insert(name);
        }
        let left: Vec<_> = MODULES.iter().filter(|(name, _)| !placed.contains(name)).collect();
        assert!(left.is_empty(), "in a circle, or importing what is not there: {left:?}");

        let imported: BTreeSet<String> =
            MODULES.iter().flat_map(|(name, text)| imports(name, text)).collect();
        let reached = |name: &str| imported.contains(name) || FIRST.contains(&name);
        let never: Vec<_> = placed.iter().filter(|name| !reached(name)).collect();
        assert!(never.is_empty(), "never imported: {never:?}");
    }

    #[test]
    fn pages_name_what_is_served_and_nothing_of_elsewhere() {
        let served = ["/page.css", "/operate.css", "/overlay-base.css", "/overlay.css", "/"];
        let pages =
            [include_str!("page.html"), include_str!("operate.html"), include_str!("overlay.html")];
        for (page, first) in pages.iter().zip(FIRST) {
            assert!(page.contains(&format!("src=\"/script/{first}\"")), "{first}");
            for link in page.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                let known =
                    served.contains(&link) || link.starts_with("data:") || link == "/operate";
                assert!(known, "{link}");
            }
        }
        for (name, text) in MODULES {
            // But for the name of a language, which nobody fetches.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("http"), "{name} names what is not ours");
        }
    }
}
