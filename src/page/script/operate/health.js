// The box's health in one line: the worst of it, or that all is well.

import { $, known, say, toned } from "../dom.js";

const WORDS = ["good", "warn", "bad"];

export function health(state) {
  const found = [];
  const { uplink, storage, models, clock, streams } = state;
  for (const [court, stream] of Object.entries(streams || {})) {
    if (stream.condition === "stalled") found.push([2, `court ${court} stalled`]);
    else if (stream.condition === "waiting") found.push([1, `court ${court} waits for its camera`]);
    if (stream.fault) found.push([2, `court ${court}: ${stream.fault}`]);
  }
  for (const model of models?.bundles || []) {
    if (model.condition === "loading") found.push([1, `model ${model.name} is being loaded`]);
    else if (model.condition !== "ready") found.push([2, `model ${model.name} ${model.condition}`]);
  }
  if (storage && storage.condition && storage.condition !== "recording") found.push([2, `video ${storage.condition}`]);
  if (uplink?.disk_fault) found.push([2, "disk"]);
  // Away is no trouble here: the box keeps what it tells.
  if (uplink && !uplink.connected) found.push([1, `uplink away, ${uplink.outbox_events || 0} kept`]);
  if (clock && clock.plausible === false) found.push([1, "clock not set"]);
  return found.sort((a, b) => b[0] - a[0]);
}

export function showHealth(state) {
  const found = health(state);
  const node = $("#health");
  const pace = (state.models?.bundles || []).map((model) => model.inference_ms).find(known);
  const well = known(pace) ? `All well · ${pace.toFixed(1)} ms` : "All well";
  const more = found.length > 1 ? ` (+${found.length - 1})` : "";
  toned(node, "", WORDS[found.length ? found[0][0] : 0]);
  say(node, found.length ? `${found[0][1]}${more}` : well);
  node.title = found.map(([, text]) => text).join("\n");
}
