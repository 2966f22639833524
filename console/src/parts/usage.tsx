/** What a tenant uses of its quotas, as bars with their numbers. */

import { api, type Schemas } from "../api/client";
import { useLoaded } from "../state/loaded";
import { QUOTAS, useTone } from "../state/quotas";
import { language, words } from "../words";
import { Section } from "./basics";
import { Mark } from "./mark";
import { When } from "./when";

/** Of the tenant with this id; of one's own without. `limits`: what it may use, which counting services know seconds later. */
export function UsageBars({ tenant = "", limits }: { tenant?: string; limits?: Schemas["auth.v1.TenantQuotas"] | undefined }) {
  const found = useLoaded(
    (signal) =>
      tenant
        ? api.GET("/v1/tenants/{tenant}/usage", { params: { path: { tenant } }, signal })
        : api.GET("/v1/usage", { signal }),
    [tenant],
  );
  if (!found.data) return null;
  const quotas = found.data.quotas ?? [];
  return (
    <Section title={words().tenants.usage}>
      <ul class="usage">
        {QUOTAS.map(([name, key]) => {
          const item = quotas.find((found) => found.name === key);
          if (!item) return null;
          const used = Number(item.used ?? 0);
          const limit = Number(limits?.[name] ?? item.limit ?? 0);
          const tone = useTone(used, limit);
          return (
            <li key={item.name}>
              <span>
                <Mark tone={tone} /> {words().tenants.kinds[item.name ?? ""] ?? item.name}
              </span>
              <span class="number">
                {used.toLocaleString(language.value)} {limit > 0 ? words().tenants.of(limit.toLocaleString(language.value)) : `· ${words().tenants.unbounded}`}
                {item.resetTime && (
                  <small class="dim">
                    {" · "}
                    {words().tenants.anew} <When at={item.resetTime} />
                  </small>
                )}
              </span>
              {limit > 0 && <meter class={tone} min={0} max={limit} value={Math.min(used, limit)} aria-label={words().tenants.kinds[item.name ?? ""] ?? item.name ?? ""} />}
            </li>
          );
        })}
      </ul>
    </Section>
  );
}
