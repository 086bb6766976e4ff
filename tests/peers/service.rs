//! A court brought into service from afar: a real encoder, decoder, model and mosquitto, and the program as
//! the technician's laptop.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use courtside::app::{App, Devices, Options, World};
use courtside::clock::{Chance, Clock, SystemClock};
use courtside::config::Source;
use courtside::disk::RealDisk;
use serde_json::Value;
use tokio::sync::watch;

use crate::mosquitto::{Mosquitto, Subscriber, until};

const KEY: &str = "north-hoop-1";

/// An encoder that publishes until it is let go.
struct Encoder(Child);

impl Encoder {
    fn publishes(port: u16, coding: &[&str]) -> Self {
        let child = Command::new("ffmpeg")
            .args(["-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=15"])
            .args(["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "15", "-threads", "1"])
            .args(coding)
            .args(["-f", "flv", &format!("rtmp://127.0.0.1:{port}/live/{KEY}")])
            .stdin(Stdio::null())
            .spawn()
            .expect("ffmpeg is installed");
        Self(child)
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The program as a laptop: exit code and last state of a command.
fn asks(broker: u16, words: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_courtside"))
        .arg("command")
        .args(words)
        .args(["--broker", &format!("mqtt://127.0.0.1:{broker}"), "--box", "rim-1", "--json"])
        .args(["--config", "/nowhere/courtside.toml"])
        .output()
        .expect("it runs");
    let state = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), state)
}

/// How the court stands, as the broker tells who subscribes.
fn court(subscriber: &Subscriber) -> Option<Value> {
    Some(subscriber.below("state/service").pop()?.json["courts"]["a"].clone())
}

/// One of its checks.
fn check<'a>(court: &'a Value, name: &str) -> &'a Value {
    let checks = court["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["check"] == name).expect("a check of this name")
}

#[test]
fn a_technician_far_away_brings_a_court_into_service() {
    drop(tracing_subscriber::fmt().with_test_writer().try_init());
    let broker = Mosquitto::start(false, None);
    let subscriber = Subscriber::to(broker.port);
    let dir = tempfile::tempdir().expect("directory");
    // Somebody has claimed it.
    std::fs::create_dir_all(dir.path().join("identity")).expect("made");
    std::fs::write(dir.path().join("identity/current.json"), "{}").expect("written");
    let text = format!(
        "[box]\nname = \"rim-1\"\ndata_dir = \"{}\"\n[uplink]\nbroker = \"mqtt://127.0.0.1:{}\"\n\
         [ingest]\nrtmp = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n[ring]\n\
         quota_bytes = 67108864\n[[court]]\nname = \"a\"\nstream_key = \"{KEY}\"\n",
        dir.path().display(),
        broker.port
    );
    let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let source = Source::new(Path::new("courtside.toml"), &text, Arc::new(read));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (devices, disk) = (Devices::installed(&clock), Arc::new(RealDisk::new()));
    let begun = source.begin(&*disk).expect("it is right");
    let world = World { clock, chance: Chance::system(), disk, devices };
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let options = Options { open_http: true, twin: Some(begun.clone()), ..Options::default() };
    let app = runtime.block_on(App::build(begun.config, world, options)).expect("it is built");
    let (rtmp, (stop, stopped)) =
        (app.addresses().rtmp.expect("it listens"), watch::channel(false));
    let ended = runtime.spawn(async move { app.run(stopped).await.expect("it ends well") });

    let told = until("it tells that it waits for a camera", || {
        court(&subscriber).filter(|told| check(told, "camera")["state"] == "waiting")
    });
    assert_eq!((&told["in_service"], &told["by"]), (&false.into(), &"nothing".into()));
    let (exit, told) = asks(broker.port, &["service_confirm", "rims=[[1,2,40,20]]", "who=Ada"]);
    assert_eq!((exit, &told["code"]), (Some(1), &"no_picture".into()), "{told}");

    let encoder = Encoder::publishes(rtmp.port(), &["-preset", "veryfast", "-bf", "2"]);
    until("its B-frames are told", || {
        court(&subscriber).filter(|told| check(told, "camera")["code"] == "b_frames")
    });
    let (exit, told) = asks(broker.port, &["service_check", "court=a"]);
    assert_eq!(exit, Some(0), "{told}");
    let seen = &told["result"];
    assert!(seen["jpeg_base64"].as_str().is_some_and(|jpeg| jpeg.len() > 1_000), "a picture");
    assert!(seen["rims"].is_array(), "what the finder proposes: {seen}");
    let camera = check(&seen["service"], "camera");
    assert_eq!(camera["state"], "failed");
    assert!(camera.to_string().contains("Baseline"), "with what to do: {camera}");
    drop(encoder);

    let plain = &["-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline"];
    let encoder = Encoder::publishes(rtmp.port(), plain);
    until("its camera is as it should be", || {
        court(&subscriber).filter(|told| {
            ["camera", "decodes"].iter().all(|name| check(told, name)["state"] == "passed")
        })
    });
    let rims = "rims=[[300,80,40,20]]";
    let (exit, told) =
        asks(broker.port, &["service_confirm", rims, "rims_of=[640,360]", "who=Ada"]);
    assert_eq!(exit, Some(0), "{told}");
    let reported = until("its rims are these", || {
        let told = subscriber.below("config/reported").pop()?.json;
        told["config"]["court"]["a"]["rims"].is_array().then_some(told)
    });
    assert_eq!(
        reported["config"]["court"]["a"]["rims"],
        serde_json::json!([[300.0, 80.0, 40.0, 20.0]])
    );
    // ffmpeg hangs up where its court is built anew; a camera comes again by itself.
    drop(encoder);
    let encoder = Encoder::publishes(rtmp.port(), plain);
    let told = until("all is passed, but a model that is slow on a machine at work", || {
        let told = court(&subscriber)?;
        let slow = check(&told, "model")["code"] == "model_runs_but";
        let rest = ["camera", "decodes", "rim", "width"];
        let rest = rest.iter().all(|name| check(&told, name)["state"] == "passed");
        (rest && (told["in_service"] == true || slow)).then_some(told)
    });
    assert!(
        check(&told, "rim")["figure"].as_str().is_some_and(|who| who.contains("Ada")),
        "{told}"
    );

    let out = &["service_override", "in_service=false", "reason=the ring is replaced", "who=Ada"];
    let (exit, told) = asks(broker.port, out);
    assert_eq!(
        (exit, &told["result"]["service"]["in_service"]),
        (Some(0), &false.into()),
        "{told}"
    );
    until("everybody is told", || {
        court(&subscriber).filter(|told| {
            told["by"] == "override" && told["overridden"]["reason"] == "the ring is replaced"
        })
    });
    let (exit, told) = asks(broker.port, &["service_override", "who=Ada"]);
    assert_eq!((exit, &told["code"]), (Some(1), &"arguments".into()), "no reason: {told}");
    let (exit, told) = asks(broker.port, &["service_override", "reason=it works", "who=Ada"]);
    assert_eq!((exit, &told["result"]["service"]["in_service"]), (Some(0), &true.into()), "{told}");
    drop(encoder);
    stop.send_replace(true);
    let report = runtime.block_on(ended).expect("no panic");
    assert_eq!(report.unbalanced, []);
}
