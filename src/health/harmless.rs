//! A layer of the log through which nothing passes that could forge a line: [`Harmless`].
//!
//! Text from outside is a `Foreign` where it comes in; this is the net below. Whatever text a field of
//! an event or a span carries, also one that slipped through as a `String` or in an error of a library,
//! goes through the same one function before the layer within sees it. So it holds for the lines on
//! stderr, of which `tracing-subscriber` escapes the control characters of terminals but neither line
//! ends nor bidi, and for the journal, which gives fields out as they came.

use std::error::Error;
use std::fmt::Debug;

use tracing::field::{DisplayValue, Field, FieldSet, Value, ValueSet, Visit, display};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::media::Foreign;

/// More fields than any event of ours has; what stands behind them is left out.
const MOST_FIELDS: usize = 32;

/// Hands events and spans on to a layer, their texts cleaned.
#[derive(Debug)]
pub(super) struct Harmless<L>(pub(super) L);

/// A field's value, as it is handed on.
#[derive(Debug)]
enum Clean {
    Integer(i64),
    Natural(u64),
    Number(f64),
    Truth(bool),
    Quoted(String),
    Shown(DisplayValue<Foreign>),
}

impl Clean {
    fn value(&self) -> &dyn Value {
        match self {
            Self::Integer(number) => number,
            Self::Natural(number) => number,
            Self::Number(number) => number,
            Self::Truth(truth) => truth,
            Self::Quoted(text) => text,
            Self::Shown(text) => text,
        }
    }
}

