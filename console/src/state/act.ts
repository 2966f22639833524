/** Doing things: one way for every button. */

import { ApiError } from "../api/problem";
import { words } from "../words";
import { notify } from "./notices";

/** Runs `action`, and says what came of it; gives whether it worked. */
export async function act(action: () => Promise<unknown>, done: string, undo?: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    notify({ text: words().failed(error), bad: true });
    return false;
  }
  notify(undo ? { text: done, undo } : { text: done });
  return true;
}
