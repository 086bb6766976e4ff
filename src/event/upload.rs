//! Clips on their way to object storage: what is asked, what a box needs meanwhile, what came of it.
//!
//! ```text
//! clip_upload ─→ hashed ─→ sends part n ─→ … ─→ done: parts with ETag and SHA-256, and the whole's
//!                  ↑            │ needs: an address (next, expired, no such upload)
//!                  └ anew ──────┴──── clip_upload_urls {upload, parts, have}
//! ```
//! The cloud signs and completes; a box holds no key to its storage. Addresses are secrets: none of them is told
//! or kept in a file of an upload.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::words::{UploadCondition, UploadNeed};
use crate::media::Foreign;

/// Of `clip_list`. All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipListArguments {
    /// Clips whose number is greater; `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// At most so many, 1 to 200; 100 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: Option<u16>,
    /// Of this court alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub court: Option<String>,
    /// Of this session alone, 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Of this game alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game: Option<String>,
    /// Those that are found by all of these words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Made at this time or later, by the box's clock, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Made before this, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Those that are pinned, or those that are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
}

/// Of `clip_upload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipUploadArguments {
    /// Which clip.
    pub clip: String,
    /// The upload's name, 1 to 64 letters, digits, `-` and `_`; the command's id unless given. The same name
    /// again goes on with what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// Where to.
    pub to: UploadTo,
    /// True: also while a game runs.
    #[serde(default)]
    pub now: bool,
}

/// Where a clip is sent: either as one object, or in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UploadTo {
    /// Presigned PUT of the whole. Without it, and without `multipart`, the box asks for one in its turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// In parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multipart: Option<UploadMultipart>,
    /// Fields that were signed with the addresses: `content-type`, `content-md5`, `if-none-match` and `x-…`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// When the addresses end, RFC 3339: none is used after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// An upload in parts (S3 multipart).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UploadMultipart {
    /// Bytes of each part but the last; S3 wants 5 MiB at least.
    pub part_bytes: u64,
    /// Addresses, of the first few parts; more when they are asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<UploadPartUrl>,
}

/// Where a part is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UploadPartUrl {
    /// From 1.
    pub number: u32,
    /// Presigned PUT.
    pub url: String,
}

/// A part that the storage has, as ListParts says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UploadHave {
    /// From 1.
    pub number: u32,
    /// Its ETag.
    pub etag: String,
}

/// Of `clip_upload_urls`: what an upload that runs asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipUploadUrlsArguments {
    /// The upload's name.
    pub upload: String,
    /// Presigned PUT of the whole, of an upload that is not in parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Addresses of parts; they take the place of earlier ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<UploadPartUrl>,
    /// Parts that the storage has already: they are not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub have: Vec<UploadHave>,
    /// As of `clip_upload`; those of before, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// When these addresses end, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// True: the upload is given up; `clip_upload` ends as failed, `given_up`.
    #[serde(default)]
    pub give_up: bool,
}

/// Of `clip_ack`: one clip, or several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipAckArguments {
    /// Which clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    /// SHA-256 of what came, hexadecimal; without it nothing is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The same of several, 200 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clips: Vec<ClipAck>,
}

/// A clip that somebody has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipAck {
    /// Which.
    pub clip: String,
    /// SHA-256 of what came, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Of `clip_release`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipArguments {
    /// Which clip.
    pub clip: String,
}

/// What an upload cannot go on without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadNeeds {
    /// The upload.
    pub upload: Foreign,
    /// Parts whose addresses are wanted next, the first first; the whole is part 1.
    pub parts: Vec<u32>,
    /// Why.
    pub reason: UploadNeed,
    /// What the storage said, where it refused an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Foreign>,
}

/// What came of an upload: what CompleteMultipartUpload wants, and what to compare.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadDone {
    /// The upload.
    pub upload: Foreign,
    /// The clip.
    pub clip: Foreign,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of the whole, hexadecimal.
    pub sha256: String,
    /// Bytes of each part but the last; absent where it was sent whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_bytes: Option<u64>,
    /// Every part, in order.
    pub parts: Vec<UploadedPart>,
    /// Times that it was begun anew, since the storage knew it no more.
    pub anew: u32,
    /// Bytes that went out for it, those that went again included.
    pub sent_bytes: u64,
    /// Parts that were sent again; those that an address which was over did not take are not among them.
    pub again: u64,
}

/// A part that the storage has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UploadedPart {
    /// From 1.
    pub number: u32,
    /// As the storage gave it, with its quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<Foreign>,
    /// Its bytes.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// `state/uploads`: what is on its way, and how much of the venue's uplink it takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UploadsState {
    /// Those that run.
    pub running: Vec<UploadState>,
    /// Bits a second that uploads may take now, all together; 0 while they wait for a game or for events.
    pub allowed_bits_per_second: u64,
    /// What the uplink gave when it was tried last; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_bits_per_second: Option<u64>,
    /// Why nothing is sent, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Foreign>,
    /// Bytes of clips that went out since the start, those that went again included.
    pub sent_bytes: u64,
    /// Of them, those of parts that the storage acknowledged.
    pub acknowledged_bytes: u64,
    /// Parts that the storage acknowledged.
    pub parts: u64,
    /// Parts that were sent again; those that an address which was over did not take are not among them.
    pub again: u64,
    /// Parts of which bytes went out before the storage refused their address.
    #[serde(default)]
    pub refused: u64,
    /// Uploads that came to their end.
    pub done: u64,
}

/// An upload that runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UploadState {
    /// Its name.
    pub upload: Foreign,
    /// The clip.
    pub clip: Foreign,
    /// What it does.
    pub condition: UploadCondition,
    /// Length of the clip.
    pub bytes: u64,
    /// Of them, those that the storage acknowledged.
    pub acknowledged_bytes: u64,
    /// Its parts.
    pub parts: u32,
    /// The part that is sent or waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// What it cannot go on without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<UploadNeeds>,
    /// What went wrong last, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Foreign>,
}
