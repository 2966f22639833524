// Runs the clients in Node: node.js URL TOKEN DESCRIPTORS; prints what they saw as JSON.
import { readFileSync } from "node:fs";
import xhr2 from "xhr2";
import { run } from "./dist/clients.js";

globalThis.XMLHttpRequest = xhr2;
const [url, token, file] = process.argv.slice(2);
console.log(JSON.stringify(await run({ url, token, descriptors: readFileSync(file) })));
process.exit(0);
