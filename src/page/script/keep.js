// What people do with footage: keep the last of it, keep or release a clip, delete it.

import { $, make, say } from "./dom.js";
import { forRole } from "./session.js";

const LAST_S = 30;

/** Asks the box; its answer, or why not in words. */
async function ask(method, path, body) {
  try {
    const answer = await fetch(path, { method, body: body && JSON.stringify(body) });
    const told = await answer.json();
    return answer.ok ? { told } : { refused: told.detail };
  } catch {
    return { refused: "the box does not answer" };
  }
}

/** The button of a court: its last seconds become a clip that stays. */
export function keepLast(court) {
  const form = $(".keep", court.root);
  const said = $(".said", form);
  const note = $("input", form);
  const button = $("button", form);
  say(button, `Keep the last ${LAST_S} s`);
  const keep = async () => {
    say(said, "Keeping …");
    button.disabled = true;
    const { told, refused } = await ask("POST", "/v1/clips", { court: court.name, last: LAST_S, reason: "page", note: note.value });
    button.disabled = false;
    if (refused) return void say(said, `Not kept: ${refused}`);
    note.value = "";
    say(said, `${told.state === "making" ? "Being made" : "Kept"} as ${told.id}${told.note ? ` (${told.note})` : ""}.`);
  };
  forRole(button, "operator", keep, (why) => say(said, why));
  form.addEventListener("submit", (event) => { event.preventDefault(); button.click(); });
}

/** The buttons of the clip that a dialog shows. */
export function clipButtons(dialog, path) {
  const said = make("span", { className: "done" });
  said.setAttribute("role", "status");
  const does = (text, least, method, where, done, sure) => {
    const button = make("button", { type: "button", textContent: text });
    forRole(button, least, async () => {
      if (sure && !window.confirm(sure)) return;
      const { told, refused } = await ask(method, `${path}${where}`);
      say(said, refused ? `Not done: ${refused}` : done(told));
    }, (why) => say(said, why));
    return button;
  };
  $(".keeping", dialog).replaceChildren(
    does("Keep", "operator", "POST", "/keep", () => "Kept."),
    does("Release", "operator", "POST", "/release", () => "Released: it goes when its place is needed."),
    does("Delete…", "technician", "DELETE", "", (told) => told.state === "deleting" ? "Being deleted: the audit log says when it is gone." : `Deleted, with ${told.bytes} bytes of the recording.`,
      "Delete this clip, and its moments from the recording and from every other clip? It cannot be undone."),
    said);
}
