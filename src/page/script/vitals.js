// The line of the box itself: broker, video, models, clock.

import { $, known, make } from "./dom.js";

export function showVitals(state) {
  const gigabytes = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`);
  const rows = [];
  const { uplink, storage, models, clock } = state;
  if (uplink) {
    const waiting = uplink.outbox_events ? `, ${uplink.outbox_events} waiting` : "";
    const bad = uplink.fault || uplink.disk_fault;
    rows.push(uplink.connected
      ? [uplink.disk_fault ? "bad" : "good", "Broker", `connected${waiting}`, bad]
      : ["warn", "Broker", `away${waiting}, kept on disk`, bad]);
  }
  if (storage) {
    rows.push(storage.condition === "recording" || !storage.condition
      ? [storage.reason ? "bad" : "good", "Video", `${gigabytes(storage.ring_bytes || 0)} of ${gigabytes(storage.quota_bytes || 0)}`, storage.reason || null]
      : ["bad", "Video", storage.condition, storage.reason]);
  }
  for (const model of (models && models.bundles) || []) {
    const pace = known(model.inference_ms) ? `, ${model.inference_ms.toFixed(1)} ms` : "";
    rows.push(model.condition === "ready"
      ? ["good", "Model", `${model.name} ${model.version || ""}${pace}`, model.engine]
      : model.condition === "loading"
      ? ["warn", "Model", `${model.name} is being loaded`, model.reason]
      : ["bad", "Model", `${model.name} refused`, model.reason]);
  }
  if (clock && clock.plausible === false) rows.push(["warn", "Clock", "not set", "the box's clock is wrong; events carry no time of day"]);
  for (const fault of (state.admission && state.admission.faults) || []) rows.push(["bad", "Doors", "attacked", fault]);
  const key = JSON.stringify(rows);
  if (key === showVitals.key) return;
  showVitals.key = key;
  $("#vitals").replaceChildren(...rows.map(([tone, name, text, why]) => {
    const spelled = tone === "bad" && why ? `${text}: ${why}` : text;
    return make("li", { className: `is-${tone}`, title: why || "" },
      make("span", { textContent: name }), make("b", { textContent: spelled }));
  }));
}
