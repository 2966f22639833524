import { describe, expect, it } from "vitest";
import { dutiesOf, gapsOf, loadsOf, nextEnd, standingOf, type Schedule } from "./duty";

const at = (hour: number) => new Date(Date.UTC(2026, 10, 30, hour)).toISOString();
const millis = (hour: number) => Date.UTC(2026, 10, 30, hour);
const shift = (from: number, to: number, ...people: string[]) => ({ startTime: at(from), endTime: at(to), recipients: people.map((one) => `recipients/${one}`) });
const gap = (from: number, to: number) => ({ startTime: at(from), endTime: at(to), labels: ["GAP" as const] });
const shop: Schedule = { rotation: "rotations/shop", intervals: [shift(0, 8, "ann"), shift(8, 12, "ann"), gap(12, 13), { ...gap(13, 14), overrides: ["rotations/shop/overrides/1"] }, shift(14, 20, "bob", "eve")] };
const store: Schedule = { rotation: "rotations/store", intervals: [shift(0, 4, "bob"), shift(4, 18, "ann"), { startTime: at(18), endTime: at(20) }] };

describe("schedules", () => {
  it("make one of neighbours with the same people", () => {
    expect(dutiesOf(shop).map((duty) => [duty.start, duty.end, duty.recipients.length])).toEqual([
      [millis(0), millis(12), 1],
      [millis(12), millis(13), 0],
      [millis(13), millis(14), 0],
      [millis(14), millis(20), 2],
    ]);
  });

  it("have gaps where somebody should be, and no others", () => {
    expect(gapsOf([shop, store])).toEqual([{ rotation: "rotations/shop", start: millis(12), end: millis(14) }]);
  });

  it("tell who has it, until when, and who is next", () => {
    const { now, next, until } = standingOf(shop, millis(5));
    expect([now?.recipients, until, next?.recipients]).toEqual([["recipients/ann"], millis(12), []]);
    expect(standingOf(store, millis(19))).toMatchObject({ next: undefined, until: millis(20) });
    expect(standingOf(shop, millis(30)).now).toBeUndefined();
    expect(standingOf({ rotation: "rotations/new" }, millis(0))).toEqual({ now: undefined, next: undefined, until: undefined });
  });

  it("tell when something ends next, whoever's it is", () => {
    expect([0, 4, 12, 19].map((hour) => nextEnd([shop, store], millis(hour)))).toEqual([4, 8, 13, 20].map(millis));
    expect(nextEnd([shop, { rotation: "rotations/new" }], millis(20))).toBe(Infinity);
  });

  it("count for each person once what is theirs twice", () => {
    const [ann, bob, eve] = loadsOf([shop, store]);
    expect([ann?.person, ann?.length, ann?.shifts.length, ann?.twice]).toEqual(["recipients/ann", 18 * 3_600_000, 2, [{ start: millis(4), end: millis(12) }]]);
    expect([bob?.person, bob?.length, bob?.twice]).toEqual(["recipients/bob", 10 * 3_600_000, []]);
    expect(eve?.person).toBe("recipients/eve");
  });
});
