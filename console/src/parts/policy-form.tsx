/** Makes or changes an escalation policy: steps in their order. */

import { api, idOf, type Schemas } from "../api/client";
import type { ApiError } from "../api/problem";
import type { Hours } from "../state/hours";
import { words } from "../words";
import { binder, Choice, numbered, Ordered, Pick, Text, withPart, Zone } from "./fields";
import { Form } from "./form";
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
  const save = async (draft: Draft) => {
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
    done(saved);
  };
  return (
    <Form id={policy ? `${policy.name} ${policy.etag}` : "escalationPolicies/"} first={first} send={save} name={policy ? words().save : words().policy.add} at={["steps"]}>
      {({ draft, change, error, of, text, tick }) => (
        <>
          {text("displayName", words().alarm.name, { first: true, required: true, max: 200 })}
          <Ordered {...of("steps")} name={(index) => words().policy.step(index + 1)} least={1}>
            {(step, index) => <StepFields step={step} put={(part) => change({ steps: withPart(draft.steps, index, part) })} error={error} path={`steps[${index}]`} last={index === draft.steps.length - 1} />}
          </Ordered>
          <button type="button" class="quiet add" onClick={() => change({ steps: [...draft.steps, _stepOf({ targets: [] })] })}>
            + {words().policy.addStep}
          </button>
          <Choice label={words().policy.repeat} of={[0, 1, 2, 3, 4, 5].map((count) => [String(count), words().policy.times(count)] as const)} {...numbered(of("repeat"), "0")} />
          {tick("roundRobin", words().policy.roundRobin)}
          <Duration optional label={words().policy.unacknowledge} {...of("unacknowledgeAfter")} />
          <Duration optional label={words().policy.resolve} {...of("resolveAfter")} />
          {draft.steps.some((step) => step.hours.length > 0) && <Zone {...of("timeZone")} hint={words().policy.zoneHint} />}
        </>
      )}
    </Form>
  );
}

function StepFields({ step, put, error, path, last }: { step: Step; put: (part: Partial<Step>) => void; error: ApiError | null; path: string; last: boolean }) {
  const of = binder(step, put, (name) => error?.within(`${path}.${name}`));
  return (
    <div class="form inner">
      <Pick label={words().policy.targets} kinds={["rotations", "recipients", "groups"]} {...of("targets")} />
      <Duration label={last ? words().policy.waitLast : words().policy.wait} {...of("wait")} />
      <details open={step.channels !== "" || step.hours.length > 0 || step.least > 0 || undefined}>
        <summary>{words().policy.only}</summary>
        <div class="form inner">
          <Text label={words().policy.channels} hint={words().policy.channelsHint} placeholder="sms, push" {...of("channels")} />
          <HoursField {...of("hours")} />
          <Text label={words().policy.least} type="number" min={0} {...numbered(of("least", "minOccurrences"))} />
          {step.least > 0 && <Duration optional label={words().policy.within} {...of("within", "occurrenceWindow")} />}
        </div>
      </details>
    </div>
  );
}
