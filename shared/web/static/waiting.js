// Waits until an upload is judged, then shows its results.
"use strict";
const waiting = document.getElementById("waiting"), words = document.getElementById("how-far");

async function follow() {
  for (;;) {
    try {
      const answer = await fetch(`/api/uploads/${waiting.dataset.upload}?wait=1`);
      const status = await answer.json();
      if (!answer.ok || status.state === "done" || status.state === "failed") return location.reload();
      words.textContent = status.state === "waiting" ? "Waiting for a free worker" : status.done;
    } catch {
      words.textContent = "The server cannot be reached; trying again.";
      await new Promise((done) => setTimeout(done, 2000));
    }
  }
}
if (waiting) follow();
