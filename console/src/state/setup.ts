/** The steps of setting up on call, each of which can be done again: what was made before is found and kept. */

import { answered, api, idOf } from "../api/client";
import { ApiError } from "../api/problem";
import { apiLayer, newLayer } from "../parts/rotation-form";
import { noted } from "./directory";
import { testCall, USUAL_MAPPING, type Kind } from "./intake";

export const STEPS = ["people", "rotation", "policy", "integration", "alert"] as const;
export type Step = (typeof STEPS)[number];

/** Somebody who is made on the way. */
export interface Newcomer {
  displayName: string;
  email: string;
}

export interface Plan {
  team: string;
  /** "recipients/…", in the order of their turns. */
  people: string[];
  newcomers: Newcomer[];
  timeZone: string;
  unit: "DAYS" | "WEEKS";
  handOver: string;
  wait: string;
  repeat: number;
  kind: Kind;
  /** What there is of it: resource names by step; the people that were made. */
  made: Partial<Record<Step, string>> & { newcomers?: string[] };
  /** When making began, ISO 8601: what is older is somebody else's. */
  begun: string;
}

/** The key of the integration: a secret, and so in no storage. After the page was left it is gone, and another one is made. */
const _keys = new Map<string, string>();

/** A part of resource names, from a name for people. */
export function slugOf(name: string): string {
  const plain = name
    .normalize("NFKD")
    .replace(/[^A-Za-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .toLowerCase()
    .slice(0, 40);
  return plain || "on-call";
}

/** Does one step; gives what it made. `put` keeps what is made as it is made. */
export async function take(step: Step, plan: Plan, put: (change: Partial<Plan>) => void): Promise<string> {
  switch (step) {
    case "people":
      return _people(plan, put);
    case "rotation": {
      const layer = { ...newLayer(plan.timeZone, plan.people), unit: plan.unit, handOver: plan.handOver };
      const body = { displayName: plan.team, timeZone: plan.timeZone, layers: [apiLayer(layer)] };
      const made = await _named(plan, "rotations", (name) => api.POST("/v1/rotations", { body: { ...body, name } }), _rotation);
      noted(made, plan.team);
      return made;
    }
    case "policy": {
      const steps = [{ targets: [plan.made.rotation ?? ""], wait: plan.wait }];
      const everybody = { targets: plan.people, wait: plan.wait };
      const body = { displayName: plan.team, steps: plan.people.length > 1 ? [...steps, everybody] : steps, repeat: plan.repeat };
      return _named(plan, "escalationPolicies", (name) => api.POST("/v1/escalationPolicies", { body: { ...body, name } }), _policy);
    }
    case "integration": {
      const body = { displayName: plan.team, kind: plan.kind, escalationPolicy: plan.made.policy ?? "", ...(plan.kind === "GENERIC" ? { mapping: USUAL_MAPPING } : {}) };
      const create = async (name: string) => {
        const made = await api.POST("/v1/integrations", { body: { ...body, name } });
        _keys.set(made.name ?? "", made.key ?? "");
        return made;
      };
      return _named(plan, "integrations", create, _integration);
    }
    case "alert":
      return _alert(plan);
  }
}

/** The key of the integration; another one where it is not known any more. */
export async function keyOf(integration: string): Promise<string> {
  const known = _keys.get(integration);
  if (known) return known;
  const rotated = await api.POST("/v1/integrations/{integration}:rotateKey", { params: { path: { integration: idOf(integration) } }, body: {} });
  _keys.set(integration, rotated.key ?? "");
  return rotated.key ?? "";
}

async function _people(plan: Plan, put: (change: Partial<Plan>) => void): Promise<string> {
  const people = [...plan.people];
  const made = [...(plan.made.newcomers ?? [])];
  for (const [index, newcomer] of plan.newcomers.entries()) {
    if (made[index]) continue;
    const body = { displayName: newcomer.displayName, addresses: [{ channel: "email", value: newcomer.email, state: "ACTIVE" as const }] };
    const create = (name: string) => api.POST("/v1/recipients", { body: { ...body, name } });
    const name = await _named({ ...plan, team: newcomer.displayName || newcomer.email }, "recipients", create, _recipient, newcomer.displayName);
    noted(name, newcomer.displayName);
    made[index] = name;
    people.push(name);
    put({ people: [...people], made: { ...plan.made, newcomers: [...made] } });
    [plan.people, plan.made] = [[...people], { ...plan.made, newcomers: [...made] }];
  }
  return "recipients";
}

interface Known {
  name?: string;
  displayName?: string;
  createTime?: string;
}

const _rotation = (id: string): Promise<Known> => api.GET("/v1/rotations/{rotation}", { params: { path: { rotation: id } } });
const _policy = (id: string): Promise<Known> => api.GET("/v1/escalationPolicies/{escalationPolicy}", { params: { path: { escalationPolicy: id } } });
const _integration = (id: string): Promise<Known> => api.GET("/v1/integrations/{integration}", { params: { path: { integration: id } } });
const _recipient = (id: string): Promise<Known> => api.GET("/v1/recipients/{recipient}", { params: { path: { recipient: id } } });

const _MOST_NAMES = 9;

/** Makes something under the first free name. One of this name that this plan made, and whose answer was lost, is it. */
async function _named(plan: Plan, collection: string, create: (name: string) => Promise<Known>, read: (id: string) => Promise<Known>, called = plan.team): Promise<string> {
  const slug = slugOf(plan.team);
  for (let number = 1; ; number++) {
    const id = number === 1 ? slug : `${slug}-${number}`;
    try {
      return (await create(`${collection}/${id}`)).name ?? "";
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 409 || number >= _MOST_NAMES) throw error;
      const there = await read(id);
      if (there.displayName === called && Date.parse(there.createTime ?? "") >= Date.parse(plan.begun)) return there.name ?? "";
    }
  }
}

/** Sends an alert as the sender would, and gives the incident that it opened. */
async function _alert(plan: Plan): Promise<string> {
  const integration = plan.made.integration ?? "";
  const call = testCall(plan.kind, await keyOf(integration), plan.team, USUAL_MAPPING);
  if (!call) return "";
  const sent = fetch(call.path, { method: "POST", headers: { "content-type": call.type }, body: call.body, credentials: "same-origin" });
  await answered(`POST ${call.path.replace(/integrations\/[^/]+/, "integrations/…")}`, sent);
  const query = { params: { path: { integration: idOf(integration) }, query: { pageSize: 1 } } };
  const { payloads } = await api.GET("/v1/integrations/{integration}/payloads", query);
  return payloads[0]?.incidents?.[0] ?? "";
}

/** Removes what a plan made, the last first. */
export async function undo(plan: Plan, put: (change: Partial<Plan>) => void): Promise<void> {
  const made = { ...plan.made };
  const removals: [Step, (id: string) => Promise<unknown>][] = [
    ["integration", (id) => api.DELETE("/v1/integrations/{integration}", { params: { path: { integration: id } } })],
    ["policy", (id) => api.DELETE("/v1/escalationPolicies/{escalationPolicy}", { params: { path: { escalationPolicy: id } } })],
    ["rotation", (id) => api.DELETE("/v1/rotations/{rotation}", { params: { path: { rotation: id } } })],
  ];
  const gone = async (call: () => Promise<unknown>) => {
    try {
      await call();
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error;
    }
  };
  for (const [step, remove] of removals) {
    const name = made[step];
    if (name) await gone(() => remove(idOf(name)));
    delete made[step];
    put({ made: { ...made } });
  }
  for (const name of made.newcomers ?? []) {
    await gone(() => api.DELETE("/v1/recipients/{recipient}", { params: { path: { recipient: idOf(name) } } }));
  }
  put({ made: {}, people: plan.people.filter((name) => !made.newcomers?.includes(name)), begun: "" });
}

