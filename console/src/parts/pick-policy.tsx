/** Chooses an escalation policy. */

import { api, idOf } from "../api/client";
import { useLoaded } from "../state/loaded";
import { may } from "../state/session";
import { words } from "../words";
import { Choice, type Bound } from "./fields";

/** The policies by resource name and name for people. */
export function usePolicies(): readonly (readonly [string, string])[] {
  const found = useLoaded(async (signal) => {
    if (!may("incidents:read")) return [];
    const { escalationPolicies } = await api.GET("/v1/escalationPolicies", { params: { query: { pageSize: 1000 } }, signal });
    return escalationPolicies.map((item) => [item.name ?? "", item.displayName || idOf(item.name)] as const);
  }, []);
  return found.data ?? [];
}

export function PickPolicy({ value, none, ...rest }: Bound<string> & { none: string; required?: boolean }) {
  const known = usePolicies();
  const there = value && !known.some(([name]) => name === value) ? [...known, [value, idOf(value)] as const] : known;
  return <Choice label={words().policy.one} value={value} of={[["", none], ...there]} {...rest} />;
}
