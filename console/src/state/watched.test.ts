import { describe, expect, it } from "vitest";
import { pingLines, standingName, standingTone, wrongFirst } from "./watched";

describe("what is watched", () => {
  it("stands with what is wrong first", () => {
    const states = ["UP", "PAUSED", "DOWN", "NEW", "LATE", "STARTED"] as const;
    const found = wrongFirst(states.map((state) => ({ state, displayName: state })));
    expect(found.map((item) => item.state)).toEqual(["DOWN", "LATE", "NEW", "STARTED", "UP", "PAUSED"]);
    expect(found.map(standingTone)).toEqual(["bad", "warn", "idle", "busy", "good", "idle"]);
  });

  it("puts a state that it does not know behind all others", () => {
    expect(wrongFirst([{ displayName: "new kind" }, { state: "PAUSED" }]).map(standingName)).toEqual(["", "new kind"]);
  });

  it("pings by lines that hold its address", () => {
    for (const line of Object.values(pingLines("http://h/ping/uuid"))) expect(line).toContain("http://h/ping/uuid");
  });
});
