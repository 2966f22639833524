import { describe, expect, it } from "vitest";
import { curlOf, KINDS, payloadOf, quoted, segmentsOf, testCall, USUAL_MAPPING } from "./intake";

describe("test calls", () => {
  it.each(KINDS.filter((kind) => kind !== "EMAIL"))("of %s hold the key and the title", (kind) => {
    const call = testCall(kind, "k3y", "It's on fire");
    expect(`${call?.path} ${call?.body}`).toContain("k3y");
    expect(JSON.stringify(JSON.parse(call?.body ?? ""))).toContain("It's on fire");
  });

  it("are none of mail", () => {
    expect(testCall("EMAIL", "k3y", "x")).toBeNull();
  });

  it("are lines that a shell takes as they are", () => {
    expect(curlOf({ path: "/v1/x", type: "application/json", body: `{"a":"it's $(rm) \`x\`"}` }, "http://h:1")).toBe(
      `curl http://h:1/v1/x -H 'Content-Type: application/json' -d '{"a":"it'\\''s $(rm) \`x\`"}'`,
    );
    expect(quoted("")).toBe("''");
  });
});

describe("payloads", () => {
  it("hold what a mapping looks for", () => {
    expect(payloadOf(USUAL_MAPPING, "t")).toEqual({ title: "t", id: "test", state: "firing", severity: "warning" });
    const mapping = { items: "$.alerts", title: { paths: ["monitor['a name']"] }, state: { paths: ["beats[1].status"] }, states: { "1": "RESOLVE" as const, "0": "TRIGGER" as const } };
    const alert = { monitor: { "a name": "t" }, beats: [] as unknown[] };
    alert.beats[1] = { status: "0" };
    expect(payloadOf(mapping, "t")).toEqual({ alerts: [alert] });
  });

  it("touch nothing else, whatever the path is", () => {
    payloadOf({ title: { paths: ["__proto__.polluted"] } }, "t");
    payloadOf({ title: { paths: ["constructor.prototype.polluted"] } }, "t");
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(JSON.stringify(payloadOf({ title: { paths: ["a[99999999]"] } }, "t")).length).toBeLessThan(100);
  });

  it.each([
    ["a.b", ["a", "b"]],
    ["$.a['b.c'][0]", ["a", "b.c", 0]],
    ["items[0].id", ["items", 0, "id"]],
    ["", []],
  ])("path %s", (path, segments) => {
    expect(segmentsOf(path)).toEqual(segments);
  });
});
