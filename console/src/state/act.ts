/** Doing things: one way for every button. */

import { ApiError } from "../api/problem";
import { words } from "../words";
import { notify } from "./notices";

/** Runs `action`, and says what came of it, if anything: `done`, which may be known only then. Gives whether it worked. */
export async function act(action: () => Promise<unknown>, done: string | (() => string), undo?: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    notify({ text: words().failed(error), bad: true });
    return false;
  }
  const text = typeof done === "string" ? done : done();
  if (text) notify(undo ? { text, undo } : { text });
  return true;
}
