//! The words in which a box tells its state: each is spelled here, and nowhere else.
//!
//! `state` and `box_status` have the values that are made of them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An enum whose variants are words of the JSON. A word that this version does not know, of a newer
/// box, is read as `Other`; no box says it of itself. The first is what holds before anything is known.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $(#[$first_doc:meta])* $first:ident = $first_word:literal, $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        pub enum $name {
            $(#[$first_doc])*
            #[default]
            #[serde(rename = $first_word)]
            $first,
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
            /// A word of a newer box.
            #[serde(other, rename = "other")]
            #[schemars(skip)]
            Other,
        }

        impl $name {
            /// All that a box of this version says.
            pub const ALL: &'static [Self] = &[Self::$first, $(Self::$variant,)+];

            /// As it stands in the JSON.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    Self::$first => $first_word,
                    $(Self::$variant => $word,)+
                    Self::Other => "other",
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words! {
    /// What became of a clip.
    ClipWord {
        /// It is kept: somebody asked for it.
        Kept = "kept",
        /// Its pin had ended, and its place was needed.
        Gone = "gone",
        /// Its bytes were deleted on demand.
        Deleted = "deleted",
    }
}

words! {
    /// Whether a game runs.
    GameWord {
        /// It does.
        Running = "running",
        /// It is over; it can still be corrected.
        Over = "over",
    }
}

words! {
    /// Why a game is over.
    EndWord {
        /// Somebody said so.
        Operator = "operator",
        /// The rules said so, and somebody ended it: a team has its points.
        Target = "target",
    }
}

words! {
    /// What a graphic is about.
    GraphicKind {
        /// The lead went over.
        LeadChange = "lead_change",
        /// Points without an answer.
        Run = "run",
        /// Shots of one player or team in a row.
        Streak = "streak",
        /// A team would win with its next shot.
        GamePoint = "game_point",
        /// A round number was reached.
        Milestone = "milestone",
        /// The teams beside each other.
        Comparison = "comparison",
        /// The game is won.
        Final = "final",
    }
}

words! {
    /// What a highlight is, which says how long its cut is. Each is the `reason` of its event.
    HighlightKind {
        /// A basket.
        MadeShot = "made_shot",
        /// It was worth more than an ordinary one.
        Far = "far",
        /// It went on with a run.
        Run = "run",
        /// Much hung on it.
        Clutch = "clutch",
        /// It won the game.
        Winner = "winner",
    }
}

words! {
    /// Where the rules of a game come from.
    RulesSource {
        /// The binary has them.
        Courtside = "courtside",
        /// A file of the venue's.
        Venue = "venue",
    }
}

words! {
    /// What the operator did with a graphic.
    GraphicWord {
        /// Nothing yet.
        Proposed = "proposed",
        /// It is shown.
        Taken = "taken",
        /// It is kept for later: it does not end by itself.
        Held = "held",
        /// It is not wanted.
        Dismissed = "dismissed",
    }
}

words! {
    /// What the operator did with a candidate for social media.
    SocialWord {
        /// Nothing yet.
        Proposed = "proposed",
        /// It may be pushed.
        Approved = "approved",
        /// It is not wanted.
        Rejected = "rejected",
    }
}

words! {
    /// How a shot came out, as a dashboard shows it.
    ShotWord {
        /// Not known.
        Unsure = "unsure",
        /// It went in.
        Made = "made",
        /// It did not.
        Missed = "missed",
        /// It was none.
        Withdrawn = "withdrawn",
    }
}

words! {
    /// What an upload of a clip does.
    UploadCondition {
        /// Its clip is read and compared with its hash.
        Hashing = "hashing",
        /// A part is on its way.
        Sending = "sending",
        /// It cannot go on without an address.
        Needing = "needing",
        /// A game runs, or events go first.
        Yielding = "yielding",
        /// It waits before the same part goes again.
        Retrying = "retrying",
    }
}

words! {
    /// How far an update is.
    UpdateStep {
        /// None is under way.
        Idle = "idle",
        /// The bundle is on its way.
        Fetching = "fetching",
        /// It is here, whole, and signed by who may.
        Verified = "verified",
        /// It is being written into the other slot.
        Installing = "installing",
        /// It is in the other slot, and waits for the end of a game.
        Waiting = "waiting",
        /// The box is to start from the other slot.
        Restarting = "restarting",
        /// The box runs from it, and has not shown yet that it works.
        Trial = "trial",
        /// It works, and is what the box starts from.
        Good = "good",
        /// The box runs from the slot before.
        FallenBack = "fallen_back",
        /// It was not installed.
        Failed = "failed",
    }
}

words! {
    /// Whether somebody looks again at doubtful attempts.
    LookCondition {
        /// He is asked.
        Asks = "asks",
        /// He is asked of what was recorded alone, by `courtside teach`.
        Teaches = "teaches",
        /// The venue has not switched it on: nothing leaves the box.
        NoConsent = "no_consent",
        /// There is no key.
        NoKey = "no_key",
        /// Nobody answers: not asked for a while.
        BreakerOpen = "breaker_open",
        /// The day's cap leaves too little for a question.
        CapReached = "cap_reached",
        /// The bundle cannot be used.
        Refused = "refused",
    }
}

words! {
    /// Why an upload needs an address.
    UploadNeed {
        /// It has none for these parts.
        Next = "next",
        /// The box began anew: which parts the storage has may be told with the addresses.
        Resumed = "resumed",
        /// The one that it had is over, or was refused.
        Expired = "expired",
        /// The storage knows the upload no more: begin another one.
        NoSuchUpload = "no_such_upload",
    }
}

words! {
    /// When a key of the configuration comes into force after it was changed.
    Applies {
        /// When the box starts the next time.
        Restart = "restart",
        /// At once; that court is built anew, and its camera comes again.
        Stream = "stream",
        /// At once; no camera notices.
        Hot = "hot",
    }
}

words! {
    /// What became of a configuration that was wanted.
    DesiredOutcome {
        /// It was not taken: nothing changed.
        Refused = "refused",
        /// It is in force, and undone by itself if the broker is not reached with it.
        Trying = "trying",
        /// It is in force, but for what waits for a restart.
        Applied = "applied",
        /// It was in force, and the one before it is again.
        Undone = "undone",
    }
}

words! {
    /// What is checked before a court is in service.
    CheckName {
        /// Its camera publishes, in a way that costs no call.
        Camera = "camera",
        /// Pictures come out of the decoder.
        Decodes = "decodes",
        /// Its rims are where the rings are: somebody looked at the picture.
        Rim = "rim",
        /// The rings have pixels enough to call on.
        Width = "width",
        /// The model that decides answers, within its budget.
        Model = "model",
        /// The broker acknowledges what it is sent.
        Broker = "broker",
        /// The box knows the time of day.
        Clock = "clock",
    }
}

words! {
    /// How a check stands.
    CheckWord {
        /// It cannot be said yet: something before it is missing, or somebody has to do something.
        Waiting = "waiting",
        /// It is as it should be.
        Passed = "passed",
        /// It is not.
        Failed = "failed",
    }
}

words! {
    /// By what a court is in service, or out of it.
    ServiceBy {
        /// By nothing: it is still checked.
        Nothing = "nothing",
        /// By its file: a box that nobody claimed runs as it is configured.
        File = "file",
        /// By its checks, all of which were passed at once.
        Checks = "checks",
        /// By somebody's word.
        Override = "override",
    }
}

words! {
    /// What a court's stream is doing.
    StreamCondition {
        /// Nobody publishes.
        Waiting = "waiting",
        /// Media come in.
        Live = "live",
        /// A publisher is there and has sent no picture for 2 s.
        Stalled = "stalled",
    }
}

words! {
    /// What a relay is doing.
    RelayCondition {
        /// It waits: for a stream, or for its next try.
        Waiting = "waiting",
        /// A stream is there, and its server is being reached.
        Connecting = "connecting",
        /// Its server takes the stream.
        Forwarding = "forwarding",
    }
}

words! {
    /// How far a box is on its way to an identity (DESIGN §4.5).
    ClaimStage {
        /// Nobody, and no claim file yet.
        Factory = "factory",
        /// Key, request and claim credential are on disk.
        Keyed = "keyed",
        /// It was asked.
        Requested = "requested",
        /// A grant that was found good is on disk.
        Issued = "issued",
        /// Connected with the new identity.
        Trial = "trial",
        /// It is who it is.
        Committed = "committed",
    }
}

words! {
    /// What a piece of advice is about: a word of `catalogue`, which says how bad it is.
    AdviceAbout {
        /// The camera sends B-frames.
        BFrames = "b_frames",
        /// The encoder looks ahead before it sends.
        Lookahead = "lookahead",
        /// Key frames are far apart.
        LongGop = "long_gop",
        /// Pictures arrive in bursts.
        Bursts = "bursts",
        /// The stream's times do not run as the clock does.
        StreamClock = "stream_clock",
        /// The encoder sends several tracks of pictures.
        SeveralTracks = "several_tracks",
        /// Too few bits for the net's movement.
        LowBitrate = "low_bitrate",
        /// Pictures come in which nothing moves.
        Frozen = "frozen",
        /// Somebody comes with a key of no court, and this one waits for its camera.
        WrongKey = "wrong_key",
        /// Somebody publishes to another application, and this one waits for its camera.
        WrongApp = "wrong_app",
        /// Somebody speaks another protocol than the cameras' port does, and this one waits for its camera.
        WrongProtocol = "wrong_protocol",
        /// Nobody has drawn a rim.
        NoRims = "no_rims",
        /// A rim lies outside the picture.
        RimOutside = "rim_outside",
        /// The rims were drawn on a picture of another aspect.
        RimAspect = "rim_aspect",
        /// A ring has so few pixels that its calls cannot be relied on.
        TinyRing = "tiny_ring",
        /// A ring has few pixels.
        SmallRing = "small_ring",
        /// The decoder holds pictures back without need.
        Reorder = "reorder",
        /// A ring is no longer where it was drawn.
        CameraMoved = "camera_moved",
        /// A decoder that the machine should have is not installed.
        Decoder = "decoder",
        /// Somebody publishes and goes again and again.
        Reconnects = "reconnects",
    }
}

words! {
    /// What a model is doing.
    ModelCondition {
        /// It answers.
        Ready = "ready",
        /// It could not be loaded.
        Refused = "refused",
        /// It was put out while it ran.
        Stopped = "stopped",
        /// It is being loaded; the reason says since when.
        Loading = "loading",
    }
}

words! {
    /// What part a model plays.
    ModelRole {
        /// It is run and compared; nothing of it is told.
        Shadow = "shadow",
        /// It decides.
        Live = "live",
        /// It decided before, and is kept for the way back.
        Previous = "previous",
        /// It is tried, to decide next.
        Candidate = "candidate",
        /// It is not loaded now.
        Gone = "gone",
    }
}

words! {
    /// How far a swap is.
    SwapPhase {
        /// The bundle is found, tried apart and made.
        Loading = "loading",
        /// It answers every frame beside the live one.
        Shadow = "shadow",
    }
}

words! {
    /// How far an installation is, or how it ended.
    InstallPhase {
        /// The parcel comes.
        Fetching = "fetching",
        /// It is here, and looked at.
        Checking = "checking",
        /// It is in its place, and no swap to it was begun.
        Installed = "installed",
        /// It is in its place, and a swap to it is under way, or it decides.
        HandedOver = "handed_over",
        /// Nothing changed.
        Failed = "failed",
    }
}

impl InstallPhase {
    /// True if nothing more comes.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Installed | Self::HandedOver | Self::Failed | Self::Other)
    }
}

