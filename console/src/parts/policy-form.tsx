/** Makes or changes an escalation policy: steps in their order. */

import { api, idOf, type Schemas } from "../api/client";
import type { ApiError } from "../api/problem";
import type { Hours } from "../state/hours";
import { useKeptParts } from "../state/kept";
import { words } from "../words";
import { Choice, Form, Ordered, Pick, Text, Zone } from "./fields";
import { Duration, HoursField } from "./hours";

export type Policy = Schemas["scheduler.v1.EscalationPolicy"];
type ApiStep = Schemas["scheduler.v1.EscalationStep"];

interface Step {
  targets: string[];
  wait: string;
  channels: string;
  hours: Hours[];
  least: number;
  within: string;
}

interface Draft {
  displayName: string;
  steps: Step[];
  repeat: number;
  roundRobin: boolean;
  unacknowledgeAfter: string;
  resolveAfter: string;
  timeZone: string;
}

const _USUAL_WAIT = "300s";

function _stepOf(step: ApiStep): Step {
  return {
    targets: step.targets,
    wait: step.wait ?? _USUAL_WAIT,
    channels: (step.channels ?? []).join(", "),
    hours: (step.hours ?? []).map((item) => ({ days: item.days ?? [], start: item.start, end: item.end })),
    least: step.minOccurrences ?? 0,
    within: step.occurrenceWindow ?? "",
  };
}

function _apiStep(step: Step): ApiStep {
  return {
    targets: step.targets,
    wait: step.wait || _USUAL_WAIT,
    channels: step.channels.split(/[\s,]+/).filter(Boolean),
    hours: step.hours,
    ...(step.least > 0 ? { minOccurrences: step.least } : {}),
    ...(step.least > 0 && step.within ? { occurrenceWindow: step.within } : {}),
  };
}

export function PolicyForm({ policy, done }: { policy?: Policy; done: (policy: Policy) => void }) {
  const first: Draft = {
    displayName: policy?.displayName ?? "",
    steps: policy ? policy.steps.map(_stepOf) : [_stepOf({ targets: [] })],
    repeat: policy?.repeat ?? 0,
    roundRobin: policy?.roundRobin ?? false,
    unacknowledgeAfter: policy?.unacknowledgeAfter ?? "",
    resolveAfter: policy?.resolveAfter ?? "",
    timeZone: policy?.timeZone ?? "",
  };
  const [draft, keep, forget] = useKeptParts<Draft>(policy ? `${policy.name} ${policy.etag}` : "escalationPolicies/", first);
  const put = (index: number, part: Partial<Step>) => keep({ steps: draft.steps.map((step, other) => (other === index ? { ...step, ...part } : step)) });
  const save = async () => {
    const body = {
      displayName: draft.displayName,
      steps: draft.steps.map(_apiStep),
      repeat: draft.repeat,
      roundRobin: draft.roundRobin,
      timeZone: draft.timeZone,
      ...(draft.unacknowledgeAfter ? { unacknowledgeAfter: draft.unacknowledgeAfter } : {}),
      ...(draft.resolveAfter ? { resolveAfter: draft.resolveAfter } : {}),
    };
    const query = { updateMask: "displayName,steps,repeat,roundRobin,timeZone,unacknowledgeAfter,resolveAfter" };
    const saved = policy
      ? await api.PATCH("/v1/escalationPolicies/{escalationPolicy}", { params: { path: { escalationPolicy: idOf(policy.name) }, query }, body: { ...body, ...(policy.etag ? { etag: policy.etag } : {}) } })
      : await api.POST("/v1/escalationPolicies", { body });
    forget();
    done(saved);
  };
  return (
    <Form submit={save} label={policy ? words().save : words().policy.add} at={["displayName", "steps", "unacknowledgeAfter", "resolveAfter", "timeZone", "repeat"]}>
      {(error) => (
        <>
          <Text label={words().alarm.name} first value={draft.displayName} maxLength={200} required change={(displayName) => keep({ displayName })} error={error?.of("displayName")} />
          <Ordered value={draft.steps} change={(steps) => keep({ steps })} name={(index) => words().policy.step(index + 1)} least={1}>
            {(step, index) => <StepFields step={step} put={(part) => put(index, part)} error={error} path={`steps[${index}]`} last={index === draft.steps.length - 1} />}
          </Ordered>
          <button type="button" class="quiet add" onClick={() => keep({ steps: [...draft.steps, _stepOf({ targets: [] })] })}>
            + {words().policy.addStep}
          </button>
          <Choice label={words().policy.repeat} value={String(draft.repeat)} of={[0, 1, 2, 3, 4, 5].map((count) => [String(count), words().policy.times(count)] as const)} change={(repeat) => keep({ repeat: Number(repeat) })} error={error?.of("repeat")} />
          <label class="tick">
            <input type="checkbox" checked={draft.roundRobin} onChange={(event) => keep({ roundRobin: event.currentTarget.checked })} />
            {words().policy.roundRobin}
          </label>
          <Duration optional label={words().policy.unacknowledge} value={draft.unacknowledgeAfter} change={(unacknowledgeAfter) => keep({ unacknowledgeAfter })} error={error?.of("unacknowledgeAfter")} />
          <Duration optional label={words().policy.resolve} value={draft.resolveAfter} change={(resolveAfter) => keep({ resolveAfter })} error={error?.of("resolveAfter")} />
          {draft.steps.some((step) => step.hours.length > 0) && <Zone value={draft.timeZone} change={(timeZone) => keep({ timeZone })} error={error?.of("timeZone")} hint={words().policy.zoneHint} />}
        </>
      )}
    </Form>
  );
}

function StepFields({ step, put, error, path, last }: { step: Step; put: (part: Partial<Step>) => void; error: ApiError | null; path: string; last: boolean }) {
  const wrong = (name: string) => error?.fields.find((item) => item.field === `${path}.${name}` || item.field.startsWith(`${path}.${name}[`))?.description;
  return (
    <div class="form inner">
      <Pick label={words().policy.targets} kinds={["rotations", "recipients", "groups"]} value={step.targets} change={(targets) => put({ targets })} error={wrong("targets")} />
      <Duration label={last ? words().policy.waitLast : words().policy.wait} value={step.wait} change={(wait) => put({ wait })} error={wrong("wait")} />
      <details open={step.channels !== "" || step.hours.length > 0 || step.least > 0 || undefined}>
        <summary>{words().policy.only}</summary>
        <div class="form inner">
          <Text label={words().policy.channels} hint={words().policy.channelsHint} placeholder="sms, push" value={step.channels} change={(channels) => put({ channels })} error={wrong("channels")} />
          <HoursField value={step.hours} change={(hours) => put({ hours })} error={wrong("hours")} />
          <Text label={words().policy.least} type="number" min={0} value={step.least ? String(step.least) : ""} change={(least) => put({ least: Number(least) || 0 })} error={wrong("minOccurrences")} />
          {step.least > 0 && <Duration optional label={words().policy.within} value={step.within} change={(within) => put({ within })} error={wrong("occurrenceWindow")} />}
        </div>
      </details>
    </div>
  );
}
