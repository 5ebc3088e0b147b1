// Highlights a character in the list together with its box on the page.
"use strict";
function show(item, number, scroll) {
  for (const one of document.querySelectorAll(".now")) one.classList.remove("now");
  const box = document.querySelector(`.page[data-item="${item}"] rect[data-number="${number}"]`);
  const character = document.querySelector(`.character[data-item="${item}"][data-number="${number}"]`);
  box?.classList.add("now");
  character?.classList.add("now");
  if (scroll) character?.scrollIntoView({ block: "nearest" });
}
for (const character of document.querySelectorAll(".character")) {
  for (const kind of ["click", "focus", "pointerenter"]) character.addEventListener(kind, () => show(character.dataset.item, character.dataset.number, false));
}
for (const box of document.querySelectorAll(".page rect")) {
  for (const kind of ["click", "pointerenter"]) box.addEventListener(kind, () => show(box.closest(".page").dataset.item, box.dataset.number, true));
}
document.getElementById("delete").addEventListener("click", async (event) => {
  const headers = { "X-CSRF-Token": document.querySelector("meta[name=csrf]").content };
  await fetch(`/api/uploads/${event.currentTarget.dataset.upload}`, { method: "DELETE", headers });
  location.assign("/");
});
