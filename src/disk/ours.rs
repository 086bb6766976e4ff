//! Whether what lies in a folder of ours is ours: owners and modes of the folder, of what is in it and
//! of the folders above it (DESIGN §5.7).
//!
//! Whoever may write into the data folder may put his own token, outbox or ring there; whoever may
//! write above it may put another folder in its place. So it is looked at before anything in it is
//! believed. [`judge`] decides (pure); [`own_dir`] looks and mends; [`look`] only looks, for `check`.
//!
//! What is ours is mended: a folder becomes 0700, and what others own in a folder that they could
//! write goes aside under another name. A folder that holds more than our names (`/tmp`, a home) is
//! not ours to close, and is refused where others may write into it. What is not ours to mend refuses the start, with the command
//! to type. A folder that is 0700 needs no look inside: nobody else reaches what is in it, whatever its
//! modes say. ACLs are not read, and need not be on Linux: the group bits of a file with an ACL are the
//! mask of all its entries, so 0700 leaves them none, and an entry that may write shows as a group that
//! may.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::disk::regular::open_checked;
use crate::media::Foreign;

/// Folders below the data folder that are looked into; it has fewer (ring/segments is two below).
const DEPTH: usize = 4;

/// Whom files are made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Us {
    /// Effective user.
    pub user: u32,
    /// Effective group.
    pub group: u32,
}

impl Us {
    /// This process.
    #[must_use]
    pub fn now() -> Self {
        let user = rustix::process::geteuid().as_raw();
        Self { user, group: rustix::process::getegid().as_raw() }
    }

    const fn trusts(self, owner: u32) -> bool {
        owner == self.user || owner == 0
    }
}

/// What was seen of one name. A link is seen as what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its path.
    pub path: PathBuf,
    /// Its owner.
    pub owner: u32,
    /// Its group.
    pub group: u32,
    /// Permissions, with the sticky bit (0o1000).
    pub mode: u32,
    /// True for a folder.
    pub is_dir: bool,
    /// True for a folder that holds more than what we put there, of ours or root's: its modes are not
    /// ours to change. (What others planted in it says nothing of that.)
    pub is_shared: bool,
}

impl Seen {
    /// Looks at `path`, through links.
    ///
    /// # Errors
    /// What the file system says.
    pub fn at(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|meta| Self::of(path, &meta))
    }

    fn of(path: &Path, meta: &fs::Metadata) -> Self {
        let (owner, group) = (meta.uid(), meta.gid());
        let (mode, is_dir) = (meta.mode() & 0o7777, meta.is_dir());
        Self { path: path.to_owned(), owner, group, mode, is_dir, is_shared: false }
    }

    const fn is_sticky(&self) -> bool {
        self.mode & 0o1000 != 0
    }

    const fn all_write(&self) -> bool {
        self.mode & 0o002 != 0
    }

    /// A group that is neither ours nor root's may write.
    const fn group_writes(&self, us: Us) -> bool {
        self.mode & 0o020 != 0 && self.group != us.group && self.group != 0
    }
}

/// What is to be done about a folder, and what is to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Why nothing in it can be believed, with the command that mends it: the start is refused.
    pub refused: Option<String>,
    /// It is ours, and others have rights in it: to be made 0700.
    pub tighten: bool,
    /// Others could write into it until now: what they own in it goes aside.
    pub was_open: bool,
    /// Others could reach what is in it until now: folders in it are looked at too.
    pub was_reached: bool,
    /// What somebody must know, and do something about.
    pub faults: Vec<String>,
}

