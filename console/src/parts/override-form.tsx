/** Puts somebody else on call for a time. */

import { useState } from "preact/hooks";
import { api, idOf } from "../api/client";
import { instantOfText, localText } from "../state/calendar";
import { now, zone } from "../state/clock";
import { called } from "../state/directory";
import type { Override } from "../state/duty";
import { useKeptParts } from "../state/kept";
import { notify } from "../state/notices";
import { words } from "../words";
import { act } from "../state/act";
import { Choice, Form, Pick, Text } from "./fields";

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
  const [draft, keep, forget] = useKeptParts(`override.${rotation}.${from ?? ""}.${to ?? ""}`, first);
  const time = (name: "start" | "end") => ({
    type: "datetime-local" as const,
    required: true,
    value: localText(Date.parse(draft[name]), zone.value),
    change: (text: string) => {
      const instant = instantOfText(text, zone.value);
      if (!Number.isNaN(instant)) keep({ [name]: new Date(instant).toISOString() });
    },
  });
  const save = async () => {
    const made = await putOver(draft.rotation, { kind: draft.kind, recipients: draft.recipients, comment: draft.comment.trim(), startTime: draft.start, endTime: draft.end });
    forget();
    notify({ text: words().duty.overridden, undo: () => act(() => takeBack(made.name ?? "").then(again), words().duty.takenBack) });
    done(draft.rotation);
  };
  return (
    <Form submit={save} label={words().duty.setOverride} at={["recipients", "startTime", "endTime", "comment"]}>
      {(error) => (
        <>
          <Choice label={words().rotation.one} value={draft.rotation} of={rotations.map((name) => [name, called(name)] as const)} change={(name) => keep({ rotation: name })} />
          <Choice label={words().duty.whatOverride} value={draft.kind} of={(["REPLACE", "ADD", "REMOVE"] as const).map((kind) => [kind, words().duty.kinds[kind] ?? kind] as const)} change={(kind) => keep({ kind })} />
          <Pick label={words().duty.who} kinds={["recipients"]} value={draft.recipients} change={(recipients) => keep({ recipients })} error={error?.fields.find((item) => item.field.startsWith("recipients"))?.description} />
          <div class="pair">
            <Text label={words().duty.from} {...time("start")} error={error?.of("startTime")} />
            <Text label={words().duty.to} {...time("end")} error={error?.of("endTime")} hint={words().duty.timesIn(zone.value)} />
          </div>
          <Text label={words().duty.comment} value={draft.comment} maxLength={500} change={(comment) => keep({ comment })} error={error?.of("comment")} />
        </>
      )}
    </Form>
  );
}
