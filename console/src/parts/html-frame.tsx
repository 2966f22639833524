/** HTML that a stranger may have written, in a frame that runs, loads, sends and opens nothing: an empty page of our own says so, and the frame does too. */

import { useEffect, useRef } from "preact/hooks";

const _PAGE = "/console/frame";

export function HtmlFrame({ html, title }: { html: string; title: string }) {
  const frame = useRef<HTMLIFrameElement>(null);
  const latest = useRef(html);
  latest.current = html;
  const isOurs = () => {
    const page = frame.current?.contentDocument;
    return Boolean(page && new URL(page.URL).pathname === _PAGE);
  };
  const write = () => {
    // Before it has loaded, it is a blank page under the policy of this one, or has no element yet: `loaded` writes then.
    const root = isOurs() && frame.current?.contentDocument?.documentElement;
    if (root) root.innerHTML = latest.current;
  };
  const loaded = () => {
    if (isOurs()) write();
    else if (frame.current) frame.current.src = _PAGE; // somebody followed a link in it
  };
  useEffect(write, [html]);
  return <iframe ref={frame} class="mail" sandbox="allow-same-origin" src={_PAGE} title={title} referrerpolicy="no-referrer" onLoad={loaded} />;
}
