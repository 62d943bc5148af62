/* The page's life: a picture comes in, a backend segments it, the viewer shows it.
 *
 * A backend has
 *   models    [{name, title, classes, colours}], at least one
 *   remark    a line on what computes
 *   use(name) choose a model; a Promise
 *   segment(bitmap, file, live)
 *             -> {classmap: {data, width, height}, bitmap, times: {total, network, ...}}, milliseconds; a Promise.
 *             It may keep the bitmap for a while, and gives it back. file: the picture's file, null for a camera.
 */

import { Camera } from "./camera.js";
import { listen, openPicture } from "./inputs.js";
import { Viewer } from "./viewer.js";

const element = (id) => document.getElementById(id);
const RATE_OVER = 10; // frames

export class App {
  constructor(backend) {
    this.backend = backend;
    this.viewer = new Viewer();
    this.camera = new Camera();
    this.turn = 0; // counts what the person asked for: only the latest is shown
    this.file = null;
    this.used(backend.models[0]);
    const names = backend.models.map(({ name, title }) => new Option(title || name, name));
    element("model").replaceChildren(...names);
    element("model-choice").hidden = names.length < 2;
    element("model").addEventListener("change", () => this.attempt(() => this.choose(element("model").value)));
    element("camera").addEventListener("click", () => this.attempt(() => this.toggleCamera()));
    element("device").addEventListener("change", () => this.attempt(() => this.film(element("device").value)));
    element("save-classes").addEventListener("click", () => this.attempt(() => this.save("classes", this.viewer.classmapFile())));
    element("save-overlay").addEventListener("click", () => this.attempt(() => this.save("overlay", this.viewer.overlayFile())));
    listen((file) => this.attempt(() => this.open(file)), (reason) => say(reason, true));
  }

  /** Show a model's classes. */
  used(model) {
    this.viewer.setClasses(model.classes, model.colours);
    element("subject").textContent = model.subject ?? "";
    element("engine").textContent = this.backend.remark ?? "";
  }

  /** Run something; tell the person why it fails. */
  async attempt(action) {
    try {
      await action();
    } catch (error) {
      working(null);
      say(error.message, true);
    }
  }

  async choose(name) {
    await this.backend.use(name);
    this.used(this.backend.models.find((model) => model.name === name));
    if (this.file && !this.camera.running) await this.open(this.file);
  }

  /** Segment a picture file and show it. */
  async open(file) {
    this.stopCamera();
    const turn = ++this.turn;
    const bitmap = await openPicture(file);
    if (turn !== this.turn) return;
    this.file = file;
    this.viewer.showPicture(bitmap);
    working("endless");
    say("Segmenting …");
    const result = await this.backend.segment(bitmap, file, false);
    if (turn !== this.turn) return;
    this.shown(result);
    element("rate").textContent = "–";
    say(file.name ? `${file.name}: done.` : "Done.");
    working(null);
  }

  shown({ bitmap, classmap, times }) {
    this.viewer.show(bitmap, classmap);
    bitmap.close();
    element("time").textContent = milliseconds(times.total);
    element("time").title = Object.entries(times).map(([what, ms]) => `${what} ${milliseconds(ms)}`).join(", ");
    element("engine").textContent = this.backend.remark ?? "";
  }

  async toggleCamera() {
    if (this.camera.running) {
      this.stopCamera();
      say("The camera is off.");
    } else await this.film();
  }

  /** Segment what a camera sees, always its latest frame, until it is stopped. */
  async film(device = "") {
    this.stopCamera();
    const turn = ++this.turn;
    say("Starting the camera …");
    await this.camera.start(device);
    element("camera").setAttribute("aria-pressed", "true");
    element("camera").textContent = "Stop camera";
    await this.offerDevices();
    say("The camera is on. Press Stop camera to keep a frame.");
    const ends = [];
    try {
      while (this.camera.running && turn === this.turn) {
        const bitmap = await this.camera.next();
        if (!bitmap) continue;
        const result = await this.backend.segment(bitmap, null, true);
        if (turn !== this.turn || !this.camera.running) break;
        if (!result) continue; // the frame was left out
        this.shown(result);
        ends.push(performance.now());
        if (ends.length > RATE_OVER) ends.shift();
        if (ends.length > 1) {
          const rate = (1000 * (ends.length - 1)) / (ends[ends.length - 1] - ends[0]);
          element("rate").textContent = `${rate.toFixed(1)} / s`;
        }
      }
    } finally {
      if (turn === this.turn) this.stopCamera();
    }
  }

  stopCamera() {
    this.camera.stop();
    element("camera").setAttribute("aria-pressed", "false");
    element("camera").textContent = "Camera";
    element("device-choice").hidden = true;
  }

  async offerDevices() {
    const devices = await this.camera.devices();
    element("device").replaceChildren(...devices.map(({ id, label }) => new Option(label, id)));
    element("device").value = this.camera.current;
    element("device-choice").hidden = devices.length < 2;
  }

  /** Hand a file to the person. */
  async save(what, file) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await file);
    link.download = `${(this.file?.name ?? "frame").replace(/\.\w+$/, "")}_${what}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}

/** Show a message; bad: in the colour of errors. */
export function say(text, bad = false) {
  element("message").textContent = text;
  element("message").classList.toggle("bad", bad);
}

/** Show progress: a share from 0 to 1, "endless", or null for none. */
export function working(progress) {
  const bar = element("busy");
  bar.hidden = progress === null;
  bar.classList.toggle("endless", progress === "endless");
  if (typeof progress === "number") bar.firstElementChild.style.setProperty("--done", progress);
}

function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
