/** The tenant itself: its name and zone, how its people sign in, and what it uses. */

import { api, type Schemas } from "../api/client";
import { Copy, Fact, Facts, Head, Pending, Section } from "../parts/basics";
import { Form, listOf } from "../parts/form";
import { Tabs } from "../parts/tabs";
import { UsageBars } from "../parts/usage";
import { When } from "../parts/when";
import { useLoaded } from "../state/loaded";
import { notify } from "../state/notices";
import { may } from "../state/session";
import { words } from "../words";

type Tenant = Schemas["auth.v1.Tenant"];

export default function OwnTenant() {
  const found = useLoaded((signal) => api.GET("/v1/tenant", { signal }), []);
  const tenant = found.data;
  return (
    <>
      <Head title={words().pages.settings} />
      <Tabs of="/console/settings" first={words().settings.you} />
      <div class="stack">
        <Pending of={found} rows={5} />
        {tenant && (
          <>
            <Section title={tenant.displayName || words().pages.tenant}>
              {tenant.suspendReason && <p class="said">{tenant.suspendReason}</p>}
              <Facts>
                <Fact name={words().alarm.made}>
                  <When at={tenant.createTime} />
                </Fact>
                <Fact name={words().access.roleId}>
                  <Copy text={tenant.name ?? ""} />
                </Fact>
                {!may("tenant:write") && <Fact name={words().alarm.zone}>{tenant.timeZone}</Fact>}
              </Facts>
              {may("tenant:write") && <TenantForm tenant={tenant} done={(now) => found.put(() => now)} />}
            </Section>
            {may("alerts:read") && <Alerts />}
            {may("alarms:read") && <UsageBars limits={tenant.quotas} />}
          </>
        )}
      </div>
    </>
  );
}

function TenantForm({ tenant, done }: { tenant: Tenant; done: (tenant: Tenant) => void }) {
  const first = {
    displayName: tenant.displayName ?? "",
    timeZone: tenant.timeZone ?? "UTC",
    requireSecondFactor: tenant.requireSecondFactor ?? false,
    passwordOff: tenant.passwordOff ?? false,
  };
  const save = async (body: typeof first) => {
    const query = { updateMask: "displayName,timeZone,requireSecondFactor,passwordOff" };
    done(await api.PATCH("/v1/tenant", { params: { query }, body }));
    notify({ text: words().settings.saved });
  };
  return (
    <Form id="tenant" first={first} send={save} name={words().save}>
      {(field) => (
        <>
          {field.text("displayName", words().settings.name, { required: true, max: 100 })}
          {field.text("timeZone", words().alarm.zone, { max: 64, hint: words().tenants.zoneHint })}
          {field.tick("requireSecondFactor", words().tenants.requireSecond, words().tenants.requireSecondHint)}
          {field.tick("passwordOff", words().tenants.passwordOff, words().tenants.passwordOffHint)}
        </>
      )}
    </Form>
  );
}

/** Who is told of security alerts, and when. */
function Alerts() {
  const found = useLoaded((signal) => api.GET("/v1/security/alertPolicy", { signal }), []);
  const policy = found.data;
  return (
    <Section title={words().alertPolicy.title} note={policy && words().alertPolicy.reached(policy.reached ?? 0)}>
      <Pending of={found} rows={4} />
      {policy?.unreached?.length ? <p role="status">{words().alertPolicy.unreached(policy.unreached.join(", "))}</p> : null}
      {policy && (may("alerts:write") ? <AlertForm policy={policy} done={(now) => found.put(() => now)} /> : <p>{(policy.to ?? []).join(", ")}</p>)}
    </Section>
  );
}

type AlertPolicy = Schemas["auth.v1.AlertPolicy"];
const _SEVERITIES = ["high", "medium", "low"] as const;

function AlertForm({ policy, done }: { policy: AlertPolicy; done: (policy: AlertPolicy) => void }) {
  const when = { high: policy.high ?? "AT_ONCE", medium: policy.medium ?? "DAILY", low: policy.low ?? "DAILY" };
  const first = { to: (policy.to ?? []).join("\n"), digestHour: String(policy.digestHour ?? 8), ...when };
  const save = async ({ to, digestHour, high, medium, low }: typeof first) => {
    const body = { to: listOf(to), digestHour: Number(digestHour), high, medium, low, kinds: policy.kinds ?? [] };
    done(await api.PUT("/v1/security/alertPolicy", { body }));
    notify({ text: words().settings.saved });
  };
  const deliveries = Object.entries(words().alertPolicy.deliveries);
  return (
    <Form id="alert-policy" first={first} send={save} name={words().save}>
      {(field) => (
        <>
          {field.area("to", words().alertPolicy.to, { hint: words().alertPolicy.toHint })}
          {_SEVERITIES.map((severity) => field.choice(severity, words().alertPolicy.severities[severity], deliveries))}
          {field.text("digestHour", words().alertPolicy.hour, { type: "number", required: true })}
        </>
      )}
    </Form>
  );
}
