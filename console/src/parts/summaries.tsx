/** How the last 24 hours went: how late things fired, and what became of messages. */

import { api, type Schemas } from "../api/client";
import { AsTable, Bars } from "./bars";
import { Section, Shape } from "./basics";
import { State } from "./mark";
import { deliveryTone, millis, type Delivery } from "../state/alarms";
import { lasting } from "../state/lasting";
import { useLoaded } from "../state/loaded";
import { words } from "../words";

const _SETTLE_MS = 15_000; // a summary counts thousands of rows
const _ON_TIME_MS = 1000;

type Step = Schemas["scheduler.v1.SummarizeFiringsResponse.LatenessCount"];

/** "How late did they fire?" */
export function Lateness() {
  const found = useLoaded((signal) => api.GET("/v1/firings:summarize", { params: { query: {} }, signal }), [], ["firing"], _SETTLE_MS);
  if (!found.data && !found.error) return <Shape rows={4} />;
  const steps = found.data?.lateness ?? [];
  const fired = steps.reduce((sum, step) => sum + Number(step.firings ?? 0), 0);
  if (fired === 0) return null;
  return (
    <Section title={words().summary.lateness} note={words().summary.within(fired, _within(steps, fired))}>
      <Bars label={words().summary.lateness} unit={words().now.fires} values={steps.map((step, index) => _bar(step, steps[index - 1]))} />
      {found.data?.partial && <p class="dim">{words().summary.partial}</p>}
    </Section>
  );
}

function _bar(step: Step, before: Step | undefined) {
  const most = lasting(millis((step.atMost ? step : before)?.atMost));
  const tone = step.atMost && millis(step.atMost) <= _ON_TIME_MS ? ("good" as const) : ("warn" as const);
  return { name: step.atMost ? most : "…", title: step.atMost ? words().summary.upTo(most) : words().summary.longer(most), value: Number(step.firings ?? 0), tone };
}

/** The lateness that 99 of 100 do not exceed; empty where it has no end. */
function _within(steps: readonly Step[], fired: number): string {
  let sum = 0;
  const found = steps.find((step) => (sum += Number(step.firings ?? 0)) >= 0.99 * fired);
  return found?.atMost ? lasting(millis(found.atMost)) : "";
}

/** "What became of the messages?" */
export function Sent() {
  const found = useLoaded((signal) => api.GET("/v1/deliveries:summarize", { params: { query: {} }, signal }), [], ["delivery"], _SETTLE_MS);
  if (!found.data && !found.error) return <Shape rows={4} />;
  const counts = found.data?.counts ?? [];
  const states = new Map<string, number>();
  for (const each of counts) states.set(each.state ?? "", (states.get(each.state ?? "") ?? 0) + Number(each.deliveries ?? 0));
  const shown = [...states].sort((one, other) => other[1] - one[1]);
  const all = shown.reduce((sum, [, count]) => sum + count, 0);
  if (all === 0) return null;
  const word = (state: string | undefined) => words().delivery.states[state ?? ""] ?? state ?? "";
  return (
    <Section title={words().summary.sent} note={words().summary.messages(all)}>
      <figure class="chart">
        <ul class="shares">
          {shown.map(([state, count]) => (
            <li key={state}>
              <a href={`/console/deliveries?filter=${encodeURIComponent(`state="${state}"`)}`}>
                <State tone={deliveryTone({ state } as Delivery)} word={word(state)} />
              </a>
              <span class={deliveryTone({ state } as Delivery)} aria-hidden="true">
                <i style={{ width: `${Math.max(1, (100 * count) / all)}%` }} />
              </span>
              <b>{count.toLocaleString()}</b>
            </li>
          ))}
        </ul>
        <AsTable>
          {counts.map((each) => (
            <tr key={`${each.state} ${each.channel}`}>
              <th scope="row">{word(each.state)}</th>
              <td>{each.channel}</td>
              <td class="number">{Number(each.deliveries ?? 0)}</td>
            </tr>
          ))}
        </AsTable>
      </figure>
      {found.data?.partial && <p class="dim">{words().summary.partial}</p>}
    </Section>
  );
}
