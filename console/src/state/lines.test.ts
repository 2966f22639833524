import { describe, expect, it } from "vitest";
import { importable, linesOf, wholeLines } from "./lines";

describe("a text to be imported", () => {
  it.each([
    ["name,email\nrecipients/ann,ann@example.com\n", "text/csv", false],
    ["\ufeffname;email\n", "text/csv", false],
    ['{"name": "recipients/ann"}\n{"name": "recipients/bob"}\n', "application/x-ndjson", false],
    ['{"name": "recipients/ann"}', "application/x-ndjson", false],
    ['{"name": "recipients/ann"}\n{"name": oops}\n', "application/x-ndjson", false],
    ["{oops\n", "application/x-ndjson", false],
  ])("%j goes as it is", (text, type, items) => expect(importable(text)).toEqual({ type, text, items }));

  it.each([
    ['\n[\n  {"name": "recipients/ann"},\n  {"name": "recipients/bob"}\n]', '{"name":"recipients/ann"}\n{"name":"recipients/bob"}\n'],
    ['{\n  "name": "recipients/ann"\n}\n', '{"name":"recipients/ann"}\n'],
    ["[]", ""],
  ])("%j becomes lines", (text, lines) => expect(importable(text)).toEqual({ type: "application/x-ndjson", text: lines, items: true }));

  it("says where a document breaks, in the lines of the text", () => {
    expect(importable('\n\n[\n  {"name": "x"}\n  {"name": "y"}\n]')).toEqual({ line: 5, column: 3, problem: "comma" });
  });
});

describe("a line", () => {
  it("is found by its number", () => {
    expect([...linesOf("a\r\n\nc\n", [3, 1, 2, 1, 9])]).toEqual([
      [1, "a"],
      [2, ""],
      [3, "c"],
    ]);
    expect(linesOf("", [])).toEqual(new Map());
  });

  it("is shortened between characters", () => {
    expect(linesOf("\u{1f514}".repeat(500), [1]).get(1)).toBe(`${"\u{1f514}".repeat(160)}…`);
  });

  it("of a stream is whole, or waits", () => {
    expect(wholeLines('{"lines":"1"}\n\n{"li')).toEqual({ lines: ['{"lines":"1"}'], rest: '{"li' });
  });
});
