//! A headless Chromium of our own, spoken to in the DevTools protocol over a pipe.
//!
//! It has a profile of its own that goes with it. Blocking: whoever asks it has a thread for that.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::tools::private_folder::private_folder;

/// The names that it has on the systems that we know.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// Its protocol runs on descriptors 3 and 4; a shell puts our pipes there.
const SCRIPT: &str = "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";

/// A running browser with one page.
#[derive(Debug)]
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: String,
    asked: u64,
    profile: PathBuf,
}

impl Browser {
    /// Opens `url` in a window of `size`; `first` is run in it before anything of the page's own.
    ///
    /// # Errors
    /// When there is no Chromium, or it does not answer as one does.
    pub(crate) fn open(
        url: &str,
        (width, height): (u32, u32),
        first: &str,
    ) -> anyhow::Result<Self> {
        let is_there = |name: &&str| {
            let mut asked = Command::new(name);
            asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
            asked.status().is_ok_and(|status| status.success())
        };
        let name = NAMES.into_iter().find(|name| is_there(name));
        let name =
            name.context("no Chromium here: `apt-get install chromium`, or leave --screen out")?;
        let profile = private_folder("courtside-browser")?;
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "sh", name, "--headless", "--no-sandbox", "--disable-gpu"])
            .args(["--disable-quic", "--no-first-run", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--remote-debugging-pipe"])
            .arg("--hide-scrollbars")
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start Chromium")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.context("Chromium's pipes")?;
        let from = BufReader::new(from);
        let session = String::new();
        let mut browser = Self { child, to, from, session, asked: 0, profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach)?;
        attached["sessionId"].as_str().context("Chromium's page")?.clone_into(&mut browser.session);
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.call("Emulation.setDeviceMetricsOverride", metrics)?;
        browser.call("Page.enable", json!({}))?;
        browser.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": first}))?;
        browser.call("Page.navigate", json!({"url": url}))?;
        Ok(browser)
    }

    /// What an expression comes to in the page, once it is settled.
    ///
    /// # Errors
    /// When it throws, or the browser is gone.
    pub(crate) fn value(&mut self, expression: &str) -> anyhow::Result<Value> {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut told = self.call("Runtime.evaluate", asked)?;
        if !told["exceptionDetails"].is_null() {
            bail!("the page says of `{expression}`: {}", told["exceptionDetails"]);
        }
        Ok(told["result"]["value"].take())
    }

    fn call(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.asked += 1;
        let mut request = json!({"id": self.asked, "method": method, "params": params});
        if !self.session.is_empty() {
            request["sessionId"] = json!(self.session);
        }
        let sent = self.to.write_all(format!("{request}\0").as_bytes());
        sent.and_then(|()| self.to.flush()).context("ask Chromium")?;
        loop {
            let mut message = Vec::new();
            self.from.read_until(0, &mut message).context("hear Chromium")?;
            message.pop();
            let mut message: Value =
                serde_json::from_slice(&message).context("Chromium went away")?;
            if message["id"] != self.asked {
                // An event of the page.
                continue;
            }
            if !message["error"].is_null() {
                bail!("Chromium refuses {method}: {}", message["error"]);
            }
            return Ok(message["result"].take());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ours, and of no use to anybody now.
        let _gone = self.child.kill().and_then(|()| self.child.wait());
        let _left = std::fs::remove_dir_all(&self.profile);
    }
}
