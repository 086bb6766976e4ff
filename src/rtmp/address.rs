//! Where a stream is published to: `rtmp://HOST[:PORT]/APP/KEY`, or `rtmps://` for RTMP over TLS.
//!
//! What stands behind the last `/` is the stream key: whoever knows it can publish there. So an [`Address`] has
//! no `Debug`, and [`Address::shown`] is all of it that is told. What follows a `?` (tokens of some services) is
//! as secret as the key, wherever it stands.

/// More than any service gives out; RTMP's short strings end at 65,535.
const MOST_BYTES: usize = 1_024;
/// RFC 1035 §2.3.4.
const HOST_MOST_BYTES: usize = 253;
/// Adobe's.
const PORT: u16 = 1935;
/// RTMP over TLS goes to the port of HTTPS, as ffmpeg and OBS have it.
const TLS_PORT: u16 = 443;
/// Stands where a secret is.
const HIDDEN: &str = "(hidden)";

/// Why a text is no address to publish to. The text itself is never repeated: it may hold a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Another protocol, or none.
    #[error("write rtmp:// or rtmps:// in front of it")]
    Scheme,
    /// `USER:PASSWORD@`.
    #[error(
        "user and password (Adobe's sign-in) are not spoken: ask for an address with a stream key, \
         rtmp://HOST/APP/KEY"
    )]
    User,
    /// No name, no address.
    #[error("no usable host stands behind `//`")]
    Host,
    /// No number of 1 to 65535.
    #[error("the port is no number of 1 to 65535")]
    Port,
    /// One of the two is missing.
    #[error("application and stream key stand behind the host: write rtmp://HOST[:PORT]/APP/KEY")]
    Path,
    /// Blanks, controls, letters of other alphabets.
    #[error("a character stands in it that no address has: escape it (%20), or take it out")]
    Letters,
    /// Beyond what anybody gives out.
    #[error("it is longer than {MOST_BYTES} bytes")]
    Long,
}

/// Where to publish, and by which key. Has no `Debug`: the key is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    tls: bool,
    host: String,
    port: u16,
    app: String,
    key: String,
}

impl Address {
    /// Reads one.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > MOST_BYTES {
            return Err(AddressError::Long);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AddressError::Letters);
        }
        let (tls, rest) = match (text.strip_prefix("rtmp://"), text.strip_prefix("rtmps://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(AddressError::Scheme),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(AddressError::User);
        }
        let (host, port) = host_and_port(authority)?;
        let port = port.unwrap_or(if tls { TLS_PORT } else { PORT });
        let (app, key) = split(path.trim_start_matches('/')).ok_or(AddressError::Path)?;
        Ok(Self { tls, host, port, app: app.to_owned(), key: key.to_owned() })
    }

    /// RTMP over TLS.
    #[must_use]
    pub const fn tls(&self) -> bool {
        self.tls
    }

    /// Name or address of the server, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The application, with what follows its `?`: a secret where there is some.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The stream key: a secret.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What `connect` names as its URL: all but the key.
    #[must_use]
    pub fn tc_url(&self) -> String {
        format!("{}/{}", self.server(), self.app)
    }

    /// The address without its secrets, for people: `rtmps://live.example.net/app`.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.app.split_once('?') {
            Some((app, _)) => format!("{}/{app}?{HIDDEN}", self.server()),
            None => self.tc_url(),
        }
    }

    /// The whole address, `secret` standing for each of its secrets.
    #[must_use]
    pub fn with(&self, secret: impl Fn(&str) -> String) -> String {
        let app = match self.app.split_once('?') {
            Some((app, token)) => format!("{app}?{}", secret(token)),
            None => self.app.clone(),
        };
        format!("{}/{app}/{}", self.server(), secret(&self.key))
    }

    /// What of it must be told nowhere: the key, whole and on either side of its `?`, and a token of the
    /// application.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let token = self.app.split_once('?').map(|(_, token)| token);
        token
            .into_iter()
            .chain([self.key.as_str()])
            .chain(self.key.split('?').skip_while(|part| *part == self.key))
    }

    fn server(&self) -> String {
        let (scheme, usual) = if self.tls { ("rtmps", TLS_PORT) } else { ("rtmp", PORT) };
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{}", self.port)
        }
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), AddressError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(AddressError::Host)?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(AddressError::Host);
            }
            let port = match port {
                "" => None,
                port => Some(port.strip_prefix(':').ok_or(AddressError::Port)?),
            };
            (host, port)
        }
        None => {
            let (host, port) = match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            if host.is_empty() || host.len() > HOST_MOST_BYTES || !host.bytes().all(letter) {
                return Err(AddressError::Host);
            }
            (host, port)
        }
    };
    let number = |port: &str| port.parse().ok().filter(|port| *port > 0).ok_or(AddressError::Port);
    Ok((host.to_owned(), port.map(number).transpose()?))
}

