import { describe, expect, it } from "vitest";
import { instantAt, instantOf, instantOfText, joined, localText, mondayOf, nextTime, overlapsOf, piecesOf, placeIn, wallOf, weeksFrom, weeksOf } from "./calendar";

const H = 3_600_000;
const at = (text: string) => Date.parse(text);
const wall = (text: string) => Date.parse(`${text}Z`);
const week = (monday: string, zone: string) => weeksFrom(wall(`${monday}T00:00`), 1, zone)[0] as ReturnType<typeof weeksFrom>[number];

describe("clocks", () => {
  it.each([
    ["an ordinary time", "2026-07-01T09:00", "Europe/Berlin", "2026-07-01T07:00:00Z"],
    ["a time that is left out: the first instant after the gap", "2027-03-28T02:30", "Europe/Berlin", "2027-03-28T01:00:00Z"],
    ["a time that is shown twice: the first", "2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00Z"],
    ["half an hour of daylight saving", "2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:30:00Z"],
    ["a midnight that is left out", "2026-09-06T00:00", "America/Santiago", "2026-09-06T04:00:00Z"],
    ["a zone of minutes", "2026-01-01T00:00", "Asia/Kathmandu", "2025-12-31T18:15:00Z"],
  ])("find %s", (_, local, zone, instant) => {
    expect(new Date(instantOf(wall(local), zone)).toISOString()).toBe(new Date(at(instant)).toISOString());
  });

  it("go there and back", () => {
    for (let hour = 0; hour < 72; hour++) {
      const instant = at("2026-10-24T00:00:00Z") + hour * H;
      const back = instantOf(wallOf(instant, "Europe/Berlin"), "Europe/Berlin");
      expect([0, H]).toContain(instant - back); // the hour that is shown twice means the first
    }
  });

  it("read and write what a field holds", () => {
    expect(localText(at("2026-10-25T01:30:00Z"), "Europe/Berlin")).toBe("2026-10-25T02:30");
    expect(instantOfText("2026-12-01T08:00", "America/New_York")).toBe(at("2026-12-01T13:00:00Z"));
    expect(instantOfText("", "UTC")).toBeNaN();
  });
});

describe("weeks", () => {
  it("begin with a Monday", () => {
    expect(new Date(mondayOf(wall("2026-11-29T23:59"))).toISOString()).toBe("2026-11-23T00:00:00.000Z");
    expect(new Date(mondayOf(wall("2026-11-30T00:00"))).toISOString()).toBe("2026-11-30T00:00:00.000Z");
    expect(new Date(mondayOf(wall("1969-12-31T12:00"))).toISOString()).toBe("1969-12-29T00:00:00.000Z");
  });

  it("have a day of 23 hours and one of 25, without a hole", () => {
    for (const [monday, longer] of [
      ["2027-03-22", -H],
      ["2026-10-19", H],
    ] as const) {
      const days = week(monday, "Europe/Berlin");
      expect(days.map((day) => day.longer)).toEqual([0, 0, 0, 0, 0, 0, longer]);
      days.slice(1).forEach((day, index) => expect(day.start).toBe(days[index]?.end));
    }
  });

  it("show a month whole", () => {
    const weeks = weeksOf("month", wall("2026-11-15T00:00"), "UTC");
    expect(weeks.length).toBe(6);
    expect(new Date(weeks[0]?.[0]?.start ?? 0).toISOString()).toBe("2026-10-26T00:00:00.000Z");
    expect(weeksOf("month", wall("2027-02-15T00:00"), "UTC").length).toBe(4);
    expect(weeksOf("weeks", wall("2026-11-15T00:00"), "UTC").length).toBe(2);
  });
});

describe("pieces", () => {
  const berlin = week("2026-10-19", "Europe/Berlin"); // ends with 25 hours

  it("lie where the clocks say, on a long day too", () => {
    expect(placeIn(berlin, at("2026-10-18T22:00:00Z"))).toBe(0);
    expect(placeIn(berlin, at("2026-10-21T10:00:00Z"))).toBeCloseTo(2.5 / 7);
    expect(placeIn(berlin, at("2026-10-25T11:00:00Z"))).toBeCloseTo((6 + 13 / 25) / 7); // noon, after 13 hours
    expect(placeIn(berlin, at("2026-10-25T23:00:00Z"))).toBe(1);
  });

  it("are cut at the ends of the week, and left out beyond it", () => {
    const spans = [
      { start: at("2026-10-10T00:00:00Z"), end: at("2026-10-20T10:00:00Z") },
      { start: at("2026-10-25T22:00:00Z"), end: at("2026-10-27T00:00:00Z") },
      { start: at("2026-10-25T23:00:00Z"), end: at("2026-10-27T00:00:00Z") },
      { start: at("2026-10-20T00:00:00Z"), end: at("2026-10-20T00:00:00Z") },
    ];
    const pieces = piecesOf(berlin, spans);
    expect(pieces.map((piece) => [piece.begins, piece.ends])).toEqual([
      [false, true],
      [true, false],
    ]);
    expect(pieces[0]?.from).toBe(0);
    expect(pieces[0]?.width).toBeCloseTo(1.5 / 7);
    expect((pieces[1]?.from ?? 0) + (pieces[1]?.width ?? 0)).toBe(1);
  });

  it("come back from a place to a whole hour", () => {
    expect(instantAt(berlin, 0)).toBe(at("2026-10-18T22:00:00Z"));
    expect(instantAt(berlin, 1)).toBe(at("2026-10-25T23:00:00Z"));
    expect(instantAt(berlin, 2.51 / 7)).toBe(at("2026-10-21T10:00:00Z"));
    for (let hour = 0; hour <= 7 * 24 + 1; hour++) {
      const instant = at("2026-10-18T22:00:00Z") + hour * H;
      expect(instantAt(berlin, placeIn(berlin, instant))).toBe(instant);
    }
    expect(instantAt(berlin, -3)).toBe(berlin[0]?.start);
    expect(instantAt(berlin, 7)).toBe(berlin[6]?.end);
  });
});

describe("stretches", () => {
  it("that touch are one", () => {
    expect(joined([{ start: 5, end: 6 }, { start: 0, end: 2 }, { start: 2, end: 3 }, { start: 1, end: 2 }])).toEqual([
      { start: 0, end: 3 },
      { start: 5, end: 6 },
    ]);
  });

  it("overlap where they do, and nowhere else", () => {
    expect(overlapsOf([{ start: 0, end: 4 }, { start: 4, end: 6 }])).toEqual([]);
    expect(overlapsOf([{ start: 0, end: 10 }, { start: 2, end: 4 }, { start: 3, end: 5 }, { start: 9, end: 12 }])).toEqual([
      { start: 2, end: 5 },
      { start: 9, end: 10 },
    ]);
  });
});

describe("the next time that clocks show", () => {
  it.each([
    ["2026-03-28T07:59:59Z", "2026-03-28T08:00:00Z"],
    ["2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z"], // an hour shorter
    ["2026-10-24T23:30:00Z", "2026-10-25T08:00:00Z"],
  ])("is after %s at %s", (now, then) => expect(nextTime(9 * H, at(now), "Europe/Berlin")).toBe(at(then)));
});
