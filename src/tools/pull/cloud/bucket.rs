//! The storage: what is in a bucket, uploads in parts that are open there, and addresses that let a box send one.
//!
//! rusty-s3 signs; each request goes to the address that it made, as a box's do.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, USER_AGENT};
use hyper::{Method, Request, Response};
use rustls::ClientConfig;
use rusty_s3::{Credentials, S3Action, UrlStyle};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::clock::{Clock, sleep, within};
use crate::http::outgoing::{AGENT, Terms, Web, connect, exchange, tls};
use crate::media::Foreign;
use crate::tools::pull::cloud::xml::{each, first};

/// Requests to the storage at once, of all boxes.
const REQUESTS: usize = 64;
/// Tries of one request; between them …
const TRIES: u32 = 6;
/// … so long, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Connect, greet, answer, each piece of an answer. A storage that puts parts together may take its time.
const STEP: Duration = Duration::from_secs(60);
/// Of an answer that is no object: 1,000 parts.
const ANSWER_MOST_BYTES: usize = 4 << 20;
const MP4: &str = "video/mp4";
/// The clip's hash, beside its object.
const SHA256: &str = "x-amz-meta-sha256";

/// What a storage is asked with.
pub(super) struct BucketTerms<'a> {
    pub(super) endpoint: &'a str,
    pub(super) name: &'a str,
    pub(super) region: &'a str,
    pub(super) ca_file: Option<&'a Path>,
    /// How long an address that a box gets lives.
    pub(super) lives: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

/// See the module.
pub(super) struct Bucket {
    bucket: rusty_s3::Bucket,
    keys: Credentials,
    tls: Arc<ClientConfig>,
    lives: Duration,
    clock: Arc<dyn Clock>,
    seats: Semaphore,
}

/// An object.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) bytes: u64,
    /// As it was written when the upload began; some storages keep nothing of the kind.
    pub(super) sha256: Option<String>,
}

/// A part of an open upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeldPart {
    /// Absent where the storage lists its parts without (s3s-fs 0.14.1): then the box alone knows it.
    pub(super) etag: Option<String>,
    pub(super) bytes: u64,
}

struct Answer {
    status: u16,
    fields: HeaderMap,
    text: String,
}

impl Answer {
    fn code(&self) -> Option<String> {
        first(&self.text, "Code")
    }

    /// As an error; `what` could not be done.
    fn refuses(&self, what: &str) -> anyhow::Error {
        let code = self.code().unwrap_or_default();
        let hint = match (self.status, code.as_str()) {
            (404, "NoSuchBucket") => ": make the bucket, or name another with --s3",
            (301 | 307, _) => ": name the bucket's --region and --s3-endpoint",
            (401 | 403, _) => {
                ": do the keys of the environment let you do that, and is the --region right?"
            }
            _ => "",
        };
        let said = Foreign::text(format!("{} {code}", self.status));
        anyhow::anyhow!("{what}: the storage says {said}{hint}")
    }

    fn accepted(self, what: &str) -> anyhow::Result<Self> {
        if self.status == 200 { Ok(self) } else { Err(self.refuses(what)) }
    }
}

/// What is asked, beside where.
struct Ask {
    method: Method,
    fields: Vec<(HeaderName, String)>,
    body: String,
}

impl Ask {
    const fn of(method: Method) -> Self {
        Self { method, fields: Vec::new(), body: String::new() }
    }
}

impl Bucket {
    /// Reads the keys in the environment. Blocking: reads files.
    ///
    /// # Errors
    /// No keys, no address, no certificates.
    pub(super) fn new(terms: BucketTerms<'_>) -> anyhow::Result<Self> {
        let keys = Credentials::from_env().context(
            "the bucket's keys are not in the environment: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )?;
        let BucketTerms { endpoint, name, region, ca_file, lives, clock } = terms;
        let wrong = || format!("`{endpoint}` is no --s3-endpoint: write https://HOST");
        let at = endpoint.parse().with_context(wrong)?;
        let bucket = rusty_s3::Bucket::new(at, UrlStyle::Path, name.to_owned(), region.to_owned());
        let bucket = bucket.with_context(wrong)?;
        let tls = Arc::new(tls(ca_file).map_err(anyhow::Error::msg)?);
        Ok(Self { bucket, keys, tls, lives, clock, seats: Semaphore::new(REQUESTS) })
    }

    /// What stands under this key.
    pub(super) async fn object(&self, key: &str) -> anyhow::Result<Option<Object>> {
        let url = self.bucket.head_object(Some(&self.keys), key).sign(self.lives);
        let answer = self.ask(url.as_str(), &Ask::of(Method::HEAD)).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = answer.accepted("look at the object")?;
        let field = |name: HeaderName| answer.fields.get(name)?.to_str().ok();
        let bytes = field(CONTENT_LENGTH).and_then(|text| text.parse().ok());
        let bytes = bytes.context("the storage tells no length of the object")?;
        Ok(Some(Object {
            bytes,
            sha256: field(HeaderName::from_static(SHA256)).map(str::to_ascii_lowercase),
        }))
    }

    /// SHA-256 of an object, all of which is read.
    pub(super) async fn sha256(&self, key: &str) -> anyhow::Result<String> {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match self.read(key).await {
                Ok(hash) => return Ok(hash),
                Err(why) => tracing::debug!(%why, "an object is read again"),
            }
            sleep(&*self.clock, wait).await;
            wait *= 2;
        }
        self.read(key).await
    }

