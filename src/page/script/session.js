// Who sits before this page: what the role may do, and a way out of the session.

import { $ } from "./dom.js";

const ROLES = ["viewer", "operator", "technician"];

/** As the box told; until then nothing is held back, for the box decides in any case. */
let role = null;

/** True if who has signed in may do what is for `least`. */
export const may = (least) => role === null || ROLES.indexOf(role) >= ROLES.indexOf(least);

/** Why not, for who tries. */
export const whyNot = (least) => `For the ${least}; you are signed in as ${role}. Sign out, and in with that token.`;

/** A button for those of a role and above: others see it dimmed, and are told why when they try. */
export function forRole(button, least, does, refuses) {
  button.dataset.least = least;
  dim(button);
  button.addEventListener("click", (event) => (may(least) ? does(event) : refuses(whyNot(least))));
}

function dim(button) {
  const { least } = button.dataset;
  if (may(least)) {
    button.removeAttribute("aria-disabled");
  } else {
    button.setAttribute("aria-disabled", "true");
    button.title = whyNot(least);
  }
}

/** To the sign-in, which leads back here. */
export const signIn = () => location.assign(`/login?to=${encodeURIComponent(location.pathname + location.search)}`);

/** Asks who sits here; a page that waited for the box asks again. */
export async function learn() {
  try {
    const answer = await fetch("/v1/session");
    if (!answer.ok) return;
    const told = await answer.json();
    role = told.role;
    // For what is not shown at all to who may not use it.
    document.documentElement.dataset.role = role;
    for (const button of document.querySelectorAll("[data-least]")) dim(button);
    $("#sign-out").hidden = !told.signed_in;
    $("#sign-out button").title = `End this browser's session (${role})`;
    $("#role").textContent = told.signed_in && role !== "technician" ? role : "";
  } catch { /* Away: the stream of events says so. */ }
}
learn();
