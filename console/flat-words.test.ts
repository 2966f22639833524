import { describe, expect, it } from "vitest";
import { said, units } from "./flat-words";

const FILE = `
import { table } from "./table";
export const first = {
  failed(error: Error): string { return error.message; },
  menu: "Menu",
  firing: { none: "Nothing", states: { DEAD: "Failed" } as Record<string, string>, when: (time: string) => \`at \${time}\` },
  kinds: table("en"),
};
`;

describe("a file of words", () => {
  it("is read as paths and expressions", () => {
    const found = said(FILE);
    expect([...found.keys()]).toEqual(["failed", "menu", "firing", "firing.none", "firing.states", "firing.when", "kinds"]);
    expect(found.get("failed")).toBe("function failed(error: Error): string { return error.message; }");
    expect(found.get("firing.when")).toBe("(time: string) => `at ${time}`");
    expect(found.get("firing.states")).toBe('{ DEAD: "Failed" } as Record<string, string>');
  });

  it("says each word by a name of its own", () => {
    expect(() => said("export const first = { ...others };")).toThrow("has no name");
  });
});

describe("what pages say", () => {
  const known = new Set(said(FILE).keys());

  it("is the longest path that is known, in the order of the file", () => {
    expect(units(["kinds", "firing.none.length", "menu"], known)).toEqual(["menu", "firing.none", "kinds"]);
  });

  it("is an object as a whole where it is said as a whole", () => {
    expect(units(["firing.states.DEAD", "firing", "firing.none"], known)).toEqual(["firing"]);
  });

  it("is there", () => {
    expect(() => units(["gone.word"], known)).toThrow("nothing says gone.word");
  });
});