words! {
    /// How a swap went.
    SwapOutcome {
        /// The new one decides.
        Switched = "switched",
        /// It did, and was put back by itself.
        RolledBack = "rolled_back",
        /// It never did.
        Failed = "failed",
        /// Somebody took it back before it did.
        Cancelled = "cancelled",
        /// Somebody had the one before decide again.
        Back = "back",
    }
}

words! {
    /// What a model, or a person, calls an attempt.
    CallWord {
        /// There was none.
        Nothing = "nothing",
        /// It went through.
        Made = "made",
        /// It did not.
        Missed = "missed",
        /// The model abstains.
        Unsure = "unsure",
    }
}

words! {
    /// What the ring is doing.
    StorageCondition {
        /// Video is kept.
        Recording = "recording",
        /// None is, and the reason says why.
        Stopped = "stopped",
    }
}

words! {
    /// Where a time of day comes from.
    ClockSource {
        /// Nothing tells it.
        None = "none",
        /// The camera's clock, in the pictures (SEI).
        Sei = "sei",
        /// The encoder's clock, in `onFI` messages.
        OnFi = "onfi",
        /// When the picture came.
        Arrival = "arrival",
        /// The recording that it was read from.
        File = "file",
    }
}

words! {
    /// What is made of what a rim's own shots say.
    CalibrationMode {
        /// Nothing is worked out.
        Off = "off",
        /// It is worked out and shown; calls are as without it.
        Watch = "watch",
        /// It shifts calls.
        On = "on",
    }
}

