/** What every page is made of. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { ApiError } from "../api/problem";
import type { Loaded } from "../state/loaded";
import { words } from "../words";
import { When } from "./when";

/** The head of a page: its name, what it says of itself, and what can be done. */
export function Head({ title, note, children }: { title: string; note?: ComponentChildren; children?: ComponentChildren }) {
  return (
    <header class="head">
      <h1>{title}</h1>
      {note !== undefined && <p class="dim">{note}</p>}
      <div class="actions">{children}</div>
    </header>
  );
}

/** Something on a page, with a heading. */
export function Section({ title, note, children }: { title: string; note?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="section">
      <h2>
        {title}
        {note !== undefined && <small class="dim">{note}</small>}
      </h2>
      {children}
    </section>
  );
}

/** A button that does something, and cannot do it twice at a time. */
export function Button({
  onPress,
  kind = "plain",
  children,
  ...rest
}: {
  onPress: () => unknown;
  kind?: "plain" | "main" | "risky";
  disabled?: boolean;
  children: ComponentChildren;
}) {
  const [busy, setBusy] = useState(false);
  const press = async () => {
    if (busy) return;
    setBusy(true);
    try {
      await onPress();
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" class={`button ${kind}`} aria-busy={busy} {...rest} onClick={press}>
      {children}
    </button>
  );
}

/** A thing that can be copied: an id, a line for a terminal. */
export function Copy({ text, shown = text }: { text: string; shown?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    window.setTimeout(() => setCopied(false), 1500);
  };
  return (
    <span class="copy">
      <code title={text}>{shown}</code>
      <button type="button" class="quiet" onClick={copy} aria-label={`${words().copy}: ${shown}`}>
        {copied ? words().copied : words().copy}
      </button>
    </span>
  );
}

/** A line for a terminal that does what the page does. */
export function CommandLine({ line }: { line: string }) {
  return (
    <div class="command">
      <Copy text={line} />
    </div>
  );
}

/** Nothing here yet: one sentence, one button, one line for a terminal. */
export function Empty({ sentence, line, children }: { sentence: string; line?: string | undefined; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p>{sentence}</p>
      {children}
      {line && <CommandLine line={line} />}
    </div>
  );
}

/** A call that failed: which, why, its trace, and the retry. */
export function Failure({ error, again }: { error: ApiError; again: () => void }) {
  return (
    <div class="failure" role="alert">
      <p>{words().failed(error)}</p>
      <p class="dim">
        {error.call}
        {error.traceId && (
          <>
            {" · "}
            {words().trace} <Copy text={error.traceId} shown={error.traceId.slice(0, 8)} />
          </>
        )}
      </p>
      <Button onPress={again}>{words().retry}</Button>
    </div>
  );
}

/** The shape of what comes. */
export function Shape({ rows = 8 }: { rows?: number }) {
  return (
    <div class="shape" aria-busy="true" aria-label={words().loading}>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} />
      ))}
    </div>
  );
}

/** Facts as a list of names and values; those without a value are left out. */
export function Facts({ children }: { children: ComponentChildren }) {
  return <dl class="facts">{children}</dl>;
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  if (children === undefined || children === null || children === "" || children === false) return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** What was loaded, or will be; of what, is for whoever shows it. */
type Any = Pick<Loaded<unknown>, "data" | "error" | "at" | "again">;

/** Stands for what is not loaded yet: its shape, or why it cannot be loaded. */
export function Pending({ of, rows = 8 }: { of: Any; rows?: number }) {
  if (of.data !== undefined) return null;
  return of.error ? <Failure error={of.error} again={of.again} /> : <Shape rows={rows} />;
}

/** Says how old what is shown is, once that is worth a word; or why nothing is shown. */
export function AsOf({ of }: { of: Any }) {
  const { data, error, at, again } = of;
  if (!error) return null;
  if (data === undefined) return <Failure error={error} again={again} />;
  return (
    <p class="stale" role="status">
      {words().staleSince} <When at={new Date(at).toISOString()} />. {words().failed(error)}
    </p>
  );
}
