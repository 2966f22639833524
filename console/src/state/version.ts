/** Whether the server has another build of the console than the one that runs here: then the page offers to be loaded anew, and does not do so itself. */

import { notify } from "./notices";
import { words } from "../words";

let _offered = false;

function _offer(): void {
  if (_offered) return;
  _offered = true;
  notify({ text: words().newVersion, offer: { word: words().reload, run: () => location.reload() } });
}

/** Asks for the page as it is now. Each build has a script of another name. */
export async function lookForUpdate(): Promise<void> {
  const script = document.querySelector<HTMLScriptElement>('script[src*="/assets/"]');
  if (_offered || !script) return; // the development server serves the sources
  const page = await fetch("/console/", { headers: { accept: "text/html" } }).catch(() => null);
  if (page?.ok && !(await page.text()).includes(new URL(script.src).pathname)) _offer();
}

/** A part that is loaded when a page is opened is gone, as that of an older build: the whole console is loaded anew, once in a while. */
export function gone(): void {
  _offer();
  const last = Number(sessionStorage.getItem("tocsin.reloaded"));
  if (Date.now() - last < 30_000) return;
  sessionStorage.setItem("tocsin.reloaded", String(Date.now()));
  location.reload();
}
