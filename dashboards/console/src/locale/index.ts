import { createI18n } from "vue-i18n";
import type { Language } from "../shapes.ts";
import { en } from "./en.ts";
import { type Catalog, zh } from "./zh.ts";

declare module "vue-i18n" {
  export interface DefineLocaleMessage extends Catalog {}
}

const kept = "meizhen.language";

/** The reader's own choice, else the account's, else Chinese. */
const chosen = (): Language | null => {
  const value = localStorage.getItem(kept);
  return value === "zh" || value === "en" ? value : null;
};

export const i18n = createI18n<[Catalog], Language, false>({
  legacy: false,
  locale: chosen() ?? "zh",
  fallbackLocale: "zh",
  messages: { zh, en },
});

const show = (language: Language): void => {
  i18n.global.locale.value = language;
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
};

export const chooseLanguage = (language: Language): void => {
  localStorage.setItem(kept, language);
  show(language);
};

/** The account's language, unless this reader has chosen one in this browser. */
export const offerLanguage = (language: Language): void => show(chosen() ?? language);

show(i18n.global.locale.value);
