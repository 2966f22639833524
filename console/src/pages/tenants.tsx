/** Tenants as wholes, for the operator: make, bound, suspend, delete, and prove that one is gone. */

import { useState } from "preact/hooks";
import { useLocation } from "../state/location";
import { api, idOf, type Schemas } from "../api/client";
import { Admin } from "../parts/admin";
import { Button, CommandLine, Copy, Fact, Facts, Pending, Section } from "../parts/basics";
import { Form } from "../parts/form";
import type { Column } from "../parts/list";
import { State, type Tone } from "../parts/mark";
import { Once } from "../parts/once";
import { Panel } from "../parts/panel";
import { UsageBars } from "../parts/usage";
import { When } from "../parts/when";
import { act } from "../state/act";
import { ownZone } from "../state/clock";
import { useLoaded } from "../state/loaded";
import { notify } from "../state/notices";
import { who } from "../state/who";
import { QUOTAS, quotasOf, typedQuotas } from "../state/quotas";
import { may, session } from "../state/session";
import { words } from "../words";

type Tenant = Schemas["auth.v1.Tenant"];
const _PATH = "/console/tenants";
const _TONES: Record<string, Tone> = { ACTIVE: "good", SUSPENDED: "warn", DELETING: "bad" };

const _tone = (tenant: Tenant) => _TONES[tenant.state ?? ""] ?? "idle";
const _word = (tenant: Tenant) => words().tenants.states[tenant.state ?? ""] ?? "";

const _columns = (): Column<Tenant>[] => [
  { name: words().settings.name, width: "minmax(8rem, 2fr)", show: (row) => row.displayName || idOf(row.name) },
  { name: words().state, width: "minmax(7rem, 1fr)", show: (row) => <State tone={_tone(row)} word={_word(row)} /> },
  { name: words().alarm.zone, width: "minmax(6rem, 1fr)", wide: true, show: (row) => row.timeZone ?? "" },
  { name: words().tenants.note, width: "minmax(8rem, 2fr)", wide: true, show: (row) => (row.operator ? words().tenants.operator : row.suspendReason) },
  { name: words().alarm.made, width: "minmax(6rem, 1fr)", wide: true, show: (row) => <When at={row.createTime} /> },
];

export default function Tenants({ params }: { params?: { id?: string } }) {
  const { route } = useLocation();
  return (
    <Admin<Tenant>
      path={_PATH}
      title={words().pages.tenants}
      scope="tenants:write"
      add={words().tenants.add}
      none={words().tenants.none}
      line={'tocsin tenant create "Example Ltd" --owner ann@example.com'}
      columns={_columns()}
      load={async (pageToken, filter, signal) => {
        const found = await api.GET("/v1/tenants", { params: { query: { pageSize: 200, pageToken, filter } }, signal });
        return { rows: found.tenants, next: found.nextPageToken ?? "" };
      }}
      name={(row) => row.name ?? ""}
      id={params?.id}
      offers={[
        [words().tenants.states["ACTIVE"] ?? "", 'state="ACTIVE"'],
        [words().tenants.states["SUSPENDED"] ?? "", 'state="SUSPENDED"'],
        [words().tenants.states["DELETING"] ?? "", 'state="DELETING"'],
      ]}
    >
      {(list) =>
        params?.id === "new" ? (
          <Panel title={words().tenants.add} back={_PATH}>
            <NewTenant again={list.again} open={(tenant) => route(`${_PATH}/${idOf(tenant.name)}`)} />
          </Panel>
        ) : (
          <One key={params?.id} id={params?.id ?? ""} changed={list.again} />
        )
      }
    </Admin>
  );
}

