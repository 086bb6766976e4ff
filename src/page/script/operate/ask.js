// What this page asks of the box. Nothing is shown as done here: what was done comes back as a fact.

import { $, say } from "../dom.js";
import { signIn } from "../session.js";
import { who } from "../who.js";

const TOAST_MS = 6000;
const NAME_MOST = 32;

/** Who says it: by name, or by this browser where nobody gave one. */
export function me() {
  if (!who.name) who.name = `screen-${Math.floor(Math.random() * 0x10000).toString(16).padStart(4, "0")}`;
  return who.name.slice(0, NAME_MOST);
}

let quiet = null;
export function toast(text) {
  const node = $("#toast");
  node.hidden = false;
  say(node, text);
  clearTimeout(quiet);
  quiet = setTimeout(() => { node.hidden = true; }, TOAST_MS);
}

/** A header carries bytes: the name's letters as UTF-8. */
const inBytes = (text) => String.fromCharCode(...new TextEncoder().encode(text));

/** Asks; the box's answer, or null, and then why not was said. `button` is marked as long as it takes. */
export async function ask(path, body, button) {
  button?.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Courtside-Who": inBytes(me()) },
      body: JSON.stringify(body || {}),
      signal: AbortSignal.timeout(10000),
    });
    if (answer.status === 401) signIn();
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) return told;
    toast(`Not done: ${told.detail || told.title || answer.status}`);
  } catch {
    toast("Not done: the box does not answer.");
  } finally {
    button?.removeAttribute("aria-busy");
  }
  return null;
}

/** Reads; null where there is none. */
export async function read(path) {
  try {
    const answer = await fetch(path, { signal: AbortSignal.timeout(10000) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
