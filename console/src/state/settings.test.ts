import { describe, expect, it } from "vitest";
import { programOf } from "./programs";
import { configOf, labelOf, settingsOf } from "./providers";
import { quotasOf, typedQuotas, useTone } from "./quotas";
import { rulesOf, textOf } from "./role-rules";
import { areasOf, toggled } from "./scopes";

describe("scopes in groups", () => {
  it("are areas by name, without what every token has", () => {
    expect(areasOf(["users:write", "alarms:read", "profile:read", "users:read", "alarms:read"])).toEqual([
      { area: "alarms", rights: ["read"] },
      { area: "users", rights: ["read", "write"] },
    ]);
  });
  const all = ["alarms:read", "alarms:write", "owners:write"];
  it.each([
    ["whoever may write may read", [], "alarms:write", ["alarms:read", "alarms:write"]],
    ["who may not read writes nothing", ["alarms:read", "alarms:write"], "alarms:read", []],
    ["one may read alone", ["alarms:read", "alarms:write"], "alarms:write", ["alarms:read"]],
    ["there is no right that does not exist", [], "owners:write", ["owners:write"]],
  ])("%s", (_, before, pressed, after) => expect(toggled(before, pressed, all)).toEqual(after));
});

describe("rules that give roles to groups", () => {
  it.each([
    ["a = admin", [{ group: "a", role: "roles/admin" }]],
    [" cn=x,dc=y = roles/viewer \n\n", [{ group: "cn=x,dc=y", role: "roles/viewer" }]],
    ["no role", [{ group: "no role", role: "" }]],
    ["", []],
  ])("%j", (text, rules) => expect(rulesOf(text)).toEqual(rules));
  it("come back as they were", () => {
    const rules = [{ group: "cn=x", role: "roles/admin" }];
    expect(rulesOf(textOf(rules))).toEqual(rules);
  });
});

describe("the configuration of a provider", () => {
  const kind = {
    kind: "smtp",
    channel: "email",
    secrets: ["password"],
    configSchema: {
      required: ["host"],
      properties: {
        tls: { $ref: "#/$defs/Tls", default: "starttls" },
        port: { type: "integer", default: 587 },
        password: { type: "string", writeOnly: true },
        host: { type: "string", description: "Where it is." },
        eager: { type: "boolean", default: false },
      },
      $defs: { Tls: { enum: ["starttls", "none"], type: "string" } },
    },
  };
  const settings = settingsOf(kind);
  it("has what is needed first, then secrets, then the rest by name", () => {
    expect(settings.map(({ name, type, needed }) => [name, type, needed])).toEqual([
      ["host", "text", true],
      ["password", "secret", false],
      ["eager", "tick", false],
      ["port", "number", false],
      ["tls", "choice", false],
    ]);
    expect(settings.at(-1)?.choices).toEqual(["starttls", "none"]);
  });
  it("sends what differs, numbers as numbers, and no secret that was not typed", () => {
    expect(configOf(settings, { host: "mail", port: "2525", tls: "starttls", password: "", eager: true })).toEqual({ host: "mail", port: 2525, eager: true });
  });
  it("is nothing where a kind says nothing", () => expect(settingsOf(undefined)).toEqual([]));
  it("has names for people", () => expect(labelOf("timeout_seconds")).toBe("Timeout seconds"));
});

describe("quotas", () => {
  it("are empty where there are none, and left out where they are empty", () => {
    expect(quotasOf({ alarms: "0" })).toEqual({ alarms: "0", firesPerMinute: "", messagesPerDay: "", storageBytes: "" });
    expect(typedQuotas({ alarms: "0", firesPerMinute: " 5 ", messagesPerDay: "" })).toEqual({ alarms: "0", firesPerMinute: "5" });
  });
  it.each([
    [0, 0, "idle"],
    [79, 100, "good"],
    [80, 100, "warn"],
    [100, 100, "bad"],
  ])("%d of %d", (used, limit, tone) => expect(useTone(used, limit)).toBe(tone));
});

describe("what a program calls itself", () => {
  it.each([
    ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Chrome · Linux"],
    ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox · macOS"],
    ["tocsin/0.1", "tocsin/0.1"],
    ["", ""],
  ])("%s", (text, name) => expect(programOf(text)).toBe(name));
});