words! {
    /// What a rim's shift was learnt from.
    LearntFrom {
        /// Nothing yet.
        Nothing = "nothing",
        /// The odds alone.
        Odds = "odds",
        /// What people said, about what the odds say.
        Verdicts = "verdicts",
    }
}

words! {
    /// What a person says that a shot was.
    VerdictWord {
        /// There was no attempt.
        None = "none",
        /// It went through.
        Made = "made",
        /// It did not.
        Missed = "missed",
    }
}

words! {
    /// What is wrong between the box and its broker. `LinkTrouble::todo` says what to do.
    LinkTrouble {
        /// Something that has no word of its own: the sentence beside it says what.
        Unknown = "unknown",
        /// The broker's name has no address.
        Name = "name_unknown",
        /// Nobody takes a connection at the broker's address.
        Unreachable = "unreachable",
        /// A connection is taken, and nothing greets.
        Ungreeted = "no_greeting",
        /// What answers is no broker of MQTT 5.
        NotMqtt = "not_mqtt",
        /// The broker knows MQTT 3 alone.
        OldMqtt = "mqtt_3_only",
        /// TLS cannot be agreed on.
        Tls = "tls",
        /// The broker's certificate is not one that the box trusts for this name.
        Certificate = "certificate",
        /// The broker's certificate has ended, by the box's clock.
        CertificateEnded = "certificate_ended",
        /// The broker's certificate is not valid yet, by the box's clock.
        CertificateEarly = "certificate_early",
        /// The broker refuses the box's own certificate.
        OwnCertificate = "own_certificate",
        /// Password or certificates of the box cannot be read.
        Files = "files",
        /// The broker does not let this user in.
        Refused = "refused",
        /// The broker wants what this version does not do (retain, QoS, size).
        Unsupported = "unsupported",
        /// The broker finds what the box sends against the rules of MQTT 5.
        Misunderstood = "misunderstood",
        /// The broker is full, busy or going down.
        Busy = "busy",
        /// The broker says that the box belongs to another one.
        Moved = "moved",
        /// Another box has the same name.
        AnotherBox = "another_box",
        /// Sessions end within seconds, one after the other.
        CutShort = "cut_short",
        /// A session runs, and nothing that is sent is acknowledged.
        Unacknowledged = "unacknowledged",
        /// A session ran, and then nothing came any more: half of the path is gone.
        Unanswered = "unanswered",
        /// A session ran, and the connection ended.
        Lost = "lost",
    }
}

