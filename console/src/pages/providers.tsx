/** Providers: the ways out for messages, in the order in which they are asked. */

import { useState } from "preact/hooks";
import { useLocation } from "../state/location";
import { api, idOf, type Schemas } from "../api/client";
import { Admin } from "../parts/admin";
import { sure } from "../parts/ask";
import { Button, CommandLine, Copy, Fact, Facts, Pending, Section } from "../parts/basics";
import { Form, type Fields } from "../parts/form";
import type { Column } from "../parts/list";
import { State, type Tone } from "../parts/mark";
import { Panel } from "../parts/panel";
import { When } from "../parts/when";
import { act } from "../state/act";
import { useLoaded } from "../state/loaded";
import { notify } from "../state/notices";
import { configOf, labelOf, settingsOf, type Setting } from "../state/providers";
import { address, may } from "../state/session";
import { words } from "../words";

type Provider = Schemas["mailer.v1.Provider"];
type Kind = Schemas["mailer.v1.ProviderKind"];
const _PATH = "/console/providers";

const _nameOf = (provider: Provider) => provider.displayName || idOf(provider.name);

function _tone(provider: Provider): Tone {
  if (provider.disabled) return "idle";
  if (provider.circuit === "OPEN") return "bad";
  if (provider.fault || provider.circuit === "HALF_OPEN") return "warn";
  return provider.circuit ? "good" : "idle";
}

function _word(provider: Provider): string {
  if (provider.disabled) return words().providers.off;
  return words().providers.circuits[provider.circuit ?? ""] ?? words().providers.unused;
}

const _columns = (): Column<Provider>[] => [
  { name: words().settings.name, width: "minmax(8rem, 2fr)", show: _nameOf },
  { name: words().state, width: "minmax(7rem, 1fr)", show: (row) => <State tone={_tone(row)} word={_word(row)} /> },
  { name: words().delivery.channel, width: "minmax(5rem, 1fr)", show: (row) => row.channel ?? "" },
  { name: words().providers.kind, width: "minmax(5rem, 1fr)", wide: true, show: (row) => row.kind ?? "" },
  { name: words().providers.place, width: "4rem", wide: true, number: true, show: (row) => row.position || "–" },
  { name: words().providers.from, width: "minmax(6rem, 1fr)", wide: true, show: (row) => words().providers.sources[row.source ?? ""] ?? "" },
];

function useKinds() {
  return useLoaded((signal) => api.GET("/v1/providerKinds", { signal }), []);
}

export default function Providers({ params }: { params?: { id?: string } }) {
  const { route } = useLocation();
  const kinds = useKinds();
  const id = params?.id;
  return (
    <Admin<Provider>
      path={_PATH}
      title={words().pages.providers}
      scope="providers:write"
      add={words().providers.add}
      none={words().providers.none}
      line="tocsin provider kinds smtp"
      columns={_columns()}
      load={async (pageToken, _, signal) => {
        const found = await api.GET("/v1/providers", { params: { query: { pageSize: 200, pageToken } }, signal });
        return { rows: found.providers, next: found.nextPageToken ?? "" };
      }}
      name={(row) => row.name ?? ""}
      id={id}
    >
      {(list) => {
        if (!kinds.data) return <Pending of={kinds} rows={5} />;
        if (id !== "new") return <One key={id} id={id ?? ""} kinds={kinds.data.kinds ?? []} changed={list.again} />;
        return (
          <Panel title={words().providers.add} back={_PATH}>
            <NewProvider
              kinds={kinds.data.kinds ?? []}
              done={(provider) => {
                list.again();
                route(`${_PATH}/${idOf(provider.name)}`);
              }}
            />
          </Panel>
        );
      }}
    </Admin>
  );
}

