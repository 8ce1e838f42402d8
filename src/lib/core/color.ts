/** A colour of a picture: sRGB as `#rrggbb`, and which share of the picture it has, 0 to 1. */
export interface Swatch {
  readonly color: string;
  readonly share: number;
}

/** So far apart, colours still look related: the width of the bell that weighs them, in the space of `placeOf`. */
const BELL_WIDTH = 0.19;
/** Between the points of the grid on which a signature is sampled. */
const GRID_STEP = 0.18;
/** Hue and chroma tell colours apart before lightness does. */
const LIGHTNESS_WEIGHT = 0.7;
/** From pale to strong matters less than from grey to pale, and nobody sees the hue of what is nearly black. */
const CHROMA_KNEE = 0.1;
const DARKEST_WITH_HUE = 0.35;
/** Steps of each channel through which the grid is found. */
const GAMUT_STEPS = 16;

type Place = readonly [number, number, number];

/**
 * OKLab of an sRGB colour: lightness 0 to 1, and two axes of hue and chroma.
 * Björn Ottosson, “A perceptual color space for image processing” (2020).
 */
function oklabOf(red: number, green: number, blue: number): Place {
  const [r, g, b] = [red, green, blue].map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)) as [
    number,
    number,
    number,
  ];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** Where a colour lies in a space in which distance is what matters to someone who looks for a colour. */
function placeOf(red: number, green: number, blue: number): Place {
  const [lightness, a, b] = oklabOf(red, green, blue);
  const reach = Math.min(1, lightness / DARKEST_WITH_HUE) / (Math.hypot(a, b) + CHROMA_KNEE);
  return [LIGHTNESS_WEIGHT * lightness, a * reach, b * reach];
}

function channels(color: string): Place {
  return [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255) as unknown as Place;
}

/** The points of the grid to which some colour is nearest, always in the same order. */
const GRID: readonly Place[] = (() => {
  const points = new Map<string, Place>();
  const steps = Array.from({ length: GAMUT_STEPS + 1 }, (_, step) => step / GAMUT_STEPS);
  for (const red of steps) {
    for (const green of steps) {
      for (const blue of steps) {
        const cell = placeOf(red, green, blue).map((value) => Math.round(value / GRID_STEP)) as unknown as Place;
        points.set(cell.join(), cell.map((value) => value * GRID_STEP) as unknown as Place);
      }
    }
  }
  return [...points.values()];
})();

/** How many numbers a signature has; migration 0017 says the same. */
export const SIGNATURE_LENGTH = GRID.length;

/** A colour as a unit vector: the inner product of two is 1 for the same colour and falls like a bell with their distance. */
export function colorVector(color: string): number[] {
  const place = placeOf(...channels(color));
  const weights = GRID.map((point) => {
    const squared = point.reduce((sum, value, axis) => sum + (value - place[axis]!) ** 2, 0);
    return Math.exp(-squared / BELL_WIDTH ** 2);
  });
  const length = Math.hypot(...weights);
  return weights.map((weight) => weight / length);
}

/**
 * What colours a picture has, as one vector: its inner product with a `colorVector` is the share of the picture
 * that has this colour, 0 to 1, where a related colour counts in part.
 */
export function colorSignature(swatches: readonly Swatch[]): number[] {
  const signature = new Array<number>(SIGNATURE_LENGTH).fill(0);
  for (const { color, share } of swatches) {
    for (const [at, weight] of colorVector(color).entries()) signature[at]! += share * weight;
  }
  return signature;
}
