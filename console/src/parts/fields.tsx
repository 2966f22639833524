/** Forms: fields that say what is wrong with them, lists that are put in order, and people who are picked by name. */

import type { ComponentChildren, InputHTMLAttributes } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api/problem";
import { called, entries } from "../state/directory";
import { words } from "../words";
import { Sheet, useSending } from "./sheet";

/** A form. `submit` throws ApiError when it is refused: what was typed stays, and each field says its part. */
export function Form({
  submit,
  label,
  at = [],
  children,
  beside,
}: {
  submit: () => Promise<unknown>;
  label: string;
  /** Beginnings of the paths of fields that say themselves what is wrong. */
  at?: readonly string[];
  children: (error: ApiError | null) => ComponentChildren;
  beside?: ComponentChildren;
}) {
  const sending = useSending(submit);
  const { error } = sending;
  const elsewhere = error?.fields.filter((item) => !at.some((path) => item.field.startsWith(path))) ?? [];
  const said = error && (error.fields.length > elsewhere.length ? words().fields.refused : words().failed(error));
  return (
    <Sheet sending={sending} said={said ?? ""} rest={(error?.fields.length ?? 0) > 1 ? elsewhere : []} name={label} beside={beside}>
      {children(error)}
    </Sheet>
  );
}

/** A field with its name, and what is wrong with it. */
export function Field({ label, hint, error, children }: { label: string; hint?: ComponentChildren; error?: string | undefined; children: ComponentChildren }) {
  return (
    <label class="field">
      {label}
      {children}
      {hint && <small class="dim">{hint}</small>}
      {error && <span class="wrong">{error}</span>}
    </label>
  );
}

type Typed = Omit<InputHTMLAttributes<HTMLInputElement>, "value" | "onChange" | "label">;

/** A line of text. */
export function Text({
  label,
  value,
  change,
  hint,
  error,
  first = false,
  ...rest
}: {
  label: string;
  value: string;
  change: (value: string) => void;
  hint?: ComponentChildren;
  error?: string | undefined;
  /** Whether it takes the focus when it appears. */
  first?: boolean;
} & Typed) {
  const own = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (first) own.current?.focus();
  }, []);
  return (
    <Field label={label} hint={hint} error={error}>
      <input ref={own} type="text" {...(rest as object)} value={value} onInput={(event) => change(event.currentTarget.value)} aria-invalid={error ? true : undefined} />
    </Field>
  );
}

/** One of a few. */
export function Choice<T extends string>({
  label,
  value,
  of,
  change,
  error,
  hint,
}: {
  label: string;
  value: T;
  of: readonly (readonly [T, string])[];
  change: (value: T) => void;
  error?: string | undefined;
  hint?: ComponentChildren;
}) {
  return (
    <Field label={label} error={error} hint={hint}>
      <select value={value} onChange={(event) => change(event.currentTarget.value as T)}>
        {of.map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </Field>
  );
}

/** A time zone. */
export function Zone({ value, change, error, hint }: { value: string; change: (value: string) => void; error?: string | undefined; hint?: ComponentChildren }) {
  const id = useId();
  return (
    <Field label={words().alarm.zone} error={error} hint={hint}>
      <input type="text" list={id} value={value} onInput={(event) => change(event.currentTarget.value)} />
      <datalist id={id}>
        {Intl.supportedValuesOf("timeZone").map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </Field>
  );
}

/** People, groups or rotations, picked by name. */
export function Pick({
  label,
  kinds,
  value,
  change,
  error,
  hint,
  bare = false,
}: {
  label: string;
  /** Whether the label stands in the field instead of above it. */
  bare?: boolean;
  kinds: readonly string[];
  value: readonly string[];
  change: (value: string[]) => void;
  error?: string | undefined;
  hint?: ComponentChildren;
}) {
  const id = useId();
  const [text, setText] = useState("");
  const [unknown, setUnknown] = useState(false);
  const there = entries(...kinds).filter((entry) => !value.includes(entry.name));
  const said = (entry: { name: string; label: string }) => (entry.name.endsWith(`/${entry.label}`) ? entry.label : `${entry.label} · ${entry.name.slice(entry.name.indexOf("/") + 1)}`);
  const pick = (typed: string) => {
    const wanted = typed.trim().toLowerCase();
    if (!wanted) return;
    const exact = there.find((entry) => [said(entry), entry.label, entry.name].some((name) => name.toLowerCase() === wanted));
    const like = there.filter((entry) => said(entry).toLowerCase().includes(wanted));
    const found = exact ?? (like.length === 1 ? like[0] : undefined);
    if (found) {
      change([...value, found.name]);
      setText("");
    }
    setUnknown(!found);
  };
  return (
    <div class="field">
      {!bare && <label for={id}>{label}</label>}
      {value.length > 0 && (
        <ul class="chips">
          {value.map((name) => (
            <li key={name}>
              <span>{called(name)}</span>
              <button type="button" class="quiet" aria-label={words().fields.without(called(name))} onClick={() => change(value.filter((item) => item !== name))}>
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      <input
        id={id}
        type="text"
        list={`${id}-names`}
        autocomplete="off"
        value={text}
        placeholder={bare ? label : words().fields.pick}
        aria-label={bare ? label : undefined}
        aria-invalid={error || unknown ? true : undefined}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setUnknown(false);
          // What is chosen from the list comes whole; what is typed waits for Enter.
          if (!(event instanceof InputEvent) || event.inputType === "insertReplacementText") pick(event.currentTarget.value);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || !text.trim()) return;
          event.preventDefault();
          pick(text);
        }}
        onBlur={() => text && pick(text)}
      />
      <datalist id={`${id}-names`}>
        {there.slice(0, 500).map((entry) => (
          <option key={entry.name} value={said(entry)} />
        ))}
      </datalist>
      {hint && <small class="dim">{hint}</small>}
      {unknown && <span class="wrong">{words().fields.unknown}</span>}
      {error && <span class="wrong">{error}</span>}
    </div>
  );
}

/** Things in an order: each goes up, down, or away by a button of its own. */
export function Ordered<T>({ value, change, name, children, least = 0 }: { value: readonly T[]; change: (value: T[]) => void; name: (index: number) => string; children: (item: T, index: number) => ComponentChildren; least?: number }) {
  const move = (from: number, to: number) => {
    const next = [...value];
    next.splice(to, 0, ...next.splice(from, 1));
    change(next);
  };
  return (
    <ol class="ordered">
      {value.map((item, index) => (
        <li key={index}>
          <div class="actions">
            <b>{name(index)}</b>
            <button type="button" class="quiet" disabled={index === 0} aria-label={words().fields.up(name(index))} onClick={() => move(index, index - 1)}>
              ↑
            </button>
            <button type="button" class="quiet" disabled={index === value.length - 1} aria-label={words().fields.down(name(index))} onClick={() => move(index, index + 1)}>
              ↓
            </button>
            <button type="button" class="quiet" disabled={value.length <= least} aria-label={words().fields.without(name(index))} onClick={() => change(value.filter((_, other) => other !== index))}>
              ×
            </button>
          </div>
          {children(item, index)}
        </li>
      ))}
    </ol>
  );
}
