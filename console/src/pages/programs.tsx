/** Service accounts: programs that are nobody's, with their keys. */

import { useLocation } from "../state/location";
import { api, idOf, type Schemas } from "../api/client";
import { sure } from "../parts/ask";
import { AsOf, Button, CommandLine, Copy, Fact, Facts, Head } from "../parts/basics";
import { Form } from "../parts/form";
import { Keys } from "../parts/keys";
import { Listed, type Column } from "../parts/list";
import { State } from "../parts/mark";
import { Panel } from "../parts/panel";
import { Tabs } from "../parts/tabs";
import { When } from "../parts/when";
import { act } from "../state/act";
import { notify } from "../state/notices";
import { useParts } from "../state/pages";
import { renamed, who } from "../state/who";
import { roleOffers, useRoles, type Role } from "../state/roles";
import { may } from "../state/session";
import { words } from "../words";

type Account = Schemas["auth.v1.ServiceAccount"];
const _BACK = "/console/access/programs";

const _tone = (row: Account) => (row.deactivateTime ? "idle" : "good");
const _word = (row: Account) => (row.deactivateTime ? words().access.inactive : words().access.active);

const _columns = (): Column<Account>[] => [
  { name: words().settings.name, width: "minmax(8rem, 2fr)", show: (row) => row.displayName ?? "" },
  { name: words().state, width: "minmax(7rem, 1fr)", show: (row) => <State tone={_tone(row)} word={_word(row)} /> },
  { name: words().access.role, width: "minmax(6rem, 1fr)", show: (row) => idOf(row.role) },
  { name: words().access.what, width: "minmax(10rem, 2fr)", wide: true, show: (row) => row.description ?? "" },
  { name: words().alarm.made, width: "minmax(6rem, 1fr)", wide: true, show: (row) => <When at={row.createTime} /> },
];

export default function Programs({ params }: { params?: { id?: string } }) {
  const { route } = useLocation();
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/serviceAccounts", { params: { query: { pageSize: 200, pageToken } }, signal });
      return { rows: found.serviceAccounts, next: found.nextPageToken ?? "" };
    },
    [],
    [],
  );
  const roles = useRoles();
  const id = params?.id;
  const add = may("users:write") && (
    <a class="button main" href={`${_BACK}/new`}>
      {words().access.newProgram}
    </a>
  );
  return (
    <>
      <Head title={words().pages.access}>{add}</Head>
      <Tabs of="/console/access" first={words().access.people} />
      <AsOf of={list} />
      <div class={id ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.programs}
          columns={_columns()}
          href={(row) => `${_BACK}/${idOf(row.name)}`}
          open={id && `serviceAccounts/${id}`}
          none={words().access.noPrograms}
          line="tocsin service-account create deploys --role operator"
        >
          {add}
        </Listed>
        {id === "new" && roles.data && (
          <Panel title={words().access.newProgram} back={_BACK}>
            <AccountForm roles={roles.data.roles} done={(account) => (list.again(), route(`${_BACK}/${idOf(account.name)}`))} />
          </Panel>
        )}
        {id && id !== "new" && list.data && roles.data && (
          <One key={id} account={list.rows.find((row) => idOf(row.name) === id)} roles={roles.data.roles} changed={list.again} />
        )}
      </div>
    </>
  );
}

function AccountForm({ account, roles, done }: { account?: Account; roles: readonly Role[]; done: (account: Account) => void }) {
  const first = { displayName: account?.displayName ?? "", description: account?.description ?? "", role: account?.role ?? "roles/operator" };
  const save = async (body: typeof first) => {
    const path = { serviceAccount: idOf(account?.name) };
    const saved = account
      ? await api.PATCH("/v1/serviceAccounts/{serviceAccount}", { params: { path, query: { updateMask: "displayName,description,role" } }, body })
      : await api.POST("/v1/serviceAccounts", { body });
    renamed(saved.name);
    notify({ text: words().settings.saved });
    done(saved);
  };
  return (
    <Form id={account?.name ?? "programs/new"} first={first} send={save} name={account ? words().save : words().access.newProgram}>
      {(field) => (
        <>
          {field.text("displayName", words().settings.name, { required: true, max: 100, placeholder: "deploys" })}
          {field.text("description", words().access.what, { max: 1000 })}
          {field.choice("role", words().access.role, roleOffers(roles), words().access.programRole)}
        </>
      )}
    </Form>
  );
}

function One({ account, roles, changed }: { account: Account | undefined; roles: readonly Role[]; changed: () => void }) {
  const { path, query, route } = useLocation();
  if (!account) return <Panel title={words().noSuchPage} back={_BACK}>{null}</Panel>;
  const at = { params: { path: { serviceAccount: idOf(account.name) } } };
  const close = () => api.POST("/v1/serviceAccounts/{serviceAccount}:deactivate", { ...at, body: {} }).then(changed);
  const open = () => api.POST("/v1/serviceAccounts/{serviceAccount}:reactivate", { ...at, body: {} }).then(changed);
  const name = account.displayName ?? "";
  const remove = async () => {
    if (!(await sure(words().access.reallyRemoveProgram(name), words().alarm.remove))) return;
    const gone = await act(() => api.DELETE("/v1/serviceAccounts/{serviceAccount}", at), words().alarm.removed);
    if (!gone) return;
    changed();
    route(_BACK);
  };
  if (query["edit"] !== undefined) {
    return (
      <Panel title={name} back={path}>
        <AccountForm account={account} roles={roles} done={() => (changed(), route(path))} />
      </Panel>
    );
  }
  return (
    <Panel title={name} back={_BACK}>
      <p class="large">
        <State tone={_tone(account)} word={_word(account)} />
      </p>
      {account.description && <p>{account.description}</p>}
      {may("users:write") && (
        <div class="actions">
          <a class="button" href={`${path}?edit`}>
            {words().alarm.edit}
          </a>
          {account.deactivateTime ? (
            <Button onPress={() => act(open, words().access.opened(name), close)}>{words().access.open}</Button>
          ) : (
            <Button onPress={() => act(close, words().access.closed(name), open)}>{words().access.close}</Button>
          )}
          <Button kind="risky" onPress={remove}>
            {words().alarm.remove}
          </Button>
        </div>
      )}
      <Facts>
        <Fact name={words().access.role}>{idOf(account.role)}</Fact>
        <Fact name={words().alarm.made}>
          <When at={account.createTime} /> {who(account.creator)}
        </Fact>
        <Fact name={words().access.roleId}>
          <Copy text={account.name ?? ""} />
        </Fact>
      </Facts>
      {may("keys:read") && <Keys owner={account.name ?? ""} scopes={roles.find((role) => role.name === account.role)?.scopes ?? []} />}
      <CommandLine line={`tocsin service-account show ${idOf(account.name)}`} />
    </Panel>
  );
}
