import type { GlobalThemeOverrides } from "naive-ui";
import { computed, ref, watchEffect } from "vue";

/**
 * Colour is kept for what is out of order (ISA-101: grey while all is well). Every text colour has a contrast of 4.5
 * or more on `surface` and `canvas`; priorities differ in shape as well as in colour.
 */
const light = {
  canvas: "#f2f5f6",
  surface: "#ffffff",
  sunken: "#e9eef0",
  line: "#d8e0e4",
  ink: "#16222a",
  muted: "#52626d",
  faint: "#94a2ab",
  accent: "#0a6579",
  accentInk: "#ffffff",
  critical: "#bf1d2d",
  high: "#b04a00",
  medium: "#7d6000",
  low: "#33669f",
  ok: "#25734b",
  unknown: "#66747e",
  land: "#e3eaec",
  landLine: "#c9d5d9",
};
const dark: Palette = {
  canvas: "#0d1418",
  surface: "#151e24",
  sunken: "#0f171c",
  line: "#26333b",
  ink: "#e4ebef",
  muted: "#9badb8",
  faint: "#60727d",
  accent: "#5bc3d8",
  accentInk: "#06242b",
  critical: "#ff7376",
  high: "#ffa057",
  medium: "#e3c04f",
  low: "#83b4ec",
  ok: "#62c495",
  unknown: "#8d9ca7",
  land: "#1b272e",
  landLine: "#2d3d47",
};
export type Palette = typeof light;
export type Mode = "light" | "dark";

const kept = "meizhen.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");
const read = (): Mode => {
  const value = localStorage.getItem(kept);
  return value === "light" || value === "dark" ? value : system.matches ? "dark" : "light";
};

export const mode = ref<Mode>(read());
export const palette = computed<Palette>(() => (mode.value === "dark" ? dark : light));

export const toggleMode = (): void => {
  mode.value = mode.value === "dark" ? "light" : "dark";
  localStorage.setItem(kept, mode.value);
};
system.addEventListener("change", () => {
  mode.value = read();
});

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The palette as custom properties, so that one table serves the style sheet, the kit and the charts. */
watchEffect(() => {
  const style = document.documentElement.style;
  document.documentElement.dataset.theme = mode.value;
  style.colorScheme = mode.value;
  for (const [name, value] of Object.entries(palette.value)) style.setProperty(`--${kebab(name)}`, value);
});

export const fontFamily =
  '-apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans SC", "Noto Sans CJK SC", system-ui, sans-serif';
export const monoFamily = 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Noto Sans Mono", monospace';

export const overrides = computed<GlobalThemeOverrides>(() => {
  const colors = palette.value;
  return {
    common: {
      fontFamily,
      fontFamilyMono: monoFamily,
      fontSize: "14px",
      borderRadius: "8px",
      borderRadiusSmall: "6px",
      primaryColor: colors.accent,
      primaryColorHover: colors.accent,
      primaryColorPressed: colors.accent,
      primaryColorSuppl: colors.accent,
      errorColor: colors.critical,
      errorColorHover: colors.critical,
      errorColorPressed: colors.critical,
      warningColor: colors.high,
      textColorBase: colors.ink,
      textColor1: colors.ink,
      textColor2: colors.ink,
      textColor3: colors.muted,
      placeholderColor: colors.muted,
      bodyColor: colors.canvas,
      cardColor: colors.surface,
      modalColor: colors.surface,
      popoverColor: colors.surface,
      inputColor: colors.surface,
      borderColor: colors.line,
      dividerColor: colors.line,
    },
    Button: { textColorPrimary: colors.accentInk, textColorHoverPrimary: colors.accentInk },
  };
});
