//! An answer that ends with the session that asked for it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Error;
use axum::body::{Body, Bytes};
use axum::response::Response;
use http_body::{Frame, SizeHint};

/// Ends what is still on its way to a peer.
pub(super) type End = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A body that breaks off when `end` resolves: an event stream, a clip that is being fetched.
struct Ending {
    body: Body,
    end: Option<End>,
}

/// Has `response` break off when `end` resolves.
pub(super) fn ending(response: Response, end: End) -> Response {
    response.map(|body| Body::new(Ending { body, end: Some(end) }))
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // Woken by the end too: a quiet stream ends at once.
        let ended = self.end.as_mut().is_none_or(|end| end.as_mut().poll(context).is_ready());
        if !ended {
            return Pin::new(&mut self.body).poll_frame(context);
        }
        self.end = None;
        self.body = Body::empty();
        // Not a clean end: half a clip must not pass for a whole one.
        let text = "the session that asked for this has ended";
        Poll::Ready(Some(Err(Error::new(io::Error::other(text)))))
    }

    fn is_end_stream(&self) -> bool {
        self.end.is_some() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
