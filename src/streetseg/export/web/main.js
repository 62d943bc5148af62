/* The exported page: the network runs in this browser. Pictures never leave the device.
 *
 * `?engine=wasm` or `?engine=webgpu` chooses what computes, `?threads=N` the number of CPU threads.
 */

import { App, say, working } from "./app.js";

const NAMES = { webgpu: "graphics processor (WebGPU)", wasm: "CPU" };
const MOST_THREADS = 8; // more wait for each other on frames of these sizes

class Backend {
  constructor(card) {
    this.card = card;
    this.title = card.title || card.network;
    this.models = [
      { name: this.title, title: this.title, classes: card.classes, colours: card.colours, subject: subjectOf(card) },
    ];
    this.remark = "";
    this.asked = new Map();
    this.count = 0;
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.answered(data);
    this.worker.onerror = (event) => this.failed(event.message);
    this.ready = this.open();
    this.ready.catch(() => {}); // told by whoever waits for it
  }

  async use() {}

  async open() {
    const options = new URLSearchParams(location.search);
    const threads = crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
    const wanted = Math.max(1, Number(options.get("threads")) || threads);
    const providers = NAMES[options.get("engine")] ? [options.get("engine")] : await providersHere(this.card);
    const base = new URL("..", import.meta.url).href;
    const { provider } = await this.ask("open", {
      card: this.card,
      artefact: `${base}model/model.onnx`,
      runtime: `${base}runtime/`,
      providers,
      threads: crossOriginIsolated ? wanted : 1,
    });
    const alone = crossOriginIsolated ? "" : ": this server's headers allow no more";
    const count = crossOriginIsolated ? wanted : 1;
    const beside = provider === "wasm" ? `, ${count} thread${count > 1 ? "s" : ""}${alone}` : "";
    this.remark = `Computed on this device's ${NAMES[provider]}${beside}.`;
  }

  async segment(bitmap) {
    await this.ready;
    return this.ask("segment", { bitmap }, [bitmap]);
  }

  /** Send the worker a request; return a Promise of its result. */
  ask(kind, values, transfer = []) {
    return new Promise((resolve, reject) => {
      const id = ++this.count;
      this.asked.set(id, { resolve, reject });
      this.worker.postMessage({ id, kind, ...values }, transfer);
    });
  }

  answered({ id, result, error, progress }) {
    if (progress) {
      this.loading?.(progress);
      return;
    }
    const { resolve, reject } = this.asked.get(id);
    this.asked.delete(id);
    if (error) reject(new Error(error));
    else resolve(result);
  }

  failed(message) {
    for (const { reject } of this.asked.values()) reject(new Error(`The worker failed: ${message}`));
    this.asked.clear();
  }
}

/** Return what can compute in this browser, the fastest first. */
async function providersHere(card) {
  // The WebGPU build needs JavaScript Promise Integration; int8 is what CPUs are fast at.
  const able = "gpu" in navigator && "Suspending" in WebAssembly && card.precision !== "int8";
  const adapter = able && (await navigator.gpu.requestAdapter().catch(() => null));
  const inSoftware = adapter?.info?.isFallbackAdapter ?? adapter?.isFallbackAdapter;
  return adapter && !inSoftware ? ["webgpu", "wasm"] : ["wasm"];
}

function subjectOf(card) {
  return [card.network, card.precision, `${card.classes.length} classes`].join(" · ");
}

async function start() {
  working("endless");
  const answer = await fetch(new URL("../model/card.json", import.meta.url));
  if (!answer.ok) throw new Error("The page's folder is incomplete: model/card.json cannot be loaded.");
  const backend = new Backend(await answer.json());
  const app = new App(backend);
  globalThis.streetseg = app; // for the browser's console, and for tests
  document.title = `${backend.title} · streetseg`;
  document.getElementById("privacy").textContent = "Pictures stay on this device.";
  backend.loading = ({ what, loaded, size }) => {
    say(`Loading the ${what}: ${(loaded / 1e6).toFixed(1)} MB`);
    working(size >= loaded ? loaded / size : "endless");
  };
  await backend.ready;
  app.used(backend.models[0]);
  if (!app.file) {
    say("Ready.");
    working(null);
  }
  document.documentElement.dataset.state = "ready";
}

start().catch((error) => {
  working(null);
  say(error.message, true);
  document.documentElement.dataset.state = "failed";
});
