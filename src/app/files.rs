//! What is told of our files: of the folder that they lie in, of the token, and of who else can read
//! what is secret (DESIGN §5.7). `disk` looks, judges and mends; here stands what of the configuration
//! is looked at. What of the data folder is ours stands in `disk::LAYOUT`.

use std::io;
use std::path::{Path, PathBuf};

use crate::app::error::AppError;
use crate::app::options::Options;
use crate::config::Config;
use crate::disk::{self, Disk, Judged, ReadBy, Us, top_names};
use crate::event::command::Role;
use crate::media::Foreign;

/// The folder of what was compiled for the box's GPU, below the data folder. May be removed at any time.
pub const GPU_FOLDER: &str = "gpu";

/// A file with a secret that others can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exposed {
    /// Who reads it and what to type.
    pub(crate) text: String,
    /// True where everybody reads it; false where a group does, which may be meant.
    pub(crate) is_fault: bool,
}

/// Makes the data folder ours, before anything in it is believed; what somebody must know of it.
///
/// # Errors
/// [`AppError::Io`]: what is in it cannot be believed, and what to type.
pub(crate) fn own_folder(folder: &Path, disk: &dyn Disk) -> Result<Vec<String>, AppError> {
    disk.own_dir(folder, &top_names()).map_err(refused("take `box.data_dir`", folder))
}

fn refused(what: &str, path: &Path) -> impl FnOnce(io::Error) -> AppError {
    let what = format!("{what} {}", path.display());
    move |source| AppError::Io { what, source }
}

/// Makes the data folder ours and looks at all secrets. Each thing that somebody must know is logged and
/// comes back, and what was known before.
///
/// # Errors
/// [`AppError::Io`]: what is in the folder, or the token, cannot be believed, and what to type.
pub(crate) fn take(
    config: &Config,
    disk: &dyn Disk,
    options: &Options,
) -> Result<Vec<Foreign>, AppError> {
    let mut faults: Vec<String> = options.told.iter().map(ToString::to_string).collect();
    faults.extend(own_folder(&config.appliance.data_dir, disk)?);
    if !options.open_http {
        // What is not there yet is made where it is used.
        for (role, file) in config.http.token_files().filter(|(_, file)| !is_missing(disk, file)) {
            match disk::own_secret(&file) {
                Ok((_, told)) => faults.extend(told),
                // Told once it is to be used; a box goes on without viewers and operators.
                Err(_) if role < Role::Technician => {}
                Err(error) => return Err(refused("take `http.token_file`", &file)(error)),
            }
        }
    }
    for exposed in exposed(config, Us::now()) {
        if exposed.is_fault {
            faults.push(exposed.text);
        } else {
            tracing::warn!("{}", exposed.text);
        }
    }
    let faults: Vec<Foreign> = faults.iter().map(Foreign::told).collect();
    for fault in &faults {
        tracing::error!("{fault}");
    }
    Ok(faults)
}

fn is_missing(disk: &dyn Disk, file: &Path) -> bool {
    disk.inode(file).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Looks at the data folder as a start would. Changes nothing.
///
/// # Errors
/// What the file system says: for one that is not there, `NotFound`.
pub(crate) fn look(config: &Config, us: Us) -> io::Result<Judged> {
    disk::look(us, &config.appliance.data_dir, &top_names())
}

/// The secrets that others than `us` can read.
pub(crate) fn exposed(config: &Config, us: Us) -> Vec<Exposed> {
    let tokens = config.http.token_files().map(|(_, file)| file);
    let files = config.secret_files.iter().cloned().chain(tokens);
    let told = |path: PathBuf| {
        let path = &path;
        let file = Foreign::path(path);
        match disk::who_reads(us, path) {
            ReadBy::Us => None,
            ReadBy::Shielded => Some(Exposed {
                text: format!(
                    "the mode of {file}, which holds a secret, lets everybody read it, and only a \
                     folder above it keeps them out: type `chmod o= {file}`"
                ),
                is_fault: false,
            }),
            ReadBy::All => Some(Exposed {
                text: format!(
                    "whoever has an account here can read {file}, which holds a secret: type `chmod \
                     o= {file}`, and change the secret if somebody may have looked"
                ),
                is_fault: true,
            }),
            ReadBy::Group(group) => Some(Exposed {
                text: format!(
                    "whoever is in group {group} can read {file}, which holds a secret: if that is \
                     not meant, type `chmod g= {file}`"
                ),
                is_fault: false,
            }),
        }
    };
    files.filter_map(told).collect()
}
