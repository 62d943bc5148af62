/* The picture with its overlay: shows a result, tells the class at a place, makes the downloads. */

import { Legend } from "./legend.js";
import { paint, percent, shares } from "./overlay.js";
import { encode } from "./png.js";

const element = (id) => document.getElementById(id);
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Viewer {
  constructor() {
    this.picture = element("picture");
    this.frame = element("frame").getContext("2d", { alpha: false });
    this.overlay = element("overlay").getContext("2d");
    this.legend = new Legend(element("legend"), () => this.paint());
    this.names = [];
    this.colours = [];
    this.classmap = null; // {data, width, height} of the picture that is shown
    this.place = null; // x, y that is pointed at, in pixels of the frame
    element("opacity").addEventListener("input", () => this.paint());
    this.picture.addEventListener("pointermove", (event) => this.pointAt(event));
    this.picture.addEventListener("pointerdown", (event) => this.pointAt(event));
    this.picture.addEventListener("pointerleave", () => this.point(null));
    this.picture.addEventListener("blur", () => this.point(null));
    this.picture.addEventListener("keydown", (event) => this.step(event));
  }

  /** Use other classes, and forget the last result. */
  setClasses(names, colours) {
    [this.names, this.colours, this.classmap] = [names, colours, null];
    this.legend.setClasses(names, colours);
    this.overlay.clearRect(0, 0, this.overlay.canvas.width, this.overlay.canvas.height);
    this.allowDownloads(false);
  }

  /** Show a picture, an ImageBitmap, without its classes yet. */
  showPicture(bitmap) {
    this.classmap = null;
    this.point(null);
    this.allowDownloads(false);
    this.draw(bitmap);
    this.overlay.clearRect(0, 0, bitmap.width, bitmap.height);
    this.picture.setAttribute("aria-label", "Picture, not segmented yet");
  }

  draw(bitmap) {
    for (const canvas of [this.frame.canvas, this.overlay.canvas]) {
      if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
        [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      }
    }
    this.frame.fillRect(0, 0, bitmap.width, bitmap.height); // black, where the picture is transparent
    this.frame.drawImage(bitmap, 0, 0);
    this.picture.style.setProperty("--aspect", bitmap.width / bitmap.height);
    this.picture.hidden = false;
    element("stage").classList.remove("empty");
    element("size").textContent = `${bitmap.width} × ${bitmap.height}`;
  }

  /** Show a picture with its class map {data, width, height}. */
  show(bitmap, classmap) {
    if (classmap.width !== bitmap.width || classmap.height !== bitmap.height) {
      throw new Error(`the class map is ${classmap.width} × ${classmap.height}, the picture is not`);
    }
    this.draw(bitmap);
    this.classmap = classmap;
    this.paint();
    const found = shares(classmap.data, this.names.length);
    this.legend.setShares(found);
    this.picture.setAttribute("aria-label", this.inWords(found));
    this.allowDownloads(true);
    if (this.place) this.point(this.place);
  }

  paint() {
    if (!this.classmap) return;
    const { width, height } = this.classmap;
    if (this.image?.width !== width || this.image?.height !== height) this.image = new ImageData(width, height);
    paint(this.image, this.classmap, this.colours, element("opacity").value / 100, this.legend.hidden);
    this.overlay.putImageData(this.image, 0, 0);
  }

  inWords(found) {
    const order = found.map((_, index) => index).sort((a, b) => found[b] - found[a]);
    const parts = order.filter((index) => found[index] > 0).slice(0, 5);
    return `Segmented picture: ${parts.map((index) => `${this.names[index]} ${percent(found[index])}`).join(", ")}`;
  }

  /** Tell the class under the pointer. */
  pointAt(event) {
    if (!this.classmap) return;
    const box = this.picture.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * this.classmap.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * this.classmap.height);
    this.point([x, y]);
  }

  /** Move the place that is pointed at by the arrow keys: a fiftieth of the picture, or with Shift one pixel. */
  step(event) {
    if (event.key === "Escape") this.point(null);
    if (!this.classmap || !STEPS[event.key]) return;
    event.preventDefault();
    const { width, height } = this.classmap;
    const far = event.shiftKey ? 1 : Math.max(1, Math.round(Math.max(width, height) / 50));
    const [x, y] = this.place ?? [width >> 1, height >> 1];
    const [right, down] = STEPS[event.key];
    this.point([x + right * far, y + down * far]);
  }

  /** Tell the class at a place, [x, y] in pixels of the frame; null: at none. */
  point(place) {
    const [mark, tip] = [element("mark"), element("tip")];
    mark.hidden = tip.hidden = !place;
    this.place = place;
    if (!place) {
      this.legend.point(-1);
      return;
    }
    const { data, width, height } = this.classmap;
    const x = Math.min(Math.max(place[0], 0), width - 1);
    const y = Math.min(Math.max(place[1], 0), height - 1);
    this.place = [x, y];
    const index = data[y * width + x];
    const swatch = document.createElement("i");
    swatch.style.background = `rgb(${(this.colours[index] ?? [0, 0, 0]).join(" ")})`;
    tip.replaceChildren(swatch, this.names[index] ?? "no class");
    const [left, top] = [(x + 0.5) / width, (y + 0.5) / height];
    for (const one of [mark, tip]) {
      one.style.left = `${100 * left}%`;
      one.style.top = `${100 * top}%`;
    }
    // The label stays inside the picture.
    const across = left < 0.12 ? "0" : left > 0.88 ? "-100%" : "-50%";
    tip.style.transform = `translate(${across}, ${top < 0.12 ? "14px" : "calc(-100% - 14px)"})`;
    this.legend.point(index);
  }

  allowDownloads(allowed) {
    for (const id of ["save-classes", "save-overlay"]) element(id).disabled = !allowed;
  }

  /** Return the class map as a palette PNG, a Blob; its values are the class indices. */
  classmapFile() {
    return encode(this.classmap, this.colours);
  }

  /** Return the picture with its overlay as a PNG, a Blob. */
  async overlayFile() {
    const canvas = new OffscreenCanvas(this.classmap.width, this.classmap.height);
    const context = canvas.getContext("2d", { alpha: false });
    context.drawImage(this.frame.canvas, 0, 0);
    context.drawImage(this.overlay.canvas, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }
}
