/** Roles: what people and programs may do, as sets of scopes. */

import { useLocation } from "../state/location";
import { api, idOf } from "../api/client";
import { sure } from "../parts/ask";
import { AsOf, Button, CommandLine, Copy, Fact, Facts, Head, Section, Shape } from "../parts/basics";
import { Form } from "../parts/form";
import { List, type Column } from "../parts/list";
import { State } from "../parts/mark";
import { Panel } from "../parts/panel";
import { ScopePicker } from "../parts/scopes";
import { Tabs } from "../parts/tabs";
import { act } from "../state/act";
import { notify } from "../state/notices";
import { useRoles, type Role } from "../state/roles";
import { areasOf } from "../state/scopes";
import { may } from "../state/session";
import { words } from "../words";

const _BACK = "/console/access/roles";

const _columns = (): Column<Role>[] => [
  { name: words().settings.name, width: "minmax(8rem, 1fr)", show: (row) => row.displayName || idOf(row.name) },
  { name: words().access.kind, width: "minmax(8rem, 0.75fr)", show: (row) => <State tone={row.builtIn ? "idle" : "good"} word={row.builtIn ? words().access.builtIn : words().access.own} /> },
  { name: words().access.may, width: "minmax(6rem, 0.5fr)", number: true, show: (row) => words().access.scopes(row.scopes?.length ?? 0) },
  { name: words().access.what, width: "minmax(10rem, 2fr)", wide: true, show: (row) => row.description ?? "" },
];

export default function Roles({ params }: { params?: { id?: string } }) {
  const { route } = useLocation();
  const found = useRoles();
  const id = params?.id;
  const roles = found.data?.roles ?? [];
  const open = roles.find((role) => idOf(role.name) === id);
  const every = roles.find((role) => role.name === "roles/owner")?.scopes ?? [];
  return (
    <>
      <Head title={words().pages.access}>
        {may("users:write") && (
          <a class="button main" href={`${_BACK}/new`}>
            {words().access.newRole}
          </a>
        )}
      </Head>
      <Tabs of="/console/access" first={words().access.people} />
      <AsOf of={found} />
      <div class={id ? "beside" : "alone"}>
        {!found.data && !found.error && <Shape />}
        {found.data && (
          <List label={words().pages.roles} rows={roles} columns={_columns()} id={(row) => row.name ?? ""} href={(row) => `${_BACK}/${idOf(row.name)}`} open={open?.name} />
        )}
        {id === "new" && every.length > 0 && (
          <Panel title={words().access.newRole} back={_BACK}>
            <RoleForm every={every} done={(role) => (found.again(), route(`${_BACK}/${idOf(role.name)}`))} />
          </Panel>
        )}
        {open && <One key={open.name} role={open} every={every} changed={found.again} />}
      </div>
    </>
  );
}

function RoleForm({ role, every, done }: { role?: Role; every: readonly string[]; done: (role: Role) => void }) {
  const first = { id: "", displayName: role?.displayName ?? "", description: role?.description ?? "", scopes: role?.scopes ?? [] };
  const held = every.filter((scope) => (may(scope) && scope !== "owners:write") || first.scopes.includes(scope));
  const save = async ({ id, ...given }: typeof first) => {
    const saved = role
      ? await api.PATCH("/v1/roles/{role}", { params: { path: { role: idOf(role.name) }, query: { updateMask: "displayName,description,scopes" } }, body: { name: role.name, ...given } })
      : await api.POST("/v1/roles", { body: { name: `roles/${id}`, ...given } });
    notify({ text: words().settings.saved });
    done(saved);
  };
  return (
    <Form id={role?.name ?? "roles/new"} first={first} send={save} name={role ? words().save : words().access.newRole}>
      {(field) => (
        <>
          {!role && field.text("id", words().access.roleId, { required: true, max: 63, hint: words().access.roleIdHint })}
          {field.text("displayName", words().settings.name, { max: 100 })}
          {field.text("description", words().access.what, { max: 1000 })}
          <ScopePicker label={words().access.may} all={held} chosen={field.draft.scopes} change={(scopes) => field.change({ scopes })} />
        </>
      )}
    </Form>
  );
}

function One({ role, every, changed }: { role: Role; every: readonly string[]; changed: () => void }) {
  const { path, query, route } = useLocation();
  const name = role.displayName || idOf(role.name);
  const remove = async () => {
    if (!(await sure(words().access.reallyRemove(name), words().alarm.remove))) return;
    const gone = await act(() => api.DELETE("/v1/roles/{role}", { params: { path: { role: idOf(role.name) } } }), words().alarm.removed);
    if (!gone) return;
    changed();
    route(_BACK);
  };
  if (query["edit"] !== undefined && !role.builtIn) {
    return (
      <Panel title={name} back={path}>
        <RoleForm role={role} every={every} done={() => (changed(), route(path))} />
      </Panel>
    );
  }
  return (
    <Panel title={name} back={_BACK}>
      {role.description && <p>{role.description}</p>}
      {!role.builtIn && may("users:write") && (
        <div class="actions">
          <a class="button" href={`${path}?edit`}>
            {words().alarm.edit}
          </a>
          <Button kind="risky" onPress={remove}>
            {words().alarm.remove}
          </Button>
        </div>
      )}
      <Facts>
        <Fact name={words().access.roleId}>
          <Copy text={role.name ?? ""} />
        </Fact>
      </Facts>
      <Section title={words().access.may}>
        <Facts>
          {areasOf(role.scopes ?? []).map(({ area, rights }) => (
            <Fact key={area} name={words().access.areas[area] ?? area}>
              {rights.map((right) => words().access.rights[right] ?? right).join(", ")}
            </Fact>
          ))}
        </Facts>
      </Section>
      <CommandLine line={`tocsin role show ${idOf(role.name)}`} />
    </Panel>
  );
}
