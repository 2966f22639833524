/** Templates: what a form holds of one, what a preview is made of, and a version as text. */

import type { Schemas } from "../api/client";
import { jsonProblem, type JsonProblem } from "./json";

export type Template = Schemas["mailer.v1.Template"];
export type TemplatePart = Schemas["mailer.v1.TemplatePart"];
export type TemplateAction = Schemas["mailer.v1.TemplateAction"];
export type TemplateVariable = Schemas["mailer.v1.TemplateVariable"];

/** What a client can say of a template: everything but what the service finds out itself. */
export type TemplateText = Pick<Template, "subject" | "text" | "html" | "actions" | "parts" | "declaredVariables" | "resendIfUnknown">;

/** What a preview is made with, as the person typed it. */
export interface TestData {
  json: string;
  channel: string;
  locale: string;
}

/** The values of a preview, as `POST /v1/templates:preview` takes them. */
export interface TestValues {
  variables?: Record<string, string>;
  recipient?: Record<string, unknown>;
  context?: Record<string, unknown>;
}

const _VALUES = ["variables", "recipient", "context"] as const;

/** What is wrong with test data: where it is no JSON, or which field is not what it must be. */
export type TestProblem = JsonProblem | { field: string; problem: "unknown" | "object" };

/** The values that test data says, or what is wrong with it; no text is no values. */
export function testValues(json: string): TestValues | TestProblem {
  if (json.trim() === "") return {};
  const problem = jsonProblem(json);
  if (problem) return problem;
  const found: unknown = JSON.parse(json);
  if (!_isObject(found)) return { field: "", problem: "object" };
  for (const [field, value] of Object.entries(found)) {
    if (!(_VALUES as readonly string[]).includes(field)) return { field, problem: "unknown" };
    if (!_isObject(value)) return { field, problem: "object" };
  }
  return found as TestValues;
}

function _isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Test data to begin with: each variable that has to be given, with its example, its default, or its own name. */
export function firstTestData(template: Template | undefined): string {
  const declared = new Map((template?.declaredVariables ?? []).map((item) => [item.name, item.example || item.default]));
  const names = template?.requiredVariables ?? [];
  return JSON.stringify({ variables: Object.fromEntries(names.map((name) => [name, declared.get(name) || name])) }, null, 2);
}

const _MISSING = /^missing: ([A-Za-z0-9_, ]+)$/;

/** The variables that the service misses. */
export function missingVariables(problems: readonly { field: string; description: string }[]): string[] {
  return problems.flatMap(({ field, description }) => (field === "variables" ? (_MISSING.exec(description)?.[1]?.split(", ") ?? []) : []));
}

/** Test data with the variables too that it lacks. */
export function withVariables(json: string, names: readonly string[]): string {
  const values = testValues(json);
  if ("problem" in values) return json;
  const missing = names.filter((name) => !(name in (values.variables ?? {})));
  return JSON.stringify({ ...values, variables: { ...values.variables, ...Object.fromEntries(missing.map((name) => [name, name])) } }, null, 2);
}

/** The text of a template alone. */
export function textOf({ subject, text, html, actions, parts, declaredVariables, resendIfUnknown }: Template): TemplateText {
  return {
    subject,
    ...(text ? { text } : {}),
    ...(html ? { html } : {}),
    ...(actions?.length ? { actions } : {}),
    ...(parts?.length ? { parts } : {}),
    ...(declaredVariables?.length ? { declaredVariables } : {}),
    ...(resendIfUnknown ? { resendIfUnknown } : {}),
  };
}

/** What a part is for: "push · de". */
export function partName(part: TemplatePart, any: string): string {
  return `${part.channel || any} · ${part.locale || any}`;
}

/** A version as lines, so that two of them can be compared: a heading for each thing that it says. */
export function asLines(template: Template, headings: { subject: string; text: string; html: string; buttons: string; variables: string; resend: string; any: string }): string {
  const said = (part: TemplatePart, prefix: string): string[] => [
    ..._block(`${prefix}${headings.subject}`, part.subject),
    ..._block(`${prefix}${headings.text}`, part.text),
    ..._block(`${prefix}${headings.html}`, part.html),
    ..._block(`${prefix}${headings.buttons}`, part.actions?.map((action) => `${action.label} → ${action.url}`).join("\n")),
  ];
  const variables = template.declaredVariables?.map((item) => [item.name, item.required ? "*" : "", item.default && `= ${item.default}`, item.example && `(${item.example})`, item.description].filter(Boolean).join(" "));
  return [
    ...said(template, ""),
    ...(template.parts ?? []).flatMap((part) => said(part, `${partName(part, headings.any)} · `)),
    ..._block(headings.variables, variables?.join("\n")),
    ...(template.resendIfUnknown ? [`■ ${headings.resend}`] : []),
  ].join("\n");
}

function _block(heading: string, text: string | undefined): string[] {
  return text ? [`■ ${heading}`, ...text.replace(/\n$/, "").split("\n")] : [];
}
