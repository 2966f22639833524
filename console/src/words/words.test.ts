import { describe, expect, it } from "vitest";
import { de } from "./de";
import { en } from "./en";

/** Every path of an object to a text or a function. */
function paths(value: object, prefix = ""): string[] {
  return Object.entries(value).flatMap(([key, inner]) => (typeof inner === "object" ? paths(inner as object, `${prefix}${key}.`) : [`${prefix}${key}`]));
}

describe("the languages", () => {
  it("say the same things, those of open tables included", () => {
    expect(paths(de).sort()).toEqual(paths(en).sort());
  });

  it("leave nothing empty", () => {
    const texts = (value: object): string[] => Object.values(value).flatMap((inner) => (typeof inner === "object" ? texts(inner as object) : typeof inner === "string" ? [inner] : []));
    expect([...texts(en), ...texts(de)].filter((text) => text.trim() === "")).toEqual([]);
  });
});
