import { describe, expect, it } from "vitest";
import { asLines, firstTestData, missingVariables, testValues, textOf, withVariables } from "./templates";

const HEADINGS = { subject: "Subject", text: "Text", html: "HTML", buttons: "Buttons", variables: "Variables", resend: "Resend", any: "any" };

describe("test data", () => {
  it.each([
    ["", {}],
    ['{"variables": {"name": "Ann"}}', { variables: { name: "Ann" } }],
    ['{"variables": {"name": 3}}', { variables: { name: 3 } }], // the service says what is wrong with it
    ["{", { line: 1, column: 2, problem: "end" }],
    ["[]", { field: "", problem: "object" }],
    ['{"name": "Ann"}', { field: "name", problem: "unknown" }],
    ['{"recipient": "Ann"}', { field: "recipient", problem: "object" }],
  ])("%s", (json, found) => expect(testValues(json)).toEqual(found));

  it("begins with what has to be given", () => {
    const template = { subject: "", requiredVariables: ["name", "total"], declaredVariables: [{ name: "total", example: "7" }] };
    expect(JSON.parse(firstTestData(template))).toEqual({ variables: { name: "name", total: "7" } });
  });

  it("knows from a refusal what is missing", () => {
    expect(missingVariables([{ field: "variables", description: "missing: name, total" }])).toEqual(["name", "total"]);
    expect(missingVariables([{ field: "template.text", description: "missing: name" }, { field: "variables", description: "unknown: x" }])).toEqual([]);
  });

  it("takes what is missing, and keeps what is there", () => {
    const json = '{"variables": {"name": "Ann"}, "recipient": {"locale": "de"}}';
    expect(JSON.parse(withVariables(json, ["name", "total"]))).toEqual({ variables: { name: "Ann", total: "total" }, recipient: { locale: "de" } });
    expect(withVariables("{", ["name"])).toBe("{");
  });
});

describe("a template", () => {
  const template = {
    name: "templates/welcome",
    version: 3,
    subject: "Hello",
    text: "Hi\nthere\n",
    parts: [{ channel: "push", text: "Hi!", actions: [{ label: "Open", url: "https://example.com" }] }],
    declaredVariables: [{ name: "total", required: true, default: "0" }],
    resendIfUnknown: true,
    promoted: true,
  };

  it("is sent without what the service finds out itself", () => {
    expect(Object.keys(textOf(template))).toEqual(["subject", "text", "parts", "declaredVariables", "resendIfUnknown"]);
  });

  it("is compared by lines", () => {
    expect(asLines(template, HEADINGS).split("\n")).toEqual([
      ...["■ Subject", "Hello", "■ Text", "Hi", "there"],
      ...["■ push · any · Text", "Hi!", "■ push · any · Buttons", "Open → https://example.com"],
      ...["■ Variables", "total * = 0", "■ Resend"],
    ]);
  });
});
