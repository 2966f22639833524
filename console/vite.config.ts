import { readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import { flatWords } from "./flat-words";

const gateway = process.env.TOCSIN_URL ?? "http://127.0.0.1:8000";
const key = process.env.TOCSIN_API_KEY;
const own = { target: gateway, ...(key ? { headers: { authorization: `Bearer ${key}` } } : {}) };

/** Each text as brotli beside it: the gateway sends what the browser takes, and compresses nothing itself. */
const brotli: Plugin = {
  name: "brotli",
  enforce: "post",
  generateBundle: {
    order: "post", // Vite itself changes the chunks that load others in this step
    handler(_, bundle) {
      for (const [name, file] of Object.entries(bundle)) {
        if (!/\.(js|css|svg)$/.test(name)) continue;
        const text = Buffer.from(file.type === "chunk" ? file.code : file.source);
        const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: text.length };
        this.emitFile({ type: "asset", fileName: `${name}.br`, source: brotliCompressSync(text, { params }) });
      }
    },
  },
  writeBundle({ dir = "" }, bundle) {
    for (const name of Object.keys(bundle).filter((item) => item.endsWith(".br"))) {
      const text = readFileSync(join(dir, name.slice(0, -3)));
      if (!brotliDecompressSync(readFileSync(join(dir, name))).equals(text)) throw new Error(`${name} is not what it stands beside`);
    }
  },
};

/** A part that is loaded later stands on nothing but the first: it is loaded as it is, and who opens it sees to what fails (`state/version.ts`). */
const plain: Plugin = {
  name: "plain-imports",
  enforce: "pre",
  load: { order: "pre", filter: { id: /vite\/preload-helper/ }, handler: () => "export const __vitePreload = (load) => load();" },
};

/** What the first page needs is one file. */
const GROUPS = [{ name: "main", tags: ["$initial" as const] }];

/** Words are named after their language. */
const chunkFileNames = ({ facadeModuleId }: { facadeModuleId?: string | null }): string => {
  const [, language] = /\/words\/(\w+)\//.exec(facadeModuleId ?? "") ?? [];
  return `assets/${language ? `${language}-` : ""}[name]-[hash].js`;
};

export default defineConfig({
  plugins: [flatWords(), plain, brotli],
  base: "/console/",
  // Children as arguments: an object with the children of each tag would be two percent of the JavaScript.
  oxc: { jsx: { runtime: "classic", pragma: "h", pragmaFrag: "Fragment" }, jsxInject: 'import { Fragment, h } from "preact";' },
  build: {
    outDir: "../gateway/console",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the Content-Security-Policy takes nothing inline
    modulePreload: false,
    reportCompressedSize: true,
    rolldownOptions: { input: { main: "index.html" }, output: { codeSplitting: { groups: GROUPS }, chunkFileNames } },
  },
  // `npx vite` serves the sources in front of a gateway that runs: TOCSIN_URL, and TOCSIN_API_KEY in place of a sign-in.
  server: { proxy: { "/v1": own, "/v2": own, "/ping": own, "/console/frame": own, "/health": own, "/session": key ? { ...own, rewrite: () => "/v1/auth:verify" } : own } },
});
