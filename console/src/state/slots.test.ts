import { describe, expect, it } from "vitest";
import { slots, type Slot } from "./slots";

const rows = (first: number, count = 4) => Array.from({ length: count }, (_, place) => `row ${first + place}`);
const keys = (of: readonly Slot[]) => of.map(({ key }) => key);

describe("elements of a long list", () => {
  const begun = slots([], rows(0));

  it("begin with one for each row", () => expect(keys(begun)).toEqual([0, 1, 2, 3]));

  it("stay with what is in sight still, and show what is new in its place", () => {
    const on = slots(begun, rows(1));
    expect(keys(on)).toEqual([1, 2, 3, 0]);
    expect(slots(on, rows(0))).toEqual(begun);
  });

  it("are not moved where everything is new", () => expect(keys(slots(begun, rows(5000)))).toEqual([0, 1, 2, 3]));

  it("stay with their rows where a new one comes before them", () => expect(keys(slots(begun, ["new", ...rows(0, 3)]))).toEqual([3, 0, 1, 2]));

  it("show no other row while theirs has the focus", () => {
    expect(slots(begun, ["row 2", ...rows(100)], "row 2").map(({ key }) => key)).toEqual([2, 0, 1, 3, 4]);
    expect(keys(slots(begun, rows(100), "row 2"))).toEqual([0, 1, 3, 4]); // that row is gone, and the focus with it
  });

  it("are as many as rows are shown, each once", () => {
    let now = begun;
    for (const first of [3, 50, 49, 0, 7]) {
      now = slots(now, rows(first, 6));
      expect(new Set(keys(now)).size).toBe(6);
    }
    expect(slots(now, [])).toEqual([]);
  });
});
