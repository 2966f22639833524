import { describe, expect, it } from "vitest";
import { durationOf, grouped, hoursText, unitsOf, windowsOf } from "./hours";

const day = (number: number) => ["", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][number] ?? "";

describe("hours", () => {
  it("go from windows to people's words and back", () => {
    const windows = [5, 1, 2, 3, 4].map((weekday) => ({ weekday, start: "08:00", end: "18:00" })).concat({ weekday: 7, start: "20:00", end: "06:00" });
    const hours = grouped(windows);
    expect(hoursText(hours, day)).toBe("Mon–Fri 08:00–18:00, Sun 20:00–06:00");
    expect(windowsOf(hours).length).toBe(6);
    expect(grouped(windowsOf(hours))).toEqual(hours);
  });

  it("name no day where all are meant", () => {
    expect(hoursText([{ days: [], start: "08:00", end: "18:00" }], day)).toBe("08:00–18:00");
    expect(hoursText([{ days: [6, 7, 2], start: "08:00", end: "18:00" }], day)).toBe("Tue, Sat, Sun 08:00–18:00");
  });

  it.each([
    ["300s", 5, "m"],
    ["90s", 90, "s"],
    ["86400s", 1, "d"],
    ["7200s", 2, "h"],
    ["0s", 0, "s"],
    [undefined, 0, "s"],
  ] as const)("a duration of %s", (text, count, unit) => {
    expect(unitsOf(text)).toEqual([count, unit]);
    expect(durationOf(count, unit)).toBe(text ?? "0s");
  });
});
