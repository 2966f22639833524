/** Forms: fields that say what is wrong with them, lists that are put in order, and people who are picked by name. */

import type { ComponentChildren, InputHTMLAttributes } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { called, entries } from "../state/directory";
import { words } from "../words";

/** What a control of a form is about: a value, how it changes, and what is wrong with it. */
export interface Bound<V> {
  value: V;
  change: (value: V) => void;
  error?: string | undefined;
}

/** Binds controls to the parts of a draft; `path` is what the API calls a part, where that is otherwise. */
export type Binder<D> = <K extends keyof D & string>(name: K, path?: string) => Bound<D[K]>;

/** A binder; `wrong` tells what is wrong with a path. */
export function binder<D extends object>(draft: D, change: (part: Partial<D>) => void, wrong: (path: string) => string | undefined): Binder<D> {
  return (name, path = name) => ({ value: draft[name], change: (value) => change({ [name]: value } as unknown as Partial<D>), error: wrong(path) });
}

/** The same part, as text for a control of numbers; `none` stands there for 0. */
export function numbered({ value, change, ...rest }: Bound<number>, none = ""): Bound<string> {
  return { value: value ? String(value) : none, change: (text) => change(Number(text) || 0), ...rest };
}

/** A list with one of its items changed in part. */
export function withPart<T>(list: readonly T[], index: number, part: Partial<T>): T[] {
  return list.map((item, other) => (other === index ? { ...item, ...part } : item));
}

interface Named {
  label: string;
  hint?: ComponentChildren;
}

/** A field with its name, and below it what is wrong with it, or a hint. The control itself says that it is described by these. */
export function Field({ label, hint, error, children }: Named & { error?: string | undefined; children: (about: { "aria-describedby"?: string; "aria-invalid"?: true }) => ComponentChildren }) {
  const id = useId();
  const said = error || hint;
  return (
    <div class="field">
      <label>
        {label}
        {children({ ...(said ? { "aria-describedby": id } : {}), ...(error ? { "aria-invalid": true as const } : {}) })}
      </label>
      {said && (
        <p id={id} class={error ? "wrong" : "hint"}>
          {said}
        </p>
      )}
    </div>
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
}: Named &
  Bound<string> & {
    /** Whether it takes the focus when it appears. */
    first?: boolean;
  } & Typed) {
  const own = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (first) own.current?.focus();
  }, []);
  return (
    <Field label={label} hint={hint} error={error}>
      {(about) => <input ref={own} type="text" {...(rest as object)} {...about} value={value} onInput={(event) => change(event.currentTarget.value)} />}
    </Field>
  );
}

/** Several lines of text. */
export function Area({ label, value, change, hint, error, rows = 3, code = false }: Named & Bound<string> & { rows?: number | undefined; code?: boolean | undefined }) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(about) => <textarea rows={rows} class={code ? "code" : ""} spellcheck={!code} {...about} value={value} onInput={(event) => change(event.currentTarget.value)} />}
    </Field>
  );
}

/** One of a few, as pairs of value and name. */
export function Choice<T extends string>({ label, value, of, change, error, hint, required = false }: Named & Bound<T> & { of: readonly (readonly [T, string])[]; required?: boolean }) {
  return (
    <Field label={label} error={error} hint={hint}>
      {(about) => (
        <select required={required} {...about} value={value} onChange={(event) => change(event.currentTarget.value as T)}>
          {of.map(([name, text]) => (
            <option key={name} value={name}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** Yes or no. */
export function Tick({ label, value, change, error, hint }: Named & Bound<boolean>) {
  return (
    <div class="field">
      <label class="tick">
        <input type="checkbox" checked={value} onChange={(event) => change(event.currentTarget.checked)} />
        {label}
      </label>
      {(error || hint) && <p class={error ? "wrong" : "hint"}>{error || hint}</p>}
    </div>
  );
}

/** A time zone. */
export function Zone({ hint, error, value, change }: Bound<string> & { hint?: ComponentChildren }) {
  const id = useId();
  return (
    <Field label={words().alarm.zone} error={error} hint={hint}>
      {(about) => (
        <>
          <input type="text" list={id} {...about} value={value} onInput={(event) => change(event.currentTarget.value)} />
          <datalist id={id}>
            {Intl.supportedValuesOf("timeZone").map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </>
      )}
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
}: Named &
  Bound<string[]> & {
    /** Whether the label stands in the field instead of above it. */
    bare?: boolean;
    kinds: readonly string[];
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
      {hint && <p class="hint">{hint}</p>}
      {unknown && <span class="wrong">{words().fields.unknown}</span>}
      {error && <span class="wrong">{error}</span>}
    </div>
  );
}

/** Things in an order: each goes up, down, or away by a button of its own. */
export function Ordered<T>({ value, change, name, children, least = 0 }: Bound<T[]> & { name: (index: number) => string; children: (item: T, index: number) => ComponentChildren; least?: number }) {
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