function NewTenant({ again, open }: { again: () => void; open: (tenant: Tenant) => void }) {
  const [made, setMade] = useState<Schemas["auth.v1.CreateTenantResponse"] | null>(null);
  const make = async ({ link, ...given }: { displayName: string; ownerEmail: string; timeZone: string; locale: string; link: boolean }) => {
    const body = { ...given, invitation: link ? ("LINK" as const) : ("MAIL" as const) };
    const done = await api.POST("/v1/tenants", { body });
    again();
    notify({ text: words().tenants.made(given.displayName, given.ownerEmail) });
    if (done.link) setMade(done);
    else open(done.tenant as Tenant);
  };
  if (made) {
    return (
      <>
        <Once title={words().tenants.linkFor} lines={[made.link ?? ""]} done={() => open(made.tenant as Tenant)} />
        <p class="dim">
          {words().access.until} <When at={made.expireTime} />
        </p>
      </>
    );
  }
  return (
    <Form id="tenants/new" first={{ displayName: "", ownerEmail: "", timeZone: ownZone, locale: "", link: false }} send={make} name={words().tenants.add}>
      {(field) => (
        <>
          {field.text("displayName", words().settings.name, { required: true, max: 100 })}
          {field.text("ownerEmail", words().tenants.owner, { required: true, type: "email", placeholder: "ann@example.com", hint: words().tenants.ownerHint })}
          {field.text("timeZone", words().alarm.zone, { max: 64 })}
          {field.choice("locale", words().settings.mails, [["", "English"], ["de", "Deutsch"]])}
          {field.tick("link", words().tenants.byLink, words().tenants.byLinkHint)}
        </>
      )}
    </Form>
  );
}

function One({ id, changed }: { id: string; changed: () => void }) {
  const { path, query, route } = useLocation();
  const at = { params: { path: { tenant: id } } };
  const found = useLoaded((signal) => api.GET("/v1/tenants/{tenant}", { ...at, signal }), [id]);
  const tenant = found.data;
  const name = tenant?.displayName || id;
  const after = (now: Tenant) => {
    found.put(() => now);
    changed();
    route(path);
  };
  const resume = async () => after(await api.POST("/v1/tenants/{tenant}:resume", { ...at, body: {} }));
  const undelete = async () => after(await api.POST("/v1/tenants/{tenant}:undelete", { ...at, body: {} }));
  const isFixed = tenant?.operator || session.value?.tenant === tenant?.name;
  if (found.error && !tenant && found.error.status === 404) return <Gone id={id} />;
  if (tenant && query["do"] === "suspend") return <Suspend tenant={tenant} done={after} />;
  if (tenant && query["do"] === "delete") return <Delete tenant={tenant} done={(now) => (changed(), found.put(() => now), route(path))} />;
  if (tenant && query["do"] === "quotas") return <Quotas tenant={tenant} done={after} />;
  if (tenant && query["do"] === "edit") return <Amend tenant={tenant} done={after} />;
  return (
    <Panel title={name} back={_PATH}>
      <Pending of={found} rows={6} />
      {tenant && (
        <>
          <p class="large">
            <State tone={_tone(tenant)} word={_word(tenant)} />
          </p>
          {tenant.suspendReason && <p class="said">{tenant.suspendReason}</p>}
          {tenant.purgeTime && (
            <p class="said">
              {words().tenants.goesAt} <When at={tenant.purgeTime} full />
            </p>
          )}
          {may("tenants:write") && (
            <div class="actions">
              {tenant.state === "DELETING" && (
                <Button kind="main" onPress={() => act(undelete, words().tenants.undeleted)}>
                  {words().tenants.undelete}
                </Button>
              )}
              {tenant.state === "SUSPENDED" && (
                <Button kind="main" onPress={() => act(resume, words().tenants.resumed)}>
                  {words().alarm.resume}
                </Button>
              )}
              {tenant.state === "ACTIVE" && !isFixed && (
                <a class="button" href={`${path}?do=suspend`}>
                  {words().tenants.suspend}
                </a>
              )}
              <a class="button" href={`${path}?do=edit`}>
                {words().alarm.edit}
              </a>
              <a class="button" href={`${path}?do=quotas`}>
                {words().tenants.quotas}
              </a>
              {!isFixed && tenant.state !== "DELETING" && (
                <a class="button risky" href={`${path}?do=delete`}>
                  {words().alarm.remove}
                </a>
              )}
            </div>
          )}
          <UsageBars tenant={id} limits={tenant.quotas} />
          <Facts>
            <Fact name={words().tenants.note}>{tenant.operator && words().tenants.operator}</Fact>
            <Fact name={words().alarm.zone}>{tenant.timeZone}</Fact>
            <Fact name={words().tenants.second}>{tenant.requireSecondFactor && words().tenants.required}</Fact>
            <Fact name={words().settings.password}>{tenant.passwordOff && words().tenants.off}</Fact>
            <Fact name={words().alarm.made}>
              <When at={tenant.createTime} />
            </Fact>
            <Fact name={words().access.roleId}>
              <Copy text={tenant.name ?? ""} />
            </Fact>
          </Facts>
          {tenant.state === "DELETING" && <Report id={id} />}
          <CommandLine line={`tocsin tenant show ${id}`} />
        </>
      )}
    </Panel>
  );
}

