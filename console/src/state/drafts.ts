/** What is typed in a form: kept in this tab until it is saved, so that neither a reload nor a session that ends loses it. Secrets are not. */

import { useState } from "preact/hooks";

const _KEY = "tocsin.draft.";

/** What is kept under `id`, laid over `first`; what cannot be read counts as nothing. */
export function keptOf<D extends object>(id: string, first: D): D {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(_KEY + id) ?? "null");
    return kept && typeof kept === "object" ? { ...first, ...(kept as Partial<D>) } : first;
  } catch {
    return first;
  }
}

/** The draft of the form `id`; how to change it (`secret`: without keeping it); and how to forget it. */
export function useDraft<D extends object>(id: string, first: D): [D, (change: Partial<D>, secret?: boolean) => void, () => void] {
  const [draft, setDraft] = useState(() => keptOf(id, first));
  const [secrets] = useState(() => new Set<string>());
  const change = (part: Partial<D>, secret = false) => {
    if (secret) Object.keys(part).forEach((name) => secrets.add(name));
    setDraft((was) => {
      const next = { ...was, ...part };
      const plain = Object.fromEntries(Object.entries(next).filter(([name]) => !secrets.has(name)));
      sessionStorage.setItem(_KEY + id, JSON.stringify(plain));
      return next;
    });
  };
  return [draft, change, () => sessionStorage.removeItem(_KEY + id)];
}
