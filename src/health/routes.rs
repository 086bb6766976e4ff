//! What monitors ask: is it alive, is it ready, and its metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::health::exposition;
use crate::http::Problem;

/// What monitors are told. `app` gives it; none of it may block.
pub trait Probed: Send + Sync + 'static {
    /// Why we are not ready, if we are not.
    ///
    /// # Errors
    /// The reason, in a line.
    fn ready(&self) -> Result<(), String>;
    /// Metrics, in the text format of OpenMetrics; the older one is made of it (`exposition`).
    fn metrics(&self) -> String;
}

/// `/healthz`, `/readyz` and `/metrics`.
pub fn routes(probed: Arc<dyn Probed>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(probed)
}

async fn ready(State(probed): State<Arc<dyn Probed>>) -> Response {
    match probed.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Not ready", why).into_response(),
    }
}

async fn metrics(State(probed): State<Arc<dyn Probed>>, headers: HeaderMap) -> impl IntoResponse {
    let asked = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let asked: Vec<&str> = asked.collect();
    let format = exposition::Format::asked(&asked.join(","));
    let text = match format {
        exposition::Format::OpenMetrics => probed.metrics(),
        exposition::Format::Classic => exposition::classic(&probed.metrics()),
    };
    ([(header::CONTENT_TYPE, format.kind()), (header::VARY, "accept")], text)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::http::{Access, Server, Terms};

    struct Opening;

    impl Probed for Opening {
        fn ready(&self) -> Result<(), String> {
            Err("the ring is being opened".to_owned())
        }

        fn metrics(&self) -> String {
            "courtside_stream_up 1\n".to_owned()
        }
    }

    #[test]
    fn monitors_are_answered() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("runtime").block_on(async {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
            let (any, terms) = (([127, 0, 0, 1], 0).into(), Terms::usual(&clock));
            let server = Server::bind(any, None, Access::Open, terms).expect("bound");
            let address = server.address();
            let serving =
                tokio::spawn(server.serve(routes(Arc::new(Opening)), std::future::pending()));
            let open = "Accept: application/openmetrics-text; version=1.0.0\r\n";
            for (path, accept, status, holds) in [
                ("/healthz", "", "200", "ok"),
                ("/readyz", "", "503", "the ring is being opened"),
                ("/metrics", "", "200", "courtside_stream_up 1"),
                ("/metrics", "", "200", "content-type: text/plain; version=0.0.4"),
                ("/metrics", open, "200", "content-type: application/openmetrics-text"),
            ] {
                let mut stream = TcpStream::connect(address).await.expect("connected");
                let request = format!(
                    "GET {path} HTTP/1.1\r\nHost: {address}\r\n{accept}Connection: close\r\n\r\n"
                );
                stream.write_all(request.as_bytes()).await.expect("written");
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.expect("read");
                assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
                assert!(answer.contains(holds), "{path}: {answer}");
            }
            serving.abort();
        });
    }
}
