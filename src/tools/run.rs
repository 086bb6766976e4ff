//! `courtside run`: the daemon. Reads the configuration, builds the [`App`], ends on a signal.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::{App, Devices, Options, World, memory_limit, model_limits, own_folder};
use crate::clock::come_first;
use crate::config::twin::Store;
use crate::config::{Begun, Source};
use crate::disk::{self, Disk, RealDisk};
use crate::health;
use crate::media::Foreign;
use crate::tools::apart::Apart;
use crate::tools::descriptors;
use crate::tools::machine::{Machine, machine};
use crate::tools::tell::{remark, remark_refused};
use crate::tools::trim;

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/courtside/courtside.toml")]
    pub config: PathBuf,
    /// Never sync the disk: the negative control of the power-cut test
    #[arg(long, hide = true)]
    pub no_fdatasync: bool,
}

pub(super) fn run(args: &RunArgs) -> ExitCode {
    disk::keep_files_private();
    no_core();
    // A wrong configuration is wrong usage: exit code 2, and systemd does not help by trying again.
    let read = Source::of(&args.config).and_then(|source| Ok((source.alone()?, source)));
    let (alone, source) = match read {
        Ok(read) => read,
        Err(error) => {
            remark_refused(&error);
            return ExitCode::from(2);
        }
    };
    // What is wanted beside the file lies in the data folder, which must be ours before it is believed.
    let plain = RealDisk::new();
    let mut told = match own_folder(&alone.appliance.data_dir, &plain) {
        Ok(told) => told.iter().map(Foreign::told).collect::<Vec<_>>(),
        Err(error) => {
            remark(format_args!("courtside: {:#}", anyhow::Error::from(error)));
            return ExitCode::from(1);
        }
    };
    let begun = match source.begin(&plain) {
        Ok(begun) => begun,
        Err(error) => {
            remark_refused(&error);
            return ExitCode::from(2);
        }
    };
    told.extend(begun.told.iter().cloned());
    let config = &begun.config;
    if let Err(error) = health::start_log(&config.health.log) {
        remark(format_args!("courtside: {error}"));
        return ExitCode::from(2);
    }
    // `doctor` finds it where it was put aside.
    if let Some(damaged) = &begun.damaged {
        tracing::error!("{damaged}");
    }
    descriptors::make_room();
    let disk: Arc<dyn Disk> = if args.no_fdatasync {
        tracing::error!("--no-fdatasync: nothing survives a power cut; for tests alone");
        Arc::new(RealDisk::without_sync())
    } else {
        Arc::new(RealDisk::new())
    };
    let Machine { world, .. } = machine(config, disk);
    let tried = Apart::before(Arc::clone(&world.devices.engines), model_limits(config))
        .remembering(Arc::clone(&world.disk), &config.appliance.data_dir);
    let devices = Devices { engines: Arc::new(tried), ..world.devices.clone() };
    match daemon(begun, World { devices, ..world }, told, args.config.clone()) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => begin_anew(),
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(1)
        }
    }
}

/// No core is written at a crash: it would hold keys and pictures, and the restart would wait for it.
/// Whoever looks for a fault raises the limit again with `prlimit`.
fn no_core() {
    let as_before = getrlimit(Resource::Core);
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), ..as_before }) {
        remark(format_args!("courtside: a crash may write a core: {error}"));
    }
}

/// The same program with the same arguments in the place of this process, which has drained: whoever
/// started it sees no end. Comes back only if that cannot be done.
fn begin_anew() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_else(|| OsString::from("/proc/self/exe"));
    let error = Command::new(program).args(arguments).exec();
    tracing::error!(%error, "cannot begin anew: whoever started the box is to start it again");
    ExitCode::from(1)
}

/// A configuration that waited for this start, and does not let the box be built, is undone on disk.
fn undone(begun: &Begun, disk: &dyn Disk, error: &dyn std::error::Error) -> bool {
    if !begun.twin.trial.is_some_and(|trial| trial.waits && trial.starts > 0) {
        return false;
    }
    let error = Foreign::error(error);
    tracing::error!(%error, "the box does not start with what waited for this start: that is undone");
    let twin = begun.twin.undone(format_args!("the box does not start with it: {error}"));
    let written = Store::of(&begun.config.appliance.data_dir).write(disk, &twin);
    if let Err(error) = &written {
        tracing::error!(%error, "nor can that be kept");
    }
    written.is_ok()
}

/// Runs the box until it is told to end; true where it is to begin anew.
fn daemon(begun: Begun, world: World, told: Vec<Foreign>, file: PathBuf) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("network")
        // A decoder of a large picture must not keep the page and what the cameras send waiting.
        .on_thread_start(come_first)
        .build()
        .context("start the network threads")?;
    let ended = runtime.block_on(async {
        // Ends with the runtime.
        drop(tokio::spawn(trim::keep(Arc::clone(&world.clock))));
        let shutdown = on_signal().context("listen for signals")?;
        let disk = Arc::clone(&world.disk);
        let options = Options {
            local: true,
            config_file: Some(file),
            memory_limit: memory_limit(),
            twin: Some(begun.clone()),
            told,
            ..Options::default()
        };
        let app = match App::build(begun.config.clone(), world, options).await {
            Err(error) if undone(&begun, &*disk, &error) => return Ok(true),
            built => built?,
        };
        Ok(app.run(shutdown).await?.again)
    });
    close(runtime);
    ended
}

/// What still blocks a thread of the runtime once the box has drained, and nobody waits for: the system's search for
/// the broker's address, which may take half a minute where a venue's DNS does not answer.
const STRAGGLERS: Duration = Duration::from_millis(300);

/// Ends a runtime, and leaves what still blocks a thread of it behind: dropping would wait for that.
fn close(runtime: tokio::runtime::Runtime) {
    runtime.shutdown_timeout(STRAGGLERS);
}

/// Turns to true at the first SIGTERM or SIGINT; the second ends the process at once.
pub(super) fn on_signal() -> std::io::Result<watch::Receiver<bool>> {
    let (told, shutdown) = watch::channel(false);
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let told = Arc::new(told);
    tokio::spawn(async move {
        for nth in 0.. {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if nth > 0 {
                #[expect(clippy::exit, reason = "a second signal ends at once")]
                std::process::exit(1);
            }
            tracing::info!("ending: what is under way is finished; a second signal ends at once");
            told.send_replace(true);
        }
    });
    Ok(shutdown)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn a_search_for_an_address_that_nobody_answers_does_not_hold_the_end() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (begins, begun) = sync_channel(1);
        let (ends, ended) = sync_channel::<()>(1);
        // It ends with this test, and not before.
        drop(runtime.spawn_blocking(move || {
            begins.send(()).expect("awaited");
            ended.recv().expect_err("its sender is dropped");
        }));
        begun.recv().expect("it blocks a thread");
        close(runtime);
        drop(ends);
    }
}
