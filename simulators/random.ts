/**
 * Randomness of the simulators: a pure function of a seed and of what is asked about, so that any reading can be
 * computed again, in any order. Hashing is FNV-1a over the key, finished as in MurmurHash3 (fmix32).
 */

/** A number from 0 (included) to 1 (not) that belongs to this seed, key and index. */
export const chance = (seed: number, key: string, index = 0): number => mixed(seed, key, index) / 2 ** 32;

/** Normally distributed (mean 0, deviation 1, cut at 4): Box-Muller on two chances. */
export const normal = (seed: number, key: string, index = 0): number => {
  const radius = Math.sqrt(-2 * Math.log(1 - chance(seed, key, 2 * index)));
  const value = radius * Math.cos(2 * Math.PI * chance(seed, key, 2 * index + 1));
  return Math.max(-4, Math.min(4, value));
};

/** Noise from -1 to 1 that wanders smoothly: a random height every `period`, eased between them. */
export const wandering = (seed: number, key: string, at: number, period: number): number => {
  const place = at / period;
  const before = Math.floor(place);
  const part = place - before;
  const ease = part * part * (3 - 2 * part);
  const [low, high] = [chance(seed, key, before), chance(seed, key, before + 1)];
  return 2 * (low + (high - low) * ease) - 1;
};

const mixed = (seed: number, key: string, index: number): number => {
  let hash = 0x811c9dc5 ^ seed;
  for (let place = 0; place < key.length; place++) hash = Math.imul(hash ^ key.charCodeAt(place), 0x01000193);
  hash = Math.imul(hash ^ (index >>> 0), 0x01000193);
  hash = Math.imul(hash ^ Math.floor(index / 2 ** 32), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};
