/** What a rule means: in words, with the next due times, and what a change of the clocks does to them. */

import { useEffect, useState } from "preact/hooks";
import { api, type Schemas } from "../api/client";
import { ApiError } from "../api/problem";
import { useLoaded } from "../state/loaded";
import type { Trigger } from "../state/alarms";
import { words } from "../words";
import { Failure, Shape } from "./basics";
import { When, absolute } from "./when";

type Occurrence = Schemas["scheduler.v1.Occurrence"];

/** The next due times of a rule. */
export function Occurrences({ trigger }: { trigger: Trigger }) {
  const id = JSON.stringify(trigger);
  const found = useLoaded(
    (signal) => api.POST("/v1/alarms:preview", { body: { trigger, count: 6 }, signal }),
    [id],
    ["firing"],
  );
  if (found.error && !found.data) return <Failure error={found.error} again={found.again} />;
  if (!found.data) return <Shape rows={3} />;
  return <Times occurrences={found.data.occurrences ?? []} />;
}

function Times({ occurrences }: { occurrences: readonly Occurrence[] }) {
  if (occurrences.length === 0) return <p class="dim">{words().alarm.noDues}</p>;
  return (
    <ol class="times">
      {occurrences.map((item) => (
        <li key={item.time ?? item.localTime}>
          {item.time ? <time dateTime={item.time}>{absolute(item.time)}</time> : <span>{item.localTime?.replace("T", " ")}</span>}
          {item.label && item.label !== "PLAIN" ? <em>{words().alarm.labelsOfDues[item.label]}</em> : item.time && <span class="dim">{<When at={item.time} />}</span>}
        </li>
      ))}
    </ol>
  );
}

const _SETTLE_MS = 250;

/** What the service says of a rule while it is typed; of the action it says something once it is sent. */
export function LivePreview({ trigger }: { trigger: Trigger | undefined }) {
  const [said, setSaid] = useState<Schemas["scheduler.v1.ValidateAlarmResponse"] | ApiError | null>(null);
  const id = JSON.stringify(trigger);
  useEffect(() => {
    if (!trigger) return setSaid(null);
    const stop = new AbortController();
    const timer = window.setTimeout(() => {
      api.POST("/v1/alarms:validate", { body: { trigger }, signal: stop.signal }).then(
        setSaid,
        (error: unknown) => error instanceof ApiError && setSaid(error),
      );
    }, _SETTLE_MS);
    return () => {
      window.clearTimeout(timer);
      stop.abort();
    };
  }, [id]);
  if (said === null) return <Shape rows={3} />;
  if (said instanceof ApiError) return <p class="said">{words().failed(said)}</p>;
  return (
    <div class="preview" aria-live="polite">
      {said.description && <p>{said.description}</p>}
      {said.problems?.map((problem) => (
        <p class="wrong" key={problem.field}>
          {problem.field}: {problem.reason}
        </p>
      ))}
      {said.warnings?.map((warning) => (
        <p class="said" key={warning.field}>
          {warning.reason}
        </p>
      ))}
      {said.valid && <Times occurrences={said.occurrences?.slice(0, 6) ?? []} />}
    </div>
  );
}
