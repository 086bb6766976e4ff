// What a person says a shot was.

import { calibration } from "./calibration.js";
import { $, known, make, say } from "./dom.js";
import { forRole } from "./session.js";

/** What a person says a shot was. Marked once the box has it on disk. */
export const verdicts = {
  words: { made: "made", missed: "missed", none: "no shot" },

  group(shot, when) {
    const group = make("span", { className: "verdict" });
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", `What the shot of ${when} was`);
    for (const [word, text] of Object.entries(this.words)) {
      const button = make("button", { type: "button", value: word, textContent: text });
      forRole(button, "operator", () => this.give(shot, group, word), (why) => say($(".why", group), why));
      group.append(button);
    }
    group.append(make("span", { className: "why" }));
    $(".why", group).setAttribute("role", "status");
    this.mark(group, this.given(shot));
    return group;
  },

  given(shot) {
    return (calibration.courts[shot.court] || []).map(({ said }) => (said || {})[shot.fact]).find(known) || shot.said;
  },

  mark(group, word) {
    for (const button of group.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === word));
  },

  async give(shot, group, word) {
    const why = $(".why", group);
    say(why, "");
    let refused = "The box does not answer.";
    try {
      const answer = await fetch(`/v1/events/${shot.fact}/verdict`, { method: "POST", body: JSON.stringify({ verdict: word }) });
      if (answer.ok) {
        shot.said = word;
        return void this.mark(group, word);
      }
      refused = `Not taken: ${(await answer.json()).detail}`;
    } catch { /* says so */ }
    say(why, refused);
  },
};
