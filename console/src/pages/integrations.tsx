/** Integrations: where alerts come from, what came last, and what became of it. */

import { useLocation } from "../state/location";
import { useState } from "preact/hooks";
import { api, idOf, type Schemas } from "../api/client";
import { sure } from "../parts/ask";
import { AsOf, Button, CommandLine, Copy, Fact, Facts, Failure, Head, Pending, Section, Shape } from "../parts/basics";
import { Choice } from "../parts/fields";
import { Filter, filterOf, textFilter } from "../parts/filter";
import { Form } from "../parts/form";
import { Listed, type Column } from "../parts/list";
import { Try } from "../parts/mapping";
import { State, type Tone } from "../parts/mark";
import { Panel } from "../parts/panel";
import { PickPolicy } from "../parts/pick-policy";
import { Tabs } from "../parts/tabs";
import { When } from "../parts/when";
import { act } from "../state/act";
import { curlOf, KINDS, testCall, USUAL_MAPPING, type Integration, type Kind } from "../state/intake";
import { useLoaded } from "../state/loaded";
import { useParts } from "../state/pages";
import { may } from "../state/session";
import { words } from "../words";

type Payload = Schemas["scheduler.v1.IntegrationPayload"];
type Severity = "CRITICAL" | "ERROR" | "WARNING" | "INFO";
const _HERE = "/console/integrations";

/** Keys that were shown in this page: secrets, and so in no storage. */
const _keys = new Map<string, string>();

function _name(integration: Integration): string {
  return integration.displayName || idOf(integration.name);
}

function _tone(integration: Integration): Tone {
  if (integration.damaged?.length) return "bad";
  if (integration.paused) return "idle";
  return integration.lastPayloadTime ? "good" : "busy";
}

function _word(integration: Integration): string {
  if (integration.damaged?.length) return words().integration.damaged;
  if (integration.paused) return words().integration.paused;
  return integration.lastPayloadTime ? words().integration.receives : words().integration.waits;
}

const _columns = (): Column<Integration>[] => [
  { name: words().alarm.name, width: "minmax(9rem, 2fr)", show: _name },
  { name: words().state, width: "minmax(7rem, 1fr)", show: (row) => <State tone={_tone(row)} word={_word(row)} /> },
  { name: words().integration.kind, width: "minmax(7rem, 1fr)", wide: true, show: (row) => words().integration.kinds[row.kind] },
  { name: words().integration.last, width: "minmax(6rem, 1fr)", show: (row) => <When at={row.lastPayloadTime} /> },
  { name: words().policy.one, width: "minmax(7rem, 1fr)", wide: true, show: (row) => (row.escalationPolicy ? idOf(row.escalationPolicy) : words().integration.byRoute) },
];

export default function Integrations({ params }: { params?: { id?: string } }) {
  const { query, route } = useLocation();
  const id = params?.id;
  const filter = textFilter(filterOf(query));
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/integrations", { params: { query: { pageSize: 200, pageToken, filter } }, signal });
      return { rows: found.integrations, next: found.nextPageToken ?? "" };
    },
    [filter],
    ["incident"],
  );
  const tail = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  const adding = query["add"] !== undefined && !id;
  const add = may("incidents:write") && (
    <a class="button main" href={`${_HERE}?add`}>
      {words().integration.add}
    </a>
  );
  return (
    <>
      <Head title={words().pages.integrations}>{add}</Head>
      <Tabs of="/console/integrations" first={words().pages.integrations} />
      <Filter offers={[]} example={words().person.findGroup} meant={textFilter} />
      <AsOf of={list} />
      <div class={id || adding ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.integrations}
          columns={_columns()}
          href={(row) => `${_HERE}/${idOf(row.name)}${tail}`}
          open={id && `integrations/${id}`}
          filter={filter}
          none={words().integration.none}
          line="tocsin integration create alertmanager --id prometheus"
        >
          {add}
        </Listed>
        {adding && (
          <Panel title={words().integration.add} back={_HERE}>
            <IntegrationForm
              done={(made) => {
                list.again();
                route(`${_HERE}/${idOf(made.name)}`);
              }}
            />
          </Panel>
        )}
        {id && <One key={id} id={id} back={`${_HERE}${tail}`} changed={list.again} />}
      </div>
    </>
  );
}

interface Draft {
  displayName: string;
  kind: Kind;
  escalationPolicy: string;
  defaultSeverity: Severity;
  byGroup: boolean;
}

