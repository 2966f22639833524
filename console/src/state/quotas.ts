/** Quotas of a tenant: what it may use, and what it uses. */

import type { Schemas } from "../api/client";
import type { Tone } from "../parts/mark";

type TenantQuotas = Schemas["auth.v1.TenantQuotas"];

/** Each quota: its name in the contract's JSON, and in what counts its use. */
export const QUOTAS = [
  ["alarms", "alarms"],
  ["firesPerMinute", "fires_per_minute"],
  ["messagesPerDay", "messages_per_day"],
  ["storageBytes", "storage_bytes"],
] as const satisfies readonly (readonly [keyof TenantQuotas, string])[];

/** The quotas as texts of a form; empty where there is none. */
export function quotasOf(quotas: TenantQuotas | undefined): Record<string, string> {
  return Object.fromEntries(QUOTAS.map(([name]) => [name, quotas?.[name] === undefined ? "" : String(quotas[name])]));
}

/** What was typed, as the API takes it: what is empty is left out, so that the installation's counts. */
export function typedQuotas(typed: Record<string, string>): TenantQuotas {
  return Object.fromEntries(QUOTAS.map(([name]) => [name, typed[name]?.trim()]).filter(([, text]) => text)) as TenantQuotas;
}

/** How near the use of a quota is to its end: from four fifths on it is worth a look. */
export function useTone(used: number, limit: number): Tone {
  if (limit <= 0) return "idle";
  return used >= limit ? "bad" : used >= 0.8 * limit ? "warn" : "good";
}
