import { describe, expect, it } from "vitest";
import { addressTone, daysInWords, personName, quietRows, quietTimes, recipientFilter } from "./people";

describe("what somebody looks for", () => {
  it.each([
    ["", ""],
    ["Ann", 'display_name="Ann*"'],
    ['Ann "the boss" \\', 'display_name="Ann \\"the boss\\" \\\\*"'],
    ["ann@example.com", 'address="ann@example.com"'],
    ["+41 79 000 00 00", 'address="+41 79 000 00 00"'],
    ["groups/ops", 'group="groups/ops"'],
    ['channel="sms" AND group="groups/ops"', 'channel="sms" AND group="groups/ops"'],
  ])("%s", (text, filter) => expect(recipientFilter(text)).toBe(filter));
});

describe("quiet times", () => {
  const times = [
    ...[1, 2, 3, 4, 5].map((weekday) => ({ weekday, start: "22:00", end: "06:00" })),
    ...[7, 6].map((weekday) => ({ weekday, start: "00:00", end: "00:00" })),
  ];

  it("that are alike stand in one row", () => {
    expect(quietRows(times)).toEqual([
      { days: [1, 2, 3, 4, 5], start: "22:00", end: "06:00" },
      { days: [6, 7], start: "00:00", end: "00:00" },
    ]);
    expect(quietRows(quietTimes(quietRows(times)))).toEqual(quietRows(times));
  });

  it.each([
    [[1, 2, 3, 4, 5], "Mon–Fri"],
    [[6, 7], "Sat Sun"],
    [[1, 3, 4, 5, 7], "Mon Wed–Fri Sun"],
    [[], ""],
  ])("on %j", (days, text) => expect(daysInWords(days, ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])).toBe(text));
});

describe("what is missing", () => {
  it("does not break anything", () => {
    expect(personName({ name: "recipients/ann" })).toBe("ann");
    expect(personName({})).toBe("");
    expect(addressTone({ channel: "email", value: "a", state: "ACTIVE" }, true)).toBe("bad");
  });
});
