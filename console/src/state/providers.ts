/** The configuration of a provider as fields of a form, from the JSON Schema of its kind. */

import type { Schemas } from "../api/client";

/** One setting of a kind. */
export interface Setting {
  name: string;
  type: "text" | "number" | "secret" | "choice" | "tick";
  hint: string;
  needed: boolean;
  /** What counts when nothing is given. */
  standard: string;
  choices: readonly string[];
}

interface Property {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: readonly string[];
  writeOnly?: boolean;
  $ref?: string;
}

interface Schema {
  properties?: Record<string, Property>;
  required?: readonly string[];
  $defs?: Record<string, Property>;
}

/** The settings of a kind: those that are needed first, then its secrets, then the others by name. */
export function settingsOf(kind: Schemas["mailer.v1.ProviderKind"] | undefined): Setting[] {
  const schema = (kind?.configSchema ?? {}) as Schema;
  const needed = new Set(schema.required ?? []);
  const settings = Object.entries(schema.properties ?? {}).map(([name, given]): Setting => {
    const property = given.$ref ? { ...schema.$defs?.[given.$ref.slice(given.$ref.lastIndexOf("/") + 1)], ...given } : given;
    const isSecret = Boolean(property.writeOnly) || (kind?.secrets ?? []).includes(name);
    return {
      name,
      type: isSecret ? "secret" : property.enum ? "choice" : property.type === "boolean" ? "tick" : property.type === "integer" || property.type === "number" ? "number" : "text",
      hint: property.description ?? "",
      needed: needed.has(name),
      standard: property.default === undefined ? "" : String(property.default),
      choices: property.enum ?? [],
    };
  });
  const place = (setting: Setting) => (setting.needed ? 0 : setting.type === "secret" ? 1 : 2);
  return settings.sort((one, other) => place(one) - place(other) || one.name.localeCompare(other.name));
}

/** What was typed as a configuration: numbers as numbers, what is as it was anyway left out, and a secret only if it was typed. */
export function configOf(settings: readonly Setting[], typed: Record<string, unknown>): Record<string, unknown> {
  const config: Record<string, unknown> = {};
  for (const { name, type, standard } of settings) {
    const value = typed[name];
    if (value === undefined || value === "" || (type !== "secret" && String(value) === standard)) continue;
    config[name] = type === "number" ? Number(value) : value;
  }
  return config;
}

/** "timeout_seconds" as people read it. */
export function labelOf(name: string): string {
  const text = name.replaceAll("_", " ");
  return text[0]?.toUpperCase() + text.slice(1);
}
