import { describe, expect, it } from "vitest";
import { likeOf, linesOf, matchersOf, windowOf, windowText } from "./silences";

describe("the conditions of a silence", () => {
  it.each([
    ["host=db-*", [{ label: "host", value: "db-*", negate: false }]],
    [" team = core \n\nseverity!=info", [{ label: "team", value: "core", negate: false }, { label: "severity", value: "info", negate: true }]],
    ["url=https://a.example/?b=c", [{ label: "url", value: "https://a.example/?b=c", negate: false }]],
    ["gone=", [{ label: "gone", value: "", negate: false }]],
    ["", []],
  ])("%j", (text, matchers) => expect(matchersOf(text)).toEqual(matchers));
  it.each(["core", "=core", "!=core", "team=core\ncore"])("are none of %j", (text) => expect(matchersOf(text)).toBeUndefined());
  it("come back as they were", () => expect(linesOf(matchersOf("a=b\nc!=d*") ?? [])).toBe("a=b\nc!=d*"));
  it("hold what a line cannot by a *", () => expect(linesOf([{ label: "a", value: " b\r\nc " }])).toBe("a=*b*c*"));
});

describe("what is like an incident", () => {
  it("has its labels", () => expect(likeOf({ title: "", labels: { service: "search", host: "db-1" } })).toBe("service=search\nhost=db-1"));
  it("or its key", () => expect(likeOf({ title: "", dedupKey: "disk/db-1" })).toBe("dedupKey=disk/db-1"));
});

describe("a silence of every week", () => {
  it.each([
    [{ days: [1, 5], start: "22:00", end: "06:30" }, "0 22 * * MON,FRI"],
    [{ days: [7], start: "00:05", end: "01:00" }, "5 0 * * SUN"],
    [{ days: [], start: "08:00", end: "09:00" }, "0 8 * * *"],
  ])("%j", (hours, cron) => expect(windowOf(hours, "Europe/Berlin")).toEqual({ cron, end: hours.end, timeZone: "Europe/Berlin" }));
  it.each([
    [{ cron: "0 2 * * SUN", duration: "7200s", timeZone: "UTC" }, "0 2 * * SUN · + 2 h · UTC"],
    [{ onCalendar: "Mon 22:00", end: "06:00" }, "Mon 22:00 · → 06:00"],
    [{ rrule: "FREQ=DAILY" }, "FREQ=DAILY"],
  ])("%j is said", (window, text) => expect(windowText(window)).toBe(text));
});
