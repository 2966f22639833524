/** Pages that belong together. */

import { useLocation } from "preact-iso";
import { may } from "../state/session";

/** A page among others: its path, its name, and the scope that it needs. */
export type Tab = readonly [path: string, name: string, scope: string];

export function Tabs({ label, of }: { label: string; of: readonly Tab[] }) {
  const { path } = useLocation();
  return (
    <div class="tabs" role="navigation" aria-label={label}>
      {of
        .filter(([, , scope]) => may(scope))
        .map(([to, name]) => (
          <a key={to} href={to} aria-current={path === to || path.startsWith(`${to}/`) ? "page" : undefined}>
            {name}
          </a>
        ))}
    </div>
  );
}
