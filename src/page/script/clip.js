// The dialog in which a clip is played.

import { $, dialogOf, make, say } from "./dom.js";
import { clipButtons } from "./keep.js";

export const player = {
  dialog: dialogOf("#clip"),
  open(path, title) {
    say($("h2", this.dialog), title);
    clipButtons(this.dialog, path);
    this.dialog.showModal();
    this.play(path, 0);
  },
  /** A clip is cut some seconds after its shot; asks until it is there. */
  async play(path, tries) {
    const said = $(".said", this.dialog);
    const video = $("video", this.dialog);
    const asked = (this.asked = (this.asked || 0) + 1);
    say(said, tries ? "The clip is being cut …" : "");
    let status = 0;
    try { status = (await fetch(`${path}/media`, { method: "HEAD" })).status; } catch { /* asks again */ }
    if (asked !== this.asked || !this.dialog.open) return;
    if (status === 200) {
      say(said, "");
      video.src = `${path}/media`;
      video.play().catch(() => {});
    } else if (tries < 20) {
      say(said, "The clip is being cut …");
      setTimeout(() => { if (asked === this.asked && this.dialog.open) this.play(path, tries + 1); }, 1000);
    } else {
      say(said, "There is no clip: the video of that moment was not recorded, or is gone.");
    }
  },
};
/** A picture of a clip, once there is one: it is cut some seconds after its shot, and drawn when a row is seen. */
export function still(path) {
  const picture = make("img", { className: "still", alt: "", loading: "lazy", width: 96, height: 54 });
  let tries = 0;
  picture.addEventListener("load", () => picture.classList.add("is-there"));
  picture.addEventListener("error", () => {
    tries += 1;
    if (tries > 4) picture.remove();
    else setTimeout(() => { if (picture.isConnected) picture.src = `${path}/thumbnail.jpg?${tries}`; }, 3000 * tries);
  });
  picture.src = `${path}/thumbnail.jpg`;
  return picture;
}

player.dialog.addEventListener("close", () => {
  player.asked += 1;
  const video = $("video", player.dialog);
  video.pause();
  video.removeAttribute("src");
  video.load();
});
$("video", player.dialog).addEventListener("error", () => {
  if ($("video", player.dialog).getAttribute("src")) say($(".said", player.dialog), "This browser cannot play the clip; it may lack the camera's codec.");
});
