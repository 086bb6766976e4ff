//! Who may ask for what: each route with the least role that it takes (DESIGN §4.4). One table, for all.
//!
//! The stages that serve know nothing of it. What stands in no row is answered to nobody, so a route that
//! somebody forgets here is missed at its first try. Each row also names the keys of a query that are read there:
//! another one is refused with those, for who misspells `court` is else answered of all courts, without a word.

use axum::http::Method;

use crate::event::command::Role;

/// One row: a method and a path, and who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// As in a request; `HEAD` goes with `GET`.
    pub method: &'static str,
    /// As it was given to the router: `/v1/clips/{id}`.
    pub path: &'static str,
    /// The least role; everybody, without a token, where there is none.
    pub least: Option<Role>,
    /// What may be asked behind `?`.
    pub keys: Keys,
}

/// Keys of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Anything: a page's script reads it, or a browser writes it to have a picture anew.
    Any,
    /// These, in order.
    These(&'static [&'static str]),
}

const NONE: Keys = Keys::These(&[]);

const fn all(method: &'static str, path: &'static str) -> Rule {
    Rule { method, path, least: None, keys: Keys::Any }
}

const fn sees(path: &'static str) -> Rule {
    asks(path, NONE)
}

const fn shows(path: &'static str) -> Rule {
    asks(path, Keys::Any)
}

const fn asks(path: &'static str, keys: Keys) -> Rule {
    Rule { method: "GET", path, least: Some(Role::Viewer), keys }
}

const fn taps(path: &'static str) -> Rule {
    Rule { method: "POST", path, least: Some(Role::Operator), keys: NONE }
}

const fn sets_up(method: &'static str, path: &'static str) -> Rule {
    Rule { method, path, least: Some(Role::Technician), keys: NONE }
}

/// The rules of a box.
pub const RULES: &[Rule] = &[
    all("GET", "/healthz"),
    all("GET", "/readyz"),
    all("GET", "/login"),
    all("POST", "/login"),
    all("GET", "/login.css"),
    all("POST", "/logout"),
    shows("/"),
    shows("/page.css"),
    shows("/operate"),
    shows("/operate.css"),
    shows("/overlay"),
    shows("/overlay-base.css"),
    shows("/overlay.css"),
    shows("/script/{name}"),
    shows("/script/{folder}/{name}"),
    shows("/vendor/hls.light.min.mjs"),
    shows("/games/{game}"),
    sees("/games/{game}/{file}"),
    sees("/metrics"),
    sees("/v1/session"),
    sees("/v1/clock"),
    sees("/v1/state"),
    asks("/v1/events", Keys::These(&["after", "last", "state"])),
    shows("/v1/courts/{court}/snapshot.jpg"),
    asks(
        "/v1/clips",
        Keys::These(&["after", "court", "from", "game", "limit", "session", "tag", "to"]),
    ),
    sees("/v1/clips/{id}"),
    sees("/v1/clips/{id}/media"),
    sees("/v1/clips/{id}/media.mp4"),
    sees("/v1/clips/{id}/fragments.mp4"),
    sees("/v1/clips/{id}/index.m3u8"),
    sees("/v1/games/{game}/manifest"),
    asks("/v1/courts/{court}/live.m3u8", Keys::These(&["back", "from", "game", "to"])),
    sees("/v1/courts/{court}/segments/{segment}"),
    sees("/v1/courts/{court}/segments/{segment}/init.mp4"),
    shows("/v1/clips/{id}/thumbnail.jpg"),
    sees("/v1/models"),
    sees("/v1/models/disagreements"),
    taps("/v1/events/{fact}/verdict"),
    sees("/v1/rules"),
    sees("/v1/games"),
    sees("/v1/games/{game}"),
    taps("/v1/games"),
    taps("/v1/games/{game}/end"),
    taps("/v1/games/{game}/period"),
    taps("/v1/games/{game}/shots"),
    taps("/v1/games/{game}/undo"),
    taps("/v1/games/{game}/graphics/{fact}"),
    taps("/v1/games/{game}/social/{fact}"),
    taps("/v1/shots/{fact}/correct"),
    taps("/v1/shots/{fact}/undo"),
    // Ends a clip's pin: what pulls clips for the cloud shows this token.
    taps("/v1/clips/{id}/ack"),
    taps("/v1/clips"),
    taps("/v1/clips/{id}/keep"),
    taps("/v1/clips/{id}/release"),
    // What is deleted is gone, and the audit log says who asks to be forgotten.
    sets_up("DELETE", "/v1/clips/{id}"),
    sets_up("GET", "/v1/deletions"),
    sets_up("POST", "/v1/deletions"),
    sets_up("POST", "/v1/courts/{court}/service/check"),
    sets_up("POST", "/v1/courts/{court}/service/confirm"),
    sets_up("POST", "/v1/courts/{court}/service/override"),
    sees("/v1/floors"),
    sees("/v1/courts/{court}/floor"),
    sets_up("POST", "/v1/courts/{court}/floor"),
    sets_up("POST", "/v1/courts/{court}/floor/try"),
    sets_up("POST", "/v1/models/swap"),
    sets_up("POST", "/v1/models/install"),
    sets_up("POST", "/v1/models/back"),
    sets_up("POST", "/v1/models/cancel"),
    // Without secrets, but with users, brokers and paths.
    sets_up("GET", "/v1/config"),
    sets_up("GET", "/v1/config/schema"),
    sets_up("PUT", "/v1/config/desired"),
    sets_up("POST", "/v1/config/desired"),
];

