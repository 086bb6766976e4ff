//! Why a request about clips or recordings is refused: problem details, with the field that goes with each.

use axum::http::header::{CONTENT_RANGE, ETAG, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::clips::routes::ranges::header;
use crate::clips::shelf::ShelfError;
use crate::http::Problem;

/// A problem, and a field of the answer that goes with it.
pub(super) struct Refusal {
    problem: Problem,
    field: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { problem: Problem::new(status, title, detail), field: None }
    }

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.field = Some((name, value));
        self
    }

    pub(super) fn ours(error: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The ring failed", error.to_string())
    }

    pub(super) fn query(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "The query cannot be read", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self { problem: Problem::not_found(detail), field: None }
    }

    /// `all`: so many bytes there are, `*` where nobody knows yet.
    pub(super) fn out_of_range(all: &str, what: &str) -> Self {
        let detail = format!("the {what} has {all} bytes");
        let title = "The range is outside";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, title, detail)
            .with(CONTENT_RANGE, header(&format!("bytes */{all}")))
    }

    /// `If-Match` or `If-Unmodified-Since` is of other bytes.
    pub(super) fn other_than_meant(etag: &str) -> Self {
        let detail = "its bytes are not those of your condition: its ETag is beside, ask by that or without one";
        Self::new(StatusCode::PRECONDITION_FAILED, "Precondition failed", detail)
            .with(ETAG, header(etag))
    }

    fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The ring is busy", "ask again in a few seconds")
            .with(RETRY_AFTER, HeaderValue::from_static("3"))
    }
}

impl From<ShelfError> for Refusal {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::NoSuchClip => {
                Self::not_found("there is no such clip: /v1/clips lists what there is")
            }
            ShelfError::StillRecorded => Self::new(
                StatusCode::NOT_FOUND,
                "The clip is still being recorded",
                "its interval has not passed yet: ask again in a few seconds",
            )
            .with(RETRY_AFTER, HeaderValue::from_static("2")),
            ShelfError::NoBytes { why } => {
                Self::new(StatusCode::GONE, "There are no bytes of this clip", why)
            }
            ShelfError::Gone => Self::new(
                StatusCode::GONE,
                "The clip is gone",
                "its pin had ended, and its place was needed",
            ),
            ShelfError::Lost { .. } => {
                Self::new(StatusCode::GONE, "The clip is lost", error.to_string())
            }
            ShelfError::Harmed { .. } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The clip is damaged",
                format!("{error}; `courtside clips verify` on the box names what is damaged"),
            ),
            ShelfError::OtherBytes { .. } => {
                Self::new(StatusCode::CONFLICT, "These are not the clip's bytes", error.to_string())
            }
            ShelfError::NotRecorded { .. } => {
                Self::new(StatusCode::NOT_FOUND, "There is no video of it", error.to_string())
            }
            ShelfError::Making { .. } => {
                Self::new(StatusCode::CONFLICT, "The clip is being made", error.to_string())
                    .with(RETRY_AFTER, HeaderValue::from_static("2"))
            }
            ShelfError::Taken { .. } => {
                Self::new(StatusCode::CONFLICT, "The name is taken", error.to_string())
            }
            ShelfError::Reserve { .. } => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "It does not fit the reserve",
                error.to_string(),
            ),
            ShelfError::Busy => Self::busy(),
            ShelfError::Newer { .. } => Self::new(
                StatusCode::NOT_IMPLEMENTED,
                "The clip is of a newer version",
                error.to_string(),
            ),
            // Where its files lie is nobody else's business.
            ShelfError::Damaged { .. } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The clip's entry is damaged",
                "what the box knew of the clip cannot be read from its disk: `courtside clips verify` on the \
                 box names the file",
            ),
            ShelfError::OnlyRead | ShelfError::Disk(_) => Self::ours(error),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        if let Some((name, value)) = self.field {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
