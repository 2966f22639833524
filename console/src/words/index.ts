/** The words of the console, in the reader's language. */

import { signal } from "@preact/signals";
import { en, type Words } from "./en";

const _LANGUAGE = "tocsin.language";
const _found = signal<Words>(en);

/** The words; a component that calls this is drawn again when the language changes. */
export const words = (): Words => _found.value;

/** Languages there are. */
export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

/** The language in use: the one that was chosen, or the browser's. */
export const language = signal<Language>("en");

/** Takes a language on, and remembers it. */
export async function speak(wanted: Language, remember = true): Promise<void> {
  _found.value = wanted === "de" ? (await import("./de")).de : en;
  language.value = wanted;
  document.documentElement.lang = wanted;
  if (remember) localStorage.setItem(_LANGUAGE, wanted);
}

/** Speaks as this browser wants it. */
export async function speakAsWanted(): Promise<void> {
  const kept = localStorage.getItem(_LANGUAGE);
  const wanted = kept ?? navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in LANGUAGES) ?? "en";
  await speak(wanted === "de" ? "de" : "en", false);
}
