import { readonly, ref } from "vue";

/** Now, in milliseconds. The one place that asks the browser's clock. */
export const instant = (): number => Date.now();

const ticking = ref(instant());
setInterval(() => {
  ticking.value = instant();
}, 1_000);

/** Now to the second, for what is shown: "3 min ago" grows by itself. */
export const now = readonly(ticking);

export const second = 1_000;
export const minute = 60_000;
export const hour = 3_600_000;
export const day = 86_400_000;

/** The district's zone: every time is shown in it, wherever the reader sits. */
export const zone = "Asia/Shanghai";
/** The district's offset from UTC; China has had no summer time since 1991. */
export const zoneOffset = 8 * hour;
