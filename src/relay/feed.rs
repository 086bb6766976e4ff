//! What a court's publisher sends, handed to each of its relays. Called by ingest, and never waits.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::relay::headers::{Headers, Part};
use crate::relay::hop::Hop;
use crate::rtmp::message::Message;

/// One court's publisher, and the relays that it is forwarded by.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    // Held for a message; by who changes the relays, for a copy of their list.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Who publishes, by ingest's number.
    publish: Option<u64>,
    /// What its stream begins with.
    headers: Headers,
    hops: Vec<Arc<Hop>>,
}

impl State {
    fn ended(&mut self) {
        if self.publish.take().is_some() {
            self.headers = Headers::default();
            self.hops.iter().for_each(|hop| hop.ended());
        }
    }
}

impl Feed {
    /// A message of the publisher that is called `publish`.
    pub(crate) fn message(&self, publish: u64, message: &Message) {
        let mut state = self.state.lock();
        if state.publish != Some(publish) {
            state.ended();
            state.publish = Some(publish);
        }
        let part = Part::of(message);
        state.headers.note(part, message);
        let State { headers, hops, .. } = &*state;
        hops.iter().for_each(|hop| hop.offer(message, part, headers));
    }

    /// That publisher has ended.
    pub(crate) fn ended(&self, publish: u64) {
        let mut state = self.state.lock();
        if state.publish == Some(publish) {
            state.ended();
        }
    }

    /// These are the court's relays from now on. One that is new joins at the next key picture.
    pub(crate) fn forwards_to(&self, hops: Vec<Arc<Hop>>) {
        self.state.lock().hops = hops;
    }
}
