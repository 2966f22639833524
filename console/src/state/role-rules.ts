/** Rules that give roles to groups, as lines of text: "group = role". */

import type { Schemas } from "../api/client";

type Rule = Schemas["auth.v1.RoleRule"];

/** The rules, one a line. */
export function textOf(rules: readonly Rule[] | undefined): string {
  return (rules ?? []).map((rule) => `${rule.group} = ${rule.role.replace("roles/", "")}`).join("\n");
}

/** The rules in a text; a group may hold "=", a role none. A line without one gives no role, which the API refuses by name. */
export function rulesOf(text: string): Rule[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => {
      const at = line.lastIndexOf("=");
      const role = at < 0 ? "" : line.slice(at + 1).trim();
      return { group: (at < 0 ? line : line.slice(0, at)).trim(), role: role && !role.startsWith("roles/") ? `roles/${role}` : role };
    });
}
