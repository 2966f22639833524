/** What is watched: heartbeats and thresholds, and how each stands. */

import type { Schemas } from "../api/client";
import type { Tone } from "../parts/mark";

export type Standing = Schemas["scheduler.v1.Standing"];

const _TONES: Record<string, Tone> = { NEW: "idle", UP: "good", STARTED: "busy", LATE: "warn", DOWN: "bad", PAUSED: "idle" };
const _ORDER = ["DOWN", "LATE", "NEW", "STARTED", "UP", "PAUSED"];

/** The tone of a state. */
export function standingTone(standing: Standing): Tone {
  return _TONES[standing.state ?? ""] ?? "idle";
}

/** What is wrong first; then by name. */
export function wrongFirst(standings: readonly Standing[]): Standing[] {
  const rank = (standing: Standing) => (_ORDER.indexOf(standing.state ?? "") + _ORDER.length + 1) % (_ORDER.length + 1);
  return [...standings].sort((one, other) => rank(one) - rank(other) || (one.displayName ?? "").localeCompare(other.displayName ?? ""));
}

/** The name for people. */
export function standingName(standing: Standing): string {
  return standing.displayName || standing.slug || (standing.alarm ?? "").replace("alarms/", "");
}

/** The lines of a cron job that pings `url`, by what each says. */
export function pingLines(url: string): Record<"plain" | "status" | "output" | "start", string> {
  const curl = "curl -fsS -m 10 --retry 5 -o /dev/null";
  return {
    plain: `/home/user/job.sh && ${curl} ${url}`,
    status: `/home/user/job.sh; ${curl} ${url}/$?`,
    output: `m=$(/home/user/job.sh 2>&1); ${curl} --data-raw "$m" ${url}/$?`,
    start: `${curl} ${url}/start; /home/user/job.sh; ${curl} ${url}/$?`,
  };
}