/// Application and key: the key begins behind the last `/` before its own `?`, if anything stands before
/// that; else the application has the `?`, and the key is what stands behind the last `/` of all.
fn split(path: &str) -> Option<(&str, &str)> {
    let plain = path.split('?').next().unwrap_or(path);
    let at = plain.rfind('/').or_else(|| path.rfind('/'))?;
    let (app, key) = path.split_at_checked(at)?;
    let key = key.strip_prefix('/')?;
    let is_there = |part: &str| !part.is_empty() && !part.starts_with('?');
    (is_there(app) && is_there(key)).then_some((app, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_split_into_what_a_server_is_told() {
        for (text, host, port, app, key) in [
            ("rtmp://h/live/k", "h", 1935, "live", "k"),
            (
                "rtmps://a.rtmp.example.com/live2/abcd-efgh",
                "a.rtmp.example.com",
                443,
                "live2",
                "abcd-efgh",
            ),
            ("rtmps://h:1936/a/b/k", "h", 1936, "a/b", "k"),
            ("rtmp://[::1]:1936/live/k", "::1", 1936, "live", "k"),
            ("rtmp://h/live/k?token=a/b", "h", 1935, "live", "k?token=a/b"),
            ("rtmp://h/app?token=x/k", "h", 1935, "app?token=x", "k"),
        ] {
            let Ok(address) = Address::parse(text) else { panic!("{text}") };
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
            assert_eq!((address.app(), address.key()), (app, key), "{text}");
            assert_eq!(address.tls(), text.starts_with("rtmps"));
            let whole = address.with(str::to_owned);
            assert!(Address::parse(&whole).is_ok_and(|again| again == address), "{whole}");
        }
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        for (text, shown) in [
            ("rtmp://h/live/planted", "rtmp://h/live"),
            ("rtmps://h:1/live/planted?planted", "rtmps://h:1/live"),
            ("rtmp://h/app?planted/planted", "rtmp://h/app?(hidden)"),
        ] {
            let Ok(address) = Address::parse(text) else { panic!("{text}") };
            assert_eq!(address.shown(), shown);
            let hidden = address.with(|_| "(hidden)".to_owned());
            assert!(hidden.starts_with(shown) && !hidden.contains("planted"), "{hidden}");
            assert!(address.secrets().all(|secret| secret.contains("planted")));
        }
    }

    #[test]
    fn what_is_no_address_says_what_to_write() {
        for (text, expected) in [
            ("http://h/live/k", AddressError::Scheme),
            ("", AddressError::Scheme),
            ("rtmp://u:p@h/live/k", AddressError::User),
            ("rtmp:///live/k", AddressError::Host),
            ("rtmp://h h/live/k", AddressError::Letters),
            ("rtmp://ü/live/k", AddressError::Letters),
            ("rtmp://[h]/live/k", AddressError::Host),
            ("rtmp://h:0/live/k", AddressError::Port),
            ("rtmp://h:x/live/k", AddressError::Port),
            ("rtmp://h/live", AddressError::Path),
            ("rtmp://h/live/", AddressError::Path),
            ("rtmp://h", AddressError::Path),
            ("rtmp://h/?a/k", AddressError::Path),
            (&format!("rtmp://h/live/{}", "k".repeat(MOST_BYTES)), AddressError::Long),
        ] {
            assert_eq!(Address::parse(text).err(), Some(expected), "{text}");
        }
    }
}
