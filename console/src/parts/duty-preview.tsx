/** Who would be on call by a rotation that is not saved yet. */

import { useEffect, useState } from "preact/hooks";
import { api, type Schemas } from "../api/client";
import { ApiError } from "../api/problem";
import { called } from "../state/directory";
import { dutiesOf, isGap, type Rotation } from "../state/duty";
import { words } from "../words";
import { Shape } from "./basics";
import { Mark } from "./mark";
import { absolute, brief } from "./when";

const _SETTLE_MS = 400;
const _SHOWN = 8;

/** The next shifts by `rotation`, as it is typed. What is wrong with it stands at its fields once it is sent. */
export function DutyPreview({ rotation }: { rotation: Rotation }) {
  const [said, setSaid] = useState<Schemas["mailer.v1.PreviewRotationDraftResponse"] | ApiError | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    const timer = window.setTimeout(() => {
      api.POST("/v1/rotations:preview", { body: { rotation }, signal: stop.signal }).then(
        (found) => stop.signal.aborted || setSaid(found),
        (error: unknown) => error instanceof ApiError && !stop.signal.aborted && setSaid(error),
      );
    }, _SETTLE_MS);
    return () => {
      window.clearTimeout(timer);
      stop.abort();
    };
  }, [JSON.stringify(rotation)]);
  if (said === null) return <Shape rows={3} />;
  if (said instanceof ApiError) return <p class="said">{words().rotation.noPreview(said.fields[0] ? `${said.fields[0].field.replace("rotation.", "")} ${said.fields[0].description}` : words().failed(said))}</p>;
  const duties = dutiesOf(said).filter((duty) => duty.recipients.length > 0 || isGap(duty));
  const gaps = duties.filter(isGap).length;
  return (
    <div class="preview" aria-live="polite">
      <p>{gaps > 0 ? words().rotation.gapsAhead(gaps) : words().duty.covered}</p>
      <ol class="times">
        {duties.slice(0, _SHOWN).map((duty) => (
          <li key={duty.start}>
            <time dateTime={new Date(duty.start).toISOString()} title={absolute(duty.start)}>
              {brief(duty.start)} – {brief(duty.end)}
            </time>
            {isGap(duty) ? (
              <span>
                <Mark tone="bad" /> {words().duty.nobody}
              </span>
            ) : (
              <bdi>{duty.recipients.map(called).join(", ")}</bdi>
            )}
          </li>
        ))}
      </ol>
    </div>
  );
}
