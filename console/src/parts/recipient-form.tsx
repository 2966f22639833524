/** Makes somebody, or changes what is said of them. */

import { useState } from "preact/hooks";
import { api, idOf, type Schemas } from "../api/client";
import { ApiError } from "../api/problem";
import { jsonProblem } from "../state/json";
import { useKept } from "../state/kept";
import type { Recipient } from "../state/people";
import { words } from "../words";
import { AddressInputs, type NewAddress } from "./address-inputs";
import { Button } from "./basics";
import { FieldWrong, Refused } from "./refused";

interface Draft {
  id: string;
  displayName: string;
  locale: string;
  timeZone: string;
  attributes: string;
  address: NewAddress;
}

const _FIELDS = ["name", "displayName", "locale", "timeZone", "attributes", "value", "channel"];

/** What attributes say: an object, nothing, or undefined for what is no object of JSON. */
function _attributes(text: string): Record<string, unknown> | null | undefined {
  if (text.trim() === "") return null;
  if (jsonProblem(text)) return undefined;
  const found: unknown = JSON.parse(text);
  return typeof found === "object" && found !== null && !Array.isArray(found) ? (found as Record<string, unknown>) : undefined;
}

function _problem(text: string): string {
  const problem = text.trim() === "" ? null : jsonProblem(text);
  if (problem) return words().json.at(problem.line, problem.column, words().json.problems[problem.problem] ?? "");
  return _attributes(text) === undefined ? words().person.mustBeObject : "";
}

export function RecipientForm({ recipient, done }: { recipient?: Recipient; done: (recipient: Recipient) => void }) {
  const [draft, setDraft, forget] = useKept<Draft>(`recipient.${recipient?.name ?? ""}`, {
    id: idOf(recipient?.name),
    displayName: recipient?.displayName ?? "",
    locale: recipient?.locale ?? "",
    timeZone: recipient?.timeZone ?? "",
    attributes: recipient?.attributes ? JSON.stringify(recipient.attributes, null, 2) : "",
    address: { channel: "email", value: "", vouched: false },
  });
  const [error, setError] = useState<ApiError | null>(null);
  const change = (next: Partial<Draft>) => {
    setDraft({ ...draft, ...next });
    setError(null);
  };
  const attributes = _attributes(draft.attributes);
  const wrong = _problem(draft.attributes);
  const save = async () => {
    if (attributes === undefined) return;
    const { displayName, locale, timeZone, address } = draft;
    const body: Recipient = { displayName, locale, timeZone, ...(attributes ? { attributes: attributes as NonNullable<Schemas["mailer.v1.Recipient"]["attributes"]> } : {}) };
    try {
      const saved = recipient ? await _changed(draft.id, body) : await _made(draft.id, body, address);
      forget();
      done(saved);
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure);
    }
  };
  const field = (name: "id" | "displayName" | "locale" | "timeZone") => ({
    value: draft[name],
    onInput: (event: { currentTarget: HTMLInputElement }) => change({ [name]: event.currentTarget.value }),
  });
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <label class="field">
        {words().person.name}
        <input type="text" maxLength={200} dir="auto" autofocus {...field("displayName")} />
        <FieldWrong error={error} field="displayName" />
      </label>
      {!recipient && (
        <label class="field">
          {words().person.id}
          <input type="text" class="code" maxLength={64} placeholder={words().person.idMade} {...field("id")} />
          <FieldWrong error={error} field="name" />
        </label>
      )}
      <div class="pair">
        <label class="field">
          {words().template.locale}
          <input type="text" placeholder="de-CH" maxLength={35} {...field("locale")} />
          <FieldWrong error={error} field="locale" />
        </label>
        <label class="field">
          {words().alarm.zone}
          <input type="text" list="zones" placeholder="Europe/Zurich" {...field("timeZone")} />
          <FieldWrong error={error} field="timeZone" />
        </label>
      </div>
      {!recipient && (
        <fieldset class="field">
          <legend>{words().person.firstAddress}</legend>
          <AddressInputs address={draft.address} change={(address) => change({ address })} error={error} />
        </fieldset>
      )}
      <label class="field">
        {words().person.attributes}
        <textarea class="code" rows={4} spellcheck={false} placeholder='{"plan": "gold"}' value={draft.attributes} aria-invalid={wrong !== ""} onInput={(event) => change({ attributes: event.currentTarget.value })} />
        {wrong && (
          <span class="wrong" role="alert">
            {wrong}
          </span>
        )}
        <FieldWrong error={error} field="attributes" />
      </label>
      <Refused error={error} fields={_FIELDS} />
      <div class="actions">
        <Button kind="main" onPress={save} disabled={attributes === undefined}>
          {recipient ? words().save : words().person.add}
        </Button>
      </div>
      <datalist id="zones">
        {Intl.supportedValuesOf("timeZone").map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </form>
  );
}

function _changed(id: string, body: Recipient): Promise<Recipient> {
  const params = { path: { recipient: id }, query: { updateMask: "displayName,locale,timeZone,attributes" } };
  return api.PATCH("/v1/recipients/{recipient}", { params, body });
}

function _made(id: string, body: Recipient, { channel, value, vouched }: NewAddress): Promise<Recipient> {
  const addresses = value.trim() ? [{ channel, value: value.trim(), ...(vouched ? { state: "ACTIVE" as const } : {}) }] : [];
  return api.POST("/v1/recipients", { body: { ...(id ? { name: `recipients/${id}` } : {}), ...body, addresses } });
}
