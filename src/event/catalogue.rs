//! What can be wrong with a box: one row a fault, with its word, what it means and what to do.
//!
//! `doctor`, the operation `doctor`, the page's list and the check of a court's camera use the same
//! words, and they stand here alone; `design/doctor.md` is held against them. Who finds a fault adds the
//! figure that he saw. A word that was told once keeps its meaning: programs wait for it.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::event::words::LinkTrouble;

/// So begins what is told of a stream that is live and of which no picture can be used.
pub const NO_USABLE: &str = "no usable picture";

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Calls, events or video are missing, or will be soon: somebody must act.
    Fault,
    /// It works, and could be quicker or more often right.
    Advice,
}

/// The rows: variant, word, severity, what is wrong, what to do.
macro_rules! codes {
    ($($name:ident = $word:literal, $severity:ident, $what:literal, $todo:expr;)+) => {
        /// What can be wrong with a box.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $what] $name,)+
        }

        impl Code {
            /// All of them, by what they are about.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// A stable word for programs, for example `no_publisher`.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// What is wrong, without figures.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)+ }
            }

            /// What to do, in one sentence without its full stop.
            #[must_use]
            pub const fn todo(self) -> &'static str {
                match self { $(Self::$name => $todo,)+ }
            }
        }
    };
}

codes! {
    // The camera and its stream.
    NoPublisher = "no_publisher", Fault, "no camera publishes",
        "set the encoder to rtmp://BOX:1935/live/KEY with this court's `stream_key`; if it is, look at \
         its power and cable, and for refusals in `journalctl -u courtside`";
    WrongKey = "wrong_key", Fault, "a camera comes with a stream key that no court has",
        "write this court's `stream_key` into the encoder (OBS: Settings, Stream, Stream Key; a camera \
         with RTMP push: its stream name, or the end of its URL): capitals count, and a blank at the end \
         is a wrong key";
    WrongApp = "wrong_app", Fault, "a camera publishes to an application that is none of this box's",
        "set the encoder to rtmp://BOX:1935/live/KEY (OBS: Server rtmp://BOX:1935/live, Stream Key KEY): `live` in \
         small letters, and nothing else in its place";
    WrongProtocol = "wrong_protocol", Fault, "somebody speaks another protocol than the cameras' port does",
        "set the encoder to rtmp://BOX:1935/live/KEY, or to rtmps:// where [ingest] has a port of `rtmps`: the two have \
         ports of their own; if it is no camera, point it elsewhere";
    Stalled = "stalled", Fault, "the camera is connected, but no pictures come",
        "look at the camera's network and its upload rate; restart its stream";
    Frozen = "frozen", Advice, "pictures come, and nothing moves in them",
        "wave a hand before the lens and look at the page: if the picture stays, restart the camera, or \
         what feeds the encoder";
    NoCalls = "no_calls", Fault, "nothing is called at this court",
        "do what it says; `courtside check` looks again";
    NoRims = "no_rims", Fault, "no rims are configured",
        "open the page, drag a box round the ring and paste the lines that it shows under this [[court]]";
    RimOutside = "rim_outside", Fault, "a rim lies outside the picture",
        "draw it again on the page, or run `courtside aim --court NAME`, and paste the lines, `rims_of` \
         with them: it is the size of the picture that the rims were drawn on";
    RimAspect = "rim_aspect", Fault, "the rims were drawn on a picture of another aspect",
        "set the camera's picture back, or draw the rims again and paste the lines, `rims_of` with them";
    NoAnswers = "no_answers", Fault, "pictures come and no model answers",
        "see what is told of the model; is a rim drawn where the ring is?";
    PicturesLost = "pictures_lost", Advice, "pictures are lost on the way",
        "send a smaller picture, serve fewer courts, or use a hardware decoder: the machine is too slow, or \
         the stream is damaged; /metrics says at which hop";
    BFrames = "b_frames", Advice, "the camera sends B-frames",
        "turn them off: set the H.264 profile to Baseline, or B-frames to 0 (OBS: Output, Advanced, x264 \
         Tune zerolatency, NVENC Max B-frames 0; ffmpeg: -bf 0; IP cameras: Video, Profile, Baseline or \
         \"H.264B\"; hardware encoders: GOP structure IPP, or \"low latency\")";
    Lookahead = "lookahead", Advice, "the encoder looks ahead before it sends",
        "turn lookahead off (OBS: Output, Advanced, x264 Tune zerolatency, NVENC untick Look-ahead; \
         ffmpeg: -tune zerolatency; GStreamer: x264enc tune=zerolatency; hardware encoders: \"low latency\")";
    Reorder = "reorder", Advice, "the decoder holds pictures back though none is a B-frame",
        "set the H.264 profile to Baseline in the camera, or report its model to us";
    LongGop = "long_gop", Advice, "key frames are far apart",
        "set the key frame interval to 2 s (OBS: Output, Keyframe Interval 2; ffmpeg: -g 60 at 30 pictures \
         a second; IP cameras: Video, I-frame interval or GOP, twice the frame rate)";
    LowBitrate = "low_bitrate", Advice, "the stream has few bits",
        "raise the bit rate in the encoder, constant (CBR), to what is said";
    Bursts = "bursts", Advice, "pictures arrive in bursts",
        "use a cable instead of Wi-Fi, and in the encoder constant bit rate (CBR), a buffer of one picture \
         and no lookahead";
    StreamClock = "stream_clock", Advice, "the stream's times do not run as the clock does",
        "it is recorded and called by when its pictures arrive: restart the encoder's stream, update its firmware, \
         or try another encoder; the network is not to blame";
    SeveralTracks = "several_tracks", Advice, "the encoder sends several tracks of pictures",
        "the first one is taken; switch the others off (OBS: Stream, Multitrack Video), they cost the venue's network";
    TinyRing = "tiny_ring", Fault, "a ring is too narrow to be called",
        "zoom in, move the camera closer, or send a larger picture, until the ring is 40 pixels wide or more";
    SmallRing = "small_ring", Advice, "a ring is narrow",
        "zoom in, move the camera closer, or send a larger picture: calls get better up to 40 pixels";
    CameraMoved = "camera_moved", Advice, "the camera seems to have been moved",
        "put the camera back, or run `courtside aim --court NAME` and paste what it prints";
    Decoder = "decoder", Advice, "a decoder that this machine should have is not installed",
        "install what it names, then restart courtside";
    Reconnects = "reconnects", Advice, "somebody publishes and goes again and again",
        "look at the network between camera and box, and whether two encoders have the same key";
    RelayDown = "relay_down", Fault, "a relay does not take the stream",
        "do what it says; calls, events and recording of the court are not touched, and the relay tries \
         again by itself, once a minute at the latest";
    RelayDrops = "relay_drops", Advice, "a relay's server takes less than the camera sends",
        "lower the camera's bit rate, or find a faster way to that server: what does not fit is left out up to \
         the next key frame";
    CalibrationDrift = "calibration_drift", Advice, "a rim's answers are not what they were",
        "look at the camera, its focus, the light and the net, and draw the rim again; if nothing changed, \
         delete its file in DATA_DIR/rims while the daemon is stopped: its calibration then begins anew";

    // Time.
    Implausible = "implausible", Fault, "the box's clock is earlier than the program or its files",
        "set it, and see that time is kept: `timedatectl`; nothing is lost meanwhile, events get their time \
         once the clock is right. If it is right, files in `box.data_dir` were written while it ran ahead: \
         `find DATA_DIR -newermt now -exec touch {} +`, then restart courtside";
    ClockDrifts = "clock_drifts", Advice, "the box's clock drifts and is put right in steps",
        "let one program keep it (`timedatectl set-ntp true`), and see that the venue's network lets NTP \
         out (UDP 123): events in between are dated by a clock that errs";
    ClockUnkept = "clock_unkept", Advice, "nobody keeps the box's clock",
        "see that the venue's network lets NTP out (UDP 123), or name a server of its own in \
         /etc/systemd/timesyncd.conf; `timedatectl timesync-status` says what was tried";
    ClockError = "clock_error", Advice, "the time of a court's events may err",
        "let the encoder write time into the stream, or write `camera_delay_ms`";
    CameraDrifts = "camera_drifts", Advice, "the camera's clock drifts",
        "let the camera keep its time by NTP, and restart its stream";

    // The disk.
    DataInRam = "data_in_ram", Fault, "`box.data_dir` lies in memory: a power cut loses all of it",
        "set `box.data_dir` to a folder on a disk (`findmnt -T DATA_DIR` says where it lies), then restart";
    DataReadOnly = "data_read_only", Fault, "the file system of `box.data_dir` is read-only",
        "see `dmesg` for why: after errors the disk is to be replaced, else `mount -o remount,rw` and the \
         options in /etc/fstab";
    DataNotOurs = "data_not_ours", Fault, "`box.data_dir` belongs to another user",
        "give it to the daemon's user with the command that is named, or `chown -R courtside: DATA_DIR`";
    DiskNearlyFull = "disk_nearly_full", Advice, "the disk has little room for video",
        "free room on the disk of `box.data_dir`: `df -h` and `du -x` say what takes it";
    DiskSlow = "disk_slow", Fault, "the disk is slow to sync",
        "replace the disk or card (a worn SD card does this), or move `box.data_dir` to an SSD: each event \
         waits for it";
    NotRecording = "not_recording", Fault, "nothing is recorded",
        "free space on the disk of `box.data_dir`: recording resumes by itself, calls and events go on \
         meanwhile; or lower `quota_bytes` of [ring] and restart: what is over it goes, oldest first, but \
         for pinned clips";
    DiskRefuses = "disk_refuses", Fault, "the disk refuses what is recorded",
        "look at the disk or card (`dmesg`; a worn SD card or a loose cable does this): replace it, or move \
         `box.data_dir` to another; it is tried again every second, calls and events go on meanwhile";
    NoClips = "no_clips", Fault, "no new clips are kept",
        "pull the clips that are done, or raise `quota_bytes` or `reserve_bytes` of [ring]";
    OutboxStopped = "outbox_stopped", Fault, "the outbox cannot write",
        "free space on the disk of `box.data_dir`, or replace the disk: events wait in memory and a power \
         cut loses them";
    PutAside = "put_aside", Fault, "a newer courtside left events that this one cannot read",
        "nothing is lost: install that version again, and they are sent";
    OutboxDamaged = "outbox_damaged", Fault, "the outbox was damaged, and begun anew",
        "look at the disk or card (`dmesg`, a worn SD card does this); compare the sequence numbers that arrived \
         to see which events are gone; then take the file that is named away from `{data_dir}/outbox`";
    FileDamaged = "file_damaged", Fault, "a file of the box is damaged",
        "look at the disk or card (`dmesg`; a worn SD card does this), do what is said of the file, then take away \
         the one that was put aside; `courtside clips verify` reads every byte of them (of stores up to 256 MiB), `courtside check` all but what is inside of the recordings";
    FileNewer = "file_newer", Advice, "a newer courtside left a file that this one cannot read",
        "nothing is lost: install that version again; or, where it never comes back, take the file away that \
         was put aside";
    OpenToOthers = "open_to_others", Fault, "others can write our files or read our secrets",
        "type the command that is named, then restart courtside";

    EndedBadly = "ended_badly", Advice, "the daemon ended without being asked to",
        "it came back by itself: send us the file that is named, and take it away, or it is told for a week";

    // The GPU and the models.
    RenderDenied = "render_denied", Advice, "the daemon may not use the box's GPU",
        "put its user into the group of the device (`usermod -aG render courtside`), then restart courtside";
    GpuFull = "gpu_full", Fault, "the GPU's memory is full",
        "end what else uses it (`nvidia-smi` lists it), load fewer models, or choose smaller pictures";
    NoModel = "no_model", Fault, "no model is configured",
        "write bundles = [\"rimnet\"] under [detect], or leave the key out";
    ModelLoading = "model_loading", Advice, "a model is being loaded, and its engine built",
        "wait: it takes minutes on this GPU, once, and another model decides meanwhile if it says so";
    ModelRefused = "model_refused", Fault, "a model was refused",
        "`courtside check` loads it again after you changed something; then restart the daemon";
    ModelStopped = "model_stopped", Fault, "a model was put out while it ran",
        "restart the daemon; if it is put out again, swap to another bundle and send us its `report`";
    ModelOther = "model_other", Fault, "a model is in a state that this version does not know",
        "ask the box with its own `courtside`";
    ModelRunsBut = "model_runs_but", Advice, "a model runs, but",
        "do what it says, or choose another bundle";
    SwapRolledBack = "swap_rolled_back", Fault, "a model decided, and was put back",
        "the model before it decides again: `courtside models` shows both; install a better bundle, then \
         swap again";
    SwapFailed = "swap_failed", Fault, "a model was to decide, and never did",
        "the live model went on: `courtside models` shows both; install a better bundle, then swap again";
    InstallFailed = "install_failed", Fault, "a parcel could not be installed",
        "what decided goes on; do what it says, then order it again";
    InstallInstalled = "install_installed", Fault, "a parcel was installed, and does not decide",
        "what decided goes on; do what it says, then order a swap to it";
    SealKeyLiesOpen = "seal_key_lies_open", Advice, "the key that opens sealed models lies open beside them",
        "on a box with a TPM give it a key that is sealed there: `box_key_file` of [detect] \
         (design/models.md)";

    // The broker.
    NotConnected = "not_connected", Fault, "there is no link to the broker",
        "is it up, and is `broker` of [uplink] right? `courtside check` tries it by hand";
    BrokerName = "broker_name_unknown", Fault, "the broker's name has no address (DNS)",
        LinkTrouble::Name.todo();
    BrokerUnreachable = "broker_unreachable", Fault, "nobody answers at the broker's address",
        LinkTrouble::Unreachable.todo();
    BrokerNoGreeting = "broker_no_greeting", Fault, "the broker takes a connection and says nothing",
        LinkTrouble::Ungreeted.todo();
    BrokerNotMqtt = "broker_not_mqtt", Fault, "what answers is no broker of MQTT 5",
        LinkTrouble::NotMqtt.todo();
    BrokerOldMqtt = "broker_mqtt_3_only", Fault, "the broker knows MQTT 3 alone",
        LinkTrouble::OldMqtt.todo();
    BrokerTls = "broker_tls", Fault, "TLS cannot be agreed on with the broker",
        LinkTrouble::Tls.todo();
    BrokerCertificate = "broker_certificate", Fault, "the broker's certificate is not trusted",
        LinkTrouble::Certificate.todo();
    BrokerCertificateEnded = "broker_certificate_ended", Fault, "the broker's certificate has ended",
        LinkTrouble::CertificateEnded.todo();
    BrokerCertificateEarly = "broker_certificate_early", Fault, "the broker's certificate is not valid yet",
        LinkTrouble::CertificateEarly.todo();
    BrokerOwnCertificate = "broker_own_certificate", Fault, "the broker refuses the box's certificate",
        LinkTrouble::OwnCertificate.todo();
    BrokerFiles = "broker_files", Fault, "password or certificates for the broker cannot be read",
        LinkTrouble::Files.todo();
    BrokerRefused = "broker_refused", Fault, "the broker does not let the box in",
        LinkTrouble::Refused.todo();
    BrokerUnsupported = "broker_unsupported", Fault, "the broker does not allow what the box needs",
        LinkTrouble::Unsupported.todo();
    BrokerMisunderstood = "broker_misunderstood", Fault, "the broker finds what the box sends against the rules",
        LinkTrouble::Misunderstood.todo();
    BrokerBusy = "broker_busy", Fault, "the broker is full, busy or going down",
        LinkTrouble::Busy.todo();
    BrokerMoved = "broker_moved", Fault, "the broker says that the box belongs to another one",
        LinkTrouble::Moved.todo();
    AnotherBox = "another_box", Fault, "another box has our name",
        LinkTrouble::AnotherBox.todo();
    BrokerCutShort = "broker_cut_short", Fault, "sessions with the broker end within seconds",
        LinkTrouble::CutShort.todo();
    BrokerNoAcks = "broker_unacknowledged", Fault, "the broker takes messages and acknowledges none",
        LinkTrouble::Unacknowledged.todo();
    BrokerUnanswered = "broker_unanswered", Fault, "the path to the broker went dead",
        LinkTrouble::Unanswered.todo();
    NoRetained = "broker_no_retained", Advice, "the broker keeps no retained messages",
        "switch them on (mosquitto: `retain_available true`): who subscribes later finds no state until it \
         changes; events and commands are as ever";
    BrokerLimits = "broker_limits", Advice, "the broker does not take all that the box would send",
        "events go on; what is missing for it, and how to allow it, stands in the text";
    RefusedForNow = "refused_for_now", Fault, "the broker refuses events for now",
        "they are sent again by themselves, later and later: look at the broker's log and quotas";
    Refused = "refused", Fault, "the broker refuses events",
        "give this user the right to publish below courtside/1/{box}/";
    Backlog = "backlog", Advice, "events wait though the broker is connected",
        "the link or the broker is slow; live events go first, the rest follows";
    OutboxFilling = "outbox_filling", Fault, "events wait on disk, and more and more",
        "bring the link back: nothing is lost yet; what is shed first once it is full stands in \
         design/protocol.md";
    Shed = "shed", Fault, "messages were shed for want of space",
        "bring the link back: nothing more goes then; it is told until a day after the last one, and counted \
         in `state/uplink` for ever";

    // Who the box is.
    Unclaimed = "unclaimed", Fault, "the box is nobody yet",
        "put a stick with a claim file (courtside-claim.toml, by `courtside provision`) into it; or write \
         `broker` under [uplink]";
    Claiming = "claiming", Fault, "the box is being claimed",
        "wait: it goes on by itself";
    ClaimFailed = "claim_failed", Fault, "the claim did not go through",
        "do what it says; `courtside provision status` shows the technician's side";
    ClaimFile = "claim_file", Advice, "a claim file was seen on a box that is somebody",
        "take the stick out; a new claim begins with a new claim file alone";
    IdentityRefused = "identity_refused", Fault, "the broker does not take the box for who it is",
        "calls go on. If its identity was revoked by mistake, give it its rights back at the broker; else \
         claim it anew, with a new claim file";

    // Whether courts are in service, and what is wanted of the configuration.
    NotInService = "not_in_service", Fault, "a court is not in service yet",
        "see its checks (`courtside command service_check court=NAME`, the page, `state/service`): the first that \
         is not passed says what to do";
    OutOfService = "out_of_service", Fault, "somebody took a court out of service",
        "confirm its rims again, on the page or by `courtside command service_confirm court=NAME \
         'rims=[[X,Y,WIDTH,HEIGHT]]' who=YOU`: then its checks decide";
    Recheck = "recheck", Fault, "a court is in service only until nobody plays there",
        "look at its picture and confirm its rims: on the page; or `courtside command service_check court=NAME \
         --picture seen.jpg`, then `courtside command service_confirm court=NAME 'rims=[[X,Y,WIDTH,HEIGHT]]' \
         who=YOU`";
    Overridden = "overridden", Advice, "a court is in service by somebody's word",
        "what its checks still say stands in `state/service`; once all are passed, they decide again";
    ConfigUndone = "config_undone", Fault, "a configuration that was wanted is undone",
        "if it was right, send it again with a higher revision";
    ConfigTrying = "config_trying", Advice, "a configuration is on trial",
        "wait: it is undone by itself if the broker is not reached with it";
    ConfigPassedOver = "config_passed_over", Advice, "a configuration that came is passed over",
        "nothing changed; an old `config/desired` that the broker retains is replaced by publishing the \
         wanted one there, with a higher revision";
    ConfigWaits = "config_waits", Advice, "keys of the configuration wait for a restart",
        "restart it when nobody plays: the operation `restart`, or `systemctl restart courtside`";
    UpdateFellBack = "update_fell_back", Fault, "the box went back from an update to the image before",
        "calls go on. What was lacking stands in the text: mend it, or take another image; the same one is ordered \
         again with `courtside command system_update`";
    UpdateFailed = "update_failed", Advice, "an update was not installed",
        "do what it says, then order it again with `courtside command system_update`";
    UpdateTrial = "update_trial", Advice, "a new image is on trial",
        "wait: once it has shown all that it must it is kept, else the box goes back by itself \
         (`courtside update status`)";

    // The second look. Calls go on without it.
    LookRefused = "look_refused", Advice, "the bundle of the second look cannot be used",
        "do what it says, then restart courtside; `bundle` of [look] names it";
    LookNoConsent = "look_no_consent", Advice, "a second look is configured, and the venue has not switched it on",
        "ask the venue: with `crops_may_leave = true` in [look] crops round the ring leave the box, to the address in \
         the bundle; without it, take `bundle` out of [look]";
    LookNoKey = "look_no_key", Advice, "the second look has no key",
        "put the key of its server into the file that `key_file` of the bundle names, readable for courtside \
         alone, then restart";
    LookNoAnswer = "look_no_answer", Advice, "the server of the second look does not answer",
        "look at what it says: it is tried again by itself, within ten minutes; a key that is refused, or a model that \
         is not there, needs you";
    LookCapReached = "look_cap_reached", Advice, "the second look has spent its day's money",
        "it goes on at midnight UTC; raise `cap_usd_a_day` in its bundle, or `ask_below` down, if that comes every day";
    LookPriceOld = "look_price_old", Advice, "the price of the second look was looked up long ago",
        "look it up, write it and the day into [price] of the bundle: the cap is kept by that price";

    // Certificates.
    CertificateEnded = "certificate_ended", Fault, "a certificate has ended",
        "put a new one in its place (`openssl x509 -enddate -noout -in FILE` shows the date); the broker's \
         is read again at the next connection, the page's and RTMPS's at a restart";
    CertificateEnds = "certificate_ends", Advice, "a certificate ends soon",
        "put a new one in its place before that day";

    // The doors, the start, and what is ours.
    Attacked = "attacked", Fault, "somebody guesses keys or holds seats at the doors",
        "block that address at the venue's router or switch, and change a key that may be known";
    PageFull = "page_full", Fault, "an address has as many connections to the page as it may, and is told to come later",
        "close pages or players there, or raise `connections_per_address` of [http] and restart courtside; a network of the \
         venue's own has twice as many";
    NotRunning = "not_running", Fault, "no box answers",
        "start it with `systemctl start courtside`, and see `journalctl -u courtside -n 30` if it does not \
         stay";
    PortInUse = "port_in_use", Fault, "another program has a port of ours",
        "`ss -ltnp` says which: end it, or choose another port in the configuration";
    ConfigRefused = "config_refused", Fault, "the configuration is refused",
        "mend the line that is named; `courtside check` reads it again";
    Unbalanced = "unbalanced", Fault, "pictures vanish without a reason",
        "this is a bug of ours: report it with the journal of this hour";
}

