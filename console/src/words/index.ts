/** The words of the console, in the reader's language: those of the first page at once, the others with the first other page. */

import { signal } from "../state/signals";
import { first, type FirstWords } from "./en/first";
import type { OtherWords } from "./en/others";

const _LANGUAGE = "tocsin.language";

/** What every language says. */
export type Words = FirstWords & OtherWords;

/** Languages there are. */
export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

const _FIRST: Record<Language, () => Promise<FirstWords>> = {
  en: () => Promise.resolve(first),
  de: async () => (await import("./de/first")).first,
};
const _OTHERS: Record<Language, () => Promise<OtherWords>> = {
  en: async () => (await import("./en/others")).others,
  de: async () => (await import("./de/others")).others,
};

const _found = signal(joined(first));
let _wanted: Language = "en";
let _others = false;

/** The words; a component that calls this is drawn again when the language changes.
 *
 * What the first page is made of says only words of `en/first`: the others are there once `learnOthers` is done. A test holds it.
 */
export const words = (): Words => _found.value;

/** The language in use: the one that was chosen, or the browser's. */
export const language = signal<Language>("en");

/** The words of both files as one; some sections are in both, each with its part of it. In the build, both are lists (`flat-words.ts`). */
export function joined(begin: FirstWords, others?: OtherWords): Words {
  if (import.meta.env.PROD) return [begin, others ?? []].flat() as unknown as Words;
  const found: Record<string, unknown> = { ...begin };
  for (const [name, section] of Object.entries(others ?? {})) found[name] = { ...(found[name] as object | undefined), ...section };
  return found as Words;
}

/** Takes a language on, and remembers it. */
export async function speak(wanted: Language, remember = true): Promise<void> {
  _wanted = wanted;
  await _read();
  document.documentElement.lang = language.value;
  if (remember) localStorage.setItem(_LANGUAGE, wanted);
}

/** Speaks as this browser wants it. */
export async function speakAsWanted(): Promise<void> {
  const kept = localStorage.getItem(_LANGUAGE);
  const wanted = kept ?? navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in LANGUAGES) ?? "en";
  await speak(wanted === "de" ? "de" : "en", false);
}

/** Reads what the other pages say; each of them waits for it. */
export async function learnOthers(): Promise<void> {
  if (_others) return;
  await _read(true);
  _others = true;
}

/** Reads the words of the language that is wanted; begins again if another one is wanted meanwhile. */
async function _read(all = _others): Promise<void> {
  const wanted = _wanted;
  const [begin, others] = await Promise.all([_FIRST[wanted](), all ? _OTHERS[wanted]() : undefined]);
  if (wanted !== _wanted || (_others && !others)) return _read(all || _others);
  _found.value = joined(begin, others);
  language.value = wanted;
}
