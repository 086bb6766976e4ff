//! A strict object storage on loopback: takes a PUT to an address that it signed and that is not over, whole or not
//! at all, and cuts, stalls or refuses as it is told. Speaks as much of S3 as who signs addresses of his own asks
//! for: what was signed must be there and not be over; the signature itself is not reckoned (trials/cloud.py has
//! servers that do).

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use sha2::{Digest as _, Sha256};

/// What the next connection meets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// It ends after so many bytes of body.
    CutAfter(usize),
    /// All is taken and kept, and nothing is answered.
    TakenAndCut,
    /// All is read, and this is answered: status and code.
    Answers(u16, &'static str),
    /// It sends on elsewhere.
    SendsOn,
}

/// A PUT that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Put {
    /// Of an upload in parts; the whole is 1.
    pub(crate) part: u32,
    /// Bytes of body that came.
    pub(crate) bytes: usize,
    /// 0: none.
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
}

#[derive(Clone, Debug)]
struct Signed {
    key: String,
    /// Upload and number.
    part: Option<(String, u32)>,
    is_over: bool,
}

#[derive(Default)]
struct Held {
    count: usize,
    signed: BTreeMap<String, Signed>,
    objects: BTreeMap<String, Vec<u8>>,
    /// By upload: its key, its parts.
    uploads: BTreeMap<String, (String, BTreeMap<u32, Vec<u8>>)>,
    faults: VecDeque<Fault>,
    puts: Vec<Put>,
    /// SHA-256 as it was told when an upload began, by upload and by key.
    told: BTreeMap<String, String>,
    /// PUTs that come when so many were answered wait.
    holds: Option<usize>,
    /// What is said of an address that is over; 403 if 0.
    over: u16,
}

/// See the module. Clones are the same.
#[derive(Clone)]
pub(crate) struct Storage {
    at: SocketAddr,
    held: Arc<Mutex<Held>>,
    /// Rung when PUTs are let go.
    freed: Arc<Condvar>,
}

