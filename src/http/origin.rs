//! Requests that another site's page makes a browser send.
//!
//! A browser sends a `POST` for any page that asks, with the box's cookie or, where no token is
//! asked for, without; only reading the answer is kept from the page. It says for whom in `Origin`.
//! So what changes something is taken from our own pages, and from what is no browser and says
//! nothing. The scheme does not count: TLS may end before us.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::problem::Problem;

/// Refuses what would change something for a page that is not ours.
pub(super) async fn own_pages(request: Request, next: Next) -> Response {
    if request.method().is_safe() || is_own(request.headers()) {
        return next.run(request).await;
    }
    let detail = "a page of another site asked for this: use this box's own page, or send no header \
                  `Origin`; a proxy before the box must pass `Host` on as it came, port and all";
    Problem::new(StatusCode::FORBIDDEN, "Foreign origin", detail).into_response()
}

/// True if every `Origin` names the host and port that were asked, and no browser says that another site's
/// page asked. `null` names none.
fn is_own(headers: &HeaderMap) -> bool {
    // Today's browsers say so even where they say no `Origin` (Fetch Metadata, 2.2).
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if !sites.all(|site| site == "same-origin" || site == "none") {
        return false;
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        host.zip(origin.to_str().ok()).is_some_and(|(host, origin)| names(origin, host))
    })
}

/// True if `origin` is a page of `host`, both as a browser sends them.
fn names(origin: &str, host: &str) -> bool {
    // Left out by browsers, written by others.
    let (page, usual_port) = match (origin.strip_prefix("http://"), origin.strip_prefix("https://"))
    {
        (Some(page), _) => (page, ":80"),
        (_, Some(page)) => (page, ":443"),
        _ => return false,
    };
    let bare = |name: &str| name.strip_suffix(usual_port).unwrap_or(name).to_ascii_lowercase();
    bare(page) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_that_says_another_site_asked_is_believed() {
        for (site, ours) in [
            (None, true),
            (Some("same-origin"), true),
            (Some("none"), true),
            (Some("same-site"), false),
        ]
        .into_iter()
        .chain([(Some("cross-site"), false), (Some(""), false)])
        {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                headers.insert("sec-fetch-site", site.parse().expect("a value"));
            }
            assert_eq!(is_own(&headers), ours, "{site:?}");
        }
    }

    #[test]
    fn an_origin_is_ours_if_it_names_the_host_that_was_asked() {
        for (origin, host, ours) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("https://box-7.local:8443", "Box-7.local:8443", true),
            ("http://[::1]:8080", "[::1]:8080", true),
            ("https://box-7.local", "box-7.local:443", true),
            ("http://box-7.local:80", "box-7.local", true),
            ("http://127.0.0.1:3000", "127.0.0.1:8080", false),
            ("http://localhost:8080", "127.0.0.1:8080", false),
            ("https://evil.example", "127.0.0.1:8080", false),
            ("http://127.0.0.1:8080.evil.example", "127.0.0.1:8080", false),
            ("http://evil.example/127.0.0.1:8080", "127.0.0.1:8080", false),
            ("http://box-7.local:443", "box-7.local", false),
            ("file://127.0.0.1:8080", "127.0.0.1:8080", false),
            ("127.0.0.1:8080", "127.0.0.1:8080", false),
            ("null", "null", false),
            ("", "", false),
        ] {
            assert_eq!(names(origin, host), ours, "{origin} at {host}");
        }
    }
}
