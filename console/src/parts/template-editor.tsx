/** Makes a template, or the next version of one: the text on one side, what it says on the other. */

import { useEffect, useRef, useState } from "preact/hooks";
import { api, idOf } from "../api/client";
import { ApiError } from "../api/problem";
import { useKept } from "../state/kept";
import { firstTestData, textOf, type Template, type TemplateText, type TestData } from "../state/templates";
import { words } from "../words";
import { sure } from "./ask";
import { Button } from "./basics";
import { TemplateFields } from "./template-form";
import { Rendering, TestFields, usePreview } from "./template-preview";

interface Draft {
  code: string;
  text: TemplateText;
  test: TestData;
}

const _UNNAMED = "templates/untitled"; // what a preview needs while no code is typed yet

function _draftOf(template: Template | undefined): Draft {
  return {
    code: idOf(template?.name),
    text: template ? textOf(template) : { subject: "", text: "" },
    test: { json: firstTestData(template), channel: "", locale: "" },
  };
}

async function _saved(draft: Draft, template: Template | undefined, promote: boolean, force: boolean): Promise<Template> {
  const body = draft.text;
  if (!template || template.builtIn) {
    return api.POST("/v1/templates", { body: { name: `templates/${draft.code}`, ...body } });
  }
  const params = { path: { template: draft.code }, query: { promote, force } };
  return api.PUT("/v1/templates/{template}", { params, body });
}

export function TemplateEditor({ template, done, back }: { template?: Template; done: (template: Template) => void; back: string }) {
  const first = _draftOf(template);
  const [draft, setDraft, forget] = useKept<Draft>(`template.${template?.name ?? ""}@${template?.version ?? 0}`, first);
  const [error, setError] = useState<ApiError | null>(null);
  const preview = usePreview({ name: draft.code ? `templates/${draft.code}` : _UNNAMED, text: draft.text }, draft.test);
  const isNew = !template || template.builtIn;
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.querySelector<HTMLInputElement>("input:not([readonly])")?.focus(), []);
  const changed = JSON.stringify(draft.text) !== JSON.stringify(first.text) || draft.code !== first.code;
  const change = (next: Partial<Draft>) => {
    setDraft({ ...draft, ...next });
    setError(null);
  };
  const save = async (promote: boolean, force = false): Promise<void> => {
    try {
      const made = await _saved(draft, template, promote, force);
      forget();
      done(made);
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      if (failure.reason === "TEMPLATE_BREAKS" && (await sure(failure.message, words().template.force))) return save(promote, true);
      setError(failure);
    }
  };
  const wrong = error ?? preview.error;
  const codeWrong = wrong?.of("template.name");
  return (
    <section class="bench" aria-label={template ? words().template.edit : words().template.add}>
      <form
        ref={form}
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void save(true);
        }}
      >
        {isNew && (
          <label class="field">
            {words().template.code}
            <input
              type="text"
              class="code"
              value={draft.code}
              maxLength={63}
              readOnly={template !== undefined}
              placeholder="welcome"
              aria-invalid={Boolean(codeWrong)}
              onInput={(event) => change({ code: event.currentTarget.value.trim() })}
            />
            {codeWrong ? <span class="wrong">{words().template.codeForm}</span> : template && <span class="dim">{words().template.replaces}</span>}
          </label>
        )}
        <TemplateFields text={draft.text} change={(text) => change({ text })} error={wrong} />
        {error && (
          <div class="failure" role="alert">
            <p>{words().failed(error)}</p>
          </div>
        )}
        <div class="actions">
          <Button kind="main" onPress={() => save(true)} disabled={!draft.code}>
            {isNew ? words().template.make : words().template.saveAndPromote}
          </Button>
          {!isNew && <Button onPress={() => save(false)}>{words().template.saveOnly}</Button>}
          {changed && (
            <button type="button" class="quiet" onClick={() => setDraft(first)}>
              {words().template.discard}
            </button>
          )}
          <a class="quiet" href={back}>
            {words().close}
          </a>
        </div>
      </form>
      <div class="section">
        <h2>{words().template.preview}</h2>
        <Rendering preview={preview} />
        <h2>{words().template.testTitle}</h2>
        <TestFields test={draft.test} change={(test) => change({ test })} preview={preview} />
      </div>
    </section>
  );
}
