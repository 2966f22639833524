/** What is open beside a list. Escape closes it. */

import type { ComponentChildren } from "preact";
import { useLocation } from "../state/location";
import { useEffect, useRef } from "preact/hooks";
import { words } from "../words";

export function Panel({ title, back, children }: { title: string; back: string; children: ComponentChildren }) {
  const { route } = useLocation();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) route(back);
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [back]);
  return (
    <aside class="panel" aria-label={title}>
      <header>
        <h2 ref={heading}>{title}</h2>
        <a class="quiet" href={back} aria-label={words().close}>
          ×
        </a>
      </header>
      {children}
    </aside>
  );
}
