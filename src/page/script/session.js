// The session of this browser: a way out of it, where the box asked for a token.

import { $ } from "./dom.js";

async function learn() {
  try {
    const answer = await fetch("/v1/session");
    if (answer.ok) $("#sign-out").hidden = !(await answer.json()).signed_in;
  } catch { /* Away: the stream of events says so. */ }
}
learn();