pub(crate) fn etag(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

impl Storage {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let storage = Self {
            at: listener.local_addr().expect("bound"),
            held: Arc::default(),
            freed: Arc::default(),
        };
        let serving = storage.clone();
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let one = serving.clone();
                thread::spawn(move || one.serve(stream));
            }
        });
        storage
    }

    fn signs(&self, key: &str, part: Option<(String, u32)>) -> String {
        let mut held = self.held.lock();
        held.count += 1;
        let token = format!("signature-{}", held.count);
        held.signed.insert(token.clone(), Signed { key: key.to_owned(), part, is_over: false });
        format!("http://{}/{key}?X-Signature={token}", self.at)
    }

    /// An address of the whole.
    pub(crate) fn signs_whole(&self, key: &str) -> String {
        self.signs(key, None)
    }

    /// An address of a part.
    pub(crate) fn signs_part(&self, upload: &str, number: u32) -> String {
        let key = self.held.lock().uploads.get(upload).map(|(key, _)| key.clone());
        self.signs(&key.unwrap_or_else(|| "gone".to_owned()), Some((upload.to_owned(), number)))
    }

    /// All addresses are over. What is said of one: 400 or 403.
    pub(crate) fn time_is_over(&self, status: u16) {
        let mut held = self.held.lock();
        held.over = status;
        held.signed.values_mut().for_each(|signed| signed.is_over = true);
    }

    /// CreateMultipartUpload.
    pub(crate) fn begins(&self, key: &str) -> String {
        let mut held = self.held.lock();
        held.count += 1;
        let upload = format!("upload-{}", held.count);
        held.uploads.insert(upload.clone(), (key.to_owned(), BTreeMap::new()));
        upload
    }

    /// AbortMultipartUpload, as a rule of the bucket does it.
    pub(crate) fn forgets(&self, upload: &str) {
        self.held.lock().uploads.remove(upload);
    }

    /// ListParts.
    pub(crate) fn parts(&self, upload: &str) -> Vec<(u32, String)> {
        let held = self.held.lock();
        let parts = held.uploads.get(upload).map(|(_, parts)| parts.clone()).unwrap_or_default();
        parts.iter().map(|(number, bytes)| (*number, etag(bytes))).collect()
    }

    /// CompleteMultipartUpload: false where a part is missing, out of order, or of another ETag.
    pub(crate) fn completes(&self, upload: &str, parts: &[(u32, String)]) -> bool {
        let mut held = self.held.lock();
        let Some((key, has)) = held.uploads.get(upload).cloned() else { return false };
        let ordered = parts.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let right =
            parts.iter().all(|(n, told)| has.get(n).is_some_and(|bytes| etag(bytes) == *told));
        if !ordered || !right || parts.is_empty() {
            return false;
        }
        let whole = parts.iter().flat_map(|(n, _)| has[n].clone()).collect();
        held.objects.insert(key, whole);
        held.uploads.remove(upload);
        true
    }

    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.held.lock().objects.get(key).cloned()
    }

    pub(crate) fn meets(&self, faults: impl IntoIterator<Item = Fault>) {
        self.held.lock().faults.extend(faults);
    }

    /// Uploads that are open under a key.
    pub(crate) fn open(&self, key: &str) -> Vec<String> {
        let held = self.held.lock();
        held.uploads.iter().filter(|(_, (of, _))| of == key).map(|(id, _)| id.clone()).collect()
    }

    #[allow(dead_code, reason = "the machine's own tests sign nothing")]
    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.at)
    }

    /// Holds PUTs once so many were answered; none: lets them go.
    #[allow(dead_code, reason = "the machine's own tests hold by a clock of theirs")]
    pub(crate) fn holds(&self, after: Option<usize>) {
        self.held.lock().holds = after;
        self.freed.notify_all();
    }

    pub(crate) fn puts(&self) -> Vec<Put> {
        self.held.lock().puts.clone()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        if head.is_empty() {
            return;
        }
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let headers: Vec<String> = lines.map(str::to_lowercase).filter(|l| !l.is_empty()).collect();
        let field = |name: &str| {
            headers
                .iter()
                .find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
        };
        let length: Option<usize> = field("content-length").and_then(|text| text.parse().ok());
        let s3 = Asked::of(target, &headers);
        if let Some(asked) = &s3
            && method != "PUT"
        {
            self.manages(
                &mut stream,
                method,
                asked,
                length.unwrap_or(0),
                field("x-amz-meta-sha256"),
            );
            return;
        }
        if method == "PUT" {
            let mut held = self.held.lock();
            while held.holds.is_some_and(|most| held.puts.len() >= most) {
                self.freed.wait(&mut held);
            }
        }
        let token = target.split_once("X-Signature=").map(|(_, token)| token.to_owned());
        let (signed, over, fault) = {
            let mut held = self.held.lock();
            let signed = match &s3 {
                Some(asked) => asked.part().map(|part| Signed {
                    key: asked.key.clone(),
                    part: Some(part),
                    is_over: asked.is_over,
                }),
                None => token.and_then(|token| held.signed.get(&token).cloned()),
            };
            let over = if held.over == 0 { 403 } else { held.over };
            let fault = held.faults.pop_front();
            (signed, over, fault)
        };
        let part = signed.as_ref().and_then(|signed| signed.part.as_ref()).map_or(1, |part| part.1);
        let told = |status, bytes| {
            let headers = headers.clone();
            self.held.lock().puts.push(Put { part, bytes, status, headers });
        };
        // What is refused by its head is refused before its body came, as AWS does.
        let refusal = match (&signed, length) {
            _ if method != "PUT" => Some((405, "MethodNotAllowed")),
            (None, _) => Some((403, "SignatureDoesNotMatch")),
            (Some(signed), _) if signed.is_over => Some((over, "AccessDenied")),
            (_, None) => Some((411, "MissingContentLength")),
            _ if field("host").as_deref() != Some(&self.at.to_string()) => {
                Some((400, "InvalidHost"))
            }
            _ if field("transfer-encoding").is_some() => Some((501, "NotImplemented")),
            (Some(Signed { part: Some((upload, _)), .. }), _)
                if !self.held.lock().uploads.contains_key(upload) =>
            {
                Some((404, "NoSuchUpload"))
            }
            _ => None,
        };
        if let Some((status, code)) = refusal {
            told(status, 0);
            answer(&mut stream, status, code, None);
            return;
        }
        let most = match fault {
            Some(Fault::CutAfter(bytes)) => bytes,
            _ => usize::MAX,
        };
        let length = length.unwrap_or(0);
        let mut body = vec![0; length.min(most)];
        let mut came = 0;
        while came < body.len()
            && let Ok(n @ 1..) = stream.read(&mut body[came..])
        {
            came += n;
        }
        body.truncate(came);
        if came < length {
            told(0, came);
            return;
        }
        match fault {
            Some(Fault::Answers(status, code)) => {
                told(status, came);
                answer(&mut stream, status, code, None);
                return;
            }
            Some(Fault::SendsOn) => {
                told(307, came);
                let there = format!("http://{}/elsewhere", self.at);
                let head = format!(
                    "HTTP/1.1 307 Temporary Redirect\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n"
                );
                drop(stream.write_all(head.as_bytes()));
                return;
            }
            _ => {}
        }
        let etag = etag(&body);
        {
            let mut held = self.held.lock();
            let signed = signed.expect("refused above");
            match signed.part {
                None => {
                    held.objects.insert(signed.key, body);
                }
                Some((upload, number)) => {
                    if let Some((_, parts)) = held.uploads.get_mut(&upload) {
                        parts.insert(number, body);
                    }
                }
            }
        }
        if matches!(fault, Some(Fault::TakenAndCut)) {
            told(0, came);
            return;
        }
        told(200, came);
        answer(&mut stream, 200, "", Some(&etag));
    }
}

