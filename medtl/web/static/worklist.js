// Opens a series of the worklist in the viewer.
"use strict";
const fault = document.getElementById("worklist-fault");
for (const button of document.querySelectorAll(".look")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    const headers = {"X-CSRF-Token": document.querySelector("meta[name=csrf]").content};
    try {
      const answer = await fetch(`/api/worklist/${button.dataset.series}`, {method: "POST", headers});
      const status = await answer.json();
      if (answer.ok) return location.assign(`/uploads/${status.id}`);
      fault.textContent = `Not opened: ${status.detail}.`;
    } catch {
      fault.textContent = "The server cannot be reached.";
    }
    fault.hidden = false;
    button.disabled = false;
  });
}
