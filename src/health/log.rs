//! Where the log goes: the journal with its fields under systemd, readable lines otherwise.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::health::harmless::Harmless;
use crate::health::tail;

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `COURTSIDE_LOG` cannot be read.
    #[error(
        "COURTSIDE_LOG=`{value}` is no filter: write for example `info` or `courtside::ingest=debug,info`"
    )]
    Filter {
        /// What it says.
        value: String,
        /// Why not.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A log runs already.
    #[error("start the log once")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// The name of the variable whose filter rules, whatever is configured.
const VARIABLE: &str = "COURTSIDE_LOG";

/// The filter in force, of the one log of the process.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Has the log pass what `filter` says from now on. Nothing happens where no log was started, where
/// `COURTSIDE_LOG` rules, or where the filter cannot be read, which `config` refuses.
pub fn set_log(filter: &str) {
    if std::env::var_os(VARIABLE).is_some() {
        return;
    }
    if let (Some(handle), Ok(filter)) = (FILTER.get(), EnvFilter::try_new(filter)) {
        // Fails only once the log is gone.
        drop(handle.reload(filter));
    }
}

/// Starts the log: filter from `COURTSIDE_LOG`, else `default`.
///
/// # Errors
/// [`LogError`] when the filter cannot be read, or a log runs already.
pub fn start_log(default: &str) -> Result<(), LogError> {
    let value = std::env::var(VARIABLE).unwrap_or_else(|_| default.to_owned());
    let filter = EnvFilter::try_new(&value)
        .map_err(|source| LogError::Filter { value: value.clone(), source })?;
    let (filter, handle) = reload::Layer::new(filter);
    let registry = tracing_subscriber::registry().with(filter).with(lines(tail::writer, false));
    if stderr_is_the_journal()
        && let Ok(journal) = tracing_journald::layer()
    {
        let journal = journal.with_field_prefix(Some("COURTSIDE".to_owned()));
        registry.with(Harmless(journal)).try_init()?;
    } else {
        registry.with(lines(std::io::stderr, std::io::stderr().is_terminal())).try_init()?;
    }
    // A second log was refused above.
    drop(FILTER.set(handle));
    Ok(())
}

/// Readable lines, one an event.
pub(super) fn lines<S, W>(writer: W, ansi: bool) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    let layer =
        tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(ansi).with_target(false);
    Harmless(layer)
}

/// systemd names the journal's stream as `device:inode`; a redirected stderr is another file.
fn stderr_is_the_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(std::io::stderr().as_fd())
        .is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}
