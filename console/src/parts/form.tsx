/** A form: its fields by name, what is wrong with one beside it, and what is typed kept until it is saved. */

import type { ComponentChildren } from "preact";
import type { ApiError } from "../api/problem";
import { useKeptParts } from "../state/kept";
import { words } from "../words";
import { Area, binder, Choice, Text, Tick, type Binder, type Bound } from "./fields";
import { Sheet, useSending } from "./sheet";

/** What a form shows: controls bound to the parts of its draft `D`. */
export interface Fields<D extends object> {
  draft: D;
  change: (part: Partial<D>, secret?: boolean) => void;
  error: ApiError | null;
  /** Binds a control of `fields.tsx` to a part. */
  of: Binder<D>;
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
  type?: "text" | "email" | "password" | "number" | "url" | "time" | "datetime-local";
  required?: boolean;
  autocomplete?: string;
  placeholder?: string;
  max?: number;
  step?: string;
  /** Whether it takes the focus when it appears. */
  first?: boolean;
  /** What the API calls it, where that is otherwise. */
  path?: string;
}

/** A form that keeps its draft under `id`. */
export function Form<D extends object>({ id, first, ...rest }: { id: string; first: D } & Omit<About<D>, "kept">) {
  return <FormOf kept={useKeptParts(id, first)} {...rest} />;
}

interface About<D extends object> {
  /** The draft, how it changes, and what forgets it. */
  kept: readonly [D, (part: Partial<D>, secret?: boolean) => void, (anew?: boolean) => void];
  /** Saves the draft; an ApiError is shown at its fields. */
  send: (draft: D) => Promise<unknown>;
  /** What the button says. */
  name: string;
  cancel?: () => void;
  /** Whether it does what cannot be undone. */
  risky?: boolean;
  /** Whether it cannot be sent yet. */
  off?: boolean;
  /** Beginnings of paths of fields within others, which say themselves what is wrong. */
  at?: readonly string[];
  children: (fields: Fields<D>) => ComponentChildren;
}

/** A form of a draft that somebody else holds. */
export function FormOf<D extends object>({
  kept: [draft, change, forget],
  send,
  name,
  cancel,
  risky = false,
  off = false,
  at = [],
  children,
}: About<D>) {
  const sending = useSending(async () => {
    await send(draft);
    forget(false);
  });
  const { error } = sending;
  const shown = new Set<string>();
  const of = binder(draft, change, (path) => {
    const said = error?.of(path);
    if (said) shown.add(said);
    return said;
  });
  /** A part for a control of texts, whatever it is. */
  const typed = (field: keyof D & string, path?: string) => {
    const bound = of(field, path);
    return { ...bound, value: String(bound.value ?? ""), change: (text: string) => bound.change(text as D[typeof field]) };
  };
  const content = children({
    draft,
    change,
    error,
    of,
    text: (field, label, { max, path, ...rest } = {}) => (
      <Text
        key={field}
        label={label}
        maxLength={max}
        {...(rest as object)}
        {...typed(field, path)}
        {...(rest.type === "password" ? { change: (text: string) => change({ [field]: text } as Partial<D>, true) } : {})}
      />
    ),
    area: (field, label, rest) => <Area label={label} {...rest} {...typed(field)} />,
    choice: (field, label, of, hint) => <Choice label={label} of={of} hint={hint} {...typed(field)} />,
    tick: (field, label, hint) => <Tick label={label} hint={hint} {...(of(field) as unknown as Bound<boolean>)} />,
  });
  const rest = error?.fields.filter((item) => !shown.has(item.description) && !at.some((path) => item.field.startsWith(path))) ?? [];
  return (
    <Sheet
      sending={sending}
      said={error ? (error.fields.length > rest.length ? words().fields.refused : words().failed(error)) : ""}
      rest={(error?.fields.length ?? 0) > 1 ? rest : []}
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
