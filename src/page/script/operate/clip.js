// A clip, played large.

import { $, dialogOf, say } from "../dom.js";

const dialog = dialogOf("#clip");
const video = $("video", dialog);

export function play(path, title) {
  say($("h2", dialog), title);
  say($(".said", dialog), "");
  video.src = `${path}/media.mp4`;
  dialog.showModal();
  video.play().catch(() => {});
}
video.addEventListener("error", () => {
  if (video.getAttribute("src")) say($(".said", dialog), "There is no clip yet, or this browser lacks the camera's codec.");
});
dialog.addEventListener("close", () => { video.pause(); video.removeAttribute("src"); video.load(); });
