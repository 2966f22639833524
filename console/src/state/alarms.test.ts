import { describe, expect, it } from "vitest";
import { firingTone, lateness, millis, nameOf, ruleOf } from "./alarms";

describe("a rule in a few characters", () => {
  it.each([
    [{ daily: { time: "09:00" } }, "daily 09:00"],
    [{ every: "900s" }, "every 15 min"],
    [{ cron: "0 9 * * MON" }, "0 9 * * MON"],
    [{ rrule: "DTSTART:20260101T000000Z\nRRULE:FREQ=DAILY" }, "RRULE:FREQ=DAILY"],
    [{ threshold: { metric: "cpu", comparison: "GREATER_THAN" as const, value: 5 } }, "cpu > 5"],
    [{}, ""],
  ])("%o", (trigger, text) => expect(ruleOf(trigger)).toBe(text));
});

describe("what is missing", () => {
  it("does not break anything", () => {
    expect(nameOf({ name: "alarms/7", trigger: {}, action: {} })).toBe("7");
    expect(millis(undefined)).toBe(0);
    expect(lateness({ dueTime: "2026-01-01T00:00:00Z" })).toBeUndefined();
  });
});

describe("how a firing stands", () => {
  it.each([
    [{ state: "DEAD" as const }, "bad"],
    [{ state: "SUCCEEDED" as const, deliveries: { dead: 1 } }, "bad"],
    [{ outcome: "LATE" as const }, "warn"],
    [{ outcome: "SKIPPED" as const, state: "CLOSED" as const }, "idle"],
    [{ outcome: "FIRED" as const, state: "SUCCEEDED" as const }, "good"],
  ])("%o", (firing, tone) => expect(firingTone(firing)).toBe(tone));
});
