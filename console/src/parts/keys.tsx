/** API keys: whose they are, when they were last used, and what replaces them. A secret is shown once. */

import { useState } from "preact/hooks";
import { api, idOf, type Schemas } from "../api/client";
import { act } from "../state/act";
import { inSeconds } from "../state/clock";
import { useLoaded } from "../state/loaded";
import { notify } from "../state/notices";
import { who } from "../state/who";
import { may, session } from "../state/session";
import { words } from "../words";
import { sure } from "./ask";
import { Button, Empty, Pending, Section } from "./basics";
import { Form } from "./form";
import { Mark } from "./mark";
import { Once } from "./once";
import { ScopePicker } from "./scopes";
import { When } from "./when";

type Key = Schemas["auth.v1.ApiKey"];
const _DAY = 86_400;

/** The keys of `owner`, "serviceAccounts/{id}" or "users/{id}"; all of the tenant without one. `scopes`: what a new one can have at most. */
export function Keys({ owner = "", scopes }: { owner?: string; scopes?: readonly string[] }) {
  const query = { pageSize: 1000, ...(owner ? { owner } : {}) };
  const found = useLoaded((signal) => api.GET("/v1/apiKeys", { params: { query }, signal }), [owner]);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<{ name: string; secret: string } | null>(null);
  const keys = found.data?.apiKeys ?? [];
  const shown = (name: string, secret: string) => {
    setMade({ name, secret });
    setMaking(false);
    found.again();
  };
  return (
    <Section title={words().access.keys} note={keys.length > 0 && words().rows(keys.length, false)}>
      <Pending of={found} rows={2} />
      {found.data && keys.length === 0 && !making && (
        <Empty sentence={words().access.noKeys} line={`tocsin key create deploys --scope alarms:read${owner ? ` --owner ${owner}` : ""}`} />
      )}
      {made && <Once title={words().access.keyOf(made.name)} lines={[made.secret]} done={() => setMade(null)} />}
      {keys.length > 0 && (
        <ul class="plain">
          {keys.map((key) => (
            <One key={key.name} item={key} withOwner={!owner} changed={found.again} made={shown} />
          ))}
        </ul>
      )}
      {may("keys:write") && !making && (
        <div class="actions">
          <Button onPress={() => setMaking(true)}>{words().access.makeKey}</Button>
        </div>
      )}
      {making && <NewKey owner={owner} scopes={scopes ?? session.value?.scopes ?? []} made={shown} cancel={() => setMaking(false)} />}
    </Section>
  );
}

function _expiry(days: string): { expireTime?: string } {
  return days ? { expireTime: inSeconds(Number(days) * _DAY) } : {};
}

function _days(): [string, string][] {
  return [["", words().access.never], ...["7", "30", "90", "365"].map((days): [string, string] => [days, words().access.days(Number(days))])];
}

function NewKey({ owner, scopes, made, cancel }: { owner: string; scopes: readonly string[]; made: (name: string, secret: string) => void; cancel: () => void }) {
  const all = scopes.filter((scope) => may(scope));
  const first = { displayName: "", days: "90", scopes: all.filter((scope) => scope.endsWith(":read")) };
  const make = async ({ displayName, days, scopes: chosen }: typeof first) => {
    const body = { displayName, scopes: chosen, ..._expiry(days), ...(owner.startsWith("serviceAccounts/") ? { owner } : {}) };
    const key = await api.POST("/v1/apiKeys", { body });
    made(displayName, key.secret ?? "");
  };
  return (
    <Form id={`keys/${owner}`} first={first} send={make} name={words().access.makeKey} cancel={cancel}>
      {(field) => (
        <>
          {field.text("displayName", words().access.keyName, { required: true, max: 100, placeholder: "deploys" })}
          {field.choice("days", words().access.ends, _days(), words().access.endsHint)}
          <ScopePicker label={words().access.may} all={all} chosen={field.draft.scopes} change={(chosen) => field.change({ scopes: chosen })} />
        </>
      )}
    </Form>
  );
}

function One({ item, withOwner, changed, made }: { item: Key; withOwner: boolean; changed: () => void; made: (name: string, secret: string) => void }) {
  const [rotating, setRotating] = useState(false);
  const name = item.displayName || (item.name ?? "");
  const path = { apiKey: idOf(item.name) };
  const remove = async () => {
    if (!(await sure(words().access.reallyDelete(name), words().access.endKey))) return;
    await act(async () => {
      await api.DELETE("/v1/apiKeys/{apiKey}", { params: { path } });
      changed();
    }, words().access.keyEnded);
  };
  const rotate = async ({ overlap, days }: { overlap: string; days: string }) => {
    const body = { overlap, ..._expiry(days) };
    const key = await api.POST("/v1/apiKeys/{apiKey}:rotate", { params: { path }, body });
    setRotating(false);
    notify({ text: words().access.rotated });
    made(name, key.secret ?? "");
  };
  return (
    <li class={rotating ? "tall" : ""}>
      <Mark tone={item.lastUseTime ? "good" : "idle"} />
      <span class="grow">
        {name} {withOwner && <span class="dim">{who(item.owner)}</span>} <code class="dim">{item.prefix}…</code>
      </span>
      <span class="dim">
        {item.lastUseTime ? (
          <>
            {words().access.used} <When at={item.lastUseTime} /> {item.lastUseAddress}
          </>
        ) : (
          words().access.unused
        )}
        {" · "}
        {item.scopes?.includes("*") ? words().access.everything : words().access.scopes(item.scopes?.length ?? 0)}
        {item.expireTime && (
          <>
            {" · "}
            {words().access.until} <When at={item.expireTime} />
          </>
        )}
        {item.previousSecretExpireTime && (
          <>
            {" · "}
            {words().access.oldUntil} <When at={item.previousSecretExpireTime} />
          </>
        )}
      </span>
      {may("keys:write") && !rotating && (
        <>
          <Button onPress={() => setRotating(true)}>{words().access.rotate}</Button>
          <Button kind="risky" onPress={remove}>
            {words().access.endKey}
          </Button>
        </>
      )}
      {rotating && (
        <Form id={`${item.name}/rotate`} first={{ overlap: "86400s", days: "" }} send={rotate} name={words().access.rotate} cancel={() => setRotating(false)}>
          {(field) => (
            <>
              {field.choice("overlap", words().access.overlap, [["0s", words().access.atOnce], ["3600s", words().access.hours(1)], ["86400s", words().access.days(1)], ["604800s", words().access.days(7)], ["2592000s", words().access.days(30)]], words().access.overlapHint)}
              {field.choice("days", words().access.ends, [["", words().access.asBefore], ..._days().slice(1)])}
            </>
          )}
        </Form>
      )}
    </li>
  );
}
