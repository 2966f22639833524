/** What every form is: it is sent by its button, once at a time, and says what was refused; what was typed stays. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, type FieldProblem } from "../api/problem";
import { proven } from "../state/proof";

interface Sending {
  /** What the last try was refused with. */
  error: ApiError | null;
  busy: boolean;
  go: () => Promise<void>;
}

/** Sends by `send`, and asks for a proof where the API wants one. */
export function useSending(send: () => Promise<unknown>): Sending {
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const go = async () => {
    if (busy) return;
    setBusy(true);
    try {
      await proven(send);
      setError(null);
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return { error, busy, go };
}

export function Sheet({
  sending: { error, busy, go },
  said,
  rest,
  name,
  kind = "main",
  off = false,
  beside,
  children,
}: {
  sending: Sending;
  /** What a refusal means. */
  said: string;
  /** What is wrong with fields that do not say it themselves. */
  rest: readonly FieldProblem[];
  /** What the button says. */
  name: string;
  kind?: "main" | "risky";
  /** Whether it cannot be sent yet. */
  off?: boolean;
  /** What stands beside the button. */
  beside?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!off) void go();
      }}
    >
      {children}
      {error && (
        <div class="failure" role="alert">
          <p>{said}</p>
          {rest.map((item) => (
            <p class="wrong" key={item.field}>
              {item.field}: {item.description}
            </p>
          ))}
        </div>
      )}
      <div class="actions">
        <button type="submit" class={`button ${kind}`} aria-busy={busy} disabled={off}>
          {name}
        </button>
        {beside}
      </div>
    </form>
  );
}
