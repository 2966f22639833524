import table from "../../../tocsin/alerts/words.json";

/** What people call the kinds of security alerts: the table that mails are written from, too. */
export function alertKinds(language: "en" | "de"): Record<string, string> {
  return Object.fromEntries(Object.entries(table).map(([kind, words]) => [kind, words[language]]));
}
