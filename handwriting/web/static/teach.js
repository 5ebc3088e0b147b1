// Keeps drawings of a new character and sends them together; the reloaded page lists the taught characters.
"use strict";
const form = document.getElementById("teach"), named = document.getElementById("name"), list = document.getElementById("kept");
const keepButton = document.getElementById("keep"), learn = document.getElementById("learn"), fault = document.getElementById("teach-fault");
const fewest = Number(form.dataset.fewest), most = Number(form.dataset.most);
let drawings = [], learning = false;
history.scrollRestoration = "manual";  // the taught characters are listed at the top

function showFault(words, place = fault) {
  place.textContent = words;
  place.hidden = !words;
}

function show() {
  list.replaceChildren(...drawings.map((drawing, at) => {
    const row = document.createElement("li"), image = document.createElement("img"), remove = document.createElement("button");
    image.src = drawing.address;
    image.alt = `Drawing ${at + 1}`;
    remove.type = "button";
    remove.className = "quiet";
    remove.textContent = "Remove";
    remove.setAttribute("aria-label", `Remove drawing ${at + 1}`);
    remove.disabled = learning;
    remove.addEventListener("click", () => { URL.revokeObjectURL(drawing.address); drawings.splice(at, 1); show(); canvas.focus(); });
    row.append(image, remove);
    return row;
  }), ...Array.from({ length: Math.max(0, fewest - drawings.length) }, () => {
    const empty = document.createElement("li");
    empty.className = "empty";
    empty.setAttribute("aria-hidden", "true");
    return empty;
  }));
  const lacking = fewest - drawings.length;
  const words = lacking > 0 ? `${drawings.length} of ${fewest} drawings.` : `${drawings.length} drawings; you may add more, up to ${most}.`;
  document.getElementById("count").textContent = words;
  keepButton.disabled = learning || !strokes.length || drawings.length >= most;
  learn.disabled = learning || lacking > 0 || !named.value.trim();
}

function keep() {
  if (keepButton.disabled) return;
  const blob = new Blob([picture()], { type: "image/png" });
  drawings.push({ blob, address: URL.createObjectURL(blob) });
  clear();
}

async function send(method, body) {
  const answer = await fetch("/api/characters", { method, body, headers: { "X-CSRF-Token": token } });
  if (!answer.ok) throw new Error((await answer.json()).detail);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (learn.disabled) return;
  const body = new FormData(), status = document.getElementById("learning");
  body.append("name", named.value);
  drawings.forEach((drawing, at) => body.append("files", drawing.blob, `${String(at + 1).padStart(2, "0")}.png`));
  learning = true;
  showFault("");
  status.textContent = "Learning; this takes some seconds …";
  show();
  try {
    await send("POST", body);
    location.reload();
  } catch (error) {
    showFault(`The character was not taught: ${error.message}.`);
    status.textContent = "";
    learning = false;
    show();
  }
});
document.getElementById("take-back")?.addEventListener("click", async (event) => {
  event.currentTarget.disabled = true;
  try {
    await send("DELETE");
    location.reload();
  } catch (error) {
    showFault(`Not taken back: ${error.message}.`, document.getElementById("take-back-fault"));
  }
});
keepButton.addEventListener("click", () => { keep(); canvas.focus({ focusVisible: false }); });
canvas.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); keep(); } });
canvas.addEventListener("drawn", show);
named.addEventListener("input", show);
named.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
show();
