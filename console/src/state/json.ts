/** JSON that people type: where it breaks, in words that say what to do there. Browsers tell the place in different ways, or not at all. */

/** Where a text stops to be JSON (RFC 8259). */
export interface JsonProblem {
  /** From 1. */
  line: number;
  /** From 1, in characters. */
  column: number;
  problem: "value" | "key" | "colon" | "comma" | "text" | "number" | "end" | "more" | "deep";
}

const _SPACE = /[ \t\n\r]*/y;
const _TEXT = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const _NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const _WORD = /true|false|null/y;
const _DEEPEST = 100;

class _Broken extends Error {
  constructor(
    readonly at: number,
    readonly problem: JsonProblem["problem"],
  ) {
    super(problem);
  }
}

/** The first place where `text` is no JSON; null: it is. */
export function jsonProblem(text: string): JsonProblem | null {
  try {
    const end = _space(text, _value(text, _space(text, 0), 0));
    if (end < text.length) throw new _Broken(end, "more");
  } catch (error) {
    if (!(error instanceof _Broken)) throw error;
    const before = text.slice(0, error.at).split("\n");
    return { line: before.length, column: [...(before.at(-1) ?? "")].length + 1, problem: error.problem };
  }
  return null;
}

function _match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

function _space(text: string, at: number): number {
  return _match(_SPACE, text, at);
}

function _value(text: string, at: number, depth: number): number {
  if (at >= text.length) throw new _Broken(at, "end");
  if (depth > _DEEPEST) throw new _Broken(at, "deep");
  const first = text[at] as string;
  if (first === "{") return _items(text, at, depth, "}", _member);
  if (first === "[") return _items(text, at, depth, "]", _value);
  if (first === '"') return _text(text, at);
  const end = _match(_WORD, text, at);
  if (end >= 0) return end;
  if (/[-0-9]/.test(first)) return _number(text, at);
  throw new _Broken(at, "value");
}

function _number(text: string, at: number): number {
  const end = _match(_NUMBER, text, at);
  if (end < 0 || /[0-9.]/.test(text[end] ?? "")) throw new _Broken(at, "number");
  return end;
}

function _text(text: string, at: number): number {
  const end = _match(_TEXT, text, at);
  if (end < 0) throw new _Broken(at, "text");
  return end;
}

function _member(text: string, at: number, depth: number): number {
  if (text[at] !== '"') throw new _Broken(at, at < text.length ? "key" : "end");
  const colon = _space(text, _text(text, at));
  if (text[colon] !== ":") throw new _Broken(colon, "colon");
  return _value(text, _space(text, colon + 1), depth);
}

function _items(text: string, open: number, depth: number, close: string, item: (text: string, at: number, depth: number) => number): number {
  let at = _space(text, open + 1);
  if (text[at] === close) return at + 1;
  for (;;) {
    at = _space(text, item(text, at, depth + 1));
    if (text[at] === close) return at + 1;
    if (text[at] !== ",") throw new _Broken(at, at < text.length ? "comma" : "end");
    at = _space(text, at + 1);
  }
}
