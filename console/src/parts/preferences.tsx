/** What a recipient wants: which messages, when it is quiet, how many are enough. */

import { useState } from "preact/hooks";
import { api, idOf } from "../api/client";
import { ApiError } from "../api/problem";
import { act } from "../state/act";
import { millis } from "../state/alarms";
import { useKept } from "../state/kept";
import { lasting } from "../state/lasting";
import { useLoaded } from "../state/loaded";
import { CHANNELS, daysInWords, quietRows, quietTimes, type Preferences, type QuietRow } from "../state/people";
import { may } from "../state/session";
import { words } from "../words";
import { Button, Fact, Facts, Pending, Section } from "./basics";
import { Refused } from "./refused";

export function PreferencesSection({ id }: { id: string }) {
  const at = { params: { path: { recipient: id } } };
  const found = useLoaded((signal) => api.GET("/v1/recipients/{recipient}/preferences", { ...at, signal }), [id]);
  const [open, setOpen] = useState(false);
  const preferences = found.data;
  return (
    <Section title={words().person.wants}>
      <Pending of={found} rows={2} />
      {preferences && !open && <Said preferences={preferences} />}
      {preferences && !open && may("recipients:write") && (
        <div class="actions">
          <Button onPress={() => setOpen(true)}>{words().person.changeWants}</Button>
        </div>
      )}
      {preferences && open && (
        <Form
          id={id}
          preferences={preferences}
          close={() => setOpen(false)}
          done={(saved) => {
            found.put(() => saved);
            setOpen(false);
          }}
        />
      )}
    </Section>
  );
}

function _quiet(preferences: Preferences): string {
  if (!preferences.quietHours) return words().person.asTenant;
  const rows = quietRows(preferences.quietHours.times ?? []);
  return rows.map((row) => `${daysInWords(row.days, words().person.days)} ${row.start}–${row.end}`).join(", ") || words().person.neverQuiet;
}

function _cap({ cap }: Preferences): string {
  if (!cap) return words().person.asTenant;
  return cap.count ? words().person.limit(cap.count, lasting(millis(cap.window))) : words().person.noCap;
}

function Said({ preferences }: { preferences: Preferences }) {
  const choices = preferences.choices ?? [];
  return (
    <Facts>
      <Fact name={words().person.quiet}>{_quiet(preferences)}</Fact>
      <Fact name={words().person.cap}>{_cap(preferences)}</Fact>
      <Fact name={words().person.choices}>
        {choices.length === 0
          ? words().person.everything
          : choices.map((choice) => `${choice.category || words().template.any} · ${choice.channel || words().template.any}: ${choice.enabled ? words().person.on : words().person.off}`).join(", ")}
      </Fact>
    </Facts>
  );
}

interface Draft {
  quiet: QuietRow[] | null;
  normal: Policy;
  bulk: Policy;
  cap: { count: string; window: string } | null;
  choices: { category: string; channel: string; enabled: boolean }[];
}

const _POLICIES = ["HOLD", "DROP", "PASS"] as const;
type Policy = (typeof _POLICIES)[number];
const _WINDOWS = ["60s", "3600s", "86400s", "604800s"];
const _NIGHT: QuietRow = { days: [1, 2, 3, 4, 5, 6, 7], start: "22:00", end: "06:00" };

function _draftOf({ quietHours, cap, choices }: Preferences): Draft {
  return {
    quiet: quietHours ? quietRows(quietHours.times ?? []) : null,
    normal: quietHours?.normal ?? "HOLD",
    bulk: quietHours?.bulk ?? "HOLD",
    cap: cap ? { count: String(cap.count ?? 0), window: cap.window } : null,
    choices: (choices ?? []).map(({ category, channel, enabled }) => ({ category: category ?? "", channel: channel ?? "", enabled })),
  };
}

function _bodyOf(draft: Draft): Preferences {
  return {
    choices: draft.choices.map(({ category, channel, enabled }) => ({ ...(category ? { category } : {}), ...(channel ? { channel } : {}), enabled })),
    ...(draft.quiet ? { quietHours: { times: quietTimes(draft.quiet), normal: draft.normal, bulk: draft.bulk } } : {}),
    ...(draft.cap ? { cap: { count: Number(draft.cap.count) || 0, window: draft.cap.window } } : {}),
  };
}