impl Code {
    /// What is wrong with the link to the broker.
    #[must_use]
    pub const fn of_link(trouble: LinkTrouble) -> Self {
        match trouble {
            LinkTrouble::Name => Self::BrokerName,
            LinkTrouble::Unreachable => Self::BrokerUnreachable,
            LinkTrouble::Ungreeted => Self::BrokerNoGreeting,
            LinkTrouble::NotMqtt => Self::BrokerNotMqtt,
            LinkTrouble::OldMqtt => Self::BrokerOldMqtt,
            LinkTrouble::Tls => Self::BrokerTls,
            LinkTrouble::Certificate => Self::BrokerCertificate,
            LinkTrouble::CertificateEnded => Self::BrokerCertificateEnded,
            LinkTrouble::CertificateEarly => Self::BrokerCertificateEarly,
            LinkTrouble::OwnCertificate => Self::BrokerOwnCertificate,
            LinkTrouble::Files => Self::BrokerFiles,
            LinkTrouble::Refused => Self::BrokerRefused,
            LinkTrouble::Unsupported => Self::BrokerUnsupported,
            LinkTrouble::Misunderstood => Self::BrokerMisunderstood,
            LinkTrouble::Busy => Self::BrokerBusy,
            LinkTrouble::Moved => Self::BrokerMoved,
            LinkTrouble::AnotherBox => Self::AnotherBox,
            LinkTrouble::CutShort => Self::BrokerCutShort,
            LinkTrouble::Unacknowledged => Self::BrokerNoAcks,
            LinkTrouble::Unanswered => Self::BrokerUnanswered,
            LinkTrouble::Unknown | LinkTrouble::Lost | LinkTrouble::Other => Self::NotConnected,
        }
    }