/// A request that was signed as AWS wants it.
struct Asked {
    bucket: String,
    key: String,
    query: BTreeMap<String, String>,
    is_over: bool,
}

fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex: Vec<u8> = if byte == b'%' { rest.by_ref().take(2).collect() } else { Vec::new() };
        let read = std::str::from_utf8(&hex).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(read.unwrap_or(byte));
    }
    String::from_utf8(bytes).expect("text")
}

impl Asked {
    /// None where it is not signed so, or a field that was signed is not there.
    fn of(target: &str, headers: &[String]) -> Option<Self> {
        let (path, query) = target.split_once('?')?;
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (plain(name), plain(value))
        };
        let query: BTreeMap<String, String> = query.split('&').map(pair).collect();
        query.get("X-Amz-Signature").filter(|signature| signature.len() == 64)?;
        let there = |name: &str| headers.iter().any(|line| line.starts_with(&format!("{name}:")));
        let unsigned = |line: &&String| line.starts_with("x-amz-");
        let signed: Vec<&str> = query.get("X-Amz-SignedHeaders")?.split(';').collect();
        let all = headers
            .iter()
            .filter(unsigned)
            .all(|line| line.split_once(':').is_some_and(|(name, _)| signed.contains(&name)));
        if !signed.iter().all(|name| there(name)) || !all {
            return None;
        }
        let text = query.get("X-Amz-Date")?;
        let at = time::PrimitiveDateTime::parse(
            text,
            time::macros::format_description!("[year][month][day]T[hour][minute][second]Z"),
        );
        let lives: i64 = query.get("X-Amz-Expires")?.parse().ok()?;
        let ends = at.ok()?.assume_utc() + time::Duration::seconds(lives);
        let is_over = time::OffsetDateTime::now_utc() >= ends;
        let path = plain(path);
        let (bucket, key) = path.trim_start_matches('/').split_once('/')?;
        Some(Self { bucket: bucket.to_owned(), key: key.to_owned(), query, is_over })
    }

    fn part(&self) -> Option<(String, u32)> {
        Some((self.query.get("uploadId")?.clone(), self.query.get("partNumber")?.parse().ok()?))
    }
}

const XML: &str = "<?xml version=\"1.0\"?>\n";

