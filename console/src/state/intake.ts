/** How senders call an integration: the call that a test makes, and the line for a terminal that makes the same. Pure. */

import type { Schemas } from "../api/client";

export type Integration = Schemas["scheduler.v1.Integration"];
export type Mapping = Schemas["scheduler.v1.PayloadMapping"];
export type Kind = "ALERTMANAGER" | "GRAFANA" | "PAGERDUTY" | "CLOUDEVENTS" | "GENERIC" | "EMAIL";

export const KINDS: readonly Kind[] = ["GENERIC", "ALERTMANAGER", "GRAFANA", "PAGERDUTY", "CLOUDEVENTS", "EMAIL"];

/** A mapping that most JSON webhooks fit with few changes. */
export const USUAL_MAPPING: Mapping = {
  title: { paths: ["title", "message", "name"], default: "Alert" },
  description: { paths: ["description", "text"] },
  severity: { paths: ["severity", "level"] },
  dedupKey: { paths: ["id", "key"] },
  state: { paths: ["state", "status"], default: "firing" },
  url: { paths: ["url", "link"] },
};

/** A call of a sender. */
export interface Call {
  path: string;
  type: string;
  body: string;
}

/** A call that opens an incident called `title`; null: mail, which is no call. */
export function testCall(kind: Kind, key: string, title: string, mapping?: Mapping): Call | null {
  const json = (path: string, body: unknown, type = "application/json") => ({ path, type, body: JSON.stringify(body) });
  const alert = { status: "firing", labels: { alertname: title, severity: "warning" }, annotations: { summary: title }, fingerprint: "test" };
  switch (kind) {
    case "ALERTMANAGER":
      return json(`/v1/integrations/${key}/alertmanager`, { version: "4", status: "firing", alerts: [alert] });
    case "GRAFANA":
      return json(`/v1/integrations/${key}/grafana`, { version: "1", status: "firing", alerts: [alert] });
    case "PAGERDUTY":
      return json("/v2/enqueue", { routing_key: key, event_action: "trigger", dedup_key: "test", payload: { summary: title, source: "test", severity: "warning" } });
    case "CLOUDEVENTS":
      return json(`/v1/integrations/${key}/cloudevents`, { specversion: "1.0", id: `test-${Date.now()}`, source: "/test", type: "test.firing", subject: "test", data: { title } }, "application/cloudevents+json");
    case "GENERIC":
      return json(`/v1/integrations/${key}/generic`, payloadOf(mapping ?? USUAL_MAPPING, title));
    case "EMAIL":
      return null;
  }
}

/** The line for a terminal that makes a call to the server at `origin`. */
export function curlOf(call: Call, origin: string): string {
  return `curl ${quoted(origin + call.path)} -H ${quoted(`Content-Type: ${call.type}`)} -d ${quoted(call.body)}`;
}

/** A word of a shell, whatever it holds. */
export function quoted(text: string): string {
  return /^[A-Za-z0-9_./:@=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A payload in which a mapping finds everything: its first paths are there. */
export function payloadOf(mapping: Mapping, title: string): unknown {
  const alert: unknown[] = [{}];
  const state = Object.entries(mapping.states ?? {}).find(([, event]) => event === "TRIGGER")?.[0] ?? "firing";
  const severity = Object.keys(mapping.severities ?? {})[0] ?? "warning";
  const values: [Schemas["scheduler.v1.ValueSource"] | undefined, unknown][] = [
    [mapping.title, title],
    [mapping.dedupKey, "test"],
    [mapping.state, state],
    [mapping.severity, severity],
  ];
  for (const [source, value] of values) if (source?.paths?.[0]) _put(alert, 0, segmentsOf(source.paths[0]), value);
  if (!mapping.items) return alert[0];
  const whole: unknown[] = [{}];
  _put(whole, 0, segmentsOf(mapping.items), [alert[0]]);
  return whole[0];
}

/** The steps of a singular query of JSONPath: "$.a['b c'][0]" is a, "b c", 0. */
export function segmentsOf(path: string): (string | number)[] {
  const found: (string | number)[] = [];
  for (const match of path.matchAll(/\[\s*(\d+)\s*\]|\[\s*'([^']*)'\s*\]|\[\s*"([^"]*)"\s*\]|([^.[\]$]+)/g)) {
    const [, index, single, double, name] = match;
    found.push(index !== undefined ? Number(index) : (single ?? double ?? name ?? ""));
  }
  return found;
}

const _MOST_ELEMENTS = 100;

/** Puts a value at a path within `holder[key]`, and makes what is missing on the way. */
function _put(holder: Record<string | number, unknown> | unknown[], key: string | number, path: readonly (string | number)[], value: unknown): void {
  const [next, ...rest] = path;
  const own = holder as Record<string | number, unknown>;
  if (next === undefined) {
    own[key] = value;
    return;
  }
  if (next === "__proto__" || (typeof next === "number" && next >= _MOST_ELEMENTS)) return;
  const wanted = typeof next === "number" ? Array.isArray(own[key]) : typeof own[key] === "object" && own[key] !== null;
  if (!wanted) own[key] = typeof next === "number" ? [] : {};
  _put(own[key] as Record<string | number, unknown>, next, rest, value);
}
