// The operator's page: one stream of events and states in, text and pictures out. No framework.
//
// Read `state.js` (the box), `court.js` (a court), `calls.js` (what was called); the rest hangs on these.

import { take } from "./calls.js";
import { $ } from "./dom.js";
import { signIn } from "./session.js";
import { showState } from "./state.js";
import "./wall.js";

const STORED_MS = 1500;

let position = null;

function listen() {
  const where = position === null ? "last=60" : `after=${position}`;
  const stream = new EventSource(`/v1/events?state=1&${where}`);
  let opened = Infinity;
  stream.onopen = () => { opened = performance.now(); $("#lost").hidden = true; };
  stream.onmessage = (event) => {
    position = event.lastEventId;
    take(JSON.parse(event.data), performance.now() - opened > STORED_MS);
  };
  stream.addEventListener("state", (event) => showState(JSON.parse(event.data)));
  stream.onerror = async () => {
    $("#lost").hidden = false;
    try {
      if ((await fetch("/v1/state")).status === 401) signIn();
    } catch { /* away; asked again below */ }
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  };
}
listen();
