"use strict";
(() => {
  const find = document.getElementById("find");
  if (!find) return;
  const input = find.querySelector("input");
  const said = find.querySelector("output");
  const items = [...document.querySelectorAll("[data-tags]")];
  const shots = items.filter((item) => item.tagName === "TR");
  const look = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const item of items) {
      const tags = item.dataset.tags.split(" ");
      item.hidden = !words.every((word) => tags.some((tag) => tag.includes(word)));
    }
    const left = shots.filter((shot) => !shot.hidden).length;
    said.textContent = words.length ? `${left} of ${shots.length} shots` : "";
  };
  for (const tag of document.querySelectorAll(".tag")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "tag";
    button.textContent = tag.textContent;
    button.addEventListener("click", () => {
      const words = input.value.split(/\s+/).filter(Boolean);
      const at = words.indexOf(tag.textContent);
      if (at < 0) words.push(tag.textContent);
      else words.splice(at, 1);
      input.value = words.join(" ");
      look();
    });
    tag.replaceWith(button);
  }
  input.addEventListener("input", look);
  find.hidden = false;
})();
