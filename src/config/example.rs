//! `courtside.example.toml`: every key with its default, to begin with and to take examples from.

/// Every key with its default, and why one would change it.
pub(super) const EXAMPLE: &str = include_str!("../../courtside.example.toml");
/// Stands in the example where a key of one's own belongs. Refused as a key: it is no secret.
pub(super) const EXAMPLE_KEY: &str = "CHANGE-ME";

/// A commented file to begin with, whose first court has `stream_key`. Its rims are commented out: those of the
/// example lie nowhere, and a box that is not aimed says so instead of calling what happens there.
#[must_use]
pub fn example(stream_key: &str) -> String {
    EXAMPLE.replace(EXAMPLE_KEY, stream_key).replace("\nrims = ", "\n#rims = ")
}

/// The line of the example that sets `key` in `section`, without its comments.
pub(super) fn line_of(section: &str, key: &str) -> Option<&'static str> {
    lines().find(|(at, name, _)| *at == section && *name == key).map(|(_, _, line)| line)
}

/// The header of the table that knows `key`, for example `[[court]]`.
pub(super) fn section_of(key: &str) -> Option<String> {
    lines().find(|(_, name, _)| *name == key).map(|(section, _, _)| match section {
        "court" => "[[court]]".to_owned(),
        other => format!("[{other}]"),
    })
}

/// Every setting of the example, those that are commented out (`#key = …`) too: table, key, line.
pub(super) fn lines() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let mut section = "";
    EXAMPLE.lines().filter_map(move |line| {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
            return None;
        }
        let line = line.strip_prefix('#').unwrap_or(line);
        let (key, _) = line.split_once(" = ").filter(|(key, _)| !key.contains(' '))?;
        let line = line.split("  #").next().unwrap_or(line).trim_end();
        Some((section, key, line))
    })
}
