//! An answer that holds something until its last byte has left, or its peer has.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http_body::{Frame, SizeHint};

struct Held<Of> {
    body: Body,
    _held: Of,
}

/// Has `response` hold `held`, which is dropped with it.
pub(super) fn holding<Of: Send + Unpin + 'static>(response: Response, held: Of) -> Response {
    response.map(|body| Body::new(Held { body, _held: held }))
}

impl<Of: Unpin> http_body::Body for Held<Of> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
