//! What a storage answers, as far as it is wanted (pure).
//!
//! rusty-s3 reads these too, but only within S3's own namespace, which some storages leave out (rclone).

/// What stands in each element of this name, in order. None of those that are read here has one of its own name
/// within.
pub(super) fn each<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (inside, after) = after.split_once(&close)?;
        rest = after;
        Some(inside)
    })
}

/// The text of the first element of this name.
pub(super) fn first(text: &str, name: &str) -> Option<String> {
    let text = each(text, name).next()?;
    let mut plain = text.trim().to_owned();
    for (name, letter) in [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ] {
        plain = plain.replace(name, letter);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_with_a_namespace_and_without() {
        let text = "<?xml version=\"1.0\"?>\n<R xmlns=\"http://s3\"><Part><PartNumber>1</PartNumber>\
                    <ETag>&quot;a&amp;b&quot;</ETag></Part><Part><PartNumber>2</PartNumber></Part></R>";
        let parts: Vec<&str> = each(text, "Part").collect();
        assert_eq!(parts.len(), 2);
        assert_eq!(first(parts[0], "ETag").as_deref(), Some("\"a&b\""));
        assert_eq!(
            (first(parts[1], "PartNumber").as_deref(), first(parts[1], "ETag")),
            (Some("2"), None)
        );
        assert_eq!(each("<Part>cut", "Part").count(), 0);
    }
}
