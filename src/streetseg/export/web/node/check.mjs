/* Run the page's engine in node on frames from the standard input: a line of JSON each, and one back. */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const place = (name) => pathToFileURL(`${folder}/${name}`).href;
const { BUILDS, openEngine, unpacked } = await import(place("page/engine.js"));
const { script, binary } = BUILDS.wasm;
const runtime = await import(place(`runtime/${script}`));
const card = JSON.parse(readFileSync(`${folder}/model/card.json`));
const artefact = new Uint8Array(readFileSync(`${folder}/model/model.onnx`));
const wasm = await unpacked(new Uint8Array(readFileSync(`${folder}/runtime/${binary}`)));
const engine = await openEngine(runtime, wasm, artefact, card, "wasm", 1);
for await (const line of createInterface({ input: process.stdin })) {
  const { height, width, pixels } = JSON.parse(line);
  const { data, ...shape } = await engine.logits(new Uint8Array(Buffer.from(pixels, "base64")), { height, width });
  const logits = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
  process.stdout.write(`${JSON.stringify({ ...shape, logits })}\n`);
}
