/* The server's page: the server segments, this page shows.
 *
 * It talks to the server as any program does (docs/serve.md):
 *   GET  /v1/models                               {"models": [{"name", "network", "precision", "classes", "colours"}]}
 *   POST /v1/segment?model=NAME&output=classmap   a picture file -> a class map as PNG; a header Server-Timing
 *   WS   /v1/stream?model=NAME                    JPEG frames -> for each a class map as PNG, or a line of JSON with an error
 * A frame is sent when the last one is answered. A token, if the server asks for one, is kept until the tab is closed.
 */

import { App, say } from "./app.js";
import { decode } from "./png.js";

const QUALITY = 0.9; // of a camera's JPEG frames: what the network sees
const TOKEN = "streetseg token"; // its place in the tab's storage
const PROTOCOL = "bearer."; // of a WebSocket, before the token: a page cannot set its headers
const PATIENCE = 10_000; // ms for an answer to a camera's frame

class Backend {
  constructor(models) {
    this.models = models.map((model) => ({
      ...model,
      subject: [model.network, model.precision, `${model.classes.length} classes`].filter(Boolean).join(" · "),
    }));
    this.model = models[0].name;
    this.remark = "Computed by the server.";
    this.stream = null;
  }

  async use(name) {
    this.model = name;
    this.stream?.close();
    this.stream = null;
  }

  /** Send the file itself: the server decodes it as every other client's. */
  async segment(bitmap, file, live) {
    const start = performance.now();
    if (live) return this.film(bitmap, start);
    const answer = await ask(this.address("v1/segment", { output: "classmap" }), { method: "POST", body: file });
    const classmap = await decode(new Uint8Array(await answer.arrayBuffer()));
    return { bitmap, classmap, times: { total: performance.now() - start, ...timesOf(answer) } };
  }

  async film(bitmap, start) {
    this.stream ??= new Stream(this.address("v1/stream").replace(/^http/, "ws"));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
    try {
      const frame = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
      const answer = await this.stream.answerTo(frame);
      if (typeof answer === "string") {
        say(reasonOf(answer), true);
        bitmap.close();
        return null; // the next frame may do
      }
      const classmap = await decode(new Uint8Array(answer));
      return { bitmap, classmap, times: { total: performance.now() - start } };
    } catch (error) {
      this.stream.close();
      this.stream = null;
      throw error;
    }
  }

  address(path, options = {}) {
    const address = new URL(path, document.baseURI);
    for (const [name, value] of Object.entries({ model: this.model, ...options })) address.searchParams.set(name, value);
    return address.href;
  }
}

/** A WebSocket on which each frame gets one answer. */
class Stream {
  constructor(address) {
    try {
      this.socket = new WebSocket(address, token() ? [PROTOCOL + token()] : []);
    } catch {
      throw new Error("With a token of such characters, browsers give no stream: use letters, digits, - and _ only.");
    }
    this.socket.binaryType = "arraybuffer";
    this.opened = new Promise((resolve, reject) => {
      this.socket.onopen = resolve;
      this.socket.onclose = (event) => {
        const error = new Error(event.reason || "The server has closed the stream of frames. Start the camera again.");
        reject(error);
        this.refuse?.(error);
      };
    });
    this.opened.catch(() => {}); // told by whoever sends a frame
  }

  async answerTo(frame) {
    await this.opened;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error("The server does not answer. Start the camera again.")), PATIENCE);
      this.refuse = (error) => reject(error, clearTimeout(late));
      this.socket.onmessage = ({ data }) => resolve(data, clearTimeout(late));
      this.socket.send(frame);
    });
  }

  close() {
    this.socket.close();
  }
}

/** Return the server's answer; throw its own reason if it refuses. */
async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, { ...options, headers: token() ? { Authorization: `Bearer ${token()}` } : {} });
  } catch {
    throw new Error("The server cannot be reached. Is it still running?");
  }
  if (answer.ok) return answer;
  const wait = answer.headers.get("Retry-After");
  const reason = reasonOf(await answer.text()) || `${answer.status} ${answer.statusText}`;
  const error = new Error(wait ? `${reason}. Try again in ${wait} s.` : reason);
  throw Object.assign(error, { status: answer.status });
}

/** Return the reason in an answer: that of its JSON, or the text itself. */
function reasonOf(text) {
  try {
    return JSON.parse(text).error ?? text;
  } catch {
    return text;
  }
}

/** Return milliseconds by stage from the header Server-Timing. */
function timesOf(answer) {
  const entries = (answer.headers.get("Server-Timing") ?? "").split(",");
  const found = entries.map((entry) => entry.match(/^\s*([\w-]+)\s*;.*dur=([\d.]+)/)).filter(Boolean);
  return Object.fromEntries(found.map(([, stage, value]) => [`${stage.replace("-", " ")} on the server`, Number(value)]));
}

function token() {
  return sessionStorage.getItem(TOKEN) ?? "";
}

/** Return the server's models; ask the person for a token as long as the server asks for one. */
async function modelsHere() {
  for (;;) {
    try {
      return (await (await ask(new URL("v1/models", document.baseURI))).json()).models;
    } catch (error) {
      if (error.status !== 401) throw error;
      if (token()) say("The server does not take this token.", true);
      const [entry, field] = [document.getElementById("entry"), document.getElementById("token")];
      entry.hidden = false;
      field.focus();
      await new Promise((resolve) => {
        entry.onsubmit = (event) => resolve(event.preventDefault());
      });
      sessionStorage.setItem(TOKEN, field.value);
      entry.hidden = true;
    }
  }
}

async function start() {
  const models = await modelsHere();
  if (!models.length) throw new Error("The server has no model.");
  const app = new App(new Backend(models));
  globalThis.streetseg = app; // for the browser's console, and for tests
  document.getElementById("privacy").textContent = "Pictures go to this server and nowhere else.";
  say("Ready.");
  document.documentElement.dataset.state = "ready";
}

start().catch((error) => {
  say(error.message, true);
  document.documentElement.dataset.state = "failed";
});