/// Judges a folder of ours. `above` are the folders over it, nearest first, links resolved.
#[must_use]
pub fn judge(us: Us, dir: &Seen, above: &[Seen]) -> Judged {
    let path = Foreign::path(&dir.path);
    let refused = |text: String| Judged { refused: Some(text), ..Judged::default() };
    if !dir.is_dir {
        return refused(format!("{path} is no folder: take it away, or name another"));
    }
    let Us { user, .. } = us;
    let take = format!("`chown -R {user} {path} && chmod 700 {path}`");
    if !us.trusts(dir.owner) {
        return refused(format!(
            "{path} belongs to user {}, and we run as user {user}: what is in it cannot be believed. \
             Run as its owner, or type {take} if you know what is in it",
            dir.owner
        ));
    }
    let ours = dir.owner == user;
    let open = dir.all_write() || dir.mode & 0o020 != 0;
    if !ours && (dir.all_write() || dir.group_writes(us)) {
        return refused(format!(
            "{path} belongs to root and others may write into it (mode {:o}): what is in it cannot \
             be believed. Type {take}",
            dir.mode
        ));
    }
    let is_of_many = dir.is_sticky() && dir.all_write();
    // Of our own group are those whom the administrator put there.
    let by_others = dir.all_write() || dir.group_writes(us);
    if is_of_many || dir.is_shared && by_others {
        return refused(format!(
            "{path} holds more than our data, and others may write into it (mode {:o}): name a folder \
             of its own below it, or type `chmod go-w {path}`",
            dir.mode
        ));
    }
    let mut judged = Judged {
        tighten: ours && !dir.is_shared && dir.mode & 0o077 != 0,
        was_reached: dir.mode & 0o011 != 0,
        ..Judged::default()
    };
    if open && ours {
        judged.was_open = true;
        // Of our own group alone: mended without alarm.
        judged.faults.extend(by_others.then(|| {
            format!(
                "others may write into {path} (mode {:o}): it is made 700 at the start, and what they \
                 own in it is put aside. Find out who made it so",
                dir.mode
            )
        }));
    } else if open {
        judged.was_open = true;
        judged.faults.push(format!(
            "whoever is in group {} may write into {path} (mode {:o}): type {take}",
            dir.group, dir.mode
        ));
    }
    judge_above(us, dir, above, &mut judged);
    judged
}

/// From the root down, as long as somebody else gets there.
fn judge_above(us: Us, dir: &Seen, above: &[Seen], judged: &mut Judged) {
    let path = Foreign::path(&dir.path);
    // Whom the folders so far let through: everybody, or some group.
    let (mut all, mut some) = (true, true);
    for folder in above.iter().rev() {
        let over = Foreign::path(&folder.path);
        if all && folder.all_write() && !folder.is_sticky() {
            judged.refused = Some(format!(
                "whoever has an account here may put another folder in the place of {path}, since \
                 all may write into {over} (mode {:o}): type `chmod o-w {over}`",
                folder.mode
            ));
        } else if some && folder.group_writes(us) && !folder.is_sticky() {
            judged.faults.push(format!(
                "whoever is in group {} may put another folder in the place of {path}: type \
                 `chmod g-w {over}`",
                folder.group
            ));
        }
        if some && !us.trusts(folder.owner) {
            judged.faults.push(format!(
                "user {}, to whom {over} belongs, may put another folder in the place of {path}: \
                 keep our data below folders of root's or of user {}'s",
                folder.owner, us.user
            ));
        }
        all &= folder.mode & 0o001 != 0;
        some &= folder.mode & 0o011 != 0;
    }
}

/// Looks at a folder and those above it. Changes nothing. `names` are what we put into it.
///
/// # Errors
/// What the file system says.
pub fn look(us: Us, dir: &Path, names: &[&str]) -> io::Result<Judged> {
    let real = fs::canonicalize(dir)?;
    let above = real.ancestors().skip(1).map(Seen::at).collect::<io::Result<Vec<_>>>()?;
    let mut seen = Seen::at(&real)?;
    if seen.is_dir {
        for entry in fs::read_dir(&real)? {
            let entry = entry?;
            let is_known = is_named(&entry.file_name().to_string_lossy(), names);
            // Gone since it was listed: nothing to look at.
            let of_others = entry.metadata().is_ok_and(|meta| !us.trusts(meta.uid()));
            seen.is_shared |= !is_known && !of_others;
        }
    }
    Ok(judge(us, &seen, &above))
}

