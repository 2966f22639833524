/** Scopes in groups, as a person picks them: each area with what may be done in it. */

/** An area of the API and its scopes, such as "alarms" with "read" and "write". */
export interface Area {
  area: string;
  rights: readonly string[];
}

/** The areas of `scopes`, by name; what every token has anyway is left out. */
export function areasOf(scopes: readonly string[]): Area[] {
  const areas = new Map<string, string[]>();
  for (const scope of [...new Set(scopes)].sort()) {
    const [area = "", right = ""] = scope.split(":");
    if (scope !== "profile:read") areas.set(area, [...(areas.get(area) ?? []), right]);
  }
  return [...areas].map(([area, rights]) => ({ area, rights }));
}

/** `scopes` with one more, or one less. Whoever may write may read as well, and who may not read writes nothing. */
export function toggled(scopes: readonly string[], scope: string, all: readonly string[]): string[] {
  const [area = "", right = ""] = scope.split(":");
  const other = `${area}:${right === "write" ? "read" : "write"}`;
  if (!scopes.includes(scope)) return [...scopes, scope, ...(right === "write" && all.includes(other) && !scopes.includes(other) ? [other] : [])].sort();
  return scopes.filter((item) => item !== scope && !(right === "read" && item === other)).sort();
}
