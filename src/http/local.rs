//! A socket of this machine alone, for who may read our files anyway: `doctor` asks there.
//!
//! What happens on the network's listener does not reach it: it has its own seats, and wants no token of
//! who has our user or is root, which the kernel tells us. The file is called after the folder of the
//! box's data, so that of two boxes on one machine each is asked itself.

use std::ffi::OsStr;
use std::fs;
use std::future::{Future, IntoFuture};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::http::error::HttpError;
use crate::http::guard::{Guarded, Place};
use crate::http::problem::Problem;
use crate::http::serving;

/// What a service manager names for sockets and the like; empty at each start of the machine.
const RUNTIME_DIRECTORY: &str = "RUNTIME_DIRECTORY";
/// What ours names (`RuntimeDirectory=` of `systemd/courtside.service`).
const OF_THE_SERVICE: &str = "/run/courtside";
/// Ours alone, in either place: mode 0700, whatever the mode of what it lies in.
const FOLDER: &str = "local";
/// Of the name of a socket, without the zero behind it (`unix(7)`).
const PATH_MOST_BYTES: usize = 107;
/// Connections at once (chosen): a `doctor`, a `check`, a monitor.
const CONNECTIONS: usize = 8;
/// After an accept that failed for want of descriptors.
const REST: Duration = Duration::from_millis(100);

/// Where the socket of a box may be that keeps its data in `data_dir`, the likeliest place first.
#[must_use]
pub fn local_sockets(data_dir: &Path) -> Vec<PathBuf> {
    let mut places = places(std::env::var_os(RUNTIME_DIRECTORY).as_deref(), data_dir);
    places.insert(places.len() - 1, Path::new(OF_THE_SERVICE).join(FOLDER).join(name(data_dir)));
    places.dedup();
    places
}

/// Where it is put, the best place first. On a full disk nothing new can be made in the last.
fn places(named: Option<&OsStr>, data_dir: &Path) -> Vec<PathBuf> {
    // Several are parted by colons; the first is as good as any.
    let first = named.and_then(|named| named.as_bytes().split(|byte| *byte == b':').next());
    let runtime = first.map(|path| Path::new(OsStr::from_bytes(path)));
    let folders = runtime.filter(|path| path.is_absolute()).into_iter().chain([data_dir]);
    folders.map(|folder| folder.join(FOLDER).join(name(data_dir))).collect()
}