/// What the table says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// These may ask, and those above, by these keys; all, where there is none.
    Least(Option<Role>, Keys),
    /// Not with this method; with these.
    Methods(Vec<&'static str>),
    /// Nothing.
    Nothing,
}

/// Looks up a request to the route `path`.
pub(super) fn look_up(rules: &[Rule], method: &Method, path: &str) -> Said {
    let asked = if method == Method::HEAD { "GET" } else { method.as_str() };
    let of_path = || rules.iter().filter(|rule| rule.path == path);
    if let Some(rule) = of_path().find(|rule| rule.method == asked) {
        return Said::Least(rule.least, rule.keys);
    }
    let methods: Vec<_> = of_path().map(|rule| rule.method).collect();
    if methods.is_empty() { Said::Nothing } else { Said::Methods(methods) }
}

impl Keys {
    /// The first of these that nobody reads here, and those that are read.
    pub(super) fn unknown<'a>(
        self,
        asked: impl IntoIterator<Item = &'a str>,
    ) -> Option<(&'a str, &'static [&'static str])> {
        let Self::These(known) = self else { return None };
        asked.into_iter().find(|key| !known.contains(key)).map(|key| (key, known))
    }
}

/// What is answered to a query of one key, by the type that the handler reads it as; nothing where it is taken.
/// Each key of the row is.
#[cfg(test)]
pub(crate) fn refused<T: serde::de::DeserializeOwned>(
    path: &str,
) -> impl Fn(&str) -> Option<String> {
    let said = |key: &str| {
        let uri: axum::http::Uri = format!("/asked?{key}=1").parse().expect("a path");
        axum::extract::Query::<T>::try_from_uri(&uri).err().map(|error| error.body_text())
    };
    let row = RULES.iter().find(|rule| rule.method == "GET" && rule.path == path);
    let Keys::These(keys) = row.expect("a row").keys else { panic!("{path}: it takes any key") };
    for key in keys {
        assert_eq!(said(key), None, "{path}: {key}");
    }
    let other = said("no-such-key").expect("refused");
    assert!(keys.iter().all(|key| other.contains(key)), "{path}: {other}");
    said
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_route_stands_in_one_row_and_what_changes_something_is_not_for_who_only_sees() {
        let rows: BTreeSet<_> = RULES.iter().map(|rule| (rule.method, rule.path)).collect();
        assert_eq!(rows.len(), RULES.len());
        for rule in RULES.iter().filter(|rule| rule.method != "GET") {
            let is_way_in = ["/login", "/logout"].contains(&rule.path);
            assert!(is_way_in || rule.least >= Some(Role::Operator), "{rule:?}");
        }
    }

    #[test]
    fn what_a_program_asks_is_read_or_refused() {
        for rule in RULES.iter().filter(|rule| rule.path.starts_with("/v1/")) {
            let is_picture = rule.path.ends_with(".jpg");
            assert_eq!(rule.keys == Keys::Any, is_picture, "{rule:?}");
        }
        let keys = Keys::These(&["court", "game"]);
        assert_eq!(keys.unknown(["court", "cuort"]), Some(("cuort", &["court", "game"][..])));
        assert_eq!(keys.unknown(["game", "court"]), None);
        assert_eq!(NONE.unknown(["x"]), Some(("x", &[][..])));
        assert_eq!(Keys::Any.unknown(["x"]), None);
    }

    #[test]
    fn what_stands_in_no_row_is_nobodys() {
        let viewer = Said::Least(Some(Role::Viewer), NONE);
        for (method, path, said) in [
            (Method::GET, "/v1/state", viewer.clone()),
            (Method::HEAD, "/v1/state", viewer),
            (Method::GET, "/healthz", Said::Least(None, Keys::Any)),
            (Method::POST, "/v1/models/swap", Said::Least(Some(Role::Technician), NONE)),
            (Method::GET, "/v1/models/swap", Said::Methods(vec!["POST"])),
            (Method::DELETE, "/v1/config/desired", Said::Methods(vec!["PUT", "POST"])),
            (Method::GET, "/v1/new", Said::Nothing),
            (Method::GET, "/v1/state/", Said::Nothing),
        ] {
            assert_eq!(look_up(RULES, &method, path), said, "{method} {path}");
        }
    }
}
