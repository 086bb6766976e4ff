// Facts as they come: one stream of server-sent events that a reload and a cut network do not break.
//
// Each event has its place; who comes again says where he was (`after`) and is told what he missed. A cut that
// nothing reports is found by the box's clock, which is asked every few seconds.

import { box } from "./clock.js";

const AGAIN_MS = 1000;
/** What comes so soon after a stream stands was stored: it is no news. */
export const STORED_MS = 1500;
const LOOK_EVERY_MS = 5000;

/**
 * Listens for good. `take(envelope, stored)` is given each event; `state(told)` the box's state; `open()` is
 * called once a stream is told, each time; `lost(why)` when it is not. `why` is the answer's status, or 0.
 */
export function feed({ last, take, state, open, lost }) {
  let position = null;
  let stream = null;
  let waits = null;

  const again = (why) => {
    stream?.close();
    stream = null;
    lost(why);
    clearTimeout(waits);
    waits = setTimeout(listen, AGAIN_MS);
  };
  const fails = async () => {
    let why = 0;
    try { why = (await fetch("/v1/session", { signal: AbortSignal.timeout(3000) })).status; } catch { /* away */ }
    again(why === 401 ? 401 : 0);
  };

  function listen() {
    clearTimeout(waits);
    stream?.close();
    const where = position === null ? `last=${last}` : `after=${position}`;
    const mine = (stream = new EventSource(`/v1/events?state=1&${where}`));
    let told = false;
    let opened = performance.now();
    mine.onopen = () => { opened = performance.now(); };
    mine.onmessage = (event) => {
      position = event.lastEventId;
      take(JSON.parse(event.data), performance.now() - opened < STORED_MS);
    };
    // The first state comes after the box listens for us, so what is asked for now misses nothing.
    mine.addEventListener("state", (event) => {
      if (!told) open();
      told = true;
      state(JSON.parse(event.data));
    });
    mine.onerror = () => { if (mine === stream) { mine.close(); stream = null; fails(); } };
  }

  // A stream that is cut without a word stays open for minutes; the clock does not answer then.
  setInterval(async () => {
    if (stream && !(await box.look()) && stream) fails();
  }, LOOK_EVERY_MS);
  addEventListener("online", () => { if (!stream) listen(); });
  listen();
}
