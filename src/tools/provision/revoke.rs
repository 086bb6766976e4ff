//! `provision grant --revoke`: takes an identity or a claim file back.
//!
//! Order: the record, then what the broker reads, then the broker is told to read it, then whoever is connected
//! under that name is put out by a connection under his client id: mosquitto looks at certificates when
//! somebody comes, not at those who are there. Run again, it does what is left to do.

use std::process::ExitCode;

use anyhow::bail;

use crate::clock::{Clock, SystemClock};
use crate::config::Broker;
use crate::media::{BoxName, Foreign};
use crate::tools::provision::folder::Folder;
use crate::tools::provision::link::knock;
use crate::tools::provision::records::Records;
use crate::tools::provision::reload::{Reloaded, reload};
use crate::tools::tell::{remark, tell};

/// Revokes a box by its name, or a claim file by its number (`stick.3`).
///
/// # Errors
/// Nobody is called so, or the disk says no.
pub(super) async fn revoke(
    folder: &Folder,
    broker: Broker,
    name: &str,
) -> anyhow::Result<ExitCode> {
    let mut records = Records::open(folder)?;
    let authority = folder.authority()?;
    let at = records.ending(SystemClock::new().utc());
    let stick = records.sticks().find(|it| it.id() == name).cloned();
    let owner = BoxName::new(name).ok();
    let owner = owner.and_then(|name| {
        records
            .boxes()
            .find(|it| it.granted.name == name && it.revoked.is_none())
            .or_else(|| records.boxes().find(|it| it.granted.name == name))
    });
    let owner = owner.cloned();
    match (stick, &owner) {
        (Some(mut stick), _) => {
            stick.revoked.get_or_insert(at.as_nanos());
            records.keep_stick(stick)?;
        }
        (None, Some(record)) => {
            let mut record = record.clone();
            record.revoked.get_or_insert(at.as_nanos());
            record.settle(at);
            records.keep(record)?;
        }
        (None, None) => bail!(
            "nobody here is called `{}`: `courtside provision status` lists boxes and claim files",
            Foreign::name(name)
        ),
    }
    records.tell_broker(folder, &authority)?;
    tell(format_args!(
        "{name} counts no more: its certificates are on the broker's list of ended ones"
    ));
    if let Some(advice) = reload(folder).advice() {
        remark(advice);
        remark(
            "a box that is connected stays so until it comes anew: restart the broker to put it out now",
        );
        return Ok(ExitCode::from(1));
    }
    let Some(record) = owner else { return Ok(ExitCode::SUCCESS) };
    put_out(folder, broker, &record.granted.name).await
}

async fn put_out(folder: &Folder, broker: Broker, name: &BoxName) -> anyhow::Result<ExitCode> {
    let access = folder.access(broker)?;
    // As the box's uplink calls itself, and as its claim does.
    for id in [format!("courtside-{name}"), format!("courtside-{name}-claim")] {
        if let Err(fault) = knock(&access, &id).await {
            remark(format_args!(
                "{}: whether it is still connected is not known: run this again",
                fault.why
            ));
            return Ok(ExitCode::from(1));
        }
    }
    tell(format_args!(
        "{name} is put out; it goes on calling shots, and says that its broker refuses it"
    ));
    Ok(ExitCode::SUCCESS)
}

/// What is told where mosquitto was not.
pub(super) fn told(reloaded: Reloaded) {
    if let Some(advice) = reloaded.advice() {
        remark(advice);
    }
}
