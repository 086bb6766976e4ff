// The line of the box itself: broker, video, clips on their way, models, clock.

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
  const uploads = state.uploads && state.uploads.running || [];
  if (uploads.length) {
    const { waits, allowed_bits_per_second: bits } = state.uploads;
    const trouble = uploads.map((upload) => upload.trouble).find(Boolean);
    const pace = waits ? "waiting" : `${((bits || 0) / 1e6).toFixed(1)} Mbit/s`;
    rows.push([trouble ? "warn" : "good", "Clips", `${uploads.length} to the cloud, ${pace}`, trouble || waits || null]);
  }
  const { update } = state;
  const pending = update && !["idle", "good", undefined].includes(update.step);
  if (pending) {
    const tone = update.step === "fallen_back" ? "bad" : update.step === "failed" ? "warn" : "good";
    rows.push([tone, "Image", `${update.to || "next"}: ${update.step.replace("_", " ")}`, update.reason || null]);
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
