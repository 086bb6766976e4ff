// The state of the box, to all that shows a part of it.

import { learn } from "./calibration.js";
import { facts, scores, showCall, showVerdicts } from "./calls.js";
import { Court, courts } from "./court.js";
import { $, say } from "./dom.js";
import { showModels } from "./models.js";
import { showService } from "./service.js";
import { showVitals } from "./vitals.js";

export function showState(state) {
  say($("#box"), state.box || "Courtside");
  document.title = `${state.box || "Courtside"} · Courtside`;
  learn(state.calibration);
  for (const [name, stream] of Object.entries(state.streams || {})) {
    if (!courts.has(name)) {
      const court = new Court(name, stream);
      courts.set(name, court);
      $("#courts").append(court.root);
      // Calls that came before their court was known lack its name and rim.
      for (const { row, shot } of facts.values()) showCall(row, shot);
      const waiting = scores.get(name);
      if (waiting) court.setScore(waiting, false);
    }
    courts.get(name).update(stream);
    showService(courts.get(name), state.service);
  }
  showVerdicts();
  showVitals(state);
  showModels(state.models);
}
