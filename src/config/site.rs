//! Rims and floors that somebody confirmed in the camera's picture: between the box's file and `config/desired` (pure).
//!
//! What the file says of a court's rims, the person who looked at the picture corrects; what
//! `config/desired` says of them rules over both, since whoever wants rims from afar is answered with what
//! is in force. So a confirmation of other rims than those is refused while `config/desired` names them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::config::overlay::{Base, Overlay};
use crate::floor::FloorDrawn;
use crate::media::RimBox;

/// The rims of one court, as they were confirmed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteRims {
    /// In pixels of the picture that they were drawn on.
    pub rims: Vec<RimBox>,
    /// Its width and height.
    pub rims_of: [u32; 2],
}

/// What of one court was confirmed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SiteCourt {
    /// Its rims.
    #[serde(flatten)]
    pub rims: Option<SiteRims>,
    /// Its painted floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<FloorDrawn>,
}

/// By court. One that neither the file nor `config/desired` has waits until it comes again.
pub type Site = BTreeMap<String, SiteCourt>;

/// True where `config/desired` says itself what the rims of `court` are.
#[must_use]
pub fn names_rims(wanted: &Overlay, court: &str) -> bool {
    ["rims", "rims_of"].iter().any(|key| wanted.names(&format!("court.{court}.{key}")))
}

/// True where `config/desired` says itself where the floor of `court` lies.
#[must_use]
pub fn names_floor(wanted: &Overlay, court: &str) -> bool {
    wanted.names(&format!("court.{court}.floor"))
}

/// What is laid over the file in all.
pub(super) fn under(site: &Site, wanted: &Overlay, base: &Base) -> Overlay {
    let mut whole = match wanted.exposed() {
        Json::Object(sections) => sections,
        _ => Map::new(),
    };
    for (court, seen) in site {
        let path = format!("court.{court}");
        let is_there = match wanted.exposed().pointer(&format!("/court/{court}")) {
            Some(Json::Object(_)) => true,
            Some(_) => false,
            None => base.names(&path) && !matches!(whole.get("court"), Some(Json::Null)),
        };
        let rims = seen.rims.as_ref().filter(|_| !names_rims(wanted, court));
        let floor = seen.floor.as_ref().filter(|_| !names_floor(wanted, court));
        if !is_there || rims.is_none() && floor.is_none() {
            continue;
        }
        let courts = whole.entry("court").or_insert_with(|| json!({}));
        // A section that is no object is refused by who lays it over the file.
        let Some(courts) = courts.as_object_mut() else { continue };
        let keys = courts.entry(court.clone()).or_insert_with(|| json!({}));
        let Some(keys) = keys.as_object_mut() else { continue };
        if let Some(SiteRims { rims, rims_of }) = rims {
            let boxes: Vec<[f32; 4]> =
                rims.iter().map(|rim| [rim.x, rim.y, rim.w, rim.h]).collect();
            keys.insert("rims".to_owned(), numbers(&boxes));
            keys.insert("rims_of".to_owned(), json!(rims_of));
        }
        if let Some(floor) = floor {
            keys.insert("floor".to_owned(), json!(floor));
        }
    }
    Overlay::new(Json::Object(whole)).unwrap_or_default()
}

/// As they were written: a float of 32 bits has its own shortest spelling.
fn numbers(boxes: &[[f32; 4]]) -> Json {
    serde_json::to_string(boxes)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirmed_rims_lie_over_the_file_and_under_what_is_wanted() {
        let text =
            "[[court]]\nname = \"a\"\nstream_key = \"north-hoop-1\"\nrims = [[1, 2, 44, 22]]\n";
        let base = Base::new(text).unwrap_or_default();
        let rims = vec![RimBox { x: 612.3, y: 188.0, w: 44.0, h: 22.0 }];
        let rims = Some(SiteRims { rims, rims_of: [1280, 720] });
        let site = Site::from([("a".to_owned(), SiteCourt { rims, floor: None })]);
        let over =
            |wanted: Json| under(&site, &Overlay::new(wanted).unwrap_or_default(), &base).exposed();
        let confirmed = json!({ "rims": [[612.3, 188.0, 44.0, 22.0]], "rims_of": [1280, 720] });
        assert_eq!(over(json!({})), json!({ "court": { "a": confirmed } }));
        let delayed = over(json!({ "court": { "a": { "camera_delay_ms": 5 } } }));
        assert_eq!(delayed["court"]["a"]["rims"], confirmed["rims"]);
        assert_eq!(delayed["court"]["a"]["camera_delay_ms"], 5);
        // What is wanted of rims rules whole: its own picture's size goes with it.
        for wanted in [
            json!({ "court": { "a": { "rims": [[9, 9, 40, 20]] } } }),
            json!({ "court": { "a": { "rims_of": [640, 360] } } }),
            json!({ "court": { "a": null } }),
            json!({ "court": null }),
            json!({ "court": 7 }),
        ] {
            assert_eq!(over(wanted.clone()), wanted);
        }
        // Of a court that is nowhere nothing is laid over the file: it would be half a court.
        let site = Site::from([("b".to_owned(), site["a"].clone())]);
        assert_eq!(under(&site, &Overlay::default(), &base).exposed(), json!({}));
    }

    #[test]
    fn a_confirmed_floor_lies_over_the_file_without_rims_and_under_what_is_wanted() {
        let text = "[[court]]\nname = \"a\"\nstream_key = \"north-hoop-1\"\n";
        let base = Base::new(text).unwrap_or_default();
        let points = BTreeMap::from([("key-left".to_owned(), [420.0, 330.5])]);
        let floor = FloorDrawn { plan: "fiba".to_owned(), of: [1280, 720], points };
        let seen = SiteCourt { rims: None, floor: Some(floor) };
        let kept = serde_json::to_value(&seen).unwrap_or_default();
        assert_eq!(serde_json::from_value::<SiteCourt>(kept).ok(), Some(seen.clone()));
        // As it was kept before there were floors.
        let old = json!({ "rims": [], "rims_of": [1280, 720] });
        let old: SiteCourt = serde_json::from_value(old).unwrap_or_default();
        assert!(old.rims.is_some() && old.floor.is_none());
        let site = Site::from([("a".to_owned(), seen)]);
        let over =
            |wanted: Json| under(&site, &Overlay::new(wanted).unwrap_or_default(), &base).exposed();
        let floor =
            json!({ "plan": "fiba", "of": [1280, 720], "points": { "key-left": [420.0, 330.5] } });
        assert_eq!(over(json!({})), json!({ "court": { "a": { "floor": floor } } }));
        let wanted = json!({ "court": { "a": { "floor": null } } });
        assert_eq!(over(wanted.clone()), wanted);
        let rims = over(json!({ "court": { "a": { "rims": [[9, 9, 40, 20]] } } }));
        assert_eq!(rims["court"]["a"]["floor"], floor);
    }
}