function NewProvider({ kinds, done }: { kinds: readonly Kind[]; done: (provider: Provider) => void }) {
  const { path, query, route } = useLocation();
  const kind = kinds.find((item) => item.kind === query["kind"]);
  return (
    <>
      <label class="field">
        {words().providers.kind}
        <select value={query["kind"] ?? ""} onChange={(event) => route(`${path}?kind=${event.currentTarget.value}`)}>
          <option value="">{words().providers.choose}</option>
          {kinds.map((item) => (
            <option key={item.kind} value={item.kind}>
              {item.kind} ({item.channel})
            </option>
          ))}
        </select>
      </label>
      {kind && <ProviderForm key={kind.kind} kind={kind} done={done} />}
      {!kind && <CommandLine line="tocsin provider kinds" />}
    </>
  );
}

type Draft = { displayName: string; position: string; disabled: boolean } & Record<string, unknown>;

function ProviderForm({ kind, provider, done }: { kind: Kind; provider?: Provider; done: (provider: Provider) => void }) {
  const settings = settingsOf(kind);
  const known = provider?.config ?? {};
  const first: Draft = { displayName: provider?.displayName ?? "", position: String(provider?.position ?? ""), disabled: provider?.disabled ?? false };
  for (const { name, type, standard } of settings) first[name] = type === "secret" ? "" : String(known[name] ?? standard);
  const save = async (draft: Draft) => {
    const body = { displayName: draft.displayName, position: Number(draft.position) || 0, disabled: draft.disabled, config: configOf(settings, draft) };
    const path = { provider: idOf(provider?.name) };
    const saved = provider
      ? await api.PATCH("/v1/providers/{provider}", { params: { path, query: { updateMask: "displayName,position,disabled,config" } }, body })
      : await api.POST("/v1/providers", { body: { ...body, kind: kind.kind ?? "" } });
    notify({ text: words().settings.saved });
    done(saved);
  };
  const isOften = (setting: Setting) => setting.needed || setting.type === "secret" || ["username", "port", "tls", "reply_to", "url"].includes(setting.name);
  return (
    <Form id={provider?.name ?? `providers/${kind.kind}`} first={first} send={save} name={provider ? words().save : words().providers.add}>
      {(field) => (
        <>
          {field.text("displayName", words().settings.name, { max: 200, placeholder: kind.kind ?? "" })}
          {settings.filter(isOften).map((setting) => _field(field, setting, known))}
          <details>
            <summary>{words().providers.more}</summary>
            <div class="form">
              {field.text("position", words().providers.place, { type: "number", hint: words().providers.placeHint })}
              {field.tick("disabled", words().providers.disabled)}
              {settings.filter((setting) => !isOften(setting)).map((setting) => _field(field, setting, known))}
            </div>
          </details>
        </>
      )}
    </Form>
  );
}

function _field(field: Fields<Draft>, { name, type, hint, needed, standard, choices }: Setting, known: Record<string, unknown>) {
  const isSet = type === "secret" && Boolean(known[name]);
  if (type === "choice") return field.choice(name, labelOf(name), choices.map((item) => [item, item] as const), hint);
  if (type === "tick") return field.tick(name, labelOf(name), hint);
  return field.text(name, labelOf(name), {
    hint: isSet ? `${hint} ${words().providers.keepSecret}` : hint,
    type: type === "secret" ? "password" : type,
    required: needed && !isSet,
    autocomplete: "off",
    placeholder: isSet ? "••••••••" : standard,
  });
}

