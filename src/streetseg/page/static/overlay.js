/* Paint a class map's colours, as streetseg/runtime/overlay.py does: borders between classes get more. */

const NONE = 255; // index of pixels without a class

/**
 * Paint a class map into the pixels of a transparent picture of the same size.
 *
 * colours: [red, green, blue] a class. opacity: 0 to 1. hidden: a Set of classes that are not painted.
 */
export function paint(image, { data, width, height }, colours, opacity, hidden) {
  const inside = palette(colours, opacity, hidden);
  const border = palette(colours, 1 - (1 - opacity) ** 3, hidden);
  const pixels = new Uint32Array(image.data.buffer);
  for (let y = 0, at = 0; y < height; y++) {
    const below = y + 1 < height ? width : 0;
    for (let x = 0; x < width; x++, at++) {
      const one = data[at];
      const edge = (x + 1 < width && data[at + 1] !== one) || data[at + below] !== one;
      pixels[at] = edge ? border[one] : inside[one];
    }
  }
}

/** Return the share of each class in all pixels. */
export function shares(data, classes) {
  const counts = new Float64Array(256);
  for (const one of data) counts[one]++;
  return Array.from(counts.subarray(0, classes), (count) => count / data.length);
}

/** Return a share as text: never "0.0 %" of something that is there. */
export function percent(share) {
  if (share === 0) return "–";
  return share < 0.0005 ? "<0.1 %" : `${(100 * share).toFixed(1)} %`;
}

function palette(colours, opacity, hidden) {
  const bytes = new Uint8ClampedArray(256 * 4);
  colours.forEach((colour, index) => {
    if (index !== NONE && !hidden.has(index)) bytes.set([...colour, Math.round(255 * opacity)], index * 4);
  });
  return new Uint32Array(bytes.buffer);
}
