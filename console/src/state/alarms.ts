/** What the console knows of alarms and firings beyond what the API sends: short words and tones. */

import type { Schemas } from "../api/client";
import type { Tone } from "../parts/mark";
import { lasting } from "./lasting";
import { words } from "../words";

export type Alarm = Schemas["scheduler.v1.Alarm"];
export type Firing = Schemas["scheduler.v1.Firing"];
export type Trigger = Schemas["scheduler.v1.Trigger"];
export type Incident = Schemas["scheduler.v1.Incident"];
export type Delivery = Schemas["mailer.v1.Delivery"];

/** Milliseconds of a duration of the API: "1.5s" is 1500. */
export function millis(duration: string | undefined): number {
  return duration ? Number.parseFloat(duration) * 1000 : 0;
}

/** The rule of an alarm in a few characters. */
export function ruleOf(trigger: Trigger | undefined): string {
  if (!trigger) return "";
  if (trigger.at) return words().rule.once;
  if (trigger.atLocal) return words().rule.once;
  if (trigger.daily) return `${words().rule.daily} ${trigger.daily.time ?? ""}`;
  if (trigger.every) return `${words().rule.every} ${lasting(millis(trigger.every))}`;
  if (trigger.cron) return trigger.cron;
  if (trigger.rrule) return trigger.rrule.split("\n").at(-1) ?? "";
  if (trigger.onCalendar) return trigger.onCalendar;
  if (trigger.event) return `${words().rule.event} ${trigger.event.topic}`;
  if (trigger.threshold) return `${trigger.threshold.metric} ${_SIGNS[trigger.threshold.comparison] ?? "?"} ${trigger.threshold.value ?? 0}`;
  if (trigger.heartbeat) return words().rule.heartbeat;
  return "";
}

const _SIGNS: Record<string, string> = { GREATER_THAN: ">", GREATER_OR_EQUAL: "≥", LESS_THAN: "<", LESS_OR_EQUAL: "≤" };

/** What an alarm does, in a few characters. */
export function actionOf(action: Alarm["action"] | undefined): string {
  if (action?.notify) return action.notify.to?.[0] ?? action.notify.recipients?.[0] ?? action.notify.escalationPolicy ?? words().action.notify;
  if (action?.task) return action.task.handler;
  if (action?.webhook) return action.webhook.url.replace(/^https?:\/\//, "");
  if (action?.check) return words().action.check;
  if (action?.publish) return `${action.publish.broker} ${action.publish.to ?? ""}`;
  return "";
}

/** The name of an alarm for people. */
export function nameOf(alarm: Alarm): string {
  return alarm.displayName || alarm.key || (alarm.action?.notify?.subject ?? "") || (alarm.name ?? "").replace("alarms/", "");
}

/** How an alarm stands. */
export function alarmTone(alarm: Alarm): Tone {
  if (alarm.damaged?.length || alarm.signal?.status === "RAISED") return "bad";
  if (alarm.state === "PAUSED") return alarm.pauseReason && alarm.pauseReason !== "REQUESTED" ? "warn" : "idle";
  return alarm.state === "COMPLETED" ? "idle" : "good";
}

/** How a firing stands: what is dead is bad, what is late or waits is worth a look. */
export function firingTone(firing: Firing): Tone {
  if (firing.state === "DEAD" || firing.outcome === "FAILED" || firing.deliveries?.dead) return "bad";
  if (firing.state === "RETRYING" || firing.outcome === "LATE" || firing.deliveries?.unknown) return "warn";
  if (firing.state === "PENDING") return "busy";
  return firing.outcome === "SKIPPED" || firing.outcome === "COALESCED" ? "idle" : "good";
}

/** The word for how a firing stands. */
export function firingWord(firing: Firing): string {
  if (firing.state === "DEAD") return words().firing.states.DEAD;
  if (firing.state === "RETRYING" || firing.state === "PENDING") return words().firing.states[firing.state];
  return words().firing.outcomes[firing.outcome ?? "FIRED"] ?? "";
}

/** How late a firing was, in milliseconds; undefined: it did not fire. */
export function lateness(firing: Firing): number | undefined {
  if (!firing.fireTime || !firing.dueTime) return undefined;
  return Math.max(0, Date.parse(firing.fireTime) - Date.parse(firing.dueTime));
}

/** How a delivery stands. */
export function deliveryTone(delivery: Delivery): Tone {
  switch (delivery.state) {
    case "DEAD":
    case "BOUNCED":
    case "COMPLAINED":
      return "bad";
    case "RETRYING":
    case "OUTCOME_UNKNOWN":
      return "warn";
    case "ACCEPTED":
    case "SENDING":
    case "HELD":
      return "busy";
    case "SUPPRESSED":
    case "DIGESTED":
      return "idle";
    default:
      return "good";
  }
}

/** How an incident stands. */
export function incidentTone(incident: Incident): Tone {
  if (incident.state === "RESOLVED") return "good";
  if (incident.state === "ACKNOWLEDGED") return "busy";
  return incident.severity === "WARNING" || incident.severity === "INFO" ? "warn" : "bad";
}
