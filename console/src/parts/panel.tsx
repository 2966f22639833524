/** What is open beside a list, or in its place on a phone. It takes the focus, and gives it back to the row that it was opened from; Escape closes it. */

import type { ComponentChildren } from "preact";
import { useLocation } from "../state/location";
import { useEffect, useRef } from "preact/hooks";
import { words } from "../words";

export function Panel({ title, back, children }: { title: string; back: string; children: ComponentChildren }) {
  const { route } = useLocation();
  const own = useRef<HTMLElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    if (!own.current?.contains(before)) heading.current?.focus(); // a field of a form may have taken it
    return () => requestAnimationFrame(() => document.activeElement === document.body && before instanceof HTMLElement && before.focus());
  }, []);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) route(back);
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [back]);
  return (
    <aside ref={own} class="panel" aria-label={title}>
      <header>
        <h2 ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <a class="quiet" href={back} aria-label={words().close}>
          ×
        </a>
      </header>
      {children}
    </aside>
  );
}
