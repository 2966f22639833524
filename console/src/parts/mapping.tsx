/** Where a payload says what: the paths, tried on a payload while they are typed. */

import { useEffect, useState } from "preact/hooks";
import { api, idOf, type Schemas } from "../api/client";
import { ApiError } from "../api/problem";
import { incidentTone } from "../state/alarms";
import { USUAL_MAPPING, type Integration, type Mapping } from "../state/intake";
import { useKeptParts } from "../state/kept";
import { words } from "../words";
import { Area, binder, Text, type Bound } from "./fields";
import { FormOf } from "./form";
import { State } from "./mark";

type Alert = Schemas["scheduler.v1.ReceivedAlert"];
type Source = Schemas["scheduler.v1.ValueSource"];

const _SOURCES = ["title", "description", "severity", "dedupKey", "state", "url"] as const;
const _SETTLE_MS = 300;

/** What is typed: for each field its paths, one after the other, and a value where none finds one. */
interface Draft {
  payload: string;
  items: string;
  paths: Record<string, string>;
  defaults: Record<string, string>;
  labels: string;
  states: string;
  severities: string;
}

function _draftOf(mapping: Mapping, payload: string): Draft {
  const lines = (table: Record<string, string> | undefined) =>
    Object.entries(table ?? {})
      .map(([word, value]) => `${word}=${value}`)
      .join("\n");
  return {
    payload,
    items: mapping.items ?? "",
    paths: Object.fromEntries(_SOURCES.map((name) => [name, (mapping[name]?.paths ?? []).join(", ")])),
    defaults: Object.fromEntries(_SOURCES.map((name) => [name, mapping[name]?.default ?? ""])),
    labels: lines(Object.fromEntries(Object.entries(mapping.labels ?? {}).map(([name, source]) => [name, source.paths?.join(", ") || JSON.stringify(source.default ?? "")]))),
    states: lines(mapping.states),
    severities: lines(mapping.severities),
  };
}

function _table(text: string): [string, string][] {
  return text.split("\n").flatMap((line) => {
    const at = line.indexOf("=");
    return at > 0 ? [[line.slice(0, at).trim(), line.slice(at + 1).trim()] as [string, string]] : [];
  });
}

function _source(paths: string, value = ""): Source {
  const found = paths.split(/,\s*/).filter(Boolean);
  return { ...(found.length > 0 ? { paths: found } : {}), ...(value ? { default: value } : {}) };
}

function _mappingOf(draft: Draft): Mapping {
  const sources = _SOURCES.flatMap((name) => {
    const source = _source(draft.paths[name] ?? "", draft.defaults[name]);
    return Object.keys(source).length > 0 || name === "title" ? [[name, source] as const] : [];
  });
  const label = (text: string): Source => (text.startsWith('"') ? { default: text.replace(/^"|"$/g, "") } : _source(text));
  return {
    ...(draft.items ? { items: draft.items } : {}),
    ...(Object.fromEntries(sources) as { title: Source }),
    labels: Object.fromEntries(_table(draft.labels).map(([name, text]) => [name, label(text)])),
    states: Object.fromEntries(_table(draft.states)) as NonNullable<Mapping["states"]>,
    severities: Object.fromEntries(_table(draft.severities)) as NonNullable<Mapping["severities"]>,
  };
}

