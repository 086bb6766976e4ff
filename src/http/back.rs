//! Where a browser goes once it has signed in: back to the page it came from, and nowhere else.

/// Longer ones are left out (chosen: a page of ours with its query is shorter).
const MOST_BYTES: usize = 512;
/// Whoever has just signed in wants neither.
const WAYS: [&str; 2] = ["/login", "/logout"];

/// A path of this box, with its query. A browser cannot take it for an address elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Back(String);

impl Back {
    /// Of what a browser asked for, or a form brings back; `None` if it is not surely ours.
    ///
    /// Browsers take `//host`, `/\host` and both with tabs or line ends between for other hosts (WHATWG URL,
    /// 4.4), so what is no visible ASCII, and a backslash anywhere, is refused.
    pub(super) fn of(text: &str) -> Option<Self> {
        let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        let ours = text.starts_with('/') && !text.starts_with("//") && text.bytes().all(visible);
        let path = text.split(['?', '#']).next().unwrap_or(text);
        let kept = ours && text.len() <= MOST_BYTES && !WAYS.contains(&path);
        kept.then(|| Self(text.to_owned()))
    }

    /// As it stands in a header.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// As a value of a query (RFC 3986, 2.1).
    fn in_query(&self) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let part = |byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        self.0.bytes().map(part).collect()
    }

    /// As a value of an attribute in HTML.
    pub(super) fn in_html(&self) -> String {
        let escaped = self.0.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        escaped.replace('"', "&quot;").replace('\'', "&#39;")
    }
}

/// The sign-in, with what it is to say (`wrong`, `later`, nothing) and where it leads.
pub(super) fn login(said: &str, back: Option<&Back>) -> String {
    let said = Some(said).filter(|said| !said.is_empty()).map(|said| format!("{said}=1"));
    // The wall is where everybody goes who came from nowhere.
    let back =
        back.filter(|back| back.as_str() != "/").map(|back| format!("to={}", back.in_query()));
    let query: Vec<String> = said.into_iter().chain(back).collect();
    if query.is_empty() { "/login".to_owned() } else { format!("/login?{}", query.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leads_to_pages_of_this_box_alone() {
        for good in ["/", "/operate", "/overlay?game=cup-1&delay=5", "/games/cup-1", "/a//b"] {
            assert_eq!(Back::of(good).as_ref().map(Back::as_str), Some(good));
        }
        let long = format!("/{}", "a".repeat(MOST_BYTES));
        for wrong in [
            "",
            "operate",
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " /operate",
            "/ operate",
            "/\u{e9}",
            "/login",
            "/logout?x=1",
            "javascript:alert(1)",
            "/a\r\nSet-Cookie: a=b",
            &long,
        ] {
            assert_eq!(Back::of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn it_comes_through_a_query_and_a_form_as_it_was() {
        let back = Back::of("/overlay?game=a&delay=5+1%20'\"<b>").expect("ours");
        let asked = login("wrong", Some(&back));
        assert_eq!(
            asked,
            "/login?wrong=1&to=/overlay%3Fgame%3Da%26delay%3D5%2B1%2520%27%22%3Cb%3E"
        );
        assert!(!back.in_html().contains(['"', '\'', '<', '>']), "{}", back.in_html());
        assert_eq!(login("", Back::of("/").as_ref()), "/login");
        assert_eq!(login("later", None), "/login?later=1");
    }
}
