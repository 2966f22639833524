import { describe, expect, it } from "vitest";
import { changesOnly, lineDiff, type DiffLine } from "./diff";

/** As `diff` writes it, so that a table is readable. */
function drawn(lines: readonly DiffLine[]): string[] {
  return lines.map((line) => (line.kind === "gap" ? `… ${line.count}` : `${{ same: " ", gone: "-", added: "+" }[line.kind]}${line.text}`));
}

describe("the difference of two texts", () => {
  it.each([
    ["a\nb\nc", "a\nb\nc", [" a", " b", " c"]],
    ["a\nb\nc", "a\nx\nc", [" a", "-b", "+x", " c"]],
    ["a\nc", "a\nb\nc", [" a", "+b", " c"]],
    ["a\nb\nc", "a\nc", [" a", "-b", " c"]],
    ["a\na\nb", "a\nb", [" a", "-a", " b"]],
    ["", "a", ["-", "+a"]],
    ["x\ny\nz", "y\nz\nx", ["-x", " y", " z", "+x"]],
  ])("%j to %j", (before, after, lines) => expect(drawn(lineDiff(before, after))).toEqual(lines));

  it("gives both texts back, with their line numbers", () => {
    const texts = ["a b c d e f", "a x c e f g", "g f e d c b a", "", "a"].map((text) => text.split(" ").join("\n"));
    for (const before of texts) {
      for (const after of texts) {
        const lines = lineDiff(before, after).filter((line) => line.kind !== "gap");
        expect(lines.filter((line) => line.kind !== "added").map((line) => line.text)).toEqual(before.split("\n"));
        expect(lines.filter((line) => line.kind !== "gone").map((line) => line.text)).toEqual(after.split("\n"));
        expect(lines.flatMap((line) => ("old" in line ? [line.old] : []))).toEqual(before.split("\n").map((_, at) => at + 1));
        expect(lines.flatMap((line) => ("new" in line ? [line.new] : []))).toEqual(after.split("\n").map((_, at) => at + 1));
      }
    }
  });

  it("of huge texts that have nothing in common is all of both", () => {
    const text = (name: string) => Array.from({ length: 3000 }, (_, at) => `${name}${at}`).join("\n");
    expect(lineDiff(text("a"), text("b"))).toHaveLength(6000);
  });

  it("can leave out what is the same", () => {
    const before = Array.from({ length: 20 }, (_, at) => String(at)).join("\n");
    expect(drawn(changesOnly(lineDiff(before, before.replace("10", "ten"))))).toEqual(["… 7", " 7", " 8", " 9", "-10", "+ten", " 11", " 12", " 13", "… 6"]);
    expect(changesOnly(lineDiff("a\nb", "a\nb"))).toEqual([{ kind: "gap", count: 2 }]);
  });
});
