//! JSON Schema of every message that leaves, and of `/v1/state`, made from the types.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::event::box_status::BoxStatus;
use crate::event::clip::{ClipTold, DeleteArguments, KeepArguments};
use crate::event::command::{
    CommandRequest, CommandState, ConfigArguments, CourtArguments, KeyArguments, LogArguments,
    NoArguments,
};
use crate::event::game::{GameScore, GameTold, Graphic, Leaderboard, Momentum, SocialCandidate};
use crate::event::home::HomeState;
use crate::event::look::LookState;
use crate::event::models::{InstallOrder, SwapOrder};
use crate::event::play::{
    GameArguments, GamePeriodArguments, GameStartArguments, ShotAddArguments, ShotCorrectArguments,
    ShotUndoArguments,
};
use crate::event::service::{
    ConfirmArguments, OverrideArguments, ServiceCheckArguments, ServiceState,
};
use crate::event::state::{
    BoxState, ClaimState, ClockState, ModelsState, StorageState, StreamState, UplinkState,
};
use crate::event::twin::{ConfigDesired, ConfigReported};
use crate::event::update::{UpdateArguments, UpdateState};
use crate::event::upload::{
    ClipAckArguments, ClipArguments, ClipListArguments, ClipUploadArguments,
    ClipUploadUrlsArguments, UploadsState,
};
use crate::event::{Envelope, Highlight, Score, Shot, Withdrawal};

/// Every message, as (file name, schema): `courtside.shot.made.v1.json`, `state.box.json` …
#[must_use]
pub fn all() -> Vec<(String, Value)> {
    let events = [
        event::<Shot>("courtside.shot.made.v1"),
        event::<Shot>("courtside.shot.missed.v1"),
        event::<Shot>("courtside.shot.unsure.v1"),
        event::<Withdrawal>("courtside.shot.withdrawn.v1"),
        event::<Score>("courtside.score.v1"),
        event::<Highlight>("courtside.highlight.v1"),
        event::<Withdrawal>("courtside.highlight.withdrawn.v1"),
        event::<ClipTold>("courtside.clip.v1"),
        event::<GameTold>("courtside.game.v1"),
        event::<GameScore>("courtside.game.score.v1"),
        event::<Momentum>("courtside.momentum.v1"),
        event::<Leaderboard>("courtside.leaderboard.v1"),
        event::<Graphic>("courtside.graphic.v1"),
        event::<Withdrawal>("courtside.graphic.withdrawn.v1"),
        event::<SocialCandidate>("courtside.social.candidate.v1"),
        event::<Withdrawal>("courtside.social.candidate.withdrawn.v1"),
    ];
    let states = [
        state::<BoxState>("box"),
        state::<StreamState>("stream"),
        state::<ModelsState>("models"),
        state::<StorageState>("storage"),
        state::<UploadsState>("uploads"),
        state::<UpdateState>("update"),
        state::<LookState>("look"),
        state::<UplinkState>("uplink"),
        state::<ClockState>("clock"),
        state::<ServiceState>("service"),
        state::<ClaimState>("claim"),
        state::<HomeState>("home"),
    ];
    let mut whole = generator().into_root_schema_for::<BoxStatus>();
    whole.insert("title".to_owned(), "/v1/state: the whole state of a box".into());
    let whole = ("v1.state.json".to_owned(), whole.to_value());
    let twin = [
        config::<ConfigDesired>("desired", SchemaSettings::draft2020_12().into_generator()),
        config::<ConfigReported>("reported", generator()),
    ];
    let commands = [
        command::<CommandRequest>("request", "command/{id}: not retained, with an expiry"),
        command::<CommandState>("state", "command/{id}/state: retained, a day beyond its end"),
    ];
    let operations = [
        arguments::<ConfigArguments>("config_check"),
        arguments::<CourtArguments>("snapshot"),
        arguments::<CourtArguments>("aim"),
        arguments::<NoArguments>("doctor"),
        arguments::<LogArguments>("log_tail"),
        arguments::<NoArguments>("report"),
        arguments::<NoArguments>("restart"),
        arguments::<SwapOrder>("model_swap"),
        arguments::<NoArguments>("model_rollback"),
        arguments::<InstallOrder>("model_install"),
        arguments::<UpdateArguments>("system_update"),
        arguments::<KeyArguments>("key_rotate"),
        arguments::<ServiceCheckArguments>("service_check"),
        arguments::<ConfirmArguments>("service_confirm"),
        arguments::<OverrideArguments>("service_override"),
        arguments::<ClipListArguments>("clip_list"),
        arguments::<ClipUploadArguments>("clip_upload"),
        arguments::<ClipUploadUrlsArguments>("clip_upload_urls"),
        arguments::<ClipAckArguments>("clip_ack"),
        arguments::<ClipArguments>("clip_release"),
        arguments::<KeepArguments>("clip_keep"),
        arguments::<DeleteArguments>("clip_delete"),
        arguments::<GameStartArguments>("game_start"),
        arguments::<GameArguments>("game_end"),
        arguments::<GamePeriodArguments>("game_period"),
        arguments::<ShotCorrectArguments>("shot_correct"),
        arguments::<ShotUndoArguments>("shot_undo"),
        arguments::<ShotAddArguments>("shot_add"),
    ];
    let commands = commands.into_iter().chain(operations);
    events.into_iter().chain(states).chain(twin).chain([whole]).chain(commands).collect()
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().into_generator()
}

