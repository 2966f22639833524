/** Values that redraw what has read them: a component that takes `value` while it is drawn is drawn again when that changes. */

import { options, type Component, type VNode } from "preact";

/** A value that changes; to read it while a component is drawn is to be told. */
export interface Signal<T> {
  value: T;
}

/** The hooks of Preact that @preact/signals stands on as well; its types leave them out. */
const _hooks = options as typeof options & { __r?: (node: VNode) => void; __e?: (...all: unknown[]) => void };

type Drawn = VNode & { __c?: Component };

/** Who is told of a signal, and of which signals somebody is told. */
type Readers = Set<Component>;
const _read = new WeakMap<Component, Set<Readers>>();

let _drawing: Component | undefined;

function _forget(component: Component | undefined): void {
  if (!component) return;
  for (const readers of _read.get(component) ?? []) readers.delete(component);
  _read.delete(component);
}

const { __r: _begin, __e: _fail, diffed: _end, unmount: _leave } = _hooks;
_hooks.__r = (node: Drawn) => {
  _begin?.(node);
  _drawing = node.__c;
  _forget(_drawing); // what it reads may be something else this time
};
_hooks.diffed = (node) => {
  _drawing = undefined;
  _end?.(node);
};
_hooks.__e = (...all) => {
  _drawing = undefined;
  _fail?.(...all);
};
_hooks.unmount = (node: Drawn) => {
  _forget(node.__c);
  _leave?.(node);
};

/** A signal that begins with `first`. The same value again is no change. */
export function signal<T>(first: T): Signal<T> {
  const readers: Readers = new Set();
  let now = first;
  return {
    get value() {
      if (_drawing) {
        readers.add(_drawing);
        _read.set(_drawing, (_read.get(_drawing) ?? new Set()).add(readers));
      }
      return now;
    },
    set value(next) {
      if (Object.is(next, now)) return;
      now = next;
      for (const component of [...readers]) component.setState({});
    },
  };
}
