// The wall: score and calls alone, with W or `#wall`.

import { $ } from "./dom.js";

function wall(on) {
  document.body.classList.toggle("wall", on);
  $("#wall").setAttribute("aria-pressed", String(on));
  history.replaceState(null, "", on ? "#wall" : location.pathname);
}
$("#wall").addEventListener("click", () => wall(!document.body.classList.contains("wall")));
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, dialog");
  if (event.key.toLowerCase() === "w" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing) $("#wall").click();
});
if (location.hash === "#wall") wall(true);