impl Storage {
    /// All of S3 but PUT.
    fn manages(
        &self,
        stream: &mut TcpStream,
        method: &str,
        asked: &Asked,
        length: usize,
        told: Option<String>,
    ) {
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        let key = asked.key.as_str();
        if asked.is_over || asked.bucket != "clips" {
            let code = if asked.is_over { "AccessDenied" } else { "NoSuchBucket" };
            answer(stream, if asked.is_over { 403 } else { 404 }, code, None);
            return;
        }
        let upload = asked.query.get("uploadId").cloned();
        let text = match (method, &upload) {
            ("POST", None) if asked.query.contains_key("uploads") => {
                let id = self.begins(key);
                if let Some(told) = told {
                    self.held.lock().told.insert(id.clone(), told);
                }
                format!(
                    "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                )
            }
            ("GET", None) if asked.query.contains_key("uploads") => {
                let of = asked.query.get("prefix").cloned().unwrap_or_default();
                let one = |id: String| {
                    format!(
                        "<Upload><Key>{of}</Key><UploadId>{id}</UploadId><Initiated>1</Initiated></Upload>"
                    )
                };
                let all: String = self.open(&of).into_iter().map(one).collect();
                format!("<ListMultipartUploadsResult>{all}</ListMultipartUploadsResult>")
            }
            (_, Some(id)) if !self.held.lock().uploads.contains_key(id) => {
                answer(stream, 404, "NoSuchUpload", None);
                return;
            }
            ("GET", Some(id)) => {
                let parts = self.held.lock().uploads[id].1.clone();
                let one = |(n, bytes): (u32, Vec<u8>)| {
                    format!(
                        "<Part><PartNumber>{n}</PartNumber><ETag>{}</ETag><Size>{}</Size></Part>",
                        etag(&bytes).replace('"', "&quot;"),
                        bytes.len()
                    )
                };
                let all: String = parts.into_iter().map(one).collect();
                format!("<ListPartsResult><IsTruncated>false</IsTruncated>{all}</ListPartsResult>")
            }
            ("POST", Some(id)) => {
                let body = String::from_utf8(body).expect("text");
                let mut parts = Vec::new();
                for part in body.split("</Part>").filter(|part| part.contains("<ETag>")) {
                    let inside = |name: &str| {
                        let after = part.split_once(&format!("<{name}>")).expect("there").1;
                        after.split_once('<').expect("ends").0.replace("&quot;", "\"")
                    };
                    parts.push((inside("PartNumber").parse().expect("a number"), inside("ETag")));
                }
                if !self.completes(id, &parts) {
                    answer(stream, 400, "InvalidPart", None);
                    return;
                }
                let mut held = self.held.lock();
                if let Some(told) = held.told.remove(id) {
                    held.told.insert(key.to_owned(), told);
                }
                "<CompleteMultipartUploadResult/>".to_owned()
            }
            ("DELETE", Some(id)) => {
                self.forgets(id);
                String::new()
            }
            ("HEAD" | "GET", None) => {
                let (object, told) = {
                    let held = self.held.lock();
                    (held.objects.get(key).cloned(), held.told.get(key).cloned())
                };
                let (status, object) = object.map_or((404, Vec::new()), |object| (200, object));
                let told =
                    told.map_or_else(String::new, |told| format!("x-amz-meta-sha256: {told}\r\n"));
                let head = format!(
                    "HTTP/1.1 {status} X\r\n{told}Content-Length: {}\r\nConnection: close\r\n\r\n",
                    object.len()
                );
                drop(stream.write_all(head.as_bytes()));
                if method == "GET" {
                    drop(stream.write_all(&object));
                }
                return;
            }
            _ => {
                answer(stream, 405, "MethodNotAllowed", None);
                return;
            }
        };
        let text = if text.is_empty() { text } else { format!("{XML}{text}") };
        let length = text.len();
        let all = format!(
            "HTTP/1.1 200 X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
        );
        drop(stream.write_all(all.as_bytes()));
    }
}

fn answer(stream: &mut TcpStream, status: u16, code: &str, etag: Option<&str>) {
    let body = match code {
        "" => String::new(),
        code => format!(
            "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>no</Message></Error>"
        ),
    };
    let etag = etag.map_or_else(String::new, |etag| format!("ETag: {etag}\r\n"));
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} X\r\n{etag}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    // Who has gone meanwhile asks again.
    drop(stream.write_all(text.as_bytes()));
    // What still comes is read, so that the answer is not lost in a reset.
    drop(stream.shutdown(std::net::Shutdown::Write));
    let mut rest = [0; 64 << 10];
    while let Ok(1..) = stream.read(&mut rest) {}
}
