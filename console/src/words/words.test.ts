import { describe, expect, it } from "vitest";
import { first as deFirst } from "./de/first";
import { others as deOthers } from "./de/others";
import { first as enFirst } from "./en/first";
import { others as enOthers } from "./en/others";
import { joined } from "./index";

const en = joined(enFirst, enOthers);
const de = joined(deFirst, deOthers);
const sources = import.meta.glob<string>("../**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true });

/** Every path of an object to a text or a function. */
function paths(value: object, prefix = ""): string[] {
  return Object.entries(value).flatMap(([key, inner]) => (typeof inner === "object" ? paths(inner as object, `${prefix}${key}.`) : [`${prefix}${key}`]));
}

/** The sources that a file imports, and those that they import, without what is loaded later. */
function reached(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file) || !(file in sources)) return found;
  found.add(file);
  for (const [, name = ""] of (sources[file] ?? "").matchAll(/^(?:import|export) (?:.* from )?"(\.[^"]+)";/gm)) {
    const { pathname } = new URL(name, `http://console/src/words/${file}`);
    const path = pathname.replace("/src/", "../").replace("../words/", "./");
    for (const each of [`${path}.ts`, `${path}.tsx`, `${path}/index.ts`]) reached(each, found);
  }
  return found;
}

describe("the languages", () => {
  it("say the same things, those of open tables included", () => {
    expect(paths(de).sort()).toEqual(paths(en).sort());
    expect(paths(deFirst).sort()).toEqual(paths(enFirst).sort());
  });

  it("leave nothing empty", () => {
    const texts = (value: object): string[] => Object.values(value).flatMap((inner) => (typeof inner === "object" ? texts(inner as object) : typeof inner === "string" ? [inner] : []));
    expect([...texts(en), ...texts(de)].filter((text) => text.trim() === "")).toEqual([]);
  });

  it("say everything of the first page in the file that comes with it", () => {
    const files = [...reached("../main.tsx")];
    expect(files.length).toBeGreaterThan(20);
    const said = files.flatMap((file) => [...(sources[file] ?? "").matchAll(/words\(\)\.(\w+)(?:\.(\w+))?/g)].map(([, section = "", word = ""]) => ({ file, section, word })));
    expect(said.length).toBeGreaterThan(100);
    const there = enFirst as unknown as Record<string, unknown>;
    const missing = said.filter(({ section, word }) => {
      const found = there[section];
      return found === undefined || (word !== "" && typeof found === "object" && !(word in (found as object)));
    });
    expect(missing).toEqual([]);
  });
});