function IntegrationForm({ integration, done }: { integration?: Integration; done: (integration: Integration) => void }) {
  const first: Draft = {
    displayName: integration?.displayName ?? "",
    kind: (integration?.kind ?? "GENERIC") as Kind,
    escalationPolicy: integration?.escalationPolicy ?? "",
    defaultSeverity: (integration?.defaultSeverity ?? "ERROR") as Severity,
    byGroup: integration?.byGroup ?? false,
  };
  const save = async (draft: Draft) => {
    const body = { ...draft, byGroup: draft.byGroup && ["ALERTMANAGER", "GRAFANA"].includes(draft.kind) };
    const query = { updateMask: "displayName,escalationPolicy,defaultSeverity,byGroup" };
    const saved = integration
      ? await api.PATCH("/v1/integrations/{integration}", { params: { path: { integration: idOf(integration.name) }, query }, body })
      : await api.POST("/v1/integrations", { body: { ...body, ...(draft.kind === "GENERIC" ? { mapping: USUAL_MAPPING } : {}) } });
    if (saved.key) _keys.set(saved.name ?? "", saved.key);
    done(saved);
  };
  return (
    <Form id={integration ? `${integration.name} ${integration.etag}` : "integrations/"} first={first} send={save} name={integration ? words().save : words().integration.add}>
      {({ draft, of, text, tick }) => (
        <>
          {text("displayName", words().alarm.name, { required: true, max: 200, first: true })}
          {!integration && <Choice label={words().integration.kind} of={KINDS.map((kind) => [kind, words().integration.kinds[kind] ?? kind] as const)} {...of("kind")} />}
          <PickPolicy {...of("escalationPolicy")} none={words().integration.byRoute} />
          <Choice
            label={words().integration.severity}
            of={(["CRITICAL", "ERROR", "WARNING", "INFO"] as const).map((name) => [name, words().incident.severities[name] ?? name] as const)}
            {...of("defaultSeverity")}
          />
          {["ALERTMANAGER", "GRAFANA"].includes(draft.kind) && tick("byGroup", words().integration.byGroup)}
        </>
      )}
    </Form>
  );
}

function One({ id, back, changed }: { id: string; back: string; changed: () => void }) {
  const { query, route, path } = useLocation();
  const at = { params: { path: { integration: id } } };
  const found = useLoaded((signal) => api.GET("/v1/integrations/{integration}", { ...at, signal }), [id], ["incident"]);
  const payloads = useLoaded((signal) => api.GET("/v1/integrations/{integration}/payloads", { params: { ...at.params, query: { pageSize: 20 } }, signal }), [id], ["incident"]);
  const [key, setKey] = useState(_keys.get(`integrations/${id}`) ?? "");
  const integration = found.data;
  const refresh = () => {
    found.again();
    payloads.again();
    changed();
  };
  const pause = (paused: boolean) => async () => {
    const now = await api.PATCH("/v1/integrations/{integration}", { params: { ...at.params, query: { updateMask: "paused" } }, body: { kind: integration?.kind ?? "GENERIC", paused } });
    found.put(() => now);
    changed();
  };
  const rotate = async () => {
    if (!(await sure(words().integration.reallyRotate(_name(integration as Integration)), words().integration.rotate))) return;
    await act(async () => {
      const now = await api.POST("/v1/integrations/{integration}:rotateKey", { ...at, body: {} });
      _keys.set(`integrations/${id}`, now.key ?? "");
      setKey(now.key ?? "");
      found.again();
    }, words().integration.rotated);
  };
  const remove = async () => {
    if (!(await sure(words().integration.reallyDelete(_name(integration as Integration)), words().alarm.remove))) return;
    if (!(await act(() => api.DELETE("/v1/integrations/{integration}", at), words().alarm.removed))) return;
    changed();
    route(back);
  };
  if (integration && query["edit"] !== undefined) {
    return (
      <Panel title={words().integration.edit} back={path}>
        <IntegrationForm integration={integration} done={() => (refresh(), route(path))} />
      </Panel>
    );
  }
  if (integration && query["try"] !== undefined) {
    const chosen = payloads.data?.payloads.find((item) => idOf(item.name) === query["try"]) ?? payloads.data?.payloads[0];
    return (
      <Panel title={words().integration.tryOf(_name(integration))} back={path}>
        {payloads.data ? <Try key={integration.etag} integration={integration} payload={_pretty(chosen?.body) || _sample(integration)} saved={() => (refresh(), route(path))} /> : <Shape />}
      </Panel>
    );
  }
  return (
    <Panel title={integration ? _name(integration) : words().integration.one} back={back}>
      <Pending of={found} rows={6} />
      {integration && (
        <>
          <p class="large">
            <State tone={_tone(integration)} word={_word(integration)} />
          </p>
          {may("incidents:write") && (
            <div class="actions">
              <a class="button main" href={`${path}?try`}>
                {words().integration.try}
              </a>
              <a class="button" href={`${path}?edit`}>
                {words().alarm.edit}
              </a>
              {integration.paused ? (
                <Button onPress={() => act(pause(false), words().alarm.resumed, pause(true))}>{words().alarm.resume}</Button>
              ) : (
                <Button onPress={() => act(pause(true), words().alarm.paused, pause(false))}>{words().alarm.pause}</Button>
              )}
              <Button onPress={rotate}>{words().integration.rotate}</Button>
              <Button kind="risky" onPress={remove}>
                {words().alarm.remove}
              </Button>
            </div>
          )}
          <Section title={words().integration.sends}>
            <Line integration={integration} secret={key} />
          </Section>
          <Section title={words().integration.payloads}>
            {payloads.error && !payloads.data && <Failure error={payloads.error} again={payloads.again} />}
            {payloads.data?.payloads.length === 0 && <p class="dim">{words().integration.noPayloads}</p>}
            {payloads.data?.payloads.map((item) => <Came key={item.name} payload={item} tryIt={`${path}?try=${idOf(item.name)}`} />)}
          </Section>
          <Facts>
            <Fact name={words().integration.kind}>{words().integration.kinds[integration.kind]}</Fact>
            <Fact name={words().policy.one}>{integration.escalationPolicy ? <a href={`/console/policies/${idOf(integration.escalationPolicy)}`}>{idOf(integration.escalationPolicy)}</a> : words().integration.byRoute}</Fact>
            <Fact name={words().integration.severity}>{words().incident.severities[integration.defaultSeverity ?? ""]}</Fact>
            <Fact name={words().id}>
              <Copy text={integration.name ?? ""} />
            </Fact>
          </Facts>
        </>
      )}
    </Panel>
  );
}