/// True for one of `names`, for what was put aside from it, for what `check` tries to write, and for
/// what the root of every disk holds.
fn is_named(name: &str, names: &[&str]) -> bool {
    let first = name.split('.').next().unwrap_or_default();
    names.contains(&first) || name == "lost+found" || name.starts_with(".courtside-")
}

/// Makes a folder that is ours alone, or makes the one that is there so. Returns what somebody must
/// know of it.
///
/// # Errors
/// Why it cannot be believed and what to type, or what the file system says.
pub(super) fn own_dir(dir: &Path, names: &[&str]) -> io::Result<Vec<String>> {
    if fs::symlink_metadata(dir).is_err() {
        make_private(dir)?;
    }
    let judged = look(Us::now(), dir, names)?;
    if let Some(text) = judged.refused {
        return Err(refusal(text));
    }
    let mut told = Told { faults: judged.faults.clone(), more: 0 };
    mend(&fs::canonicalize(dir)?, &judged, Some(names), DEPTH, &mut told)?;
    if told.more > 0 {
        told.faults.push(format!("and {} more were put aside", told.more));
    }
    Ok(told.faults)
}

/// What somebody must know. Who can write into a folder can put any number of files there.
struct Told {
    faults: Vec<String>,
    more: usize,
}

impl Told {
    /// Faults that are told one by one.
    const MOST: usize = 20;

    fn fault(&mut self, text: String) {
        if self.faults.len() < Self::MOST {
            self.faults.push(text);
        } else {
            self.more += 1;
        }
    }
}

/// The folder, and those in it as long as others got there until now. Of the data folder itself only
/// what has our `names`: nothing else in it is ever opened.
fn mend(
    dir: &Path,
    judged: &Judged,
    names: Option<&[&str]>,
    depth: usize,
    told: &mut Told,
) -> io::Result<()> {
    let us = Us::now();
    if judged.tighten {
        tighten(dir, judged.was_open, told)?;
    }
    if !judged.was_open && !judged.was_reached {
        return Ok(());
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if names.is_some_and(|names| !is_named(&entry.file_name().to_string_lossy(), names)) {
            continue;
        }
        let Ok(link) = fs::symlink_metadata(&path) else { continue };
        // A link that leads nowhere may lead somewhere tomorrow: it is judged by its own owner.
        let seen = Seen::at(&path).unwrap_or_else(|_| Seen::of(&path, &link));
        let stranger = [link.uid(), seen.owner].into_iter().find(|owner| !us.trusts(*owner));
        if let (true, Some(owner)) = (judged.was_open, stranger) {
            let aside = put_by(&path, owner)?;
            told.fault(format!(
                "{} belonged to user {owner}, who could write into its folder: it lies in {} now, and \
                 nothing in it is believed",
                Foreign::path(&path),
                Foreign::path(&aside)
            ));
        } else if seen.is_dir && seen.owner == us.user && depth > 0 {
            let inside = judge(us, &seen, &[]);
            inside.faults.iter().cloned().for_each(|fault| told.fault(fault));
            mend(&path, &inside, None, depth - 1, told)?;
        }
    }
    Ok(())
}

fn tighten(dir: &Path, was_open: bool, told: &mut Told) -> io::Result<()> {
    let set = fs::set_permissions(dir, Permissions::from_mode(0o700));
    // Some file systems take a mode and keep their own.
    let now = Seen::at(dir)?.mode;
    if now & 0o077 == 0 {
        return Ok(());
    }
    let why = set.err().map_or_else(String::new, |error| format!(" ({error})"));
    let text = format!(
        "{} cannot be made 700: its file system keeps mode {now:o}{why}. Mount that with \
         `umask=077,uid={}`, or keep our data elsewhere",
        Foreign::path(dir),
        Us::now().user
    );
    if was_open {
        return Err(refusal(text));
    }
    told.fault(text);
    Ok(())
}

