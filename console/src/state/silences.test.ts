import { describe, expect, it } from "vitest";
import { likeOf, linesOf, matchersOf } from "./silences";

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
