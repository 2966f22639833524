/** Puts somebody else on call for a time. */

import { useState } from "preact/hooks";
import { api, idOf } from "../api/client";
import { instantOfText, localText } from "../state/calendar";
import { now, zone } from "../state/clock";
import { called } from "../state/directory";
import type { Override } from "../state/duty";
import { notify } from "../state/notices";
import { words } from "../words";
import { act } from "../state/act";
import { Pick, Text, type Bound } from "./fields";
import { Form } from "./form";

type Kind = "REPLACE" | "ADD" | "REMOVE";
const _HOUR = 3_600_000;

/** Takes an override back. */
export function takeBack(name: string): Promise<unknown> {
  const [, rotation = "", , override = ""] = name.split("/");
  return api.DELETE("/v1/rotations/{rotation}/overrides/{override}", { params: { path: { rotation, override } } });
}

/** Makes an override. */
export function putOver(rotation: string, body: Override): Promise<Override> {
  return api.POST("/v1/rotations/{rotation}/overrides", { params: { path: { rotation: idOf(rotation) } }, body });
}

/** An instant, as the time by the clock of the zone in which times are shown. */
export const localTime = ({ value, change, error }: Bound<string>) => ({
  type: "datetime-local" as const,
  required: true,
  error,
  value: localText(Date.parse(value), zone.value),
  change: (text: string) => {
    const instant = instantOfText(text, zone.value);
    if (!Number.isNaN(instant)) change(new Date(instant).toISOString());
  },
});

export function OverrideForm({
  rotation,
  rotations,
  from,
  to,
  done,
  again,
}: {
  rotation: string;
  rotations: readonly string[];
  /** ISO 8601, of what was chosen in the calendar. */
  from: string | undefined;
  to: string | undefined;
  done: (rotation: string) => void;
  again: () => void;
}) {
  const [soon] = useState(() => Math.ceil(now.value / _HOUR) * _HOUR);
  const first = { rotation, kind: "REPLACE" as Kind, recipients: [] as string[], comment: "", start: from ?? new Date(soon).toISOString(), end: to ?? new Date(soon + 8 * _HOUR).toISOString() };
  const save = async (draft: typeof first) => {
    const made = await putOver(draft.rotation, { kind: draft.kind, recipients: draft.recipients, comment: draft.comment.trim(), startTime: draft.start, endTime: draft.end });
    notify({ text: words().duty.overridden, undo: () => act(() => takeBack(made.name ?? "").then(again), words().duty.takenBack) });
    done(draft.rotation);
  };
  return (
    <Form id={`override.${rotation}.${from ?? ""}.${to ?? ""}`} first={first} send={save} name={words().duty.setOverride} at={["recipients"]}>
      {({ of, text, choice, error }) => (
        <>
          {choice("rotation", words().rotation.one, rotations.map((name) => [name, called(name)] as const))}
          {choice("kind", words().duty.whatOverride, (["REPLACE", "ADD", "REMOVE"] as const).map((kind) => [kind, words().duty.kinds[kind] ?? kind] as const))}
          <Pick label={words().duty.who} kinds={["recipients"]} {...of("recipients")} error={error?.within("recipients")} />
          <div class="pair">
            <Text label={words().duty.from} {...localTime(of("start", "startTime"))} />
            <Text label={words().duty.to} {...localTime(of("end", "endTime"))} hint={words().duty.timesIn(zone.value)} />
          </div>
          {text("comment", words().duty.comment, { max: 500 })}
        </>
      )}
    </Form>
  );
}
