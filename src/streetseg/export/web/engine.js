/* The network in ONNX Runtime: from a prepared frame to its logits. Runs in a worker, and in node for a check. */

// A build of the runtime for each provider; the WebAssembly is packed and passed in.
export const BUILDS = {
  webgpu: { script: "ort.jspi.bundle.min.mjs", binary: "ort-wasm-simd-threaded.jspi.wasm.gz" },
  wasm: { script: "ort.wasm.bundle.min.mjs", binary: "ort-wasm-simd-threaded.wasm.gz" },
};

/**
 * Open an artefact; a Promise of an Engine.
 *
 * runtime: the module of ONNX Runtime. binary: its WebAssembly. provider: "webgpu" or "wasm".
 */
export async function openEngine(runtime, binary, artefact, card, provider, threads) {
  runtime.env.logLevel = "error";
  runtime.env.wasm.wasmBinary = binary;
  runtime.env.wasm.numThreads = threads;
  const session = await runtime.InferenceSession.create(artefact, {
    executionProviders: [provider],
    graphOptimizationLevel: "all",
  });
  return new Engine(runtime, session, card);
}

class Engine {
  constructor(runtime, session, card) {
    [this.runtime, this.session, this.card] = [runtime, session, card];
  }

  /** Return the logits {data, height, width, classes} of a prepared frame: bytes RGB of {height, width}. */
  async logits(pixels, { height, width }) {
    const frame = new this.runtime.Tensor("uint8", pixels, [1, height, width, 3]);
    const { logits } = await this.session.run({ frame });
    const [, rows, columns, classes] = logits.dims;
    const stride = this.card.output_stride;
    const expected = [Math.ceil(height / stride), Math.ceil(width / stride), this.card.classes.length];
    if (String([rows, columns, classes]) !== String(expected)) {
      throw new Error(`The artefact disagrees with its card: logits of ${logits.dims}. Export it again.`);
    }
    return { data: logits.data, height: rows, width: columns, classes };
  }
}

/** Return packed bytes unpacked, whether or not the server, or the browser, unpacked them on the way. */
export async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
