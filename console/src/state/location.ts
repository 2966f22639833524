/** Where one is: the address of the page, which links, the browser's buttons and `route` change without loading it anew. */

import { signal } from "./signals";

interface Place {
  /** Without slashes at its end. */
  path: string;
  query: Record<string, string>;
}

const _here = (): Place => ({
  path: location.pathname.replace(/\/+$/, "") || "/",
  query: Object.fromEntries(new URLSearchParams(location.search)),
});

const _place = signal(_here());

/** Goes to `url`; `replace`: in place of where one is, so that the browser's button does not lead back to it. */
export function route(url: string, replace = false): void {
  const { path } = _place.value;
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  _place.value = _here();
  if (!replace && path !== _place.value.path) scrollTo(0, 0);
}

/** Where one is; whoever asks while it is drawn is drawn again when that changes. */
export const useLocation = () => ({ ..._place.value, route });

/** Takes clicks on links of the console, unless the browser is to open them elsewhere; gives the function that ends it. */
export function followLinks(): () => void {
  const click = (event: MouseEvent) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.button !== 0) return;
    const link = event.composedPath().find((item): item is HTMLAnchorElement => item instanceof HTMLAnchorElement && item.href !== "");
    const href = link?.getAttribute("href");
    if (!link || !href?.startsWith("/console") || link.target || link.hasAttribute("download")) return;
    event.preventDefault();
    route(href);
  };
  const back = () => (_place.value = _here());
  addEventListener("click", click);
  addEventListener("popstate", back);
  return () => {
    removeEventListener("click", click);
    removeEventListener("popstate", back);
  };
}
