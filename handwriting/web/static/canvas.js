// A canvas for one character: mouse, pen, finger or keyboard. Whenever it changes it sends itself the event `drawn`.
"use strict";
const canvas = document.getElementById("canvas"), pen = canvas.getContext("2d", { willReadFrequently: true });
const token = document.querySelector("meta[name=csrf]").content;
const WIDTH = 16, STEP = 8, SIDE = canvas.width;
let strokes = [], stroke = null, cursor = [SIDE / 2, SIDE / 2], moving = false;
function paint(marked = true) {
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, SIDE, SIDE);
  pen.lineWidth = WIDTH;
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = "#111";
  for (const points of strokes) {
    pen.beginPath();
    pen.moveTo(...points[0]);
    for (const point of points.slice(1)) pen.lineTo(...point);
    if (points.length === 1) pen.lineTo(points[0][0] + 0.1, points[0][1]);
    pen.stroke();
  }
  if (marked && moving) {
    pen.lineWidth = 2;
    pen.strokeStyle = stroke ? "#a3150f" : "#0b5cad";
    pen.beginPath();
    pen.arc(...cursor, WIDTH / 2, 0, 7);
    pen.stroke();
  }
}

function picture() {  // toBlob would wait for an idle moment, up to a second
  paint(false);
  const coded = atob(canvas.toDataURL("image/png").split(",")[1]);
  paint();
  return Uint8Array.from(coded, (sign) => sign.charCodeAt(0));
}

const changed = (unfinished = false) => canvas.dispatchEvent(new CustomEvent("drawn", { detail: { unfinished } }));

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height];
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  moving = false;
  stroke = [place(event)];
  strokes.push(stroke);
  paint();
});
canvas.addEventListener("pointermove", (event) => {
  if (!stroke || moving) return;
  for (const one of event.getCoalescedEvents?.() ?? [event]) stroke.push(place(one));
  paint();
  changed(true);
});
for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => {
  if (!stroke || moving) return;
  stroke = null;
  changed();
});

const moves = { ArrowUp: [0, -STEP], ArrowDown: [0, STEP], ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0] };
canvas.addEventListener("keydown", (event) => {
  const move = moves[event.key];
  if (move) {
    cursor = cursor.map((value, at) => Math.min(SIDE, Math.max(0, value + move[at])));
    stroke?.push([...cursor]);
  } else if (event.key === " ") {
    stroke = stroke ? null : [[...cursor]];
    if (stroke) strokes.push(stroke);
  } else if (event.key === "Backspace") undo();
  else if (event.key === "Escape") clear();
  else return;
  event.preventDefault();
  moving = true;
  paint();
  if (strokes.length) changed();
});
canvas.addEventListener("focus", () => { if (canvas.matches(":focus-visible")) { moving = true; paint(); } });
canvas.addEventListener("blur", () => { moving = false; stroke = null; paint(); });

function undo() { strokes.pop(); stroke = null; paint(); changed(); }
function clear() { strokes = []; stroke = null; paint(); changed(); }
document.getElementById("undo").addEventListener("click", undo);
document.getElementById("clear").addEventListener("click", clear);
paint();
