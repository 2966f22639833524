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

/** The lines of those numbers, from 1, as far as they are worth a look; the text is read once, whatever its length. */
export function linesOf(text: string, numbers: readonly number[]): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  let [at, line] = [0, 1];
  for (const number of [...new Set(numbers)].sort((a, b) => a - b)) {
    for (; line < number && at >= 0; line++) at = text.indexOf("\n", at) + 1 || -1;
    if (at < 0) break;
    const end = text.indexOf("\n", at);
    const whole = [...text.slice(at, Math.min(end < 0 ? text.length : end, at + 4 * _SHOWN)).replace(/\r$/, "")];
    found.set(number, whole.length > _SHOWN ? `${whole.slice(0, _SHOWN).join("")}…` : whole.join(""));
  }
  return found;
}

/** The whole lines at the beginning of what came of a stream of lines, and the rest, which goes on. */
export function wholeLines(text: string): { lines: string[]; rest: string } {
  const lines = text.split("\n");
  const rest = lines.pop() ?? "";
  return { lines: lines.filter((line) => line.trim() !== ""), rest };
}