    /// The code of a word, if this version knows it.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.word() == word)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::event::words::AdviceAbout;

    #[test]
    fn each_has_a_word_of_its_own_and_says_what_is_wrong_and_what_to_do() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Code::of(code.word()), Some(*code));
            for text in [code.what(), code.todo()] {
                assert!(text.len() > 10 && text.len() < 360, "{code}: {text}");
                assert!(!text.ends_with('.') && !text.contains("  "), "{code}: {text}");
            }
        }
        assert_eq!(Code::of("flooded"), None);
    }

    /// As it stands between the document's marks.
    fn table() -> String {
        let mut text =
            String::from("| code | | what is wrong | what to do |\n| --- | --- | --- | --- |\n");
        for code in Code::ALL {
            let mark = match code.severity() {
                Severity::Fault => "✗",
                Severity::Advice => "!",
            };
            let cells = [code.what(), code.todo()].map(|cell| cell.replace('|', "\\|"));
            text += &format!("| `{code}` | {mark} | {} | {} |\n", cells[0], cells[1]);
        }
        text
    }

    /// `UPDATE_DOCTOR=1` writes it.
    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "writes the repository's own files, when asked to"
    )]
    fn the_document_has_every_code() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/design/doctor.md");
        let on_disk = std::fs::read_to_string(file).expect("design/doctor.md");
        let (before, rest) = on_disk.split_once("<!-- codes -->\n").expect("begins");
        let (listed, after) = rest.split_once("<!-- end -->").expect("ends");
        let table = table();
        if std::env::var_os("UPDATE_DOCTOR").is_some() {
            let text = format!("{before}<!-- codes -->\n{table}<!-- end -->{after}");
            return std::fs::write(file, text).expect("written");
        }
        assert_eq!(listed, table, "run `UPDATE_DOCTOR=1 cargo test --lib catalogue`");
    }

    #[test]
    fn what_a_stream_is_advised_of_is_a_code() {
        for about in AdviceAbout::ALL {
            assert!(Code::of(about.word()).is_some(), "{about}");
        }
    }
}
