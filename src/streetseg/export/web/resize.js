/* Resize and pad a frame for the network, as streetseg/runtime/segmenter.py does.
 *
 * A canvas reduces pictures by a filter of the browser's choice, and the network sees that. So this is Pillow's
 * bilinear filter in its own fixed-point arithmetic: the same bytes as `Image.resize(..., BILINEAR)`.
 */

const PRECISION = 22; // bits after the point of a filter's coefficients: 32 less 8 of a pixel and 2 of room
const HALF = 1 << (PRECISION - 1);

/**
 * Return the sizes of a frame on its way through the network: {content, padded}, each {height, width} in pixels.
 *
 * The short side is reduced to the card's, never enlarged, and then scaled by the card's operating scale.
 */
export function sizesOf(frame, card) {
  const short = Math.min(frame.height, frame.width);
  const ratio = Math.min(1, card.native_short_side / short) * card.operating_scale;
  const content = {
    height: Math.max(1, roundHalfEven(frame.height * ratio)),
    width: Math.max(1, roundHalfEven(frame.width * ratio)),
  };
  const multiple = card.size_multiple;
  const padded = {
    height: Math.ceil(content.height / multiple) * multiple,
    width: Math.ceil(content.width / multiple) * multiple,
  };
  return { content, padded };
}

/** Return a frame as the network takes it: height x width x 3 bytes RGB of `padded`. rgba: the frame's own pixels. */
export function prepare(rgba, frame, content, padded) {
  const reduced = resize({ data: withoutAlpha(rgba), ...frame }, content);
  return pad(reduced, padded);
}

/** Resize RGB pixels {data, height, width}, bilinear, antialiased where they are reduced. */
export function resize(picture, size) {
  const across = size.width === picture.width ? picture : alongRows(picture, size.width);
  return size.height === across.height ? across : alongColumns(across, size.height);
}

function alongRows({ data, height, width }, length) {
  const filter = coefficients(width, length);
  const out = new Uint8Array(height * length * 3);
  for (let y = 0, at = 0; y < height; y++) {
    const line = y * width * 3;
    for (let x = 0; x < length; x++, at += 3) {
      let red = HALF, green = HALF, blue = HALF;
      let from = line + filter.first[x] * 3;
      for (let k = filter.start[x]; k < filter.start[x + 1]; k++, from += 3) {
        const factor = filter.factor[k];
        red += data[from] * factor;
        green += data[from + 1] * factor;
        blue += data[from + 2] * factor;
      }
      out[at] = red >> PRECISION;
      out[at + 1] = green >> PRECISION;
      out[at + 2] = blue >> PRECISION;
    }
  }
  return { data: out, height, width: length };
}

function alongColumns({ data, height, width }, length) {
  const filter = coefficients(height, length);
  const line = width * 3;
  const out = new Uint8Array(length * line);
  const sums = new Int32Array(line);
  for (let y = 0; y < length; y++) {
    sums.fill(HALF);
    let from = filter.first[y] * line;
    for (let k = filter.start[y]; k < filter.start[y + 1]; k++, from += line) {
      const factor = filter.factor[k];
      for (let i = 0; i < line; i++) sums[i] += data[from + i] * factor;
    }
    for (let i = 0, at = y * line; i < line; i++, at++) out[at] = sums[i] >> PRECISION;
  }
  return { data: out, height: length, width };
}

/** Return the pixels that each new pixel is made of: its first one, and factors from start[x] to start[x + 1]. */
function coefficients(length, wanted) {
  const scale = length / wanted;
  const support = Math.max(scale, 1); // of a triangle, in old pixels
  const first = new Int32Array(wanted);
  const start = new Int32Array(wanted + 1);
  const factor = [];
  for (let x = 0; x < wanted; x++) {
    const centre = (x + 0.5) * scale;
    const from = Math.max(Math.trunc(centre - support + 0.5), 0);
    const to = Math.min(Math.trunc(centre + support + 0.5), length);
    const weights = [];
    let sum = 0;
    for (let i = from; i < to; i++) {
      const distance = Math.abs((i - centre + 0.5) * (1 / support));
      weights.push(distance < 1 ? 1 - distance : 0);
      sum += weights[weights.length - 1];
    }
    for (const weight of weights) factor.push(Math.trunc(0.5 + (weight * (1 / sum)) * (1 << PRECISION)));
    first[x] = from;
    start[x + 1] = factor.length;
  }
  return { first, start, factor: Int32Array.from(factor) };
}

/** Repeat the right and the bottom edge up to a size; return the pixels. */
function pad({ data, height, width }, size) {
  if (size.height === height && size.width === width) return data;
  const line = size.width * 3;
  const out = new Uint8Array(size.height * line);
  for (let y = 0; y < size.height; y++) {
    if (y >= height) {
      out.copyWithin(y * line, (height - 1) * line, height * line);
      continue;
    }
    out.set(data.subarray(y * width * 3, (y + 1) * width * 3), y * line);
    const end = (y * size.width + width) * 3;
    for (let i = end; i < (y + 1) * line; i++) out[i] = out[i - 3];
  }
  return out;
}

function withoutAlpha(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from];
    rgb[to + 1] = rgba[from + 1];
    rgb[to + 2] = rgba[from + 2];
  }
  return rgb;
}

/** Round as Python does: a half goes to the even number. */
function roundHalfEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
