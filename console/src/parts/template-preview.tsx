/** What a template says, as the service renders it while one types; the test data that it says it with. */

import { useEffect, useState } from "preact/hooks";
import { api, type Schemas } from "../api/client";
import { ApiError } from "../api/problem";
import { CHANNELS } from "../state/people";
import { missingVariables, testValues, withVariables, type TemplateText, type TestData, type TestProblem } from "../state/templates";
import { words } from "../words";
import { Button, Fact, Facts } from "./basics";
import { HtmlFrame } from "./html-frame";

type Rendered = Schemas["mailer.v1.RenderTemplateResponse"];

/** What a preview is of: a text that is typed, or a version that is saved. */
export type Previewed = { name: string; text: TemplateText } | { name: string; version: number };

/** Where a preview stands: the last one that there was, and what is wrong now. */
export interface Preview {
  rendered: Rendered | null;
  error: ApiError | null;
  waiting: boolean;
}

const _SETTLE_MS = 300;

/** Asks for the preview once the typing stops; what is on its way for an older text is given up. */
export function usePreview(of: Previewed, test: TestData): Preview {
  const [state, setState] = useState<Preview>({ rendered: null, error: null, waiting: true });
  const id = JSON.stringify([of, test]);
  useEffect(() => {
    const values = testValues(test.json);
    if ("text" in of && of.text.subject === "") return setState({ rendered: null, error: null, waiting: false });
    if ("problem" in values) return setState((was) => ({ ...was, waiting: false }));
    const stop = new AbortController();
    const ask = () => {
      setState((was) => ({ ...was, waiting: true }));
      _rendered(of, { ...values, channel: test.channel, locale: test.locale }, stop.signal).then(
        (rendered) => setState({ rendered, error: null, waiting: false }),
        (error: unknown) => error instanceof ApiError && setState((was) => ({ ...was, error, waiting: false })),
      );
    };
    const timer = window.setTimeout(ask, _SETTLE_MS);
    return () => {
      window.clearTimeout(timer);
      stop.abort();
    };
  }, [id]);
  return state;
}

function _rendered(of: Previewed, values: Omit<Schemas["mailer.v1.PreviewTemplateRequest"], "template">, signal: AbortSignal): Promise<Rendered> {
  if ("text" in of) {
    return api.POST("/v1/templates:preview", { body: { template: { name: of.name, ...of.text }, ...values }, signal });
  }
  const at = { params: { path: { template: of.name.replace("templates/", "") } } };
  return api.POST("/v1/templates/{template}:render", { ...at, body: { version: of.version, ...values }, signal });
}

/** What is wrong with test data, in words. */
export function testProblemInWords(problem: TestProblem): string {
  if ("line" in problem) return words().json.at(problem.line, problem.column, words().json.problems[problem.problem] ?? "");
  if (problem.problem === "unknown") return words().template.noSuchValue(problem.field);
  return words().template.mustBeObject(problem.field);
}

/** The test data: for which channel and language, and which values. */
export function TestFields({ test, change, preview }: { test: TestData; change: (test: TestData) => void; preview: Preview }) {
  const values = testValues(test.json);
  const missing = missingVariables(preview.error?.fields ?? []);
  const wrong = (preview.error?.fields ?? []).filter(({ field }) => /^(variables|recipient|context|channel|locale)\b/.test(field));
  return (
    <>
      <div class="pair">
        <label class="field">
          {words().delivery.channel}
          <input type="text" list="channels" value={test.channel} placeholder={words().template.anyChannel} onInput={(event) => change({ ...test, channel: event.currentTarget.value.trim() })} />
        </label>
        <label class="field">
          {words().template.locale}
          <input type="text" value={test.locale} placeholder="de-CH" onInput={(event) => change({ ...test, locale: event.currentTarget.value.trim() })} />
        </label>
      </div>
      <label class="field">
        {words().template.testData}
        <textarea
          class="code"
          rows={7}
          spellcheck={false}
          value={test.json}
          aria-invalid={"problem" in values || wrong.length > 0}
          onInput={(event) => change({ ...test, json: event.currentTarget.value })}
        />
      </label>
      <div aria-live="polite">
        {"problem" in values && <p class="wrong">{testProblemInWords(values)}</p>}
        {wrong.map((item) => (
          <p class="wrong" key={item.field}>
            {item.field}: {item.description}
          </p>
        ))}
      </div>
      {missing.length > 0 && (
        <div>
          <Button onPress={() => change({ ...test, json: withVariables(test.json, missing) })}>{words().template.addMissing(missing.join(", "))}</Button>
        </div>
      )}
      <datalist id="channels">
        {CHANNELS.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}

/** What came of it: as the person sees it, as text, as source. What was rendered last stays while something is wrong. */
export function Rendering({ preview }: { preview: Preview }) {
  const [view, setView] = useState<"html" | "text" | "source">("html");
  const { rendered, error } = preview;
  const shown = view === "html" && !rendered?.html ? "text" : view;
  return (
    <div class={error ? "rendering old" : "rendering"} data-waiting={preview.waiting} aria-busy={preview.waiting && !rendered}>
      {error && error.fields.length === 0 && (
        <p class="said" role="alert">
          {words().failed(error)}
        </p>
      )}
      {error && error.fields.length > 0 && <p class="said">{rendered ? words().template.asBefore : words().template.nothingYet}</p>}
      {!rendered && !error && !preview.waiting && <p class="dim">{words().template.nothingTyped}</p>}
      {rendered && (
        <>
          <Facts>
            <Fact name={words().inbox.subject}>
              <b dir="auto">{rendered.subject}</b>
            </Fact>
            <Fact name={words().template.part}>{_taken(rendered)}</Fact>
          </Facts>
          <div class="choice" role="group" aria-label={words().inbox.views}>
            {(["html", "text", "source"] as const).map((kind) => (
              <button key={kind} type="button" class="chip" aria-pressed={shown === kind} disabled={kind !== "text" && !rendered.html} onClick={() => setView(kind)}>
                {words().inbox[kind]}
              </button>
            ))}
          </div>
          {shown === "html" && <HtmlFrame html={rendered.html ?? ""} title={words().template.preview} />}
          {shown === "text" && <pre dir="auto">{rendered.text || words().template.noText}</pre>}
          {shown === "source" && <pre>{rendered.html}</pre>}
          {rendered.actions && rendered.actions.length > 0 && (
            <ul class="plain">
              {rendered.actions.map((action, at) => (
                <li key={at}>
                  <span class="grow">{action.label}</span>
                  <code>{action.url}</code>
                </li>
              ))}
            </ul>
          )}
          {rendered.warnings?.map((warning, at) => (
            <p class="said" key={at}>
              {warning.field}: {warning.reason}
            </p>
          ))}
        </>
      )}
    </div>
  );
}

function _taken({ channel, locale }: Rendered): string {
  return channel || locale ? `${channel || words().template.anyChannel} · ${locale || words().template.anyLocale}` : words().template.defaultPart;
}