impl LinkTrouble {
    /// What a technician does about it. What is sent waits on disk meanwhile, whatever it is.
    #[must_use]
    pub const fn todo(self) -> &'static str {
        match self {
            Self::Name => {
                "the venue's DNS does not know the broker or does not answer: look the name up from \
                 another machine here; an address in `broker` of [uplink] needs no DNS"
            }
            Self::Unreachable => {
                "is the broker up, is `broker` of [uplink] right, does a firewall let this box out to \
                 that port? `courtside check` tries it by hand"
            }
            Self::Ungreeted => {
                "something listens there and does not greet: is it the broker's port (8883 for mqtts, \
                 1883 for mqtt), does the broker know MQTT 5, is a proxy between, does the broker hang?"
            }
            Self::NotMqtt => {
                "what listens there is no broker of MQTT 5, or a proxy answers in its place: look at \
                 host and port of `broker` of [uplink]"
            }
            Self::OldMqtt => {
                "this box needs MQTT 5: update the broker, or switch MQTT 5 on for this listener (mosquitto \
                 from 1.6)"
            }
            Self::Tls => {
                "the port speaks no TLS that this box knows (1.2 and 1.3): mqtts:// belongs to the \
                 broker's TLS port, mqtt:// to the other"
            }
            Self::Certificate => {
                "the broker's certificate is of another authority or another name: set `ca_file` of \
                 [uplink] to the one that signed it, and name the broker as the certificate does"
            }
            Self::CertificateEnded => {
                "renew the broker's certificate; if it is not old, this box's clock is wrong: `timedatectl`"
            }
            Self::CertificateEarly => {
                "this box's clock is behind: set it (`timedatectl`), and see that time is kept"
            }
            Self::OwnCertificate => {
                "the broker refuses this box's certificate: has it ended, was it revoked, does the \
                 broker trust who signed it? give the box a new one (`cert_file` of [uplink])"
            }
            Self::Files => {
                "see that the files of [uplink] are there, are PEM, and that the daemon's user may read them"
            }
            Self::Refused => {
                "check `username` and `password_file` of [uplink], and the broker's rights and bans"
            }
            Self::Unsupported => "set the broker to allow QoS 1 and packets of 128 KiB",
            Self::Misunderstood => {
                "update the broker, or look what alters packets between it and the box; if it stays so, report \
                 the journal of this hour"
            }
            Self::Busy => {
                "the broker is full or going down: look at it; the box tries again by itself"
            }
            Self::Moved => {
                "set `broker` of [uplink] to the address that the broker names, or ask who runs it"
            }
            Self::AnotherBox => "give one of the two boxes another `box.name`",
            Self::CutShort => {
                "the broker or a proxy before it closes connections without a word: the broker's log says at \
                 which message and why"
            }
            Self::Unacknowledged => {
                "the broker takes messages and acknowledges none: look at its log and disk, restart it"
            }
            Self::Unanswered => {
                "the path ends somewhere: router, mobile link, a firewall that forgot the connection; \
                 the box tries again by itself"
            }
            Self::Lost | Self::Unknown | Self::Other => {
                "the box tries again by itself; if it stays so, look at the broker and the network"
            }
        }
    }
}

