//! `courtside models keygen|sign|encrypt|verify`: bundles packed into one signed file, without any box.
//!
//! Keys and signatures are minisign's (`detect::parcel`), so its own program can take each step but the packing.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::config;
use crate::detect::parcel::{
    BoxKey, Folder, Opened, Parcel, PublicKey, Recipient, Rules, SIGNATURE_FILE, SecretKey, Source,
    accept, pack, seal, trusted_comment,
};
use crate::disk::{read_regular, read_regular_text};
use crate::tools::beside::put_beside;
use crate::tools::tell::{remark, tell};

/// A key is two lines.
const KEY_MOST_BYTES: u64 = 4 << 10;

/// Arguments of `models keygen`.
#[derive(Debug, Args)]
pub(super) struct KeygenArgs {
    /// Path of both files without its ending: .key is secret, .pub is not
    #[arg(value_name = "NAME")]
    name: PathBuf,
}

/// Arguments of `models sign`.
#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// The bundle's folder
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// File of the secret key; without it the folder's own model.toml.minisig is taken, as
    /// `minisign -S` made it
    #[arg(long, value_name = "FILE", required_unless_present = "public")]
    key: Option<PathBuf>,
    /// Without --key: file or line of the public key that belongs to the signature
    #[arg(long, value_name = "KEY", conflicts_with = "key")]
    public: Option<String>,
    /// Where the packed bundle goes [default: NAME-VERSION.parcel]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Arguments of `models encrypt`.
#[derive(Debug, Args)]
pub(super) struct EncryptArgs {
    /// The packed bundle
    #[arg(value_name = "FILE")]
    parcel: PathBuf,
    /// Key of a box that may run it, as `courtside models` on that box says; once for each
    #[arg(long, value_name = "BOX_KEY", required = true)]
    to: Vec<String>,
    /// Where the sealed one goes [default: FILE with -sealed before its ending]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Arguments of `models verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The packed bundle
    #[arg(value_name = "FILE")]
    parcel: PathBuf,
    /// File or line of a public key that is trusted; may be given several times [default: those of the
    /// box's configuration]
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Where it is sealed: file of a box's key
    #[arg(long, value_name = "FILE")]
    box_key: Option<PathBuf>,
    /// Configuration file of the box
    #[arg(long, short, value_name = "FILE", default_value = "/etc/courtside/courtside.toml")]
    config: PathBuf,
}

impl KeygenArgs {
    /// Makes both files.
    ///
    /// # Errors
    /// One of them is there, or cannot be made.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let (mut id, mut seed) = ([0; 8], [0; 32]);
        getrandom::fill(&mut id).context("draw a key")?;
        getrandom::fill(&mut seed).context("draw a key")?;
        let key = SecretKey::from_random(id, seed)?;
        let with = |ending: &str| {
            let mut path = self.name.clone().into_os_string();
            path.push(ending);
            PathBuf::from(path)
        };
        let (secret, public) = (with(".key"), with(".pub"));
        make(&public, 0o644, key.public().to_file().as_bytes())?;
        make(&secret, 0o600, key.to_secret_file().as_bytes()).inspect_err(|_| {
            // Half a pair is of no use; it was made a moment ago.
            drop(std::fs::remove_file(&public));
        })?;
        remark(format_args!(
            "{} signs: keep it where no box is, and a copy. Each box that may run your models has in its \
             configuration:",
            secret.display()
        ));
        tell("[detect]");
        tell(format_args!("model_keys = [\"{}\"]", key.public()));
        Ok(ExitCode::SUCCESS)
    }
}