function Suspend({ tenant, done }: { tenant: Tenant; done: (tenant: Tenant) => void }) {
  const { path } = useLocation();
  const send = async ({ reason }: { reason: string }) => {
    const at = { params: { path: { tenant: idOf(tenant.name) } } };
    done(await api.POST("/v1/tenants/{tenant}:suspend", { ...at, body: { reason } }));
    notify({ text: words().tenants.suspended });
  };
  return (
    <Panel title={`${words().tenants.suspend}: ${tenant.displayName}`} back={path}>
      <p>{words().tenants.suspendMeans}</p>
      <Form id={`${tenant.name}/suspend`} first={{ reason: "" }} send={send} name={words().tenants.suspend}>
        {(field) => field.area("reason", words().tenants.why, { hint: words().tenants.whyHint })}
      </Form>
    </Panel>
  );
}

/** Deleting asks for the name of the tenant, letter by letter: whoever types it knows which one goes. */
function Delete({ tenant, done }: { tenant: Tenant; done: (tenant: Tenant) => void }) {
  const { path } = useLocation();
  const [typed, setTyped] = useState("");
  const send = async ({ atOnce, exportSha256 }: { atOnce: boolean; exportSha256: string }) => {
    const query = { ...(atOnce ? { atOnce, confirm: typed } : {}), ...(exportSha256 ? { exportSha256 } : {}) };
    done(await api.DELETE("/v1/tenants/{tenant}", { params: { path: { tenant: idOf(tenant.name) }, query } }));
    notify({ text: atOnce ? words().tenants.going : words().tenants.deleted });
  };
  return (
    <Panel title={`${words().alarm.remove}: ${tenant.displayName}`} back={path}>
      <p>{words().tenants.deleteMeans}</p>
      <Form id={`${tenant.name}/delete`} first={{ atOnce: false, exportSha256: "" }} send={send} name={words().tenants.deleteIt} risky off={typed !== tenant.displayName}>
        {(field) => (
          <>
            <label class="field">
              {words().tenants.typeName(tenant.displayName ?? "")}
              <input type="text" autocomplete="off" spellcheck={false} value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
            </label>
            {field.tick("atOnce", words().tenants.atOnce, words().tenants.atOnceHint)}
            {field.text("exportSha256", words().tenants.exported, { max: 64, hint: words().tenants.exportedHint })}
          </>
        )}
      </Form>
      <CommandLine line="tocsin tenant export FOLDER" />
    </Panel>
  );
}

