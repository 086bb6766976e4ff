//! Which host is asked: said once, and the same wherever it is said (RFC 9112 §3.2).
//!
//! What stands behind this rule takes `Host` for what was asked: the rule against foreign origins, and
//! without a token the rule that names are not answered. A proxy that reads another one of two would
//! let a request pass for something else than we take it for.

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::problem::Problem;

/// Refuses a request whose `Host` is missing, doubled, no host, or another than its target names.
pub(super) async fn one_host(request: Request, next: Next) -> Response {
    match fault(request.version(), request.uri(), request.headers()) {
        None => next.run(request).await,
        Some(detail) => {
            Problem::new(StatusCode::BAD_REQUEST, "Unclear host", detail).into_response()
        }
    }
}

/// What is wrong with the host of a request, and what to do.
fn fault(version: Version, target: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host,
        (Some(_), Some(_)) => return Some("send one header `Host`, not several"),
        // Before HTTP/1.1 there was none, and old monitors still ask so.
        (None, _) if version <= Version::HTTP_10 => return None,
        (None, _) => return Some("send a header `Host`: HTTP/1.1 wants one with each request"),
    };
    let named = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    let Some(named) = named.filter(|named| !named.as_str().contains('@')) else {
        return Some("write HOST or HOST:PORT into the header `Host`");
    };
    let same = |asked: &Authority| {
        let usual = if target.scheme_str() == Some("https") { 443 } else { 80 };
        let port = |of: &Authority| of.port_u16().unwrap_or(usual);
        !asked.as_str().contains('@')
            && asked.host().eq_ignore_ascii_case(named.host())
            && port(asked) == port(&named)
    };
    match target.authority() {
        Some(asked) if !same(asked) => {
            Some("name the same host and port in `Host` as in the request's target")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_host_is_said_once_and_means_one_thing() {
        let ok = None;
        for (version, target, hosts, said) in [
            (Version::HTTP_11, "/", &["box:8080"][..], ok),
            (Version::HTTP_11, "/", &["[::1]:8080"], ok),
            (Version::HTTP_11, "/", &[], Some("send a header `Host`")),
            (Version::HTTP_11, "/", &["box", "box"], Some("send one header `Host`")),
            (Version::HTTP_11, "/", &["box", "other"], Some("send one header `Host`")),
            (Version::HTTP_10, "/", &[], ok),
            (Version::HTTP_10, "/", &["box", "box"], Some("send one header `Host`")),
            (Version::HTTP_11, "/", &[""], Some("write HOST")),
            (Version::HTTP_11, "/", &["box evil"], Some("write HOST")),
            (Version::HTTP_11, "/", &["box, evil"], Some("write HOST")),
            (Version::HTTP_11, "/", &["box/evil"], Some("write HOST")),
            (Version::HTTP_11, "/", &["user@box"], Some("write HOST")),
            (Version::HTTP_11, "http://box:8080/a", &["BOX:8080"], ok),
            (Version::HTTP_11, "http://box/a", &["box:80"], ok),
            (Version::HTTP_11, "https://box:443/a", &["box"], ok),
            (Version::HTTP_11, "http://127.0.0.1/a", &["evil.example"], Some("name the same")),
            (Version::HTTP_11, "http://evil.example/a", &["127.0.0.1"], Some("name the same")),
            (Version::HTTP_11, "http://box:81/a", &["box"], Some("name the same")),
            (Version::HTTP_11, "http://box@evil/a", &["evil"], Some("name the same")),
            (Version::HTTP_11, "http://box/a", &[], Some("send a header `Host`")),
        ] {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_str(host).expect("a value"));
            }
            let target: Uri = target.parse().expect("a target");
            let found = fault(version, &target, &headers);
            let as_said = match (said, found) {
                (Some(said), Some(found)) => found.starts_with(said),
                (said, found) => said == found,
            };
            assert!(as_said, "{version:?} {target} {hosts:?}: {found:?}");
        }
    }
}
