/* Class maps as PNG files: a pixel's value is its class index. A browser's own decoder gives only colours. */

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const GREY = 0;
const PALETTE = 3;

/** Return a class map {data, width, height} as the bytes of a palette PNG; a Promise. */
export async function encode({ data, width, height }, colours) {
  const lines = new Uint8Array(height * (width + 1)); // each line begins with its filter, 0: none
  for (let y = 0; y < height; y++) lines.set(data.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set([8, PALETTE, 0, 0, 0], 8);
  const palette = new Uint8Array(256 * 3);
  colours.forEach((colour, index) => palette.set(colour, index * 3));
  return new Blob(
    [
      new Uint8Array(SIGNATURE),
      chunk("IHDR", header),
      chunk("PLTE", palette),
      chunk("IDAT", await through(lines, new CompressionStream("deflate"))),
      chunk("IEND", new Uint8Array(0)),
    ],
    { type: "image/png" },
  );
}

/** Return the class map {data, width, height} of a PNG of 8 bits, grey or with a palette; a Promise. */
export async function decode(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (SIGNATURE.some((value, at) => bytes[at] !== value)) throw new Error("the class map is not a PNG");
  const packed = [];
  let header = null;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind === "IHDR") header = at + 8;
    if (kind === "IDAT") packed.push(bytes.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  const [width, height] = [view.getUint32(header), view.getUint32(header + 4)];
  const [depth, kind, , , interlaced] = bytes.subarray(header + 8, header + 13);
  if (depth !== 8 || (kind !== GREY && kind !== PALETTE) || interlaced) {
    throw new Error("the class map is no PNG of 8 bits with one channel");
  }
  const lines = await through(new Blob(packed), new DecompressionStream("deflate"));
  return { data: unfilter(lines, width, height), width, height };
}

/** Undo the filters of the lines of one byte a pixel. */
function unfilter(lines, width, height) {
  const out = new Uint8Array(width * height);
  const nothing = new Uint8Array(width);
  for (let y = 0; y < height; y++) {
    const from = y * (width + 1);
    const line = lines.subarray(from + 1, from + 1 + width);
    const here = out.subarray(y * width, (y + 1) * width);
    const above = y > 0 ? out.subarray((y - 1) * width, y * width) : nothing;
    here.set(line);
    if (lines[from] === 1) for (let x = 1; x < width; x++) here[x] += here[x - 1];
    else if (lines[from] === 2) for (let x = 0; x < width; x++) here[x] += above[x];
    else if (lines[from] === 3) for (let x = 0; x < width; x++) here[x] += ((x > 0 ? here[x - 1] : 0) + above[x]) >> 1;
    else if (lines[from] === 4) {
      for (let x = 0; x < width; x++) here[x] += x > 0 ? paeth(here[x - 1], above[x], above[x - 1]) : above[x];
    }
  }
  return out;
}

function paeth(left, above, corner) {
  const sum = left + above - corner;
  const [a, b, c] = [Math.abs(sum - left), Math.abs(sum - above), Math.abs(sum - corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}

function chunk(kind, content) {
  const out = new Uint8Array(content.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, content.length);
  out.set([...kind].map((letter) => letter.charCodeAt(0)), 4);
  out.set(content, 8);
  view.setUint32(content.length + 8, checksum(out.subarray(4, content.length + 8)));
  return out;
}

/** Return the CRC-32 of bytes. */
function checksum(bytes) {
  let sum = -1;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}

const TABLE = Int32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/** Return what bytes become in a stream that packs or unpacks them. */
export async function through(bytes, stream) {
  const packed = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(packed).arrayBuffer());
}
