/** What a service does not take: beside its field where the form has one, below the form where it has none. */

import type { ApiError } from "../api/problem";
import { words } from "../words";

/** What is wrong with one field. */
export function FieldWrong({ error, field }: { error: ApiError | null; field: string }) {
  const found = error?.of(field);
  return found ? (
    <span class="wrong" role="alert">
      {found}
    </span>
  ) : null;
}

/** The rest of a refusal; `fields` are told beside themselves. */
export function Refused({ error, fields = [] }: { error: ApiError | null; fields?: readonly string[] }) {
  if (!error) return null;
  const rest = error.fields.filter((item) => !fields.some((field) => item.field === field || item.field.endsWith(`.${field}`)));
  if (error.fields.length > 0 && rest.length === 0) return null;
  return (
    <div class="failure" role="alert">
      {rest.length === 0 && <p>{words().failed(error)}</p>}
      {rest.map((item) => (
        <p class="wrong" key={item.field}>
          {item.field}: {item.description}
        </p>
      ))}
    </div>
  );
}