/** Tries a payload, and, of an integration that has one, its mapping; saves the mapping. */
export function Try({ integration, payload, saved }: { integration: Integration; payload: string; saved: (integration: Integration) => void }) {
  const mapped = integration.kind === "GENERIC" || integration.kind === "CLOUDEVENTS";
  const first = _draftOf(integration.mapping ?? (integration.kind === "GENERIC" ? USUAL_MAPPING : ({} as Mapping)), payload);
  const [draft, keep, forget] = useKeptParts<Draft>(`try.${integration.name}.${integration.etag}`, first);
  const uses = mapped && (integration.kind === "GENERIC" || Object.values(draft.paths).some(Boolean));
  const mapping = uses ? _mappingOf(draft) : undefined;
  const said = useTried(integration, draft.payload, mapping);
  const of = binder(draft, keep, (field) => (said instanceof ApiError ? said.within(`mapping.${field}`) : undefined));
  const save = async () => {
    const now = await api.PATCH("/v1/integrations/{integration}", { params: { path: { integration: idOf(integration.name) }, query: { updateMask: "mapping" } }, body: { ...integration, ...(mapping ? { mapping } : {}) } });
    saved(now);
  };
  const fields = (
    <>
      <Area label={words().integration.payload} rows={8} code {...of("payload")} error={said instanceof ApiError ? said.of("body") : ""} />
      <Tried said={said} />
      {mapped && (
        <fieldset class="field mapping">
          <legend>{words().integration.mapping}</legend>
          <Text label={words().integration.items} placeholder="alerts" {...of("items")} />
          {_SOURCES.map((name) => (
            <div class="pair" key={name}>
              <Text
                label={words().integration.sources[name] ?? name}
                placeholder="$.monitor.name"
                value={draft.paths[name] ?? ""}
                change={(paths) => keep({ paths: { ...draft.paths, [name]: paths } })}
                error={of("paths", name).error}
              />
              <Text label={words().integration.otherwise} value={draft.defaults[name] ?? ""} change={(value) => keep({ defaults: { ...draft.defaults, [name]: value } })} />
            </div>
          ))}
          <Lines label={words().integration.labels} hint="team=$.monitor.tags[0]" {...of("labels")} />
          <Lines label={words().integration.states} hint="down=TRIGGER, up=RESOLVE" {...of("states")} />
          <Lines label={words().integration.severities} hint="P1=CRITICAL, P3=WARNING" {...of("severities")} />
        </fieldset>
      )}
    </>
  );
  if (!mapped) return <div class="form">{fields}</div>;
  return (
    <FormOf kept={[draft, keep, forget]} send={save} name={words().integration.saveMapping} at={["mapping"]}>
      {() => fields}
    </FormOf>
  );
}

/** Lines of "word=value". */
function Lines(about: Bound<string> & { label: string; hint: string }) {
  return <Area {...about} code rows={Math.min(6, Math.max(2, about.value.split("\n").length))} />;
}

type Said = Schemas["scheduler.v1.TryIntegrationResponse"] | ApiError | null;

/** What the service says of a payload, a moment after typing ends. */
function useTried(integration: Integration, payload: string, mapping: Mapping | undefined): Said {
  const [said, setSaid] = useState<Said>(null);
  const id = JSON.stringify([payload, mapping]);
  useEffect(() => {
    if (!payload.trim()) return setSaid(null);
    const stop = new AbortController();
    const timer = window.setTimeout(() => {
      const body = { payload, ...(mapping ? { mapping } : {}) };
      api.POST("/v1/integrations/{integration}:try", { params: { path: { integration: idOf(integration.name) } }, body, signal: stop.signal }).then(setSaid, (error: unknown) => error instanceof ApiError && setSaid(error));
    }, _SETTLE_MS);
    return () => {
      window.clearTimeout(timer);
      stop.abort();
    };
  }, [id]);
  return said;
}

function Tried({ said }: { said: Said }) {
  return (
    <div class="preview" aria-live="polite">
      {said === null && <p class="dim">{words().integration.tryHint}</p>}
      {said instanceof ApiError && (
        <p class="wrong">
          <State tone="bad" word={words().integration.refused} />: {words().failed(said)}
        </p>
      )}
      {said && !(said instanceof ApiError) && (
        <>
          <p class="dim">{words().integration.would(said.total ?? 0)}</p>
          <ul class="plain">
            {said.alerts?.slice(0, 10).map((alert, index) => <Received key={index} alert={alert} />)}
          </ul>
        </>
      )}
    </div>
  );
}

/** What an alert would do. */
function Received({ alert }: { alert: Alert }) {
  const labels = Object.entries(alert.labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
  return (
    <li>
      <State tone={alert.event === "RESOLVE" ? "good" : alert.event === "ACKNOWLEDGE" ? "busy" : incidentTone({ title: "", ...(alert.severity ? { severity: alert.severity } : {}) })} word={words().integration.events[alert.event ?? ""] ?? ""} />
      <span class="grow wraps">
        <b>{alert.title}</b> <span class="dim">{[words().incident.severities[alert.severity ?? ""], alert.dedupKey, labels, alert.url].filter(Boolean).join(" · ")}</span>
        {alert.description && <span class="dim"> {alert.description.slice(0, 300)}</span>}
      </span>
    </li>
  );
}
