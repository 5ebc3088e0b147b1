// Uploads dropped, chosen or pasted files with their names below the dropped folder.
"use strict";
const form = document.getElementById("drop");
const csrf = document.querySelector("meta[name=csrf]").content;
const sending = document.getElementById("sending"), sent = document.getElementById("sent"), fault = document.getElementById("drop-fault");
let request = null;

function showFault(words) {
  fault.textContent = words;
  fault.hidden = !words;
}

function send(files) {
  if (!files.length || request) return;
  showFault("");
  const body = new FormData();
  const kind = form.querySelector("input[name=kind]:checked");
  if (kind) body.append("kind", kind.value);
  for (const [file, name] of files) body.append("files", file, name);
  request = new XMLHttpRequest();
  request.open("POST", "/api/uploads");
  request.setRequestHeader("X-CSRF-Token", csrf);
  request.responseType = "json";
  request.upload.onprogress = (event) => { if (event.lengthComputable) sent.value = event.loaded / event.total; };
  request.onload = () => {
    if (request.status === 202) location.assign(`/uploads/${request.response.id}`);
    else ended(`Not accepted: ${request.response?.detail ?? `the server answered ${request.status}`}.`);
  };
  request.onerror = () => ended("The server cannot be reached, or the connection broke.");
  request.onabort = () => ended("");
  sent.value = 0;
  sending.hidden = false;
  request.send(body);
}

function ended(words) {
  request = null;
  sending.hidden = true;
  showFault(words);
}

async function entries(entry) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    return [[file, entry.fullPath.replace(/^\//, "")]];
  }
  const reader = entry.createReader(), found = [];
  for (;;) {  // a reader gives at most 100 entries at a time
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break;
    for (const one of some) found.push(...await entries(one));
  }
  return found;
}

async function dropped(transfer) {
  const held = [...transfer.items].filter((item) => item.kind === "file");
  const roots = held.map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!roots.length) return [...transfer.files].map((file) => [file, file.name]);
  return (await Promise.all(roots.map(entries))).flat();
}

const named = (files) => [...files].map((file) => [file, file.webkitRelativePath || file.name]);
for (const id of ["choose-files", "choose-folder"]) {
  const input = document.getElementById(id);
  input?.addEventListener("change", () => { send(named(input.files)); input.value = ""; });
}
document.getElementById("stop-sending").addEventListener("click", () => request?.abort());
form.addEventListener("submit", (event) => event.preventDefault());
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); form.classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) form.classList.remove("over"); });
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  form.classList.remove("over");
  try { send(await dropped(event.dataTransfer)); } catch { showFault("The dropped files cannot be read."); }
});
document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) { event.preventDefault(); send(files.map((file) => [file, file.name])); }
});
