/** Words by number: in the build, `words().alarm.next` becomes `words(57)`, and each file of words a list, so that no name of a word is loaded.
 *
 * What is found by a name that is known only when the page runs, such as `words().firing.outcomes[outcome]`, keeps its names. In development and in
 * tests nothing is changed.
 */

import { readFileSync, readdirSync } from "node:fs";
import { join, sep } from "node:path";
import ts from "typescript";
import type { Plugin } from "vite";
import { alertKinds } from "./src/words/alert-kinds";

/** What a file of words says: each path, such as "alarm.next", with its expression; objects that have names of their own in them with both. */
type Said = Map<string, string>;

const _USE = /\bwords\(\)((?:\.[A-Za-z_]\w*)+)/g;
const _TABLE = /\balertKinds\("(\w\w)"\)/; // a call whose result is known: the table of all languages is not loaded
const _TABLE_IMPORT = /^import .*alert-kinds";$/m;
const _NAMED = "words = (): Words => _found.value;";
const _NUMBERED = "words = (number: number) => _found.value[number];";
const _FILES = ["first", "others"] as const;

/** The paths and expressions of the object that a file of words exports. */
export function said(text: string): Said {
  const source = ts.createSourceFile("words.ts", text, ts.ScriptTarget.Latest, true);
  const found: Said = new Map();
  const read = (node: ts.ObjectLiteralExpression, prefix: string): void => {
    for (const property of node.properties) {
      const name = property.name?.getText(source);
      if (name === undefined) throw new Error(`words: ${property.getText(source)} has no name`);
      const path = prefix + name;
      if (ts.isMethodDeclaration(property)) found.set(path, `function ${property.getText(source)}`);
      else if (ts.isPropertyAssignment(property)) {
        found.set(path, property.initializer.getText(source));
        if (ts.isObjectLiteralExpression(property.initializer)) read(property.initializer, `${path}.`);
      } else throw new Error(`words: ${path} is not written as a name and a value`);
    }
  };
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    const made = statement.declarationList.declarations[0]?.initializer;
    if (made && ts.isObjectLiteralExpression(made) && statement.modifiers?.some((word) => word.kind === ts.SyntaxKind.ExportKeyword)) read(made, "");
  }
  return found;
}

/** The paths that pages say, the longest that are known of each use, none within another. */
export function units(uses: Iterable<string>, known: ReadonlySet<string>): string[] {
  const found = new Set<string>();
  for (const use of uses) {
    const names = use.split(".");
    while (names.length > 0 && !known.has(names.join("."))) names.pop();
    if (names.length === 0) throw new Error(`words: nothing says ${use}`);
    found.add(names.join("."));
  }
  const within = (path: string): boolean => path.split(".").some((_, index, names) => index > 0 && found.has(names.slice(0, index).join(".")));
  return [...known].filter((path) => found.has(path) && !within(path));
}

function _sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !/\.(test|d)\.ts$/.test(name))
    .map((name) => readFileSync(join(folder, name), "utf8"));
}

export function flatWords(): Plugin {
  const numbers = new Map<string, number>();
  const own = new Map<string, string[]>(); // the units that a file says, in their order
  return {
    name: "flat-words",
    apply: "build",
    enforce: "pre",
    buildStart() {
      const folder = join(import.meta.dirname, "src");
      const parts = _FILES.map((file) => said(readFileSync(join(folder, "words", "en", `${file}.ts`), "utf8")));
      const uses = _sources(folder).flatMap((text) => [...text.matchAll(_USE)].map(([, chain = ""]) => chain.slice(1)));
      const all = units(uses, new Set(parts.flatMap((part) => [...part.keys()])));
      for (const [index, file] of _FILES.entries()) {
        own.set(file, all.filter((path) => parts[index]?.has(path)));
        for (const path of own.get(file) ?? []) {
          if (numbers.has(path)) throw new Error(`words: ${path} is in both files, and said as a whole`);
          numbers.set(path, numbers.size);
        }
      }
    },
    transform(code, id) {
      const [, language, file = ""] = /\/src\/words\/(\w\w)\/(\w+)\.ts$/.exec(id.split(sep).join("/")) ?? [];
      const list = own.get(file);
      if (language && list) {
        const there = said(code);
        const items = list.map((path) => {
          const item = there.get(path);
          if (item === undefined) throw new Error(`words: ${id} does not say ${path}`);
          return item.replace(_TABLE, (_, name: "en" | "de") => JSON.stringify(alertKinds(name)));
        });
        const head = code.slice(0, code.indexOf("export const")).replace(_TABLE_IMPORT, "");
        return { code: `${head}export const ${file} = [${items.join(",\n")}];\n`, map: null };
      }
      if (id.endsWith("/src/words/index.ts")) {
        if (!code.includes(_NAMED)) throw new Error(`words: ${id} does not say ${_NAMED}`);
        return { code: code.replace(_NAMED, _NUMBERED), map: null };
      }
      if (!/\/src\/.*\.tsx?$/.test(id) || !code.includes("words()")) return null;
      const flat = code.replace(_USE, (_, chain: string) => {
        const names = chain.slice(1).split(".");
        const count = names.findIndex((_name, index) => numbers.has(names.slice(0, index + 1).join("."))) + 1;
        if (count === 0) throw new Error(`words: ${id} says ${chain}, which has no number`);
        return [`words(${numbers.get(names.slice(0, count).join("."))})`, ...names.slice(count).map((name) => `.${name}`)].join("");
      });
      if (flat.includes("words()")) throw new Error(`words: ${id} takes them without saying which`);
      return { code: flat, map: null };
    },
  };
}
