/* The way of a frame, apart from the page so that the page never stalls: resize, network, class map. */

import { classMap } from "./classmap.js";
import { BUILDS, openEngine, unpacked } from "./engine.js";
import { prepare, sizesOf } from "./resize.js";

let engine = null;
let card = null;
let canvas = null;

const KINDS = { open, segment };

onmessage = async ({ data: { id, kind, ...values } }) => {
  try {
    const { transfer = [], ...result } = await KINDS[kind](values);
    postMessage({ id, result }, transfer);
  } catch (error) {
    postMessage({ id, error: error.message || String(error) });
  }
};

/** Download and open the artefact with the best provider that this browser has. */
async function open({ card: ofArtefact, artefact, runtime, providers, threads }) {
  card = ofArtefact;
  const model = await download(artefact, "model");
  const refusals = [];
  for (const provider of providers) {
    try {
      const { script, binary } = BUILDS[provider];
      const [ort, wasm] = await Promise.all([import(runtime + script), download(runtime + binary, "runtime")]);
      engine = await openEngine(ort, await unpacked(wasm), model, card, provider, provider === "wasm" ? threads : 1);
      await warmUp();
      return { provider, refusals };
    } catch (error) {
      refusals.push(`${provider}: ${error.message || error}`);
    }
  }
  throw new Error(`The network does not start here. ${refusals.join("; ")}`);
}

/** Run a small frame: some providers fail only then, and the first run compiles. */
async function warmUp() {
  const side = card.size_multiple * 2;
  const { data } = await engine.logits(new Uint8Array(side * side * 3), { height: side, width: side });
  if (!data.every(Number.isFinite)) throw new Error("it puts out no numbers");
}

/** Segment an ImageBitmap. */
async function segment({ bitmap }) {
  const frame = { height: bitmap.height, width: bitmap.width };
  const start = performance.now();
  const pixels = pixelsOf(bitmap);
  const { content, padded } = sizesOf(frame, card);
  const input = prepare(pixels, frame, content, padded);
  const prepared = performance.now();
  const logits = await engine.logits(input, padded);
  const ran = performance.now();
  const data = classMap(logits, frame, content, padded, card.align_corners);
  const done = performance.now();
  const times = { total: done - start, resize: prepared - start, network: ran - prepared, "class map": done - ran };
  return { bitmap, classmap: { data, ...frame }, times, transfer: [bitmap, data.buffer] };
}

/** Return the pixels of an ImageBitmap, RGBA; transparent ones are black. */
function pixelsOf(bitmap) {
  canvas ??= new OffscreenCanvas(1, 1);
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  }
  try {
    const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    context.fillRect(0, 0, bitmap.width, bitmap.height);
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
  } catch {
    throw new Error(`${bitmap.width} × ${bitmap.height} pixels are too many for this browser. Open a smaller picture.`);
  }
}

/** Return a file's bytes; tell the page how far it is. */
async function download(address, what) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address} cannot be loaded: ${answer.status} ${answer.statusText}`);
  const size = Number(answer.headers.get("Content-Length"));
  const parts = [];
  let loaded = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    loaded += value.length;
    postMessage({ progress: { what, loaded, size } });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
