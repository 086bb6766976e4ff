//! `courtside run`: the daemon. Reads the configuration, builds the [`App`], ends on a signal.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::{App, Devices, Options, World, memory_limit, model_limits};
use crate::clock::come_first;
use crate::config;
use crate::disk::{self, Disk, RealDisk};
use crate::health;
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
    let config = match config::load(&args.config) {
        Ok(config) => config,
        Err(error) => {
            remark_refused(&error);
            return ExitCode::from(2);
        }
    };
    if let Err(error) = health::start_log(&config.health.log) {
        remark(format_args!("courtside: {error}"));
        return ExitCode::from(2);
    }
    descriptors::make_room();
    let disk: Arc<dyn Disk> = if args.no_fdatasync {
        tracing::error!("--no-fdatasync: nothing survives a power cut; for tests alone");
        Arc::new(RealDisk::without_sync())
    } else {
        Arc::new(RealDisk::new())
    };
    let Machine { world, .. } = machine(&config, disk);
    let tried = Apart::before(Arc::clone(&world.devices.engines), model_limits(&config))
        .remembering(Arc::clone(&world.disk), &config.appliance.data_dir);
    let devices = Devices { engines: Arc::new(tried), ..world.devices.clone() };
    match daemon(config, World { devices, ..world }) {
        Ok(()) => ExitCode::SUCCESS,
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

fn daemon(config: config::Config, world: World) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("network")
        // A decoder of a large picture must not keep the page and what the cameras send waiting.
        .on_thread_start(come_first)
        .build()
        .context("start the network threads")?;
    runtime.block_on(async {
        // Ends with the runtime.
        drop(tokio::spawn(trim::keep(Arc::clone(&world.clock))));
        let shutdown = on_signal().context("listen for signals")?;
        let app = App::build(
            config,
            world,
            Options { local: true, memory_limit: memory_limit(), ..Options::default() },
        )
        .await?;
        app.run(shutdown).await?;
        Ok(())
    })
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
