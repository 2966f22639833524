/** A form: its fields by name, what is wrong with one beside it, and what is typed kept until it is saved. */

import type { ComponentChildren } from "preact";
import { useKeptParts } from "../state/kept";
import { words } from "../words";
import { Sheet, useSending } from "./sheet";

/** What a form shows: a part for each kind of field, all of the draft `D`. */
export interface Fields<D extends object> {
  draft: D;
  change: (part: Partial<D>, secret?: boolean) => void;
  /** One line; of type "password" it is a secret, which is not kept. */
  text: (name: keyof D & string, label: string, rest?: TextOptions) => ComponentChildren;
  /** Several lines. */
  area: (name: keyof D & string, label: string, rest?: { hint?: string; rows?: number; code?: boolean }) => ComponentChildren;
  /** One of several, as pairs of value and name. */
  choice: (name: keyof D & string, label: string, offers: readonly (readonly [string, string])[], hint?: string) => ComponentChildren;
  /** Yes or no. */
  tick: (name: keyof D & string, label: string, hint?: string) => ComponentChildren;
}

interface TextOptions {
  hint?: string | undefined;
  type?: "text" | "email" | "password" | "number" | "url" | "datetime-local";
  required?: boolean;
  autocomplete?: string;
  placeholder?: string;
  max?: number;
}

export function Form<D extends object>({
  id,
  first,
  send,
  name,
  cancel,
  risky = false,
  off = false,
  children,
}: {
  /** Under which what is typed is kept. */
  id: string;
  first: D;
  /** Saves the draft; an ApiError is shown at its fields. */
  send: (draft: D) => Promise<unknown>;
  /** What the button says. */
  name: string;
  cancel?: () => void;
  /** Whether it does what cannot be undone. */
  risky?: boolean;
  /** Whether it cannot be sent yet. */
  off?: boolean;
  children: (fields: Fields<D>) => ComponentChildren;
}) {
  const [draft, change, forget] = useKeptParts(id, first);
  const sending = useSending(async () => {
    await send(draft);
    forget(false);
  });
  const { error } = sending;
  const shown = new Set<string>();
  const wrong = (field: string) => {
    const said = error?.of(field) ?? "";
    if (said) shown.add(said);
    return said;
  };
  const put = (field: keyof D & string, value: unknown, secret = false) => change({ [field]: value } as Partial<D>, secret);
  const around = (field: string, label: string, hint: string | undefined, inner: (about: Record<string, string | boolean>) => ComponentChildren) => {
    const said = wrong(field);
    const about = { ...(said || hint ? { "aria-describedby": `${id}-${field}` } : {}), ...(said ? { "aria-invalid": true } : {}) };
    return (
      <div class="field">
        <label>
          {label}
          {inner(about)}
        </label>
        {(said || hint) && (
          <p id={`${id}-${field}`} class={said ? "wrong" : "hint"}>
            {said || hint}
          </p>
        )}
      </div>
    );
  };
  const fields: Fields<D> = {
    draft,
    change,
    text: (field, label, { hint, type = "text", max, ...rest } = {}) =>
      around(field, label, hint, (about) => (
        <input
          type={type as "text"}
          maxLength={max}
          {...rest}
          {...about}
          value={String(draft[field] ?? "")}
          onInput={(event) => put(field, event.currentTarget.value, type === "password")}
        />
      )),
    area: (field, label, { hint, rows = 3, code } = {}) =>
      around(field, label, hint, (about) => (
        <textarea rows={rows} class={code ? "code" : ""} spellcheck={!code} {...about} value={String(draft[field] ?? "")} onInput={(event) => put(field, event.currentTarget.value)} />
      )),
    choice: (field, label, offers, hint) =>
      around(field, label, hint, (about) => (
        <select {...about} value={String(draft[field] ?? "")} onChange={(event) => put(field, event.currentTarget.value)}>
          {offers.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )),
    tick: (field, label, hint) => (
      <div class="field">
        <label class="tick">
          <input type="checkbox" checked={Boolean(draft[field])} onChange={(event) => put(field, event.currentTarget.checked)} />
          {label}
        </label>
        {(wrong(field) || hint) && <p class={wrong(field) ? "wrong" : "hint"}>{wrong(field) || hint}</p>}
      </div>
    ),
  };
  const content = children(fields);
  const rest = error?.fields.filter((item) => !shown.has(item.description)) ?? [];
  return (
    <Sheet
      sending={sending}
      said={error ? words().failed(error) : ""}
      rest={rest}
      name={name}
      kind={risky ? "risky" : "main"}
      off={off}
      beside={
        cancel && (
          <button
            type="button"
            class="button"
            onClick={() => {
              forget();
              cancel();
            }}
          >
            {words().cancel}
          </button>
        )
      }
    >
      {content}
    </Sheet>
  );
}

/** The values of a list that was typed with commas, spaces or lines between them. */
export function listOf(text: string): string[] {
  return text.split(/[\s,;]+/).filter(Boolean);
}
