/** Fresh proofs: what changes passwords and factors asks again who is there (FRESH_PROOF_REQUIRED), and goes on then. */

import { signal } from "./signals";
import { ApiError } from "../api/problem";

/** Whoever waits for a proof; null: nobody. */
export const wanted = signal<{ proven: (yes: boolean) => void } | null>(null);

/** Does `action`; where the API wants a fresh proof, asks for one and does it again.
 *
 * @throws ApiError - it failed, or the person gave no proof.
 */
export async function proven<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === "FRESH_PROOF_REQUIRED")) throw error;
    const yes = await new Promise<boolean>((resolve) => {
      wanted.value = { proven: resolve };
    });
    wanted.value = null;
    if (!yes) throw error;
    return await action();
  }
}
