// Shows the slices of one item: fetched as 16-bit grey, windowed here, with the attribution map over them.
"use strict";
const viewer = document.querySelector(".viewer");
const csrf = document.querySelector("meta[name=csrf]").content;

if (viewer) {
  const view = JSON.parse(viewer.dataset.view), judged = JSON.parse(viewer.dataset.slices);
  const item = `/api/uploads/${viewer.dataset.upload}/items/${viewer.dataset.item}`;
  const strangeFrom = viewer.dataset.strange === "" ? Infinity : Number(viewer.dataset.strange);
  const element = (id) => document.getElementById(id);
  const screen = viewer.querySelector(".screen"), grey = element("grey"), over = element("over");
  const slider = element("slice"), level = element("level"), width = element("width"), opacity = element("opacity");
  const FULL = 65535, WIDEST = 2 * FULL, KEPT = 64, AHEAD = 3, FOR = [255, 140, 0], AGAINST = [86, 180, 233];
  const unit = (value) => view.low + value / FULL * (view.high - view.low);
  const code = (value) => (value - view.low) / Math.max(view.high - view.low, 1e-12) * FULL;
  const presets = [...viewer.querySelectorAll(".window")], frame = element("frame");
  const seen = element("seen"), crop = element("crop"), showInput = element("show-input");
  let number = Number(viewer.dataset.start), middle, span;
  const slices = new Map(), inputs = new Map(), maps = new Map();
  let drawing = false, turned = 0;

  for (const canvas of [grey, over]) { canvas.width = view.columns; canvas.height = view.rows; }

  function fit() {  // the largest size of the right shape that the screen holds
    const box = screen.getBoundingClientRect();
    const factor = Math.min(box.width / view.columns, box.height / view.rows);
    frame.style.width = `${view.columns * factor}px`;
    frame.style.height = `${view.rows * factor}px`;
  }

  function fetched(kept, kind, wanted) {  // a promise of its bytes; the latest ones are kept
    if (!kept.has(wanted)) {
      if (kept.size >= KEPT) kept.delete(kept.keys().next().value);
      kept.set(wanted, fetch(`${item}/${kind}/${wanted}`).then((answer) => {
        if (!answer.ok) throw new Error(answer.status);
        return answer.arrayBuffer();
      }));
      kept.get(wanted).catch(() => kept.delete(wanted));
    }
    return kept.get(wanted);
  }
  const slice = async (wanted) => new Uint16Array(await fetched(slices, "slices", wanted));

  async function draw() {
    const wanted = number;
    let pixels;
    try {
      pixels = await slice(wanted);
    } catch {
      element("where").textContent = "This slice is gone: the upload was deleted.";
      return;
    }
    if (wanted !== number) return;
    const picture = new ImageData(view.columns, view.rows), low = middle - span / 2, scale = 255 / span;
    for (let at = 0, to = 0; at < pixels.length; at++, to += 4) {
      const value = (pixels[at] - low) * scale;  // a clamped array cuts it to 0..255
      picture.data[to] = picture.data[to + 1] = picture.data[to + 2] = value;
      picture.data[to + 3] = 255;
    }
    grey.getContext("2d").putImageData(picture, 0, 0);
    grey.dataset.slice = wanted;
    for (let ahead = 1; ahead <= AHEAD; ahead++) for (const near of [wanted + ahead, wanted - ahead]) if (near >= 1 && near <= view.slices) slice(near).catch(() => {});
  }

  async function drawInput() {  // what the network saw, and from which square of the slice
    if (!seen) return;
    seen.hidden = crop.hidden = !showInput.checked;
    if (!showInput.checked) return;
    const wanted = number, { top, left, side } = view.crops[number - 1];
    const place = { top: top / view.rows, left: left / view.columns, width: side / view.columns, height: side / view.rows };
    for (const [name, share] of Object.entries(place)) crop.style[name] = `${100 * share}%`;
    let pixels;
    try {
      pixels = new Uint8Array(await fetched(inputs, "inputs", wanted));
    } catch {
      return;  // the slice, which is gone as well, says so
    }
    if (wanted !== number) return;
    const picture = new ImageData(view.input_size, view.input_size);
    pixels.forEach((value, at) => picture.data.set([value, value, value, 255], 4 * at));
    seen.getContext("2d").putImageData(picture, 0, 0);
    seen.dataset.slice = wanted;
  }

  function redraw() {  // at most once a frame, however fast the pointer is
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => { drawing = false; draw(); });
  }

  function lay() {
    const found = maps.get(number), pen = over.getContext("2d");
    pen.clearRect(0, 0, view.columns, view.rows);
    const box = element("explained");
    if (box) box.hidden = !found;
    const button = element("explain");
    if (button) button.hidden = Boolean(found);
    if (!found) return;
    const layer = new ImageData(view.columns, view.rows), most = opacity.value / 100;
    found.values.forEach((value, at) => {
      const colour = value > 0 ? FOR : AGAINST;
      layer.data.set([...colour, 255 * most * Math.abs(value) / 127], 4 * at);
    });
    pen.putImageData(layer, 0, 0);
    over.dataset.slice = number;
    element("towards").textContent = found.facts.label;
    const verdict = element("verdict"), { believable, faults, status } = found.facts;
    verdict.textContent = believable ? "This map passed its checks." : `Not reliable: ${faults.join("; ")}.`;
    if (status !== "assessed") verdict.textContent += ` The input was ${status}, so the map is no finding.`;
    verdict.className = believable && status === "assessed" ? "good" : "fault";
  }

  function showPlace() {
    const one = judged[number - 1];
    const said = one && (one.decision ?? "raw, not to be relied on");
    const verdict = one ? `, ${one.tumour_probability.toFixed(2)} ${said}${one.ood_score > strangeFrom ? ", unlike the training images" : ""}` : "";
    element("where").textContent = `Slice ${number} of ${view.slices}${verdict}`;
    element("place").textContent = number <= view.positions.length ? `at ${view.positions[number - 1].toFixed(1).replace("-", "−")} mm` : "";
  }

  function showWindow() {
    const digits = view.high - view.low > 20 ? 0 : 3;
    element("windowed").textContent = `W ${((span / FULL) * (view.high - view.low)).toFixed(digits)} L ${unit(middle).toFixed(digits)}`;
    level.value = 1000 * middle / FULL;
    width.value = 1000 * span / FULL;
    const words = (value) => value.toFixed(digits);
    level.setAttribute("aria-valuetext", words(unit(middle)));
    width.setAttribute("aria-valuetext", words(unit(span) - view.low));
  }

  function go(to) {
    number = Math.min(view.slices, Math.max(1, to));
    if (slider) slider.value = number;
    showPlace();
    mark();
    redraw();
    drawInput();
    lay();
  }

  function windowTo(newMiddle, newSpan, preset) {
    middle = Math.min(FULL, Math.max(0, newMiddle));
    span = Math.min(WIDEST, Math.max(FULL / 1000, newSpan));
    for (const button of presets) button.setAttribute("aria-pressed", button.dataset.window === preset);
    showWindow();
    redraw();
  }

  function windowAs(preset) {
    const [low, high] = view.windows[preset].map(code);
    windowTo((low + high) / 2, high - low, preset);
  }
  const reset = () => windowAs("opened");

  const strip = element("strip");
  let now = null;
  function drawStrip() {
    if (!strip) return;
    const make = (name, given) => {
      const one = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(given)) one.setAttribute(key, value);
      return strip.appendChild(one);
    };
    strip.setAttribute("viewBox", `0 0 ${judged.length} 1`);
    judged.forEach((one, at) => {
      const tall = Math.max(0.02, one.tumour_probability), strange = one.ood_score > strangeFrom ? " strange" : "";
      make("rect", { x: at + 0.08, y: 1 - tall, width: 0.84, height: tall, class: (one.decision ?? "raw") + strange });
    });
    now = make("rect", { y: 0, width: 1, height: 1, class: "now" });
    const pick = (event) => {
      const box = strip.getBoundingClientRect();
      go(1 + Math.floor((event.clientX - box.left) / box.width * judged.length));
    };
    strip.addEventListener("pointerdown", (event) => { strip.setPointerCapture(event.pointerId); pick(event); });
    strip.addEventListener("pointermove", (event) => { if (event.buttons) pick(event); });
  }
  const mark = () => now?.setAttribute("x", number - 1);

  screen.addEventListener("wheel", (event) => {
    event.preventDefault();
    turned += event.deltaY * (event.deltaMode ? 40 : 1);  // touchpads send many small steps
    const steps = Math.trunc(turned / 40);
    turned -= 40 * steps;
    if (steps) go(number + steps);
  }, { passive: false });
  let held = null;
  screen.addEventListener("pointerdown", (event) => {
    screen.setPointerCapture(event.pointerId);
    held = { x: event.clientX, y: event.clientY, middle, span };
  });
  screen.addEventListener("pointermove", (event) => {
    if (!held) return;
    const box = screen.getBoundingClientRect();
    windowTo(held.middle - (event.clientY - held.y) / box.height * held.span * 2, held.span * 4 ** ((event.clientX - held.x) / box.width * 2));
  });
  for (const kind of ["pointerup", "pointercancel"]) screen.addEventListener(kind, () => { held = null; });
  const keys = {
    ArrowUp: () => go(number - 1), ArrowDown: () => go(number + 1), ArrowLeft: () => go(number - 1), ArrowRight: () => go(number + 1),
    PageUp: () => go(number - 10), PageDown: () => go(number + 10), Home: () => go(1), End: () => go(view.slices),
    "+": () => windowTo(middle, span * 1.1), "-": () => windowTo(middle, span / 1.1), w: () => windowTo(middle + span / 20, span), s: () => windowTo(middle - span / 20, span), r: reset,
    i: () => showInput?.click(),
  };
  screen.addEventListener("keydown", (event) => {
    const does = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (does) { event.preventDefault(); does(); }
  });
  slider?.addEventListener("input", () => go(Number(slider.value)));
  level.addEventListener("input", () => windowTo(level.value / 1000 * FULL, span));
  width.addEventListener("input", () => windowTo(middle, width.value / 1000 * FULL));
  opacity?.addEventListener("input", lay);
  for (const button of presets) button.addEventListener("click", () => windowAs(button.dataset.window));
  showInput?.addEventListener("input", drawInput);
  for (const button of document.querySelectorAll(".go")) button.addEventListener("click", () => go(Number(button.dataset.slice)));
  new ResizeObserver(fit).observe(screen);

  async function explain() {
    const button = element("explain"), status = element("explaining"), asked = number;
    button.disabled = true;
    try {
      const answer = await fetch(`${item}/slices/${asked}/explanation`, { method: "POST", headers: { "X-CSRF-Token": csrf } });
      if (!answer.ok) throw new Error((await answer.json()).detail);
      let rest = "";
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        for (const line of lines.map((one) => JSON.parse(one))) {
          if (line.progress) status.textContent = `Slice ${asked}: ${line.progress} …`;
          if (line.fault) throw new Error(`slice ${asked} ${line.fault}`);
          if (line.result) await take(asked, line.result);
        }
      }
      status.textContent = "";
    } catch (error) {
      status.textContent = `Not explained: ${error.message}`;
    }
    button.disabled = false;
    lay();
  }

  async function take(asked, facts) {
    const answer = await fetch(`${item}/maps/${asked}`);
    if (!answer.ok) throw new Error("the map is gone: the upload was deleted");
    maps.set(asked, { facts, values: new Int8Array(await answer.arrayBuffer()) });
  }
  element("explain")?.addEventListener("click", explain);

  drawStrip();
  fit();
  reset();
  if (showInput) showInput.checked = matchMedia("(min-width: 40rem)").matches;  // on a phone it would cover the picture
  go(number);
}

document.getElementById("dicom")?.addEventListener("click", async (event) => {
  const { upload, item } = event.currentTarget.dataset, taken = document.getElementById("taken");
  taken.textContent = "Making the DICOM objects …";
  try {
    const answer = await fetch(`/api/uploads/${upload}/items/${item}/dicom.zip`);
    if (!answer.ok) throw new Error((await answer.json()).detail);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = "medtl-results.zip";
    link.click();
    taken.textContent = "Saved as medtl-results.zip.";
  } catch (error) {
    taken.textContent = `Not made: ${error.message}.`;
  }
});

document.getElementById("delete").addEventListener("click", async (event) => {
  await fetch(`/api/uploads/${event.currentTarget.dataset.upload}`, { method: "DELETE", headers: { "X-CSRF-Token": csrf } });
  location.assign("/");
});
