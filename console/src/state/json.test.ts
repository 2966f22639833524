import { describe, expect, it } from "vitest";
import { jsonProblem } from "./json";

describe("JSON that people type", () => {
  it.each([
    ['{"a": [1, -2.5e3, "x\\n\\u00e9", true, null, {}], "b": []}'],
    [" \n 7 "],
    ['"\u{1f514} \u0645\u0631"'],
  ])("%s is JSON", (text) => expect(jsonProblem(text)).toBeNull());

  it.each([
    ["", 1, 1, "end"],
    ["{", 1, 2, "end"],
    ['{\n  "a": 1,\n}', 3, 1, "key"],
    ['{"a" 1}', 1, 6, "colon"],
    ['{"a": 1 "b": 2}', 1, 9, "comma"],
    ["{'a': 1}", 1, 2, "key"],
    ['{"a": Ann}', 1, 7, "value"],
    ['{"a": "Ann}', 1, 7, "text"],
    ['{"a": "x\ny"}', 1, 7, "text"],
    ["[01]", 1, 2, "number"],
    ["[1.]", 1, 2, "number"],
    ["{} {}", 1, 4, "more"],
    ['{"\u{1f514}": ?}', 1, 7, "value"],
    ["[".repeat(200), 1, 102, "deep"],
  ])("%s breaks at %d:%d", (text, line, column, problem) => {
    expect(jsonProblem(text)).toEqual({ line, column, problem });
    expect(() => JSON.parse(text.slice(0, 400)) as unknown).toThrow();
  });

  it("is told apart in good time", () => {
    const long = `{"a": "${"\\".repeat(200_001)}`;
    expect(jsonProblem(long)?.problem).toBe("text");
  });
});
