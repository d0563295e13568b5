/** The schematic map: coordinates to pixels, hulls of the streets, and things moved apart until each can be seen. */
export type Place = { readonly longitude: number; readonly latitude: number };
export type Spot = { readonly x: number; readonly y: number };
export type Frame = { readonly width: number; readonly height: number; readonly pad: number };

/** Equirectangular about the middle: over ten kilometres nothing else is seen. Fits `within` into the frame. */
export const projection = (within: readonly Place[], frame: Frame): ((place: Place) => Spot) => {
  if (within.length === 0) return () => ({ x: frame.width / 2, y: frame.height / 2 });
  const longitudes = within.map((place) => place.longitude);
  const latitudes = within.map((place) => place.latitude);
  const [west, east] = [Math.min(...longitudes), Math.max(...longitudes)];
  const [south, north] = [Math.min(...latitudes), Math.max(...latitudes)];
  const squeeze = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const width = Math.max(1e-4, (east - west) * squeeze);
  const height = Math.max(1e-4, north - south);
  const scale = Math.min((frame.width - 2 * frame.pad) / width, (frame.height - 2 * frame.pad) / height);
  return (place) => ({
    x: frame.width / 2 + (place.longitude - (west + east) / 2) * squeeze * scale,
    y: frame.height / 2 - (place.latitude - (south + north) / 2) * scale,
  });
};

const turn = (a: Spot, b: Spot, c: Spot): number => (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);

/** Convex hull (Andrew's monotone chain). */
export const hull = (spots: readonly Spot[]): Spot[] => {
  const sorted = [...spots].sort((a, b) => a.x - b.x || a.y - b.y);
  if (sorted.length < 3) return sorted;
  const half = (list: readonly Spot[]): Spot[] => {
    const chain: Spot[] = [];
    for (const spot of list) {
      while (chain.length > 1 && turn(chain.at(-2) as Spot, chain.at(-1) as Spot, spot) <= 0) chain.pop();
      chain.push(spot);
    }
    return chain.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
};

/** Above this many, moving them apart costs more than it shows. */
const movedMax = 800;

/** Pushes spots that lie on each other apart to `distance` pixels, in a few rounds. */
export const apart = (spots: readonly Spot[], distance: number): Spot[] => {
  const moved = spots.map((spot) => ({ ...spot }));
  if (moved.length > movedMax) return moved;
  for (let round = 0; round < 12; round += 1) {
    let touched = false;
    for (let i = 0; i < moved.length; i += 1)
      for (let j = i + 1; j < moved.length; j += 1) {
        const a = moved[i] as { x: number; y: number };
        const b = moved[j] as { x: number; y: number };
        const [dx, dy] = [b.x - a.x, b.y - a.y];
        if (Math.abs(dx) >= distance || Math.abs(dy) >= distance) continue;
        const length = Math.hypot(dx, dy);
        if (length >= distance) continue;
        touched = true;
        // two at one place part in a direction of their own, the same at every drawing
        const angle = length > 0.01 ? Math.atan2(dy, dx) : (i * 7 + j) % 6;
        const push = (distance - length) / 2;
        a.x -= Math.cos(angle) * push;
        a.y -= Math.sin(angle) * push;
        b.x += Math.cos(angle) * push;
        b.y += Math.sin(angle) * push;
      }
    if (!touched) break;
  }
  return moved;
};

export const polygon = (spots: readonly Spot[]): string =>
  spots.map(({ x, y }, index) => `${index === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("") +
  (spots.length > 0 ? "Z" : "");

/** Outlines of the kinds' signs about 0,0; a kind beyond the fifth shares one. */
const signs: readonly ((size: number) => string)[] = [
  (s) => `M0 ${-s}A${s} ${s} 0 1 1 0 ${s}A${s} ${s} 0 1 1 0 ${-s}Z`,
  (s) => `M${-s * 0.88} ${-s * 0.88}h${s * 1.76}v${s * 1.76}h${-s * 1.76}Z`,
  (s) => `M0 ${-s * 1.25}L${s * 1.25} 0 0 ${s * 1.25}${" "}${-s * 1.25} 0Z`,
  (s) => `M0 ${-s * 1.15}L${s * 1.15} ${s * 0.9}H${-s * 1.15}Z`,
  (s) => `M${-s * 0.6} ${-s * 1.1}H${s * 0.6}L${s * 1.2} 0 ${s * 0.6} ${s * 1.1}H${-s * 0.6}L${-s * 1.2} 0Z`,
  (s) => `M0 ${s * 1.15}L${-s * 1.15} ${-s * 0.9}H${s * 1.15}Z`,
];
export const sign = (index: number, size: number): string =>
  (signs[index % signs.length] as (s: number) => string)(size);
