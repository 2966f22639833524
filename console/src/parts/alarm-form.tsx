/** Makes or changes an alarm: the common rules by form, every other one as JSON; both show what they mean while one types. */

import { useEffect, useState } from "preact/hooks";
import { api } from "../api/client";
import { ApiError } from "../api/problem";
import { ownZone, serverNow } from "../state/clock";
import type { Alarm, Trigger } from "../state/alarms";
import { useKept } from "../state/kept";
import { words } from "../words";
import { Button } from "./basics";
import { LivePreview } from "./preview";

const _RULES = ["atLocal", "daily", "every", "cron"] as const;
type Rule = (typeof _RULES)[number];

interface Draft {
  displayName: string;
  rule: Rule;
  value: Record<Rule, string>;
  timeZone: string;
  to: string;
  subject: string;
  text: string;
}

/** What a form can show of an alarm; null: it has more than a form can show. */
function _draftOf(alarm: Alarm | undefined): Draft | null {
  const value = { atLocal: _soon(), daily: "09:00", every: "15m", cron: "0 9 * * MON-FRI" };
  const draft: Draft = { displayName: "", rule: "daily", value, timeZone: ownZone, to: "", subject: "", text: "" };
  if (!alarm) return draft;
  const { timeZone, ...trigger } = alarm.trigger;
  const rule = _RULES.find((item) => item in trigger);
  const { to, subject, text, ...more } = alarm.action.notify ?? {};
  if (!rule || Object.keys(trigger).length > 1 || !alarm.action.notify || Object.keys(more).length > 0) return null;
  const given = trigger[rule];
  const { time, ...daily } = typeof given === "object" ? given : { time: String(given) };
  if (Object.keys(daily).length > 0) return null;
  return {
    displayName: alarm.displayName ?? "",
    rule,
    value: { ...value, [rule]: rule === "atLocal" ? String(given).slice(0, 16) : (time ?? "") },
    timeZone: timeZone ?? "UTC",
    to: (to ?? []).join(", "),
    subject: subject ?? "",
    text: text ?? "",
  };
}

function _soon(): string {
  const soon = new Date(serverNow() + 3_600_000);
  return new Date(soon.getTime() - soon.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function _bodyOf(draft: Draft): Alarm {
  const given = draft.value[draft.rule].trim();
  const rule: Record<Rule, Partial<Trigger>> = {
    atLocal: { atLocal: given.length === 16 ? `${given}:00` : given },
    daily: { daily: { time: given } },
    every: { every: given },
    cron: { cron: given },
  };
  const to = draft.to.split(/[\s,;]+/).filter(Boolean);
  return {
    ...(draft.displayName ? { displayName: draft.displayName } : {}),
    trigger: { ...rule[draft.rule], timeZone: draft.timeZone },
    action: { notify: { to, subject: draft.subject || draft.displayName || words().alarm.one, text: draft.text } },
  };
}

function RuleValue({ rule, value, change }: { rule: Rule; value: string; change: (value: string) => void }) {
  const common = { "aria-label": words().rule.kinds[rule], value, onInput: (event: { currentTarget: HTMLInputElement }) => change(event.currentTarget.value) };
  if (rule === "atLocal") return <input type="datetime-local" {...common} />;
  return rule === "daily" ? <input type="time" {...common} /> : <input type="text" {...common} />;
}

export function AlarmForm({ alarm, done }: { alarm?: Alarm; done: (alarm: Alarm) => void }) {
  const id = alarm?.name ?? "new";
  const [draft, setDraft, forget] = useKept(id, _draftOf(alarm));
  const { name: _, nextFireTime: __, createTime: ___, updateTime: ____, state: _____, ...body } = alarm ?? ({} as Alarm);
  const [json, setJson, forgetJson] = useKept(`${id} JSON`, draft ? "" : JSON.stringify(body, null, 2));
  const [error, setError] = useState<ApiError | null>(null);
  const asJson = json !== "";
  const read = () => {
    try {
      return JSON.parse(json) as Alarm;
    } catch {
      return null;
    }
  };
  const now = asJson ? read() : draft && _bodyOf(draft);
  useEffect(() => setError(null), [json, draft]);
  const save = async () => {
    if (!now) return;
    try {
      const saved = alarm
        ? await api.PATCH("/v1/alarms/{alarm}", { params: { path: { alarm: (alarm.name ?? "").replace("alarms/", "") } }, body: now })
        : await api.POST("/v1/alarms", { body: now });
      forget();
      forgetJson();
      done(saved);
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure);
    }
  };
  const field = (name: keyof Draft) => ({
    value: draft?.[name] as string,
    onInput: (event: { currentTarget: HTMLInputElement | HTMLTextAreaElement }) => draft && setDraft({ ...draft, [name]: event.currentTarget.value }),
  });
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      {asJson || !draft ? (
        <label class="field">
          {words().alarm.json}
          <textarea rows={18} spellcheck={false} class="code" value={json} onInput={(event) => setJson(event.currentTarget.value)} />
          {!now && <span class="wrong">{words().alarm.notJson}</span>}
        </label>
      ) : (
        <>
          <label class="field">
            {words().alarm.name}
            <input type="text" maxLength={200} {...field("displayName")} autofocus />
          </label>
          <fieldset class="field">
            <legend>{words().alarm.when}</legend>
            <div class="choice">
              {_RULES.map((rule) => (
                <label key={rule}>
                  <input type="radio" name="rule" checked={draft.rule === rule} onChange={() => setDraft({ ...draft, rule })} />
                  {words().rule.kinds[rule]}
                </label>
              ))}
            </div>
            <RuleValue rule={draft.rule} value={draft.value[draft.rule]} change={(value) => setDraft({ ...draft, value: { ...draft.value, [draft.rule]: value } })} />
            <label class="field">
              {words().alarm.zone}
              <input type="text" list="zones" {...field("timeZone")} />
            </label>
          </fieldset>
          <label class="field">
            {words().alarm.to}
            <input type="text" inputMode="email" autocomplete="email" placeholder="ann@example.com" {...field("to")} />
          </label>
          <label class="field">
            {words().alarm.subject}
            <input type="text" {...field("subject")} />
          </label>
          <label class="field">
            {words().alarm.text}
            <textarea rows={3} {...field("text")} />
          </label>
        </>
      )}
      {now && <LivePreview trigger={now.trigger} />}
      {error && (
        <div class="failure" role="alert">
          <p>{words().failed(error)}</p>
          {error.fields.map((item) => (
            <p class="wrong" key={item.field}>
              {item.field}: {item.description}
            </p>
          ))}
        </div>
      )}
      <div class="actions">
        <Button kind="main" onPress={save} disabled={!now}>
          {alarm ? words().save : words().alarm.add}
        </Button>
        {draft && !asJson && (
          <button type="button" class="quiet" onClick={() => setJson(JSON.stringify(_bodyOf(draft), null, 2))}>
            {words().alarm.asJson}
          </button>
        )}
      </div>
      <datalist id="zones">
        {Intl.supportedValuesOf("timeZone").map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </form>
  );
}