function Quotas({ tenant, done }: { tenant: Tenant; done: (tenant: Tenant) => void }) {
  const { path } = useLocation();
  const send = async (typed: Record<string, string>) => {
    const at = { params: { path: { tenant: idOf(tenant.name) } } };
    done(await api.PUT("/v1/tenants/{tenant}/quotas", { ...at, body: typedQuotas(typed) }));
    notify({ text: words().settings.saved });
  };
  return (
    <Panel title={`${words().tenants.quotas}: ${tenant.displayName}`} back={path}>
      <p class="dim">{words().tenants.quotasHint}</p>
      <Form id={`${tenant.name}/quotas`} first={quotasOf(tenant.ownQuotas)} send={send} name={words().save}>
        {(field) =>
          QUOTAS.map(([name, key]) => field.text(name, words().tenants.kinds[key] ?? key, { type: "number", placeholder: _shown(tenant.quotas?.[name]) }))
        }
      </Form>
    </Panel>
  );
}

function _shown(quota: string | number | undefined): string {
  return Number(quota ?? 0) === 0 ? words().tenants.unbounded : String(quota);
}

function Amend({ tenant, done }: { tenant: Tenant; done: (tenant: Tenant) => void }) {
  const { path } = useLocation();
  const send = async (body: { displayName: string; timeZone: string }) => {
    const params = { path: { tenant: idOf(tenant.name) }, query: { updateMask: "displayName,timeZone" } };
    done(await api.PATCH("/v1/tenants/{tenant}", { params, body }));
    notify({ text: words().settings.saved });
  };
  return (
    <Panel title={tenant.displayName || idOf(tenant.name)} back={path}>
      <Form id={`${tenant.name}/edit`} first={{ displayName: tenant.displayName ?? "", timeZone: tenant.timeZone ?? "UTC" }} send={send} name={words().save}>
        {(field) => (
          <>
            {field.text("displayName", words().settings.name, { required: true, max: 100 })}
            {field.text("timeZone", words().alarm.zone, { max: 64 })}
          </>
        )}
      </Form>
    </Panel>
  );
}

/** A tenant that is no more: its report stays. */
function Gone({ id }: { id: string }) {
  return (
    <Panel title={words().tenants.goneTitle} back={_PATH}>
      <Report id={id} />
    </Panel>
  );
}

function Report({ id }: { id: string }) {
  const found = useLoaded((signal) => api.GET("/v1/tenants/{tenant}/deletion", { params: { path: { tenant: id } }, signal }), [id]);
  const report = found.data;
  if (!report) return <Pending of={found} rows={4} />;
  const rows = (report.services ?? []).flatMap((service) => (service.rows ?? []).map((row) => ({ service: service.service ?? "", ...row })));
  return (
    <Section title={words().tenants.report} note={words().tenants.progress[report.state ?? ""]}>
      <Facts>
        <Fact name={words().tenants.askedBy}>{who(report.deletedBy)}</Fact>
        <Fact name={words().tenants.askedAt}>{report.deleteTime && <When at={report.deleteTime} full />}</Fact>
        <Fact name={words().tenants.begun}>{report.beginTime && <When at={report.beginTime} full />}</Fact>
        <Fact name={words().tenants.ended}>{report.endTime && <When at={report.endTime} full />}</Fact>
        <Fact name={words().tenants.missing}>{report.missingServices?.join(", ")}</Fact>
        <Fact name={words().tenants.exported}>{report.exportSha256 && <Copy text={report.exportSha256} shown={report.exportSha256.slice(0, 16)} />}</Fact>
        <Fact name={words().tenants.chain}>{report.auditLogHash && <Copy text={report.auditLogHash} shown={report.auditLogHash.slice(0, 16)} />}</Fact>
      </Facts>
      {rows.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">{words().tenants.service}</th>
              <th scope="col">{words().tenants.table}</th>
              <th scope="col" class="number">
                {words().tenants.removed}
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={`${row.service} ${row.kind}`}>
                <td>{row.service}</td>
                <td>{row.kind}</td>
                <td class="number">{row.count ?? 0}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <CommandLine line={`tocsin tenant deletion ${id}`} />
    </Section>
  );
}