impl SignArgs {
    /// Signs, checks and packs.
    ///
    /// # Errors
    /// The bundle, the key or the signature is refused, or a file cannot be written.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let folder = Folder::read(&self.folder)?;
        let Folder { name, version, manifest, files } = &folder;
        let beside = self.folder.join(SIGNATURE_FILE);
        let (signature, public) = match (&self.key, &self.public) {
            (Some(file), _) => {
                let text = text_of(file)?;
                let key = SecretKey::parse(&text).with_context(|| named(file))?;
                let signature = key.sign(manifest.as_bytes(), &trusted_comment(name, version));
                (signature, key.public())
            }
            (None, Some(public)) => {
                let text = text_of(&beside).with_context(|| {
                    format!(
                        "sign the manifest first: minisign -S -m {}/model.toml -t \"{}\"",
                        self.folder.display(),
                        trusted_comment(name, version)
                    )
                })?;
                (text, public_key(public)?)
            }
            (None, None) => bail!("no key: give --key FILE"),
        };
        let parcel = pack(manifest, &signature, files)?;
        let keys = [public];
        let rules = Rules {
            keys: &keys,
            most_bytes: Rules::MOST_BYTES,
            licensed: true,
            installed: &|_| None,
        };
        accept(&parcel, &rules).with_context(|| self.folder.display().to_string())?;
        let out = self.out.clone().unwrap_or_else(|| format!("{name}-{version}.parcel").into());
        write(&out, &parcel)?;
        if self.key.is_some() {
            write(&beside, signature.as_bytes())?;
        }
        tell(format_args!("{}: {name} {version}, {} bytes", out.display(), parcel.len()));
        Ok(ExitCode::SUCCESS)
    }
}

impl EncryptArgs {
    /// Seals.
    ///
    /// # Errors
    /// It is no parcel, a key is none, or a file cannot be written.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let boxes = self.to.iter().map(|text| {
            let key = Recipient::parse(text);
            key.with_context(|| format!("{text} is no box's key: `courtside models` there says it"))
        });
        let boxes: Vec<Recipient> = boxes.collect::<anyhow::Result<_>>()?;
        let parcel =
            read_regular(&self.parcel, Rules::MOST_BYTES).with_context(|| named(&self.parcel))?;
        // Who signed it is the boxes' affair; that it is one, is known before it can be read by them alone.
        Parcel::open(&parcel).with_context(|| named(&self.parcel))?;
        let mut random = |bytes: &mut [u8]| getrandom::fill(bytes).map_err(std::io::Error::other);
        let sealed = seal(&parcel, &boxes, &mut random)?;
        let out = self.out.clone().unwrap_or_else(|| {
            let stem = self.parcel.with_extension("");
            PathBuf::from(format!("{}-sealed.parcel", stem.display()))
        });
        write(&out, &sealed)?;
        let (count, bytes) = (boxes.len(), sealed.len());
        tell(format_args!("{}: sealed for {count} boxes, {bytes} bytes", out.display()));
        Ok(ExitCode::SUCCESS)
    }
}

impl VerifyArgs {
    /// Checks.
    ///
    /// # Errors
    /// Refused.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let keys = match self.key.as_slice() {
            [] => config::load(&self.config)?.detect.model_keys,
            given => given.to_vec(),
        };
        let keys: Vec<PublicKey> =
            keys.iter().map(|key| public_key(key)).collect::<anyhow::Result<_>>()?;
        let parcel =
            read_regular(&self.parcel, Rules::MOST_BYTES).with_context(|| named(&self.parcel))?;
        let source: Box<dyn Source> = match &self.box_key {
            Some(file) => {
                let key = BoxKey::parse(&text_of(file)?);
                let key = key.with_context(|| format!("{} holds no key of age", named(file)))?;
                Box::new(Opened::open(parcel, &key).with_context(|| named(&self.parcel))?)
            }
            None => Box::new(parcel),
        };
        let rules = Rules {
            keys: &keys,
            most_bytes: Rules::MOST_BYTES,
            licensed: true,
            installed: &|_| None,
        };
        let found = accept(&*source, &rules).with_context(|| named(&self.parcel))?;
        tell(format_args!(
            "{} {} ({}), signed by {}: good",
            found.name,
            found.version,
            found.task.word(),
            found.signed_by
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// The key of a line, or of the file of that name.
fn public_key(text: &str) -> anyhow::Result<PublicKey> {
    if let Ok(key) = PublicKey::parse(text) {
        return Ok(key);
    }
    let file = Path::new(text);
    PublicKey::parse(&text_of(file)?).with_context(|| named(file))
}

fn text_of(file: &Path) -> anyhow::Result<String> {
    read_regular_text(file, KEY_MOST_BYTES).with_context(|| named(file))
}

fn named(file: &Path) -> String {
    file.display().to_string()
}

/// Makes a file that is not there yet.
fn make(path: &Path, mode: u32, bytes: &[u8]) -> anyhow::Result<()> {
    let wrong = || format!("make {} (a key is never written over)", path.display());
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = opened.with_context(wrong)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(wrong)
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    put_beside(path, bytes)
}