function Form({ id, preferences, close, done }: { id: string; preferences: Preferences; close: () => void; done: (preferences: Preferences) => void }) {
  const [draft, setDraft, forget] = useKept<Draft>(`preferences.${id}`, _draftOf(preferences));
  const [error, setError] = useState<ApiError | null>(null);
  const change = (next: Partial<Draft>) => {
    setDraft({ ...draft, ...next });
    setError(null);
  };
  const put = (body: Preferences) => api.PUT("/v1/recipients/{recipient}/preferences", { params: { path: { recipient: id } }, body });
  const save = async () => {
    const { name: _, updateTime: __, ...before } = preferences;
    try {
      const saved = await put(_bodyOf(draft));
      forget();
      done(saved);
      await act(async () => undefined, words().person.wantsSaved, async () => done(await put(before)));
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure);
    }
  };
  return (
    <form class="form" onSubmit={(event) => event.preventDefault()}>
      <Quiet draft={draft} change={change} />
      <fieldset class="field">
        <legend>{words().person.cap}</legend>
        <label class="check">
          <input type="checkbox" checked={draft.cap !== null} onChange={(event) => change({ cap: event.currentTarget.checked ? { count: "10", window: "3600s" } : null })} />
          {words().person.ownCap}
        </label>
        {draft.cap && (
          <div class="pair">
            <input type="number" min={0} max={100000} value={draft.cap.count} aria-label={words().person.count} onInput={(event) => draft.cap && change({ cap: { ...draft.cap, count: event.currentTarget.value } })} />
            <select class="narrow" value={draft.cap.window} aria-label={words().person.window} onChange={(event) => draft.cap && change({ cap: { ...draft.cap, window: event.currentTarget.value } })}>
              {[...new Set([draft.cap.window, ..._WINDOWS])].map((window) => (
                <option key={window} value={window}>
                  {words().person.inAny(lasting(millis(window)))}
                </option>
              ))}
            </select>
          </div>
        )}
      </fieldset>
      <Choices draft={draft} change={change} />
      <Refused error={error} />
      <div class="actions">
        <Button kind="main" onPress={save}>
          {words().save}
        </Button>
        <button
          type="button"
          class="quiet"
          onClick={() => {
            forget();
            close();
          }}
        >
          {words().cancel}
        </button>
      </div>
    </form>
  );
}

function Quiet({ draft, change }: { draft: Draft; change: (next: Partial<Draft>) => void }) {
  const rows = draft.quiet;
  const set = (at: number, next: Partial<QuietRow>) => rows && change({ quiet: rows.map((row, place) => (place === at ? { ...row, ...next } : row)) });
  const policy = (name: "normal" | "bulk") => (
    <label class="field">
      {words().person.policyOf[name]}
      <select value={draft[name]} onChange={(event) => change({ [name]: event.currentTarget.value as Policy })}>
        {_POLICIES.map((item) => (
          <option key={item} value={item}>
            {words().person.policies[item]}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <fieldset class="field">
      <legend>{words().person.quiet}</legend>
      <label class="check">
        <input type="checkbox" checked={rows !== null} onChange={(event) => change({ quiet: event.currentTarget.checked ? [_NIGHT] : null })} />
        {words().person.ownQuiet}
      </label>
      {rows?.map((row, at) => (
        <fieldset key={at} class="field quiet-row">
          <legend class="dim">{daysInWords(row.days, words().person.days) || words().person.noDay}</legend>
          <div class="choice">
            {words().person.days.map((name, place) => (
              <label key={name}>
                <input
                  type="checkbox"
                  checked={row.days.includes(place + 1)}
                  onChange={(event) => set(at, { days: event.currentTarget.checked ? [...row.days, place + 1].sort() : row.days.filter((day) => day !== place + 1) })}
                />{" "}
                {name}
              </label>
            ))}
          </div>
          <div class="pair">
            <input type="time" value={row.start} aria-label={words().person.from} onInput={(event) => set(at, { start: event.currentTarget.value })} />
            <input type="time" value={row.end} aria-label={words().person.to} onInput={(event) => set(at, { end: event.currentTarget.value })} />
            <button type="button" class="quiet" onClick={() => change({ quiet: rows.filter((_, place) => place !== at) })}>
              {words().alarm.remove}
            </button>
          </div>
        </fieldset>
      ))}
      {rows && (
        <>
          <div>
            <button type="button" class="chip" onClick={() => change({ quiet: [...rows, _NIGHT] })}>
              + {words().person.addQuiet}
            </button>
          </div>
          <div class="pair">
            {policy("normal")}
            {policy("bulk")}
          </div>
        </>
      )}
    </fieldset>
  );
}

function Choices({ draft, change }: { draft: Draft; change: (next: Partial<Draft>) => void }) {
  const categories = useLoaded((signal) => api.GET("/v1/categories", { params: { query: { pageSize: 1000 } }, signal }), []);
  const names = categories.data?.categories.map((item) => idOf(item.name)) ?? [];
  const set = (at: number, next: Partial<Draft["choices"][number]>) => change({ choices: draft.choices.map((row, place) => (place === at ? { ...row, ...next } : row)) });
  return (
    <fieldset class="field">
      <legend>{words().person.choices}</legend>
      {draft.choices.map((choice, at) => (
        <div class="pair" key={at}>
          <select class="narrow" value={choice.category} aria-label={words().delivery.category} onChange={(event) => set(at, { category: event.currentTarget.value })}>
            {[...new Set(["", choice.category, ...names])].map((name) => (
              <option key={name} value={name}>
                {name || words().person.anyCategory}
              </option>
            ))}
          </select>
          <select class="narrow" value={choice.channel} aria-label={words().delivery.channel} onChange={(event) => set(at, { channel: event.currentTarget.value })}>
            {[...new Set(["", choice.channel, ...CHANNELS])].map((name) => (
              <option key={name} value={name}>
                {name || words().template.anyChannel}
              </option>
            ))}
          </select>
          <label class="check">
            <input type="checkbox" checked={choice.enabled} onChange={(event) => set(at, { enabled: event.currentTarget.checked })} />
            {words().person.on}
          </label>
          <button type="button" class="quiet" onClick={() => change({ choices: draft.choices.filter((_, place) => place !== at) })}>
            {words().alarm.remove}
          </button>
        </div>
      ))}
      <div>
        <button type="button" class="chip" onClick={() => change({ choices: [...draft.choices, { category: "", channel: "", enabled: false }] })}>
          + {words().person.addChoice}
        </button>
      </div>
    </fieldset>
  );
}
