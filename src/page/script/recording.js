// The dialog in which a court is played: live, and back in time.

import { $, dialogOf, say } from "./dom.js";
import { signIn } from "./session.js";
import { Stream } from "./stream.js";

/** How far the bar of the player goes back from live. */
const BACK_S = 1800;
/** … and forth from a time that was asked for. */
const THEN_S = 1800;
const AGAIN_MS = 3000;

const dialog = dialogOf("#recording");
const video = $("video", dialog);
const said = $(".said", dialog);
const then = $("form input", dialog);

const list = (court, query) => `/v1/courts/${court}/live.m3u8?${new URLSearchParams(query)}`;

/** What the box says of a list that did not come. */
async function why(url) {
  try {
    const answer = await fetch(url);
    if (answer.status === 401) signIn();
    return answer.ok ? null : (await answer.json()).detail;
  } catch {
    return "The box does not answer.";
  }
}

export const recording = {
  court: null,
  live: true,
  url: null,
  open(court) {
    this.court = court;
    say($("h2", dialog), `Court ${court}`);
    dialog.showModal();
    this.now();
  },
  now() { this.play(list(this.court, { back: BACK_S }), true); },
  at(from) {
    const to = new Date(from.getTime() + THEN_S * 1000);
    this.play(list(this.court, { from: from.toISOString(), to: to.toISOString() }), false);
  },
  play(url, live) {
    clearTimeout(this.again);
    Object.assign(this, { url, live });
    $(".live", dialog).setAttribute("aria-pressed", String(live));
    say(said, "");
    stream.play(url, live);
  },
};

const stream = new Stream(video, async (words) => {
  const { url, live } = recording;
  const told = (await why(url)) || words;
  if (!dialog.open || recording.url !== url) return;
  say(said, told);
  // A camera may come yet; what is gone does not.
  if (live) recording.again = setTimeout(() => { if (dialog.open) recording.play(url, live); }, AGAIN_MS);
});

$(".live", dialog).addEventListener("click", () => (recording.live && stream.hls ? stream.toEnd() : recording.now()));
$("form", dialog).addEventListener("submit", (event) => {
  event.preventDefault();
  const from = new Date(then.value);
  if (Number.isNaN(from.getTime())) return void say(said, "Write a day and a time first.");
  recording.at(from);
});
video.addEventListener("timeupdate", () => {
  const { date } = stream;
  if (date) say(said, `Recorded ${date.toLocaleString([], { hour12: false })}`);
});
dialog.addEventListener("close", () => {
  clearTimeout(recording.again);
  recording.url = null;
  stream.stop();
});
