/** The text of a template: its parts by channel and language, its buttons, the variables that it declares. */

import { useState } from "preact/hooks";
import type { ApiError } from "../api/problem";
import { partName, type TemplateAction, type TemplatePart, type TemplateText, type TemplateVariable } from "../state/templates";
import { words } from "../words";

const _MOST_BUTTONS = 5;

type Typed = { currentTarget: HTMLInputElement | HTMLTextAreaElement };

/** What is wrong with a field, beside it. */
function Wrong({ error, field }: { error: ApiError | null; field: string }) {
  const found = error?.fields.filter((item) => item.field === field) ?? [];
  return (
    <>
      {found.map((item) => (
        <span class="wrong" key={item.description} role="alert">
          {item.description}
        </span>
      ))}
    </>
  );
}

/** The whole text. `error` is what the service says of it now. */
export function TemplateFields({ text, change, error }: { text: TemplateText; change: (text: TemplateText) => void; error: ApiError | null }) {
  const [open, setOpen] = useState(-1);
  const parts = text.parts ?? [];
  const part = parts[open];
  const setParts = (next: TemplatePart[]) => change({ ...text, parts: next });
  const wrongIn = (at: number) => error?.fields.some((item) => (at < 0 ? /^template\.(?!parts)/.test(item.field) : item.field.startsWith(`template.parts[${at}]`)));
  return (
    <>
      <div class="choice" role="group" aria-label={words().template.parts}>
        {[-1, ...parts.keys()].map((at) => (
          <button key={at} type="button" class="chip" aria-pressed={(part ? open : -1) === at} onClick={() => setOpen(at)}>
            {at < 0 ? words().template.defaultPart : partName(parts[at] as TemplatePart, words().template.any)}
            {wrongIn(at) && <span class="wrong"> {words().template.hasProblem}</span>}
          </button>
        ))}
        <button
          type="button"
          class="chip"
          onClick={() => {
            setParts([...parts, { channel: "", locale: "", text: "" }]);
            setOpen(parts.length);
          }}
        >
          + {words().template.addPart}
        </button>
      </div>
      {part ? (
        <PartFields
          key={open}
          part={part}
          path={`template.parts[${open}]`}
          error={error}
          change={(next) => setParts(parts.map((item, at) => (at === open ? next : item)))}
          remove={() => {
            setParts(parts.filter((_, at) => at !== open));
            setOpen(-1);
          }}
        />
      ) : (
        <Body part={text} path="template" error={error} change={(next) => change({ ...text, ...next, subject: next.subject ?? "" })} />
      )}
      <Variables variables={text.declaredVariables ?? []} error={error} change={(declaredVariables) => change({ ...text, declaredVariables })} />
      <label class="check">
        <input type="checkbox" checked={text.resendIfUnknown ?? false} onChange={(event) => change({ ...text, resendIfUnknown: event.currentTarget.checked })} />
        {words().template.resend}
      </label>
    </>
  );
}

function PartFields({ part, path, error, change, remove }: { part: TemplatePart; path: string; error: ApiError | null; change: (part: TemplatePart) => void; remove: () => void }) {
  return (
    <>
      <div class="pair">
        <label class="field">
          {words().delivery.channel}
          <input type="text" list="channels" value={part.channel} placeholder={words().template.anyChannel} onInput={(event) => change({ ...part, channel: event.currentTarget.value.trim() })} />
          <Wrong error={error} field={`${path}.channel`} />
        </label>
        <label class="field">
          {words().template.locale}
          <input type="text" value={part.locale} placeholder={words().template.anyLocale} onInput={(event) => change({ ...part, locale: event.currentTarget.value.trim() })} />
          <Wrong error={error} field={`${path}.locale`} />
        </label>
        <button type="button" class="button risky" onClick={remove}>
          {words().template.removePart}
        </button>
      </div>
      <Wrong error={error} field={path} />
      <Body part={part} path={path} error={error} change={change} />
    </>
  );
}

