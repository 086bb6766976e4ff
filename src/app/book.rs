//! Which courts play now: what every stage's adapter looks up.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::app::court::CourtParts;
use crate::decode::DecoderWatcher;
use crate::media::CourtId;

/// A court that plays, as others see it.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) parts: Arc<CourtParts>,
    pub(crate) decoder: DecoderWatcher,
}

/// Which courts play now. Clones are one book.
#[derive(Clone, Debug, Default)]
pub(crate) struct CourtBook {
    // Read for every picture and answer; written when a court comes or goes.
    listed: Arc<RwLock<BTreeMap<CourtId, Listed>>>,
}

impl CourtBook {
    /// A court that plays.
    pub(crate) fn get(&self, court: &CourtId) -> Option<Arc<CourtParts>> {
        self.listed.read().get(court).map(|listed| Arc::clone(&listed.parts))
    }

    /// All that play, by name.
    pub(crate) fn all(&self) -> Vec<Listed> {
        self.listed.read().values().cloned().collect()
    }

    /// Their names, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.listed.read().keys().map(ToString::to_string).collect()
    }

    /// A court plays from now on.
    pub(crate) fn put(&self, listed: Listed) {
        self.listed.write().insert(listed.parts.name.clone(), listed);
    }

    /// A court plays no more.
    pub(crate) fn take(&self, court: &CourtId) {
        self.listed.write().remove(court);
    }
}
