/** What went wrong with a call: which, why, and how to find it in the traces. */

/** A field of a request that was refused. */
export interface FieldProblem {
  field: string;
  description: string;
}

/** The problem document of the gateway (RFC 9457), as far as the console reads it. */
interface Document {
  title?: string;
  detail?: string;
  message?: string;
  details?: { reason?: string; fieldViolations?: FieldProblem[]; retryDelay?: string }[];
}

/** A call that failed. `status` is 0 when no answer came at all. */
export class ApiError extends Error {
  constructor(
    readonly call: string,
    readonly status: number,
    message: string,
    readonly reason = "",
    readonly fields: FieldProblem[] = [],
    readonly traceId = "",
    readonly retryAfter = 0,
  ) {
    super(message);
  }

  /** Whether the same call may do better a moment later. */
  get passes(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** What is wrong with the field at a whole path, or with one of its items; undefined: nothing. */
  within(path: string): string | undefined {
    return this.fields.find((item) => item.field === path || item.field.startsWith(`${path}.`) || item.field.startsWith(`${path}[`))?.description;
  }

  /** What is wrong with one field; empty: nothing. */
  of(field: string): string {
    return this.fields.find((item) => item.field === field || item.field.endsWith(`.${field}`))?.description ?? "";
  }
}

/** The error that an answer tells; what cannot be read of it is told by its status alone. */
export function problemOf(call: string, response: Response, body: unknown): ApiError {
  const document = (typeof body === "object" && body !== null ? body : {}) as Document;
  const details = Array.isArray(document.details) ? document.details : [];
  const fields = details.flatMap((item) => item.fieldViolations ?? []);
  return new ApiError(
    call,
    response.status,
    document.detail || document.message || document.title || `${response.status} ${response.statusText}`,
    details.find((item) => item.reason)?.reason ?? "",
    fields,
    response.headers.get("x-trace-id") ?? "",
    Number(response.headers.get("retry-after")) || 0,
  );
}
