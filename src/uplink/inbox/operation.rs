//! What a box can be asked to do: one trait, one table.
//!
//! An operation runs on a thread of its own, at most one of a name and four in all at a time; it may
//! block. What it tells of itself is on disk before anybody hears it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::event::command::Role;
use crate::event::upload::UploadNeeds;
use crate::media::Foreign;

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// For programs; lower case and `_`.
    pub code: &'static str,
    /// For people, with what to do.
    pub reason: Foreign,
}

impl Failed {
    /// With a sentence of ours, in which texts from outside may stand.
    pub fn new(code: &'static str, reason: impl fmt::Display) -> Self {
        Self { code, reason: Foreign::told(reason) }
    }
}

/// Something that a box can be asked to do.
pub trait Operation: Send + Sync {
    /// Its name for ever: lower case and `_`.
    fn name(&self) -> &'static str;
    /// JSON Schema of its arguments, an object.
    fn arguments(&self) -> Value;
    /// Who may ask for it, and those above.
    fn role(&self) -> Role {
        Role::Technician
    }
    /// True if it may be run again from its beginning when a start of the box has cut it.
    fn resumable(&self) -> bool {
        false
    }
    /// How many of its name may run at a time beside the four: of one that mostly waits for a network. None: it is
    /// one of the four, and one of its name at a time.
    fn beside(&self) -> usize {
        0
    }
    /// Looks at the arguments before the command is accepted; what it refuses is never run.
    ///
    /// # Errors
    /// What is wrong with them, and what to write.
    fn check(&self, arguments: &Map<String, Value>) -> Result<(), Foreign>;
    /// Does it. May block.
    ///
    /// # Errors
    /// [`Failed`], which becomes the command's last state.
    fn run(&self, call: &Call) -> Result<Value, Failed>;
}

/// How far an operation is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub(super) percent: Option<u8>,
    pub(super) words: Foreign,
    pub(super) needs: Option<UploadNeeds>,
}

/// One run of an operation.
pub struct Call {
    /// The command.
    pub id: String,
    /// As [`Operation::check`] has seen them.
    pub arguments: Map<String, Value>,
    /// A start of the box has cut it: what was begun may be there.
    pub resumed: bool,
    pub(super) tells: Box<dyn Fn(Told) + Send + Sync>,
    pub(super) stops: Arc<AtomicBool>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Call {
    /// Says how far it is, in per cent where that is known. Never waits; told once a second at most.
    pub fn tells(&self, percent: Option<u8>, words: impl fmt::Display) {
        (self.tells)(Told { percent, words: Foreign::told(words), needs: None });
    }

    /// The same, with what it wants of who asked before it can go on.
    pub fn needs(&self, percent: Option<u8>, words: impl fmt::Display, needs: UploadNeeds) {
        (self.tells)(Told { percent, words: Foreign::told(words), needs: Some(needs) });
    }

    /// True once the box ends: what is resumable should return, whatever.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.stops.load(Ordering::Acquire)
    }

    /// The arguments as a type.
    ///
    /// # Errors
    /// Code `arguments`, where [`Operation::check`] let pass what is none.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failed> {
        read_arguments(&self.arguments).map_err(|reason| Failed { code: "arguments", reason })
    }
}

/// Reads arguments as a type, for [`Operation::check`].
///
/// # Errors
/// What is wrong with them.
pub fn read_arguments<T: DeserializeOwned>(arguments: &Map<String, Value>) -> Result<T, Foreign> {
    serde_json::from_value(Value::Object(arguments.clone())).map_err(|error| Foreign::error(&error))
}

/// The operations of a box, by name.
#[derive(Clone, Default)]
pub(super) struct Table(BTreeMap<&'static str, Arc<dyn Operation>>);

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Table {
    pub(super) fn of(operations: Vec<Arc<dyn Operation>>) -> Self {
        Self(operations.into_iter().map(|one| (one.name(), one)).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<dyn Operation>> {
        self.0.get(name)
    }

    pub(super) fn names(&self) -> Vec<Foreign> {
        self.0.keys().map(|name| Foreign::name(name)).collect()
    }
}