/** Subject, text, HTML and buttons. */
function Body({ part, path, error, change }: { part: TemplatePart; path: string; error: ApiError | null; change: (part: TemplatePart) => void }) {
  const field = (name: "subject" | "text" | "html") => ({
    value: part[name] ?? "",
    dir: "auto" as const,
    "aria-invalid": error?.fields.some((item) => item.field === `${path}.${name}`),
    onInput: (event: Typed) => change({ ...part, [name]: event.currentTarget.value }),
  });
  return (
    <>
      <label class="field">
        {words().inbox.subject}
        <input type="text" maxLength={2000} {...field("subject")} />
        <Wrong error={error} field={`${path}.subject`} />
      </label>
      <label class="field">
        {words().inbox.text}
        <textarea class="code" rows={7} {...field("text")} />
        <Wrong error={error} field={`${path}.text`} />
      </label>
      <label class="field">
        HTML
        <textarea class="code" rows={10} spellcheck={false} {...field("html")} />
        <Wrong error={error} field={`${path}.html`} />
      </label>
      <Buttons actions={part.actions ?? []} path={path} error={error} change={(actions) => change({ ...part, actions })} />
    </>
  );
}

function Buttons({ actions, path, error, change }: { actions: TemplateAction[]; path: string; error: ApiError | null; change: (actions: TemplateAction[]) => void }) {
  const set = (at: number, next: Partial<TemplateAction>) => change(actions.map((item, place) => (place === at ? { ...item, ...next } : item)));
  return (
    <fieldset class="field">
      <legend>{words().template.buttons}</legend>
      {actions.map((action, at) => (
        <div key={at}>
          <div class="pair">
            <input type="text" value={action.label} maxLength={200} aria-label={words().template.buttonLabel} placeholder={words().template.buttonLabel} onInput={(event) => set(at, { label: event.currentTarget.value })} />
            <input type="text" value={action.url} maxLength={2000} inputMode="url" aria-label={words().template.buttonUrl} placeholder="https://example.com" onInput={(event) => set(at, { url: event.currentTarget.value })} />
            <button type="button" class="quiet" onClick={() => change(actions.filter((_, place) => place !== at))}>
              {words().alarm.remove}
            </button>
          </div>
          {["", ".label", ".url"].map((name) => (
            <Wrong key={name} error={error} field={`${path}.actions[${at}]${name}`} />
          ))}
        </div>
      ))}
      {actions.length < _MOST_BUTTONS && (
        <div>
          <button type="button" class="chip" onClick={() => change([...actions, { label: "", url: "" }])}>
            + {words().template.addButton}
          </button>
        </div>
      )}
    </fieldset>
  );
}

function Variables({ variables, error, change }: { variables: TemplateVariable[]; error: ApiError | null; change: (variables: TemplateVariable[]) => void }) {
  const set = (at: number, next: Partial<TemplateVariable>) => change(variables.map((item, place) => (place === at ? { ...item, ...next } : item)));
  const cell = (at: number, name: "name" | "default" | "example" | "description") => (
    <input
      type="text"
      value={variables[at]?.[name] ?? ""}
      aria-label={words().template.ofVariable[name]}
      placeholder={words().template.ofVariable[name]}
      onInput={(event) => set(at, { [name]: event.currentTarget.value })}
    />
  );
  return (
    <fieldset class="field">
      <legend>
        {words().template.declared} <span class="dim">{words().template.declaredNote}</span>
      </legend>
      {variables.map((variable, at) => (
        <div key={at} class="variable">
          {cell(at, "name")}
          {cell(at, "default")}
          {cell(at, "example")}
          {cell(at, "description")}
          <label class="check">
            <input type="checkbox" checked={variable.required ?? false} onChange={(event) => set(at, { required: event.currentTarget.checked })} />
            {words().template.required}
          </label>
          <button type="button" class="quiet" onClick={() => change(variables.filter((_, place) => place !== at))}>
            {words().alarm.remove}
          </button>
          {["", ".name", ".default", ".example", ".description"].map((name) => (
            <Wrong key={name} error={error} field={`template.declared_variables[${at}]${name}`} />
          ))}
        </div>
      ))}
      <div>
        <button type="button" class="chip" onClick={() => change([...variables, { name: "" }])}>
          + {words().template.addVariable}
        </button>
      </div>
      <Wrong error={error} field="template.declared_variables" />
    </fieldset>
  );
}
