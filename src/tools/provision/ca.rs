//! `courtside provision ca`: makes the authority and all that a mosquitto for boxes needs.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use crate::claim::{
    AUTHORITY_LASTS, Authority, OFFICE_USER, OPERATOR_USER, Signed, TECHNICIAN_USER, VIEWER_USER,
};
use crate::clock::{Clock, SystemClock};
use crate::config::Broker;
use crate::media::Foreign;
use crate::tools::provision::broker_files::{acl, conf};
use crate::tools::provision::folder::{Folder, Settings, VERSION, names};
use crate::tools::provision::records::Records;
use crate::tools::tell::{remark, tell};

/// A common name has at most 64 characters (RFC 5280, ub-common-name).
const NAME_MOST_CHARS: usize = 64;

/// The users of the broker that are people or servers, and their files.
const USERS: [(&str, &str, &str); 4] = [
    (TECHNICIAN_USER, names::TECHNICIAN, names::TECHNICIAN_KEY),
    (OFFICE_USER, names::OFFICE, names::OFFICE_KEY),
    (OPERATOR_USER, names::OPERATOR, names::OPERATOR_KEY),
    (VIEWER_USER, names::VIEWER, names::VIEWER_KEY),
];

/// Arguments of `provision ca`.
#[derive(Debug, Args)]
pub(super) struct CaArgs {
    /// Folder to make
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Name or address under which boxes reach the broker; they are told the
    /// first one (can be repeated)
    #[arg(long = "host", value_name = "HOST", required = true)]
    hosts: Vec<String>,
    /// What the authority calls itself
    #[arg(long, value_name = "NAME", default_value = "courtside")]
    name: String,
    /// Port of the broker
    #[arg(long, value_name = "PORT", default_value_t = 8883, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Port for boxes that get a password instead of a certificate
    /// [default: none of that kind]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    password_port: Option<u16>,
    /// Address of this machine that the broker listens at [default: all]
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
}

impl CaArgs {
    /// Makes it.
    ///
    /// # Errors
    /// It is there, or cannot be made.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        if let Err(wrong) = self.check() {
            remark(format_args!("courtside: {wrong:#}"));
            return Ok(ExitCode::from(2));
        }
        let dir = std::path::absolute(&self.dir).context("find the folder's place")?;
        let folder = self.make(&dir)?;
        let records = Records::open(&folder)?;
        records.tell_broker(&folder, &folder.authority()?)?;
        let at = self.dir.display();
        tell(format_args!(
            "{at} is made; who has {at}/{} can make boxes: keep a copy where no box is",
            names::CA_KEY
        ));
        tell(format_args!("Start the broker:        mosquitto -c {at}/{}", names::CONF));
        tell(format_args!(
            "Write a claim file next: courtside provision request {at} --stick /media/STICK"
        ));
        Ok(ExitCode::SUCCESS)
    }

    fn check(&self) -> anyhow::Result<()> {
        for host in &self.hosts {
            let shown = Foreign::name(host);
            let address = host.parse::<IpAddr>();
            if address.as_ref().is_ok_and(IpAddr::is_unspecified) {
                bail!(
                    "{shown} is no address that a box could go to: name the one that this machine has there"
                );
            }
            let is_v6 = matches!(address, Ok(IpAddr::V6(_)));
            let url = if is_v6 { format!("mqtts://[{host}]") } else { format!("mqtts://{host}") };
            let read =
                Broker::parse(&url).map_err(|wrong| anyhow::anyhow!("`--host {shown}` {wrong}"))?;
            if read.host != *host {
                bail!(
                    "`--host {shown}` holds more than a host: write name or address alone, the port with --port"
                );
            }
        }
        let chars = self.name.chars().count();
        if !(1..=NAME_MOST_CHARS).contains(&chars) || !Foreign::is_plain(&self.name) {
            bail!("`--name` is 1 to {NAME_MOST_CHARS} characters that can be seen");
        }
        if self.password_port == Some(self.port) {
            bail!("`--password-port` is another port than `--port`");
        }
        if !Foreign::is_plain(&self.dir.display().to_string()) {
            bail!("the folder's name holds characters that mislead: choose another");
        }
        Ok(())
    }

    fn make(&self, dir: &Path) -> anyhow::Result<Folder> {
        let now = SystemClock::new().utc();
        let settings = Settings {
            v: VERSION,
            name: self.name.clone(),
            hosts: self.hosts.clone(),
            port: self.port,
            password_port: self.password_port,
            made: now.as_nanos(),
        };
        let Signed { certificate: ca, key: ca_key } = Authority::make(&self.name, now)?;
        let authority = Authority::load(&ca, ca_key.expose())?;
        let server = authority.broker(&self.hosts, now, AUTHORITY_LASTS)?;
        let bind = self.bind.map(|address| address.to_string());
        let conf = conf(&settings, dir, bind.as_deref(), us().as_deref());
        let bytes = |text: &str| text.as_bytes().to_vec();
        let mut files = vec![
            (names::CA, bytes(&ca)),
            (names::CA_KEY, bytes(ca_key.expose())),
            (names::BROKER_CA, bytes(&ca)),
            (names::SERVER, bytes(&server.certificate)),
            (names::SERVER_KEY, bytes(server.key.expose())),
            (names::ENDED, bytes(&authority.revocation_list(&[], now)?)),
            (names::PASSWORDS, Vec::new()),
            (names::ACL, bytes(&acl([]))),
            (names::CONF, bytes(&conf)),
        ];
        for (user, certificate, key) in USERS {
            let made = authority.user(user, now, AUTHORITY_LASTS)?;
            files.push((certificate, bytes(&made.certificate)));
            files.push((key, bytes(made.key.expose())));
        }
        let folders = [names::BOXES, names::STICKS, names::BROKER, names::DATA];
        Folder::make(dir, settings, &folders, &files)
    }
}

/// Whose files these are, by name: a mosquitto that root starts becomes this user. `None` where the system's
/// list does not know him.
fn us() -> Option<String> {
    let uid = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let list = crate::disk::read_regular_text(Path::new("/etc/passwd"), 1 << 20).ok()?;
    let mut users = list.lines().map(|line| line.split(':'));
    users.find_map(|mut user| {
        let name = user.next()?;
        (user.nth(1)? == uid).then(|| name.to_owned())
    })
}
