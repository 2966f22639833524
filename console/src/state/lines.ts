/** Texts to be imported: what they are, and their lines as the API numbers them. */

import { jsonProblem, type JsonProblem } from "./json";

/** A text as `:import` takes it. */
export interface Importable {
  type: "text/csv" | "application/x-ndjson";
  text: string;
  /** It was one JSON document: what the API calls a line is an item of it. */
  items: boolean;
}

/** What a text is: one JSON document becomes lines, anything that begins as JSON is NDJSON, everything else a table.
 *
 * A document that breaks is told where; a single object on one line is NDJSON as it is.
 */
export function importable(text: string): Importable | JsonProblem {
  const begin = text.replace(/^\ufeff/, "").trimStart();
  if (begin.startsWith("[")) return _items(begin, text);
  if (!begin.startsWith("{")) return { type: "text/csv", text, items: false };
  const first = begin.slice(0, begin.search(/\r?\n|$/));
  if (jsonProblem(first) !== null && jsonProblem(begin) === null) return _items(begin, text);
  return { type: "application/x-ndjson", text, items: false };
}

function _items(document: string, text: string): Importable | JsonProblem {
  const problem = jsonProblem(document);
  if (problem) return { ...problem, line: problem.line + text.slice(0, text.length - document.length).split("\n").length - 1 };
  const parsed = JSON.parse(document) as unknown;
  const items = Array.isArray(parsed) ? parsed : [parsed];
  return { type: "application/x-ndjson", text: items.map((item) => `${JSON.stringify(item)}\n`).join(""), items: true };
}

/** How much of a line is shown. */
const _SHOWN = 160;

/** The line of that number, from 1, as far as it is worth a look. */
export function lineOf(text: string, number: number): string {
  let at = 0;
  for (let line = 1; line < number; line++) {
    at = text.indexOf("\n", at) + 1;
    if (at === 0) return "";
  }
  const end = text.indexOf("\n", at);
  const line = [...text.slice(at, Math.min(end < 0 ? text.length : end, at + 4 * _SHOWN)).replace(/\r$/, "")];
  return line.length > _SHOWN ? `${line.slice(0, _SHOWN).join("")}…` : line.join("");
}

/** The whole lines at the beginning of what came of a stream of lines, and the rest, which goes on. */
export function wholeLines(text: string): { lines: string[]; rest: string } {
  const lines = text.split("\n");
  const rest = lines.pop() ?? "";
  return { lines: lines.filter((line) => line.trim() !== ""), rest };
}
