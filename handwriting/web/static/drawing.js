// Sends the canvas to the server while the user draws: only the newest picture, one request at a time.
"use strict";
const answer = document.getElementById("answer"), top5 = document.getElementById("top"), doubt = document.getElementById("doubt");
let asking = false, again = false;

async function ask() {
  delete canvas.dataset.asked;
  if (asking) { again = true; return; }
  if (!strokes.length) { show(null); return; }
  asking = true;
  const began = performance.now();
  try {
    const body = picture();
    const response = await fetch("/api/drawings", { method: "POST", body, headers: { "X-CSRF-Token": token, "Content-Type": "image/png" } });
    const found = await response.json();
    if (!response.ok) throw new Error(found.detail);
    if (strokes.length) show(found);
    canvas.dataset.milliseconds = performance.now() - began;
  } catch (error) {
    show(null, `Not read: ${error.message}`);
  }
  asking = false;
  if (again) { again = false; ask(); } else canvas.dataset.asked = strokes.length;
}

function show(found, words = "Nothing is drawn yet.") {
  const known = found?.status === "assessed", raw = found?.status === "not assessed";
  const why = raw ? "Not assessed, a human must look" : "Refused";
  answer.textContent = known ? found.top[0].said : found ? `${why}: this drawing ${found.reason}.${raw ? " The guesses below are raw and not to be relied on." : ""}` : words;
  answer.classList.toggle("none", !known);
  top5.classList.toggle("raw", raw);
  const rows = known || raw ? found.top.map((one) => {
    const row = document.createElement("li"), said = document.createElement("span"), bar = document.createElement("meter"), value = document.createElement("span");
    said.className = "said"; said.textContent = one.said;
    bar.value = one.probability; bar.setAttribute("aria-hidden", "true");
    value.className = "value"; value.textContent = one.probability.toFixed(3);
    row.append(said, bar, value);
    return row;
  }) : [];
  top5.replaceChildren(...rows);
  doubt.hidden = !(known && found.decision === "rejected");
  if (!doubt.hidden) doubt.textContent = `Too uncertain: answers are accepted from ${found.threshold.toFixed(3)}.`;
}

canvas.addEventListener("drawn", (event) => { if (!(event.detail.unfinished && asking)) ask(); });
show(null);