/// What becomes of a stream's sound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Sound {
    /// There is none.
    #[default]
    None,
    /// It is kept.
    Aac {
        /// Samples a second.
        sample_rate: u32,
        /// 1 for mono, 2 for stereo.
        channels: u8,
    },
    /// It is of this kind, which cannot be stored.
    LeftOut(String),
    /// It cannot be read, for this reason.
    Unread(String),
    /// Words of a newer box.
    Other(String),
}

/// Before and after the kind of a sound that is left out.
const LEFT_OUT: (&str, &str) = ("left out: ", " cannot be stored, set the encoder to AAC");

impl fmt::Display for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Aac { sample_rate, channels } => {
                write!(f, "AAC, {sample_rate} Hz, {channels} channels")
            }
            Self::LeftOut(what) => write!(f, "{}{what}{}", LEFT_OUT.0, LEFT_OUT.1),
            Self::Unread(why) => write!(f, "{}{why}", LEFT_OUT.0),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl From<Sound> for String {
    fn from(sound: Sound) -> Self {
        sound.to_string()
    }
}

impl From<String> for Sound {
    fn from(text: String) -> Self {
        let aac = || {
            let (rate, channels) =
                text.strip_prefix("AAC, ")?.strip_suffix(" channels")?.split_once(" Hz, ")?;
            Some(Self::Aac { sample_rate: rate.parse().ok()?, channels: channels.parse().ok()? })
        };
        let left_out = || {
            let why = text.strip_prefix(LEFT_OUT.0)?;
            let what = why.strip_suffix(LEFT_OUT.1).map(|what| Self::LeftOut(what.to_owned()));
            Some(what.unwrap_or_else(|| Self::Unread(why.to_owned())))
        };
        let none = (text == "none").then_some(Self::None);
        none.or_else(aac).or_else(left_out).unwrap_or_else(|| Self::Other(text.clone()))
    }
}

words! {
    /// Where a command stands.
    CommandWord {
        /// It will be run: that is on disk.
        Accepted = "accepted",
        /// It is being run.
        Running = "running",
        /// It was run, and came out well.
        Done = "done",
        /// It was not done, or not to its end.
        Failed = "failed",
        /// It is none that this box runs; nothing was tried.
        Refused = "refused",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_is_the_same_said_and_read() {
        for condition in ModelCondition::ALL {
            let told = serde_json::to_value(condition).expect("JSON");
            assert_eq!(told, json!(condition.word()));
            assert_eq!(serde_json::from_value::<ModelCondition>(told).expect("read"), *condition);
        }
    }

    #[test]
    fn a_word_of_a_newer_box_is_read_as_other() {
        let read: StreamCondition = serde_json::from_value(json!("rewinding")).expect("read");
        assert_eq!(read, StreamCondition::Other);
        let schema = schemars::schema_for!(StreamCondition).to_value().to_string();
        assert!(schema.contains("stalled") && !schema.contains("other"), "{schema}");
    }

    #[test]
    fn each_trouble_of_the_link_says_what_to_do_about_it() {
        let usual = LinkTrouble::Unknown.todo();
        for trouble in LinkTrouble::ALL {
            let (todo, own) = (trouble.todo(), trouble.todo() != usual);
            let has_none = matches!(trouble, LinkTrouble::Unknown | LinkTrouble::Lost);
            assert!(own != has_none && todo.len() > 40, "{trouble}: {todo}");
        }
    }

    #[test]
    fn sound_is_read_back_as_it_was_told() {
        for (sound, text) in [
            (Sound::None, "none"),
            (Sound::Aac { sample_rate: 44_100, channels: 2 }, "AAC, 44100 Hz, 2 channels"),
            (
                Sound::LeftOut("MP3".to_owned()),
                "left out: MP3 cannot be stored, set the encoder to AAC",
            ),
            (Sound::Other("Opus, kept".to_owned()), "Opus, kept"),
        ] {
            assert_eq!(serde_json::to_value(&sound).expect("JSON"), json!(text));
            assert_eq!(serde_json::from_value::<Sound>(json!(text)).expect("read"), sound);
        }
    }
}
