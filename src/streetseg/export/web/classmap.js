/* Exact lazy upsampling: from logits at the network's output stride to the class map at the frame's size.
 *
 * The same arithmetic as streetseg/runtime/classmap.py, in float32, in the same order: on the same logits both give
 * the same class map. Where the four logits around a pixel have one argmax, the pixel has that class. Only the other
 * cells are interpolated. Equal values take the lowest index.
 */

const float32 = Math.fround;

/**
 * Return the class map of a frame: Uint8Array, height x width.
 *
 * logits: {data: Float32Array, height, width, classes}, h x w x C.
 * frame, content, padded: {height, width} in pixels of the frame, of the frame resized for the network, and of the
 *   network's input, which is the content padded right and bottom.
 * alignCorners: the card's convention.
 */
export function classMap(logits, frame, content, padded, alignCorners) {
  const rows = cellsAlong(logits.height, frame.height, content.height, padded.height, alignCorners);
  const columns = cellsAlong(logits.width, frame.width, content.width, padded.width, alignCorners);
  const { data, width, classes } = logits;
  const coarse = argmax(data, classes);
  const out = new Uint8Array(frame.height * frame.width);
  const left = new Float32Array(classes);
  const slope = new Float32Array(classes);

  for (let i = 0; i <= logits.height; i++) {
    if (rows.count[i] === 0) continue;
    const top = Math.max(i - 1, 0) * width;
    const bottom = Math.min(i, logits.height - 1) * width;
    for (let j = 0; j <= width; j++) {
      if (columns.count[j] === 0) continue;
      const first = Math.max(j - 1, 0);
      const second = Math.min(j, width - 1);
      const corners = [top + first, top + second, bottom + first, bottom + second];
      const one = coarse[corners[0]];
      const uniform = corners.every((corner) => coarse[corner] === one);
      const start = columns.first[j];
      const end = start + columns.count[j];
      for (let y = rows.first[i]; y < rows.first[i] + rows.count[i]; y++) {
        const line = y * frame.width;
        if (uniform) {
          out.fill(one, line + start, line + end);
          continue;
        }
        sides(data, classes, corners, rows.weight[y], left, slope);
        for (let x = start; x < end; x++) out[line + x] = largest(left, slope, columns.weight[x]);
      }
    }
  }
  return out;
}

/** Return the frame's pixels along one axis by the cell that they lie in: first and count a cell, weight a pixel. */
function cellsAlong(logits, frame, content, padded, alignCorners) {
  const first = new Int32Array(logits + 1);
  const count = new Int32Array(logits + 1);
  const weight = new Float32Array(frame);
  for (let x = 0; x < frame; x++) {
    const centre = ((x + 0.5) * content) / frame;
    let position = 0;
    if (!alignCorners) position = (centre * logits) / padded - 0.5;
    else if (padded > 1) position = ((centre - 0.5) * (logits - 1)) / (padded - 1);
    const cell = Math.min(Math.max(Math.floor(position) + 1, 0), logits);
    if (count[cell]++ === 0) first[cell] = x;
    weight[x] = position - (cell - 1);
  }
  return { first, count, weight };
}

/** Return the class of each logit vector, the lowest index among equals. */
function argmax(data, classes) {
  const found = new Uint8Array(data.length / classes);
  for (let i = 0, at = 0; i < found.length; i++, at += classes) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (data[at + c] > data[at + best]) best = c;
    found[i] = best;
  }
  return found;
}

/** Interpolate the corners of a cell along the rows: the left side, and the way from it to the right one. */
function sides(data, classes, corners, weight, left, slope) {
  const [a, b, c, d] = corners.map((corner) => corner * classes);
  for (let k = 0; k < classes; k++) {
    const right = float32(data[b + k] + float32(float32(data[d + k] - data[b + k]) * weight));
    left[k] = float32(data[a + k] + float32(float32(data[c + k] - data[a + k]) * weight));
    slope[k] = float32(right - left[k]);
  }
}

/** Return the class with the largest value at a weight between two sides. */
function largest(left, slope, weight) {
  let best = -Infinity;
  let found = 0;
  for (let c = 0; c < left.length; c++) {
    const value = float32(float32(slope[c] * weight) + left[c]);
    if (value > best) {
      best = value;
      found = c;
    }
  }
  return found;
}
