import { describe, expect, it } from "vitest";
import { NOTHING, advanced, after } from "./progress";

describe("the messages of an import", () => {
  it("hold the counts of all of it, and the refusals since the one before", () => {
    const first = advanced(NOTHING, '{"lines":"3","created":"1","refused":"1","refusals":[{"line":"3","field":"addresses[0].value","reason":"no address"}]}');
    const last = advanced(first, '{"lines":"4","created":"1","refused":"2","refusals":[{"line":"4","reason":"not UTF-8"}],"done":true}');
    expect(last).toEqual({
      ...{ lines: 4, created: 1, updated: 0, unchanged: 0, refused: 2, done: true },
      refusals: [
        { line: 3, field: "addresses[0].value", reason: "no address" },
        { line: 4, field: "", reason: "not UTF-8" },
      ],
    });
  });

  it("do not fill the memory", () => {
    const many = JSON.stringify({ refusals: Array.from({ length: 5000 }, (_, at) => ({ line: String(at), reason: "bad" })), refused: "5000" });
    expect(advanced(NOTHING, many).refusals).toHaveLength(1000);
  });

  it("go on after those of an import that broke off", () => {
    const before = advanced(NOTHING, '{"lines":"10","created":"8","refused":"2","refusals":[{"line":"9","reason":"bad"}]}');
    const next = advanced(NOTHING, '{"lines":"15","created":"5","done":true}');
    expect(after(before, next)).toMatchObject({ lines: 15, created: 13, refused: 2, refusals: [{ line: 9 }], done: true });
  });
});