    async fn read(&self, key: &str) -> anyhow::Result<String> {
        let url = self.bucket.get_object(Some(&self.keys), key).sign(self.lives);
        let _seat = self.seats.acquire().await?;
        let response = self.send(url.as_str(), &Ask::of(Method::GET)).await;
        let response = response.map_err(anyhow::Error::msg)?;
        let status = response.status().as_u16();
        if status != 200 {
            bail!("read the object: the storage says {status}");
        }
        let (mut body, mut sum) = (response.into_body(), Sha256::new());
        loop {
            let frame = within(&*self.clock, STEP, body.frame()).await;
            match frame.context("read the object: nothing more came")? {
                None => break,
                Some(frame) => {
                    if let Ok(data) = frame.context("read the object")?.into_data() {
                        sum.update(&data);
                    }
                }
            }
        }
        Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The newest upload that is open under this key.
    pub(super) async fn open_upload(&self, key: &str) -> anyhow::Result<Option<String>> {
        // The bucket itself: rusty-s3 has no ListMultipartUploads, and signs whatever is asked of an object.
        let mut asked = self.bucket.get_object(Some(&self.keys), "");
        asked.query_mut().insert("uploads", "");
        asked.query_mut().insert("prefix", key);
        let answer = self.ask(asked.sign(self.lives).as_str(), &Ask::of(Method::GET)).await?;
        if answer.status == 404 && answer.code().as_deref() == Some("NoSuchUpload") {
            return Ok(None);
        }
        // A storage that cannot list them (s3s-fs 0.14.1): none is gone on with.
        if answer.status == 501 {
            return Ok(None);
        }
        let answer = answer.accepted("look for an upload that is open")?;
        let open = each(&answer.text, "Upload").filter_map(|one| {
            let id = first(one, "UploadId")?;
            (first(one, "Key")? == key).then(|| (first(one, "Initiated").unwrap_or_default(), id))
        });
        Ok(open.max().map(|(_, id)| id))
    }

    /// Begins an upload in parts; its id.
    pub(super) async fn begin(&self, key: &str, sha256: &str) -> anyhow::Result<String> {
        let mut asked = self.bucket.create_multipart_upload(Some(&self.keys), key);
        asked.headers_mut().insert("content-type", MP4);
        asked.headers_mut().insert(SHA256, sha256);
        let url = asked.sign(self.lives);
        let fields = vec![
            (CONTENT_TYPE, MP4.to_owned()),
            (HeaderName::from_static(SHA256), sha256.to_owned()),
        ];
        let ask = Ask { fields, ..Ask::of(Method::POST) };
        let answer = self.ask(url.as_str(), &ask).await?.accepted("begin an upload")?;
        first(&answer.text, "UploadId")
            .context("the storage begins an upload and tells no id of it")
    }

    /// What it has of an upload, by number; none if it knows it no more.
    pub(super) async fn parts(
        &self,
        key: &str,
        upload: &str,
    ) -> anyhow::Result<Option<BTreeMap<u32, HeldPart>>> {
        let (mut parts, mut after) = (BTreeMap::new(), 0_u16);
        loop {
            let mut asked = self.bucket.list_parts(Some(&self.keys), key, upload);
            if after > 0 {
                asked.set_part_number_marker(after);
            }
            let answer = self.ask(asked.sign(self.lives).as_str(), &Ask::of(Method::GET)).await?;
            if answer.status == 404 && answer.code().as_deref() != Some("NoSuchBucket") {
                return Ok(None);
            }
            let answer = answer.accepted("list the parts of an upload")?;
            for one in each(&answer.text, "Part") {
                let number = first(one, "PartNumber").and_then(|text| text.parse().ok());
                let bytes = first(one, "Size").and_then(|text| text.parse().ok());
                if let (Some(number), Some(bytes)) = (number, bytes) {
                    parts.insert(number, HeldPart { etag: first(one, "ETag"), bytes });
                }
            }
            let more = first(&answer.text, "IsTruncated").is_some_and(|text| text == "true");
            let next =
                first(&answer.text, "NextPartNumberMarker").and_then(|text| text.parse().ok());
            match next {
                Some(next) if more && next > after => after = next,
                _ => return Ok(Some(parts)),
            }
        }
    }

    /// An address for a part. A secret: never told.
    pub(super) fn part_url(&self, key: &str, upload: &str, number: u16) -> String {
        self.bucket.upload_part(Some(&self.keys), key, number, upload).sign(self.lives).into()
    }

    /// Puts the parts together; false if it knows the upload no more, or has other parts.
    pub(super) async fn complete(
        &self,
        key: &str,
        upload: &str,
        etags: &[String],
    ) -> anyhow::Result<bool> {
        let etags = || etags.iter().map(String::as_str);
        let asked = self.bucket.complete_multipart_upload(Some(&self.keys), key, upload, etags());
        let url = asked.sign(self.lives);
        let fields = vec![(CONTENT_TYPE, "application/xml".to_owned())];
        let ask = Ask { fields, body: asked.body(), ..Ask::of(Method::POST) };
        let answer = self.ask(url.as_str(), &ask).await?;
        // A storage may say 200 before it knows.
        match answer.code().as_deref() {
            Some("NoSuchUpload" | "InvalidPart" | "InvalidPartOrder") => Ok(false),
            Some(_) => Err(answer.refuses("complete the upload")),
            None => answer.accepted("complete the upload").map(|_| true),
        }
    }

    /// Ends an upload: what it has of it is given up.
    pub(super) async fn abort(&self, key: &str, upload: &str) -> anyhow::Result<()> {
        let url = self.bucket.abort_multipart_upload(Some(&self.keys), key, upload);
        let answer = self.ask(url.sign(self.lives).as_str(), &Ask::of(Method::DELETE)).await?;
        match answer.status {
            200 | 204 | 404 => Ok(()),
            _ => Err(answer.refuses("give up an upload")),
        }
    }

    /// Asks, and again where that may help.
    async fn ask(&self, url: &str, ask: &Ask) -> anyhow::Result<Answer> {
        let _seat = self.seats.acquire().await?;
        let mut wait = FIRST_WAIT;
        let mut tries = 1;
        loop {
            let answer = match self.send(url, ask).await {
                Ok(response) => self.whole(response).await,
                Err(why) => Err(why),
            };
            let again = match &answer {
                Ok(answer) => matches!(answer.status, 408 | 429 | 500..=599),
                Err(_) => true,
            };
            if !again || tries >= TRIES {
                let told = || Web::parse(url).map(|web| web.told()).unwrap_or_default();
                return answer.map_err(|why| anyhow::anyhow!("{}: {why}", told()));
            }
            tries += 1;
            sleep(&*self.clock, wait).await;
            wait *= 2;
        }
    }

    async fn send(&self, url: &str, ask: &Ask) -> Result<Response<Incoming>, String> {
        let web = Web::parse(url).ok_or("its address is longer than any")?;
        let terms = Terms { clock: &*self.clock, tls: &self.tls, step: STEP, send_buffer: None };
        let stream = connect(&web, terms).await?;
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(&web.target)
            .header(HOST, &web.authority)
            .header(USER_AGENT, AGENT);
        for (name, value) in &ask.fields {
            request = request.header(name, value);
        }
        if ask.method == Method::POST {
            request = request.header(CONTENT_LENGTH, ask.body.len());
        }
        let request = request.body(Full::new(Bytes::from(ask.body.clone())));
        let request = request.map_err(|error| format!("no request ({error})"))?;
        let answer = within(&*self.clock, STEP, exchange(stream, request)).await;
        answer.unwrap_or_else(|| Err(format!("no answer within {STEP:?}")))
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<Answer, String> {
        let (head, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        loop {
            let frame = within(&*self.clock, STEP, body.frame()).await;
            let Some(frame) = frame.ok_or("its answer came to a halt")? else { break };
            let frame = frame.map_err(|error| format!("its answer broke ({error})"))?;
            if let Ok(data) = frame.into_data() {
                bytes.extend_from_slice(&data);
            }
            if bytes.len() > ANSWER_MOST_BYTES {
                return Err("its answer has no end".to_owned());
            }
        }
        let text = String::from_utf8(bytes).map_err(|_| "its answer is no text")?;
        Ok(Answer { status: head.status.as_u16(), fields: head.headers, text })
    }
}