#[derive(Debug, Default)]
struct Fields(Vec<(Field, Clean)>);

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.push((field.clone(), Clean::Integer(value)));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.clone(), Clean::Natural(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.push((field.clone(), Clean::Number(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.push((field.clone(), Clean::Truth(value)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.clone(), Clean::Quoted(Foreign::told(value).to_string())));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.0.push((field.clone(), Clean::Shown(display(Foreign::error(value)))));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = Foreign::told(format_args!("{value:?}"));
        self.0.push((field.clone(), Clean::Shown(display(text))));
    }
}

impl Fields {
    /// Gives the cleaned values to `use_them`, as a set of `all` fields.
    fn with<T>(&self, all: &FieldSet, use_them: impl FnOnce(&ValueSet<'_>) -> T) -> T {
        let Some((first, _)) = self.0.first() else {
            let none: [(&Field, Option<&dyn Value>); 0] = [];
            return use_them(&all.value_set(&none));
        };
        let mut values: [(&Field, Option<&dyn Value>); MOST_FIELDS] = [(first, None); MOST_FIELDS];
        for (place, (field, clean)) in values.iter_mut().zip(&self.0) {
            *place = (field, Some(clean.value()));
        }
        use_them(&all.value_set(&values))
    }
}

impl<S, L> Layer<S> for Harmless<L>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    L: Layer<S>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let (mut fields, metadata) = (Fields::default(), attributes.metadata());
        attributes.record(&mut fields);
        fields.with(metadata.fields(), |values| {
            let clean = match attributes.parent() {
                Some(parent) => Attributes::child_of(parent.clone(), metadata, values),
                None if attributes.is_root() => Attributes::new_root(metadata, values),
                None => Attributes::new(metadata, values),
            };
            self.0.on_new_span(&clean, id, context);
        });
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let Some(metadata): Option<&'static Metadata<'static>> = context.metadata(id) else {
            return;
        };
        let mut fields = Fields::default();
        record.record(&mut fields);
        fields.with(metadata.fields(), |values| {
            self.0.on_record(id, &Record::new(values), context);
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let (mut fields, metadata) = (Fields::default(), event.metadata());
        event.record(&mut fields);
        fields.with(metadata.fields(), |values| {
            let clean = match event.parent() {
                Some(parent) => Event::new_child_of(parent.clone(), metadata, values),
                None if event.is_root() => Event::new_child_of(None, metadata, values),
                None => Event::new(metadata, values),
            };
            self.0.on_event(&clean, context);
        });
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.0.on_enter(id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.0.on_exit(id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.0.on_close(id, context);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::{info, info_span, warn};
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::health::log::lines;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).expect("text")
        }
    }

    const FORGED: &str = "a\n2026-11-23T10:00:00Z  INFO forged\u{1b}[2J\r\u{202e}\u{9b}2J";

    #[derive(Debug, thiserror::Error)]
    #[error("outer {FORGED}")]
    struct Outer(#[source] io::Error);

    /// In every way that a text can stand in an event.
    fn speak() {
        let span =
            info_span!("court", court = %FORGED, model = FORGED, late = tracing::field::Empty);
        let _in = span.enter();
        span.record("late", FORGED);
        info!("message {FORGED}");
        info!(why = %FORGED, said = FORGED, named = ?FORGED, "displayed, quoted, debugged");
        let error = Outer(io::Error::other(FORGED));
        warn!(
            error = &error as &(dyn Error + 'static),
            count = 7,
            ratio = 0.5,
            live = true,
            "failed"
        );
    }

    #[test]
    fn an_event_is_one_line_whatever_its_fields_say() {
        for ansi in [false, true] {
            let kept = Kept::default();
            let log = tracing_subscriber::registry().with(lines(kept.clone(), ansi));
            tracing::subscriber::with_default(log, speak);
            let text = kept.text();
            assert_eq!(text.lines().count(), 3, "{text:?}");
            for line in text.lines() {
                // Colors are ours: sequences of ESC, [, digits and m.
                let plain = line.split("\u{1b}[").map(|part| match part.split_once('m') {
                    Some((digits, rest)) if digits.bytes().all(|c| b"0123456789;".contains(&c)) => {
                        rest
                    }
                    _ => part,
                });
                let plain: String = plain.collect();
                assert!(Foreign::is_plain(&plain), "{plain:?}");
                assert!(plain.contains(r"INFO forged\u{1b}[2J\r\u{202e}\u{9b}2J"), "{plain:?}");
            }
            assert_eq!(text.contains('\u{1b}'), ansi);
            assert!(
                text.contains("count") && text.contains("0.5") && text.contains("true"),
                "{text}"
            );
        }
    }

    /// The library alone lets a line end through: what `Harmless` is there for.
    #[test]
    fn without_the_net_a_line_is_forged() {
        let kept = Kept::default();
        let bare = tracing_subscriber::fmt::layer().with_writer(kept.clone()).with_ansi(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(bare), speak);
        assert!(
            kept.text().lines().any(|line| line.starts_with("2026-11-23T10:00:00Z  INFO forged"))
        );
    }

    /// Writes fields as they come, as the journal's layer does.
    struct Journal(Kept);

    impl Visit for Kept {
        fn record_str(&mut self, _: &Field, value: &str) {
            self.0.lock().extend(value.as_bytes().iter().chain(b"\0"));
        }

        fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
            self.0.lock().extend(format!("{value:?}\0").as_bytes());
        }
    }

    impl<S: Subscriber> Layer<S> for Journal {
        fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
            attributes.record(&mut self.0.clone());
        }

        fn on_record(&self, _: &Id, record: &Record<'_>, _: Context<'_, S>) {
            record.record(&mut self.0.clone());
        }

        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            event.record(&mut self.0.clone());
        }
    }

    #[test]
    fn the_journal_is_given_no_field_that_is_more_than_a_line() {
        let (clean, bare) = (Kept::default(), Kept::default());
        let log = tracing_subscriber::registry()
            .with(Harmless(Journal(clean.clone())))
            .with(Journal(bare.clone()));
        tracing::subscriber::with_default(log, speak);
        let fields = |kept: &Kept| kept.text().split('\0').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(fields(&clean).len(), fields(&bare).len());
        assert!(fields(&clean).iter().all(|field| Foreign::is_plain(field)), "{:?}", clean.text());
        let raw = fields(&bare).iter().filter(|field| !Foreign::is_plain(field)).count();
        assert!(raw >= 6, "the control: {raw}");
    }

    #[test]
    fn what_is_clean_reads_as_the_library_writes_it() {
        let say = || {
            let _in = info_span!("court", court = "a").entered();
            info!(peer = %"10.0.0.1:5", encoder = "Lavf 61", n = 3_u64, x = ?Some(1), "publishing");
        };
        let (ours, theirs) = (Kept::default(), Kept::default());
        let bare = tracing_subscriber::fmt::layer()
            .with_writer(theirs.clone())
            .with_ansi(false)
            .with_target(false);
        let log = tracing_subscriber::registry().with(lines(ours.clone(), false)).with(bare);
        tracing::subscriber::with_default(log, say);
        let untimed = |kept: &Kept| {
            let text = kept.text();
            text.split_once(' ').expect("a time").1.to_owned()
        };
        assert_eq!(untimed(&ours), untimed(&theirs));
        let expected =
            r#"INFO court{court="a"}: publishing peer=10.0.0.1:5 encoder="Lavf 61" n=3 x=Some(1)"#;
        assert_eq!(untimed(&ours).trim(), expected);
    }
}
