//! The operator's page: what the box sees and says, on a wall.
//!
//! Static files in the binary (`files`: `page.html`, `page.css` and the modules of `script/`), the few
//! answers that they ask for (`routes`, `events`, `picture`), and the one thing that a person may say
//! back: what a shot was, for the calibration of its rim. `app` gives it all through [`Source`] (`source`).
//! Nothing here holds up the flow: pictures are encoded when somebody looks, at most a few a second
//! a court; a slow watcher loses his place in the event stream and is given what is stored instead.

mod source;
mod files;
mod events;
mod picture;
mod routes;

pub use crate::page::picture::jpeg;
pub use crate::page::routes::routes;
pub use crate::page::source::{Refused, Said, SentEvent, Source, Stored};