/** How its sender calls; with the key as long as this page knows it. */
function Line({ integration, secret }: { integration: Integration; secret: string }) {
  if (integration.kind === "EMAIL") {
    return (
      <>
        <CommandLine line={`${secret || "KEY"}@${location.hostname}`} />
        {!secret && <p class="dim">{words().integration.keyHidden}</p>}
      </>
    );
  }
  const call = testCall(integration.kind as Kind, secret || "KEY", "Test", integration.mapping);
  return (
    <>
      {secret && <p class="said">{words().integration.keyOnce}</p>}
      {call && <CommandLine line={curlOf(call, location.origin)} />}
      {!secret && <p class="dim">{words().integration.keyHidden}</p>}
    </>
  );
}

/** A payload that came, and what became of it. */
function Came({ payload, tryIt }: { payload: Payload; tryIt: string }) {
  const refused = payload.outcome === "REFUSED";
  const { opened, counted, acknowledged, resolved, ignored } = payload.receipt ?? {};
  const counts = Object.entries({ opened, counted, acknowledged, resolved, ignored }).flatMap(([name, count]) => (count ? [`${count} ${words().integration.counts[name] ?? name}`] : []));
  return (
    <details class="came">
      <summary>
        <State tone={refused ? "bad" : payload.outcome === "TAKEN" ? "good" : "idle"} word={words().integration.outcomes[payload.outcome ?? ""] ?? ""} />
        <span class="grow dim">{counts.join(", ")}</span>
        <When at={payload.receiveTime} />
      </summary>
      {payload.detail && (
        <p class={refused ? "wrong" : "dim"}>
          {payload.field && `${payload.field}: `}
          {payload.detail}
        </p>
      )}
      {payload.incidents?.map((name) => (
        <a key={name} href={`/console/${name}`}>
          {name}
        </a>
      ))}
      <pre>{_pretty(payload.body)}</pre>
      {payload.truncated && <p class="dim">{words().integration.truncated(payload.size ?? 0)}</p>}
      <a class="button" href={tryIt}>
        {words().integration.try}
      </a>
    </details>
  );
}

/** JSON with its lines; anything else as it is. */
function _pretty(body: string | undefined): string {
  try {
    return JSON.stringify(JSON.parse(body ?? ""), null, 2);
  } catch {
    return body ?? "";
  }
}

function _sample(integration: Integration): string {
  return _pretty(testCall(integration.kind as Kind, "KEY", "Test", integration.mapping)?.body);
}