/// The envelope with one `type` and its data.
fn event<Data: JsonSchema>(event_type: &str) -> (String, Value) {
    let mut generator = generator();
    let data = generator.subschema_for::<Data>();
    let mut schema = generator.into_root_schema_for::<Envelope>();
    let title = format!("{event_type}: CloudEvents 1.0, structured JSON");
    schema.insert("title".to_owned(), title.into());
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("data".to_owned(), data.to_value());
        properties.insert("specversion".to_owned(), json!({ "const": "1.0" }));
        properties.insert("type".to_owned(), json!({ "const": event_type }));
        properties.insert("datacontenttype".to_owned(), json!({ "const": "application/json" }));
        pattern(properties, "session", "^[0-9a-f]{16}$");
        pattern(properties, "fact", "^[0-9a-f]{16}(-[a-z.]+)?-[0-9]+$");
        pattern(properties, "id", "^[0-9a-f]{16}(-[a-z.]+)?-[0-9]+\\.[0-9]+$");
        pattern(properties, "sequence", "^[1-9][0-9]*$");
        pattern(properties, "source", "^courtside:[a-z0-9-]{1,32}/[a-z0-9-]{1,32}$");
    }
    (format!("{event_type}.json"), schema.to_value())
}

fn command<Of: JsonSchema>(what: &str, title: &str) -> (String, Value) {
    let mut schema = generator().into_root_schema_for::<Of>();
    schema.insert("title".to_owned(), title.into());
    (format!("command.{what}.json"), schema.to_value())
}

/// What an operation is asked with: as a box reads it, where a member that has a default may be left out.
fn arguments<Of: JsonSchema>(operation: &str) -> (String, Value) {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Of>();
    schema.insert("title".to_owned(), format!("`arguments` of the operation {operation}").into());
    (format!("command.{operation}.json"), schema.to_value())
}

fn pattern(properties: &mut serde_json::Map<String, Value>, name: &str, pattern: &str) {
    if let Some(property) = properties.get_mut(name).and_then(Value::as_object_mut) {
        property.insert("pattern".to_owned(), pattern.into());
    }
}

fn config<Message: JsonSchema>(what: &str, generator: SchemaGenerator) -> (String, Value) {
    let mut schema = generator.into_root_schema_for::<Message>();
    schema.insert("title".to_owned(), format!("config/{what}: retained").into());
    (format!("config.{what}.json"), schema.to_value())
}

fn state<State: JsonSchema>(what: &str) -> (String, Value) {
    let mut schema = generator().into_root_schema_for::<State>();
    schema.insert("title".to_owned(), format!("state/{what}: retained").into());
    (format!("state.{what}.json"), schema.to_value())
}