/// Makes a folder and those above it, each for us alone, whatever the umask.
pub(super) fn make_private(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes a folder that is there already 0700 if it is ours; others' are theirs.
pub(super) fn tighten_own(dir: &Path) -> io::Result<()> {
    let seen = Seen::at(dir)?;
    if seen.is_dir && seen.owner == Us::now().user && seen.mode & 0o077 != 0 {
        fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Gives what others own another name, never one that is taken.
#[expect(clippy::disallowed_methods, reason = "this is `disk`")]
fn put_by(path: &Path, owner: u32) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // With what is put behind it, no longer than a name may be.
    const MOST_CHARS: usize = 50;
    let name: String = name.chars().take(MOST_CHARS).collect();
    let aside = |n: u32| path.with_file_name(format!("{name}.of-user-{owner}-{n}"));
    let is_free = |aside: &PathBuf| fs::symlink_metadata(aside).is_err();
    let aside = (1..=u32::MAX).map(aside).find(is_free).unwrap_or_else(|| path.to_owned());
    fs::rename(path, &aside)?;
    Ok(aside)
}

fn refusal(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

/// Opens a secret that only we write, or makes an empty one of mode 0600. One that others may have
/// written is put aside; what somebody must know of it comes back beside the file.
///
/// # Errors
/// Why it cannot be believed and what to type, or what the file system says.
pub fn own_secret(path: &Path) -> io::Result<(File, Option<String>)> {
    let us = Us::now();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = Seen::at(folder.unwrap_or(Path::new(".")))?;
    if folder.all_write() && !folder.is_sticky() {
        let over = Foreign::path(&folder.path);
        return Err(refusal(format!(
            "all may write into {over} (mode {:o}), so anybody could put a token there: type \
             `chmod o-w {over}`",
            folder.mode
        )));
    }
    let mut told = None;
    let unfit = match (fs::symlink_metadata(path), Seen::at(path)) {
        (Ok(link), Ok(seen)) => distrust(us, link.uid(), &seen, fs::metadata(path)?.is_file()),
        (Ok(_), Err(_)) => Some("it is a link that leads nowhere".to_owned()),
        (Err(_), _) => None,
    };
    if let Some(why) = unfit {
        let owner = fs::symlink_metadata(path)?.uid();
        let aside = put_by(path, owner).map_err(|error| {
            refusal(format!(
                "{why}, and it cannot be put aside ({error}): type `chown {} {path} && chmod 600 \
                 {path}` if you know what is in it, else take it away",
                us.user,
                path = Foreign::path(path)
            ))
        })?;
        told = Some(format!(
            "{} was not believed: {why}. It lies in {} now, and a new one was made",
            Foreign::path(path),
            Foreign::path(&aside)
        ));
    }
    let mut both = File::options();
    both.read(true).write(true).create(true).truncate(false).mode(0o600);
    let opened = open_checked(path, &mut both, OFlags::empty());
    // A file that we may only read is a token that somebody else keeps.
    let file =
        opened.or_else(|_| open_checked(path, File::options().read(true), OFlags::empty()))?;
    let seen = Seen::of(path, &file.metadata()?);
    // Between the look and the opening somebody may have been quick.
    match distrust(us, seen.owner, &seen, true) {
        Some(why) => Err(refusal(why)),
        None => Ok((file, told)),
    }
}

/// Why a secret may be of somebody else's making.
fn distrust(us: Us, link_owner: u32, seen: &Seen, is_file: bool) -> Option<String> {
    let mode = seen.mode;
    if !is_file || seen.is_dir {
        return Some("it is no file".to_owned());
    }
    if !us.trusts(seen.owner) || !us.trusts(link_owner) {
        let owner = if us.trusts(seen.owner) { link_owner } else { seen.owner };
        return Some(format!("it belongs to user {owner}, who is neither us nor root"));
    }
    (seen.all_write() || seen.group_writes(us))
        .then(|| format!("others may write into it (mode {mode:o})"))
}

/// Who else can read a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBy {
    /// Its owner, root, and a group that it was given to.
    Us,
    /// Nobody else, but only since a folder above it lets nobody through.
    Shielded,
    /// Whoever is in this group, which is neither ours nor root's.
    Group(u32),
    /// Whoever has an account here.
    All,
}

/// Says who else can read a secret, from its own mode and from those of the folders above it.
#[must_use]
pub fn read_by(us: Us, groups: &[u32], file: &Seen, above: &[Seen]) -> ReadBy {
    let reach = |bits: u32| above.iter().all(|folder| folder.mode & bits != 0);
    let known = [0, us.group].contains(&file.group) || groups.contains(&file.group);
    if file.mode & 0o004 != 0 {
        if reach(0o001) { ReadBy::All } else { ReadBy::Shielded }
    } else if file.mode & 0o040 != 0 && !known && reach(0o011) {
        ReadBy::Group(file.group)
    } else {
        ReadBy::Us
    }
}

/// Looks who else can read a secret. What cannot be looked at is told where it is read.
#[must_use]
pub fn who_reads(us: Us, path: &Path) -> ReadBy {
    let groups: Vec<u32> = rustix::process::getgroups()
        .map(|groups| groups.into_iter().map(rustix::process::Gid::as_raw).collect())
        .unwrap_or_default();
    let look = || {
        let real = fs::canonicalize(path)?;
        let above = real.ancestors().skip(1).map(Seen::at).collect::<io::Result<Vec<_>>>()?;
        io::Result::Ok(read_by(us, &groups, &Seen::at(&real)?, &above))
    };
    look().unwrap_or(ReadBy::Us)
}

/// Takes every right of others off what this process will make, whatever it was started with. Belt and
/// braces: each file and folder of ours is made with its mode.
pub fn keep_files_private() {
    let _before = rustix::process::umask(Mode::from_raw_mode(0o077));
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::{chown, lchown, symlink};

    use proptest::prelude::*;

    use super::*;
    use crate::disk::{Disk, OpenHow, RealDisk, write_durably};

    const US: Us = Us { user: 998, group: 997 };
    const NAMES: [&str; 3] = ["token", "outbox", "ring"];

    fn seen(path: &str, owner: u32, group: u32, mode: u32) -> Seen {
        Seen { path: path.into(), owner, group, mode, is_dir: true, is_shared: false }
    }

    /// The usual place: `/var/lib` above it, root's.
    fn judged(dir: &Seen) -> Judged {
        judge(US, dir, &[seen("/var/lib", 0, 0, 0o755), seen("/", 0, 0, 0o755)])
    }

    fn below(above: Seen) -> Judged {
        judge(US, &seen("/x/data", 998, 997, 0o700), &[above, seen("/", 0, 0, 0o755)])
    }

    #[test]
    fn a_folder_is_taken_mended_or_refused() {
        let dir = |owner, group, mode| judged(&seen("/var/lib/courtside", owner, group, mode));
        assert_eq!(dir(998, 997, 0o700), Judged::default());
        let mended =
            |was_open| Judged { tighten: true, was_reached: true, was_open, ..Judged::default() };
        assert_eq!(dir(998, 997, 0o755), mended(false));
        assert_eq!(dir(998, 997, 0o775), mended(true), "our own group: no alarm");
        for open in [0o777, 0o707, 0o722] {
            let Judged { faults, refused, tighten, was_open, .. } = dir(998, 50, open);
            assert_eq!((refused, tighten, was_open), (None, true, true), "{open:o}");
            assert!(faults.concat().contains(&format!("mode {open:o}")), "{faults:?}");
        }
        for (owner, group, mode, expected) in [
            (
                1000,
                1000,
                0o700,
                "`chown -R 998 /var/lib/courtside && chmod 700 /var/lib/courtside`",
            ),
            (0, 0, 0o777, "belongs to root and others may write"),
            (0, 50, 0o770, "belongs to root and others may write"),
            (0, 0, 0o1777, "belongs to root and others may write"),
        ] {
            let refused = dir(owner, group, mode).refused.expect("refused");
            assert!(refused.contains(expected), "{refused}");
        }
        let group = dir(0, 997, 0o770);
        assert!(group.refused.is_none() && group.was_open && group.faults.len() == 1, "{group:?}");
        let file = Seen { is_dir: false, ..seen("/var/lib/courtside", 998, 997, 0o600) };
        assert!(judged(&file).refused.expect("refused").contains("is no folder"));
    }

    #[test]
    fn a_folder_of_many_is_never_closed_to_them() {
        let shared = |group, mode| {
            let root = Us { user: 0, group: 0 };
            let dir = Seen { is_shared: true, ..seen("/tmp", 0, group, mode) };
            judge(root, &dir, &[seen("/", 0, 0, 0o755)])
        };
        assert!(!shared(0, 0o755).tighten && shared(0, 0o755).refused.is_none());
        for (group, open) in [(0, 0o1777), (0, 0o777), (50, 0o775)] {
            let refused = shared(group, open).refused.expect("refused");
            assert!(refused.contains("name a folder of its own"), "{refused}");
        }
        // As umask 002 makes it where everybody has a group of his own.
        let own = shared(0, 0o775);
        assert!(own.refused.is_none() && own.was_open && own.faults.is_empty(), "{own:?}");
    }

    #[test]
    fn who_writes_above_may_put_another_folder_in_its_place() {
        assert_eq!(below(seen("/x", 0, 0, 0o1777)), Judged::default(), "sticky, as /tmp");
        assert_eq!(below(seen("/x", 998, 997, 0o775)), Judged::default(), "our own group");
        let refused = below(seen("/x", 0, 0, 0o777)).refused.expect("refused");
        assert!(refused.contains("`chmod o-w /x`"), "{refused}");
        let told = below(seen("/x", 0, 50, 0o775)).faults.concat();
        assert!(told.contains("group 50") && told.contains("`chmod g-w /x`"), "{told}");
        let told = below(seen("/x", 1000, 1000, 0o755)).faults.concat();
        assert!(told.contains("user 1000, to whom /x belongs"), "{told}");
        // Nobody gets to the open folder: the one above it lets nobody through.
        let dir = seen("/home/x/data", 998, 997, 0o700);
        let above = [seen("/home/x", 0, 0, 0o777), seen("/home", 0, 0, 0o700)];
        assert_eq!(judge(US, &dir, &above), Judged::default());
    }

    proptest! {
        /// What others may have written is refused, or mended and looked through; never just taken.
        #[test]
        fn nothing_that_others_wrote_is_taken_as_it_is(
            owner in prop::sample::select(vec![0_u32, 998, 1000]),
            group in prop::sample::select(vec![0_u32, 997, 50]),
            mode in 0_u32..0o2000,
            is_shared in any::<bool>(),
        ) {
            let dir = Seen { is_shared, ..seen("/var/lib/courtside", owner, group, mode) };
            let judged = judged(&dir);
            let others_write = mode & 0o022 != 0 || ![0, 998].contains(&owner);
            if others_write {
                prop_assert!(judged.refused.is_some() || judged.was_open);
                let by_own_group = is_shared && [0, 997].contains(&group) && mode & 0o002 == 0;
                let is_mended = judged.tighten || by_own_group;
                prop_assert!(judged.refused.is_some() || is_mended || owner == 0);
            } else {
                prop_assert!(judged.refused.is_none() || mode & 0o1000 != 0);
            }
            prop_assert!(!(judged.tighten && is_shared));
        }
    }

    #[test]
    fn who_reads_a_secret_depends_on_the_folders_above_it_too() {
        let file = |group, mode| Seen { is_dir: false, ..seen("/etc/c/key", 0, group, mode) };
        let reads = |file: &Seen, folder: u32| {
            read_by(US, &[44], file, &[seen("/etc/c", 0, 997, folder), seen("/etc", 0, 0, 0o755)])
        };
        assert_eq!(reads(&file(0, 0o644), 0o755), ReadBy::All);
        assert_eq!(
            reads(&file(0, 0o644), 0o750),
            ReadBy::Shielded,
            "the folder lets nobody through"
        );
        assert_eq!(reads(&file(0, 0o600), 0o755), ReadBy::Us);
        assert_eq!(reads(&file(997, 0o640), 0o755), ReadBy::Us, "our group, as is usual");
        assert_eq!(reads(&file(44, 0o640), 0o755), ReadBy::Us, "a group that we are in: ssl-cert");
        assert_eq!(reads(&file(50, 0o640), 0o755), ReadBy::Group(50));
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").mode() & 0o7777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
    }

    fn file(path: &Path, text: &str) {
        File::create(path).and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
    }

    /// Gives a file to somebody else. False where only root could: there is then nothing to see.
    fn give_away(path: &Path) -> bool {
        let given = chown(path, Some(54_321), None);
        assert!(given.is_ok() || Us::now().user != 0, "{given:?}");
        given.is_ok()
    }

    #[test]
    fn whatever_the_umask_files_are_made_for_us_alone() {
        let dir = tempfile::tempdir().expect("dir");
        // Of the whole process: others' tests make their files with modes of their own, or in folders
        // that nobody else reaches.
        let before = rustix::process::umask(Mode::empty());
        for (n, umask) in [0o000, 0o077].into_iter().enumerate() {
            let _ = rustix::process::umask(Mode::from_raw_mode(umask));
            let data = dir.path().join(format!("data-{n}"));
            let disk = RealDisk::new();
            assert_eq!(disk.own_dir(&data, &NAMES).expect("made"), Vec::<String>::new());
            let ring = data.join("ring/segments");
            disk.create_dir_all(&ring).expect("made");
            disk.open(&ring.join("new"), OpenHow::CreateNew).expect("made");
            disk.open(&ring.join("opened"), OpenHow::CreateOrOpen).expect("made");
            write_durably(&disk, &ring.join("durable"), b"x").expect("made");
            let _lock = disk.lock(&data.join("ring/lock")).expect("made");
            drop(own_secret(&data.join("token")).expect("made"));
            for folder in [&data, &data.join("ring"), &ring] {
                assert_eq!(mode(folder), 0o700, "{}", folder.display());
            }
            for name in ["segments/new", "segments/opened", "segments/durable", "lock"] {
                assert_eq!(mode(&data.join("ring").join(name)), 0o600, "{name}");
            }
            assert_eq!(mode(&data.join("token")), 0o600);
            // Negative control: what is made without a mode shows the umask of the day.
            file(&data.join("plain"), "");
            assert_eq!(mode(&data.join("plain")), 0o666 & !umask);
        }
        let _ = rustix::process::umask(before);
    }

    #[test]
    fn an_old_folder_is_closed_and_what_others_own_in_it_goes_aside() {
        let dir = tempfile::tempdir().expect("dir");
        let data = dir.path().join("data");
        fs::create_dir_all(data.join("ring")).expect("made");
        file(&data.join("token"), "planted-by-somebody\n");
        file(&data.join("ring/segments.index"), "{}");
        set(&data, 0o777);
        set(&data.join("ring"), 0o777);
        symlink("/nowhere", data.join("outbox")).expect("made");
        let long = data.join("ring").join("x".repeat(255));
        file(&long, "");
        let planted = [&data.join("token"), &data.join("ring/segments.index"), &long];
        let planted = planted.into_iter().all(|path| give_away(path));
        if planted {
            lchown(data.join("outbox"), Some(54_321), None).expect("root may");
            file(&data.join("bait"), "no name of ours: stays, and makes the folder nobody else's");
            assert!(give_away(&data.join("bait")));
        }
        let faults = RealDisk::new().own_dir(&data, &NAMES).expect("mended").join("\n");
        assert_eq!((mode(&data), mode(&data.join("ring"))), (0o700, 0o700));
        assert!(faults.contains("mode 777"), "{faults}");
        assert_eq!(data.join("token").exists(), !planted);
        assert_eq!(data.join("token.of-user-54321-1").exists(), planted);
        assert_eq!(data.join("ring/segments.index.of-user-54321-1").exists(), planted);
        assert_eq!((long.exists(), data.join("outbox").is_symlink()), (!planted, !planted));
        // Once closed, nothing is told any more.
        assert_eq!(RealDisk::new().own_dir(&data, &NAMES).expect("ours"), Vec::<String>::new());
    }

    #[test]
    fn what_was_closed_all_along_is_not_looked_through() {
        let dir = tempfile::tempdir().expect("dir");
        let data = dir.path().join("data");
        RealDisk::new().own_dir(&data, &NAMES).expect("made");
        file(&data.join("token"), "restored from a copy");
        give_away(&data.join("token"));
        assert_eq!(RealDisk::new().own_dir(&data, &NAMES).expect("ours"), Vec::<String>::new());
        assert!(data.join("token").exists());
    }

    #[test]
    fn a_folder_with_more_than_ours_keeps_its_mode() {
        let dir = tempfile::tempdir().expect("dir");
        file(&dir.path().join("letters.txt"), "");
        set(dir.path(), 0o755);
        RealDisk::new().own_dir(dir.path(), &NAMES).expect("taken as it is");
        assert_eq!(mode(dir.path()), 0o755);
        set(dir.path(), 0o777);
        let refused = RealDisk::new().own_dir(dir.path(), &NAMES).expect_err("open to others");
        assert!(refused.to_string().contains("chmod go-w"), "{refused}");
        assert_eq!(mode(dir.path()), 0o777);
    }

    fn secret(path: &Path) -> (String, Option<String>) {
        let (mut file, told) = own_secret(path).expect("opened");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("read");
        (text, told)
    }

    #[test]
    fn a_secret_that_others_may_have_written_is_put_aside() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("token");
        assert_eq!(secret(&path), (String::new(), None));
        file(&path, "ours");
        assert_eq!(secret(&path), ("ours".to_owned(), None));
        for others_read in [0o644, 0o640] {
            set(&path, others_read);
            assert_eq!(secret(&path), ("ours".to_owned(), None), "read, not written");
        }
        set(&path, 0o666);
        let (text, told) = secret(&path);
        assert_eq!(text, "", "not what anybody may have written");
        assert!(told.as_ref().is_some_and(|told| told.contains("mode 666")), "{told:?}");
        assert_eq!(mode(&path), 0o600);
        file(&path, "planted");
        if give_away(&path) {
            let (text, told) = secret(&path);
            assert_eq!(text, "");
            assert!(told.is_some_and(|told| told.contains("belongs to user 54321")));
        }
    }

    #[test]
    fn what_is_no_file_is_no_secret() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("token");
        for number in 0..3 {
            match number {
                0 => fs::create_dir(&path).expect("a folder"),
                1 => symlink("/nowhere/token", &path).expect("a link"),
                _ => rustix::fs::mknodat(
                    rustix::fs::CWD,
                    &path,
                    rustix::fs::FileType::Fifo,
                    Mode::from_raw_mode(0o600),
                    0,
                )
                .expect("a pipe"),
            }
            let (text, told) = secret(&path);
            assert_eq!(text, "");
            assert!(told.is_some(), "{number}");
            fs::remove_file(&path).expect("ours");
        }
    }

    #[test]
    fn a_secret_in_a_folder_of_all_is_refused() {
        let dir = tempfile::tempdir().expect("dir");
        let open = dir.path().join("open");
        fs::create_dir(&open).expect("made");
        set(&open, 0o777);
        let refused = own_secret(&open.join("token")).expect_err("refused").to_string();
        assert!(refused.contains("`chmod o-w"), "{refused}");
        set(&open, 0o1777);
        own_secret(&open.join("token")).expect("nobody else can move it");
    }
}
