import { describe, expect, it } from "vitest";
import { joined, unique, type Part } from "./parts";

/** A list of numbers, the highest first, in pages of ten; the token is the number after which a page begins. */
function pageOf(newest: number, token = ""): Part<number> {
  const first = token ? Number(token) - 1 : newest;
  const rows = Array.from({ length: Math.min(10, Math.max(0, first)) }, (_, index) => first - index);
  return { rows, next: first > 10 ? String(rows.at(-1)) : "" };
}

const id = String;
const down = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, index) => from - index);

describe("a list whose beginning is read anew", () => {
  const before: Part<number> = { rows: down(100, 71), next: "71" };

  it.each([0, 1, 9, 10, 11, 45])("has no hole after %i new rows", async (count) => {
    const newest = 100 + count;
    const found = await joined(pageOf(newest), before, (token) => Promise.resolve(pageOf(newest, token)), id);
    expect(found).toEqual({ rows: down(newest, 71), next: "71" });
  });

  it("ends where it was read to when too much is new, and goes on from there", async () => {
    let calls = 0;
    const found = await joined(pageOf(1000), before, (token) => (calls++, Promise.resolve(pageOf(1000, token))), id);
    expect(found).toEqual({ rows: down(1000, 941), next: "941" });
    expect(calls).toBe(5);
  });

  it("loses what is gone", async () => {
    expect(await joined({ rows: [100, 98], next: "98" }, before, () => Promise.reject(new Error("not asked")), id)).toEqual({ rows: [100, ...down(98, 71)], next: "71" });
    expect(await joined({ rows: [], next: "" }, before, () => Promise.reject(new Error("not asked")), id)).toEqual({ rows: [], next: "" });
  });

  it("goes over a page without rows", async () => {
    expect(await joined({ rows: [], next: "101" }, before, (token) => Promise.resolve(pageOf(100, token)), id)).toEqual(before);
  });
});

describe("rows", () => {
  it("stand once, where they came first", () => {
    expect(unique([3, 2, 2, 1, 3], id)).toEqual([3, 2, 1]);
  });
});