function One({ id, kinds, changed }: { id: string; kinds: readonly Kind[]; changed: () => void }) {
  const { path, query, route } = useLocation();
  const at = { params: { path: { provider: id } } };
  const found = useLoaded((signal) => api.GET("/v1/providers/{provider}", { ...at, signal }), [id]);
  const provider = found.data;
  const kind = kinds.find((item) => item.kind === provider?.kind);
  const isOwn = provider?.source === "TENANT" && may("providers:write");
  const put = (now: Provider) => {
    found.put(() => now);
    changed();
  };
  const turn = (disabled: boolean) => async () =>
    put(await api.PATCH("/v1/providers/{provider}", { params: { ...at.params, query: { updateMask: "disabled" } }, body: { disabled } }));
  const move = (position: number) => async () =>
    put(await api.PATCH("/v1/providers/{provider}", { params: { ...at.params, query: { updateMask: "position" } }, body: { position } }));
  const remove = async () => {
    if (!(await sure(words().providers.reallyRemove(_nameOf(provider as Provider)), words().alarm.remove))) return;
    if (!(await act(() => api.DELETE("/v1/providers/{provider}", at), words().alarm.removed))) return;
    changed();
    route(_PATH);
  };
  if (provider && kind && query["edit"] !== undefined) {
    return (
      <Panel title={_nameOf(provider)} back={path}>
        <ProviderForm kind={kind} provider={provider} done={(now) => (put(now), route(path))} />
      </Panel>
    );
  }
  const place = provider?.position ?? 0;
  return (
    <Panel title={provider ? _nameOf(provider) : words().providers.one} back={_PATH}>
      <Pending of={found} rows={5} />
      {provider && (
        <>
          <p class="large">
            <State tone={_tone(provider)} word={_word(provider)} />
          </p>
          {provider.fault && <p class="said">{provider.fault}</p>}
          {isOwn && (
            <div class="actions">
              {provider.disabled ? (
                <Button onPress={() => act(turn(false), words().providers.on, turn(true))}>{words().access.open}</Button>
              ) : (
                <Button onPress={() => act(turn(true), words().providers.nowOff, turn(false))}>{words().access.close}</Button>
              )}
              {place > 1 && <Button onPress={() => act(move(place - 1), words().providers.moved, move(place))}>{words().providers.earlier}</Button>}
              <a class="button" href={`${path}?edit`}>
                {words().alarm.edit}
              </a>
              <Button kind="risky" onPress={remove}>
                {words().alarm.remove}
              </Button>
            </div>
          )}
          {may("providers:write") && <Test id={id} channel={provider.channel ?? ""} tried={found.again} />}
          <Facts>
            <Fact name={words().delivery.channel}>{provider.channel}</Fact>
            <Fact name={words().providers.kind}>{provider.kind}</Fact>
            <Fact name={words().providers.place}>{provider.position || ""}</Fact>
            <Fact name={words().providers.from}>{words().providers.sources[provider.source ?? ""]}</Fact>
            <Fact name={words().providers.atOnce}>{provider.concurrency}</Fact>
            <Fact name={words().providers.callback}>{provider.callbackPath && <Copy text={location.origin + provider.callbackPath} />}</Fact>
            <Fact name={words().delivery.changed}>{provider.updateTime && <When at={provider.updateTime} />}</Fact>
            <Fact name={words().access.roleId}>
              <Copy text={provider.name ?? ""} />
            </Fact>
          </Facts>
          {provider.config && (
            <Section title={words().providers.config}>
              <Facts>
                {Object.entries(provider.config).map(([name, value]) => (
                  <Fact key={name} name={labelOf(name)}>
                    {String(value)}
                  </Fact>
                ))}
              </Facts>
            </Section>
          )}
          <CommandLine line={`tocsin provider show ${id}`} />
        </>
      )}
    </Panel>
  );
}

/** Sends one message by this provider alone, and shows what it said. */
function Test({ id, channel, tried }: { id: string; channel: string; tried: () => void }) {
  const [told, setTold] = useState<Schemas["mailer.v1.TestProviderResponse"] | null>(null);
  const send = async ({ to }: { to: string }) => {
    setTold(null);
    setTold(await api.POST("/v1/providers/{provider}:test", { params: { path: { provider: id } }, body: { to } }));
    tried();
  };
  return (
    <Section title={words().providers.test}>
      <Form id={`providers/${id}/test`} first={{ to: channel === "email" ? address.value : "" }} send={send} name={words().providers.send}>
        {(field) => field.text("to", words().providers.to, { required: true, placeholder: words().providers.examples[channel] ?? "" })}
      </Form>
      {told && (
        <div class={told.sent ? "said well" : "failure"} role="status">
          <State tone={told.sent ? "good" : "bad"} word={told.sent ? words().providers.took : (words().providers.outcomes[told.outcome ?? ""] ?? told.outcome ?? "")} />
          {(told.code || told.detail) && (
            <p>
              {told.code || ""} {told.detail}
            </p>
          )}
        </div>
      )}
    </Section>
  );
}