/// `0123456789abcdef.sock`: short wherever the data is.
fn name(data_dir: &Path) -> String {
    let whole = fs::canonicalize(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let hash = Sha256::digest(whole.as_os_str().as_bytes());
    let digits: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{digits}.sock")
}

/// A bound socket of this machine.
#[derive(Debug)]
pub struct Local {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file: only our own is taken away at the end.
    file: (u64, u64),
}

impl Local {
    /// Binds, in the first place that can be had.
    ///
    /// # Errors
    /// [`HttpError::Local`]: why it cannot be had in the last.
    pub fn bind(data_dir: &Path) -> Result<Self, HttpError> {
        let mut refused = None;
        for path in places(std::env::var_os(RUNTIME_DIRECTORY).as_deref(), data_dir) {
            match Self::at(&path) {
                Ok(local) => return Ok(local),
                Err(source) => refused = Some(HttpError::Local { path, source }),
            }
        }
        Err(refused.unwrap_or_else(|| HttpError::Local {
            path: data_dir.to_owned(),
            source: io::ErrorKind::NotFound.into(),
        }))
    }

    fn at(path: &Path) -> io::Result<Self> {
        let length = path.as_os_str().len();
        if length > PATH_MOST_BYTES {
            let text = format!("its name has {length} bytes, and a socket's at most 107");
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, text));
        }
        if let Some(folder) = path.parent() {
            private(folder)?;
        }
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                left_behind(path)?;
                fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        // Nobody else comes into the folder meanwhile.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let file = file(path)?;
        Ok(Self { listener, path: path.to_owned(), file })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves `routes` to our own user and to root until `shutdown` resolves; then the file goes.
    ///
    /// # Errors
    /// When the listener cannot be handed to the runtime; never for what a peer does.
    pub async fn serve(
        self,
        routes: Router,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let listener = tokio::net::UnixListener::from_std(self.listener.try_clone()?)?;
        let seats = Arc::new(Semaphore::new(CONNECTIONS));
        let routes = routes.fallback(|| async { Problem::not_found("nothing is served there") });
        let (few, app) = (Few { listener, seats }, serving::bounded(routes));
        let serve = |told| axum::serve(few, app).with_graceful_shutdown(told).into_future();
        serving::until(serve, shutdown).await
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if file(&self.path).is_ok_and(|file| file == self.file) {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn file(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

/// Makes a folder that only we can enter, or sees to it that it is one.
fn private(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let is = fs::symlink_metadata(folder)?;
    if !is.is_dir() || is.uid() != geteuid().as_raw() {
        let text = format!("{} is no folder of ours", folder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    if is.mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Sees to it that what lies there is a socket to which nobody listens any more.
fn left_behind(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        let text = "something else lies there: take it away";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Ok(_) | Err(_) => {
            let text = "another daemon listens there: end it, or give this one a `box.data_dir`";
            Err(io::Error::new(io::ErrorKind::AddrInUse, text))
        }
    }
}

/// A listener for `axum::serve`: few seats, and only for whom the kernel knows as us or as root.
struct Few {
    listener: tokio::net::UnixListener,
    seats: Arc<Semaphore>,
}

impl axum::serve::Listener for Few {
    type Io = Guarded<tokio::net::UnixStream>;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection to our own socket could not be taken");
                    sleep(REST).await;
                    continue;
                }
            };
            let own = geteuid().as_raw();
            if !stream.peer_cred().is_ok_and(|peer| may_ask(peer.uid(), own)) {
                continue;
            }
            // At the limit the newest goes: those who are served stay served.
            let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() else { continue };
            return (Guarded::new(stream, Place::Own { _seat: seat }), ());
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(())
    }
}

/// Our own user may read the token anyway, and root everything.
const fn may_ask(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(dir: &Path) -> io::Result<Local> {
        Local::at(&dir.join(FOLDER).join(name(dir)))
    }

    #[test]
    fn it_is_open_to_us_alone_and_goes_with_the_daemon() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::DirBuilder::new().mode(0o777).create(dir.path().join(FOLDER)).expect("made");
        let local = bound(dir.path()).expect("bound");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&local.path), 0o600);
        assert_eq!(mode(local.path.parent().expect("a folder")), 0o700);
        assert!(local_sockets(dir.path()).contains(&local.path), "`doctor` looks there");
        let path = local.path.clone();
        drop(local);
        assert!(!path.exists());
        for (peer, own, may) in [(0, 998, true), (998, 998, true), (1000, 998, false)] {
            assert_eq!(may_ask(peer, own), may, "{peer} of {own}");
        }
    }

    #[test]
    fn the_file_of_a_daemon_that_died_is_replaced_and_no_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = bound(dir.path()).expect("bound");
        let said = bound(dir.path()).expect_err("it lives").to_string();
        assert!(said.contains("another daemon"), "{said}");
        assert!(UnixStream::connect(&first.path).is_ok(), "it still listens");
        let path = first.path.clone();
        drop(first);
        // As a kill leaves it: the file is there, and nobody listens.
        drop(UnixListener::bind(&path).expect("a socket"));
        assert!(path.exists() && UnixStream::connect(&path).is_err());
        let second = bound(dir.path()).expect("replaced");
        assert!(UnixStream::connect(&second.path).is_ok());
        drop(second);
        drop(fs::File::create(&path).expect("a file"));
        let said = bound(dir.path()).expect_err("no socket").to_string();
        assert!(said.contains("something else"), "{said}");
        assert!(path.is_file(), "left alone");
    }

    #[test]
    fn a_newer_daemons_file_is_left_to_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = bound(dir.path()).expect("bound");
        fs::remove_file(&first.path).expect("gone");
        let second = bound(dir.path()).expect("bound");
        drop(first);
        assert!(UnixStream::connect(&second.path).is_ok());
    }

    #[test]
    fn a_name_that_is_too_long_is_said_to_be() {
        let dir = tempfile::tempdir().expect("a folder");
        let deep = dir.path().join("x".repeat(100));
        fs::DirBuilder::new().create(&deep).expect("made");
        let said = bound(&deep).expect_err("too long").to_string();
        assert!(said.contains("at most 107"), "{said}");
    }

    #[test]
    fn what_the_service_manager_names_comes_before_the_folder_of_the_data() {
        for (named, expected) in [
            (None, &["/srv/box"][..]),
            (Some("/run/courtside"), &["/run/courtside", "/srv/box"]),
            (Some("/run/a:/run/b"), &["/run/a", "/srv/box"]),
            (Some("run"), &["/srv/box"]),
            (Some(""), &["/srv/box"]),
        ] {
            let found = places(named.map(OsStr::new), Path::new("/srv/box"));
            let folders = found.iter().filter_map(|path| path.parent()?.parent());
            let expected: Vec<&Path> = expected.iter().map(Path::new).collect();
            assert_eq!(folders.collect::<Vec<_>>(), expected, "{named:?}");
        }
    }

    #[test]
    fn two_boxes_of_one_machine_have_two_names_and_a_detour_has_the_same() {
        let dir = tempfile::tempdir().expect("a folder");
        let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
        for folder in [&a, &b] {
            fs::DirBuilder::new().create(folder).expect("made");
        }
        assert_ne!(name(&a), name(&b));
        assert_eq!(name(&a), name(&b.join("../a")));
        assert_eq!(name(&a).len(), 21);
    }
}
