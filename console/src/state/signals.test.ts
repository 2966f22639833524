import { h, options, type Component } from "preact";
import { describe, expect, it } from "vitest";
import { signal } from "./signals";

const hooks = options as unknown as Record<"__r" | "diffed" | "unmount", (node: unknown) => void>;

/** A component that counts how often it is told to be drawn again, and what Preact calls while it draws it. */
function drawn() {
  let told = 0;
  const component = { setState: () => void told++ } as unknown as Component;
  const node = { ...h("p", null), __c: component };
  return {
    draw(read: () => unknown) {
      hooks.__r(node);
      read();
      hooks.diffed(node);
    },
    leave: () => hooks.unmount(node),
    told: () => told,
  };
}

describe("a signal", () => {
  it("tells whoever has read it while it was drawn, of a change alone", () => {
    const [count, one, other] = [signal(1), drawn(), drawn()];
    one.draw(() => count.value);
    other.draw(() => undefined);
    expect(count.value).toBe(1); // read by nobody that is drawn
    count.value = 1;
    expect(one.told()).toBe(0);
    count.value = 2;
    expect([count.value, one.told(), other.told()]).toEqual([2, 1, 0]);
  });

  it("tells nobody who has not read it when last drawn, or is gone", () => {
    const [count, one, other] = [signal(1), drawn(), drawn()];
    for (const each of [one, other]) each.draw(() => count.value);
    one.draw(() => undefined);
    other.leave();
    count.value = 2;
    expect([one.told(), other.told()]).toEqual([0, 0]);
  });
});
