/** Who may come in: people with their roles, and invitations that wait. */

import { useState } from "preact/hooks";
import { useLocation } from "../state/location";
import { api, idOf, type Schemas } from "../api/client";
import { sure } from "../parts/ask";
import { AsOf, Button, CommandLine, Copy, Fact, Facts, Head, Pending, Section } from "../parts/basics";
import { Form } from "../parts/form";
import { Listed, type Column } from "../parts/list";
import { State } from "../parts/mark";
import { Once } from "../parts/once";
import { Panel } from "../parts/panel";
import { Tabs } from "../parts/tabs";
import { When } from "../parts/when";
import { act } from "../state/act";
import { useLoaded } from "../state/loaded";
import { notify } from "../state/notices";
import { useParts } from "../state/pages";
import { renamed } from "../state/who";
import { programOf } from "../state/programs";
import { roleOffers, useRoles, type Role } from "../state/roles";
import { may, session } from "../state/session";
import { words } from "../words";

type User = Schemas["auth.v1.User"];
const _BACK = "/console/access";

const _nameOf = (user: User) => user.displayName || user.email || user.username || idOf(user.name);
const _tone = (user: User) => (user.deactivateTime ? "idle" : "good");
const _word = (user: User) => (user.deactivateTime ? words().access.inactive : words().access.active);

const _columns = (): Column<User>[] => [
  { name: words().settings.name, width: "minmax(8rem, 2fr)", show: _nameOf },
  { name: words().state, width: "minmax(6rem, 1fr)", show: (row) => <State tone={_tone(row)} word={_word(row)} /> },
  { name: words().access.role, width: "minmax(6rem, 1fr)", show: (row) => idOf(row.roleName) },
  { name: words().settings.address, width: "minmax(10rem, 2fr)", wide: true, show: (row) => row.email || row.username || "" },
  { name: words().alarm.made, width: "minmax(6rem, 1fr)", wide: true, show: (row) => <When at={row.createTime} /> },
];

export default function Access({ params }: { params?: { id?: string } }) {
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/users", { params: { query: { pageSize: 200, pageToken } }, signal });
      return { rows: found.users, next: found.nextPageToken ?? "" };
    },
    [],
    [],
  );
  const roles = useRoles();
  const id = params?.id;
  return (
    <>
      <Head title={words().pages.access}>
        {may("users:write") && (
          <a class="button main" href={`${_BACK}/invite`}>
            {words().access.invite}
          </a>
        )}
      </Head>
      <Tabs of="/console/access" first={words().access.people} />
      <Waiting key={id} />
      <AsOf of={list} />
      <div class={id ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().access.people}
          columns={_columns()}
          href={(row) => `${_BACK}/${idOf(row.name)}`}
          open={id && `users/${id}`}
        />
        {id === "invite" && roles.data && <Invite roles={roles.data.roles} />}
        {id && id !== "invite" && roles.data && <One key={id} id={id} roles={roles.data.roles} changed={list.again} />}
      </div>
    </>
  );
}

/** Invitations that nobody has accepted yet; none is nothing. */
function Waiting() {
  const found = useLoaded((signal) => api.GET("/v1/invitations", { params: { query: { pageSize: 1000 } }, signal }), []);
  const waiting = found.data?.invitations.filter((item) => item.state === "OPEN") ?? [];
  const revoke = (name: string) =>
    act(async () => {
      await api.POST("/v1/invitations/{invitation}:revoke", { params: { path: { invitation: idOf(name) } }, body: {} });
      found.again();
    }, words().access.revoked);
  const resend = (name: string) =>
    act(async () => {
      await api.POST("/v1/invitations/{invitation}:resend", { params: { path: { invitation: idOf(name) } }, body: {} });
      found.again();
    }, words().access.resent);
  if (waiting.length === 0) return null;
  return (
    <ul class="plain">
      {waiting.map((item) => (
        <li key={item.name}>
          <State tone="busy" word={words().access.invited} />
          <span class="grow">{item.email}</span>
          <span class="dim">
            {idOf(item.role)} · {words().access.until} <When at={item.expireTime} />
          </span>
          {may("users:write") && (
            <>
              <Button onPress={() => resend(item.name ?? "")}>{words().access.resend}</Button>
              <Button onPress={() => revoke(item.name ?? "")}>{words().access.revoke}</Button>
            </>
          )}
        </li>
      ))}
    </ul>
  );
}

function Invite({ roles }: { roles: readonly Role[] }) {
  const { route } = useLocation();
  const send = async (body: { email: string; role: string }) => {
    await api.POST("/v1/invitations", { body });
    notify({ text: words().access.invitedNow(body.email) });
    route(_BACK);
  };
  return (
    <Panel title={words().access.invite} back={_BACK}>
      <Form id="invite" first={{ email: "", role: "roles/operator" }} send={send} name={words().access.invite}>
        {(field) => (
          <>
            {field.text("email", words().access.address, { type: "email", required: true, placeholder: "ann@example.com", hint: words().access.inviteHint })}
            {field.choice("role", words().access.role, roleOffers(roles))}
          </>
        )}
      </Form>
    </Panel>
  );
}

function One({ id, roles, changed }: { id: string; roles: readonly Role[]; changed: () => void }) {
  const { route } = useLocation();
  const at = { params: { path: { user: id } } };
  const found = useLoaded((signal) => api.GET("/v1/users/{user}", { ...at, signal }), [id]);
  const [link, setLink] = useState("");
  const user = found.data;
  const name = user ? _nameOf(user) : words().access.person;
  const mine = session.value?.subject === `users/${id}`;
  const after = (now: User) => {
    renamed(now.name);
    found.put(() => now);
    changed();
  };
  const save = async (body: { displayName: string; roleName: string }) => {
    after(await api.PATCH("/v1/users/{user}", { params: { ...at.params, query: { updateMask: "displayName,roleName" } }, body }));
    notify({ text: words().settings.saved });
  };
  const open = async () => after(await api.POST("/v1/users/{user}:reactivate", { ...at, body: {} }));
  const close = async () => after(await api.POST("/v1/users/{user}:deactivate", { ...at, body: {} }));
  const deactivate = async () => {
    if (await sure(words().access.reallyClose(name), words().access.close)) await act(close, words().access.closed(name), () => act(open, words().access.opened(name)));
  };
  const remove = async () => {
    if (!(await sure(words().access.reallyRemovePerson(name), words().alarm.remove))) return;
    if (!(await act(() => api.DELETE("/v1/users/{user}", at), words().alarm.removed))) return;
    changed();
    route(_BACK);
  };
  const makeLink = () =>
    act(async () => {
      const made = await api.POST("/v1/users/{user}:createSignInLink", { ...at, body: {} });
      setLink(`${location.origin}/sign-in/link/${made.token}`);
    }, words().access.linkMade);
  return (
    <Panel title={name} back={_BACK}>
      <Pending of={found} rows={5} />
      {user && (
        <>
          <p class="large">
            <State tone={_tone(user)} word={_word(user)} />
          </p>
          {may("users:write") && !mine && (
            <div class="actions">
              {user.deactivateTime ? <Button onPress={() => act(open, words().access.opened(name))}>{words().access.open}</Button> : <Button onPress={deactivate}>{words().access.close}</Button>}
              {!user.deactivateTime && <Button onPress={makeLink}>{words().access.link}</Button>}
              <Button kind="risky" onPress={remove}>
                {words().alarm.remove}
              </Button>
            </div>
          )}
          {link && <Once title={words().access.linkOf(name)} lines={[link]} done={() => setLink("")} />}
          <Facts>
            <Fact name={words().settings.address}>{user.email}</Fact>
            <Fact name={words().settings.username}>{user.username}</Fact>
            <Fact name={words().access.confirmed}>{user.email && (user.verifyTime ? <When at={user.verifyTime} /> : words().access.notYet)}</Fact>
            {mine && <Fact name={words().access.role}>{idOf(user.roleName)}</Fact>}
            <Fact name={words().alarm.made}>
              <When at={user.createTime} />
            </Fact>
            <Fact name={words().access.roleId}>
              <Copy text={user.name ?? ""} />
            </Fact>
          </Facts>
          {mine && <a href="/console/settings">{words().access.thatIsYou}</a>}
          {may("users:write") && !mine && (
            <Form id={user.name ?? ""} first={{ displayName: user.displayName ?? "", roleName: user.roleName ?? "" }} send={save} name={words().save}>
              {(field) => (
                <>
                  {field.text("displayName", words().settings.name, { max: 100 })}
                  {field.choice("roleName", words().access.role, roleOffers(roles))}
                </>
              )}
            </Form>
          )}
          {!mine && <Proofs id={id} name={name} />}
          {!mine && <SignedIn id={id} />}
          <CommandLine line={`tocsin user show ${id}`} />
        </>
      )}
    </Panel>
  );
}

/** The second factors of somebody else: to see that there are some, and to take them away from who has lost them. */
function Proofs({ id, name }: { id: string; name: string }) {
  const at = { params: { path: { user: id } } };
  const found = useLoaded((signal) => api.GET("/v1/users/{user}/factors", { ...at, signal }), [id]);
  const factors = found.data?.factors ?? [];
  const reset = async () => {
    if (!(await sure(words().factors.reallyReset(name), words().factors.reset))) return;
    await act(async () => {
      await api.POST("/v1/users/{user}/factors:reset", { ...at, body: {} });
      found.again();
    }, words().factors.wasReset);
  };
  if (!found.data) return null;
  return (
    <Section title={words().factors.title}>
      {factors.length === 0 && <p class="dim">{words().factors.hasNone}</p>}
      {factors.length > 0 && (
        <ul class="plain">
          {factors.map((factor) => (
            <li key={factor.name}>
              <State tone="good" word={words().factors.kinds[factor.kind ?? ""] ?? ""} />
              <span class="grow">{factor.displayName}</span>
              <span class="dim">{factor.lastUseTime ? <When at={factor.lastUseTime} /> : words().access.unused}</span>
            </li>
          ))}
        </ul>
      )}
      {factors.length > 0 && may("users:write") && (
        <div class="actions">
          <Button kind="risky" onPress={reset}>
            {words().factors.reset}
          </Button>
        </div>
      )}
    </Section>
  );
}

function SignedIn({ id }: { id: string }) {
  const at = { params: { path: { user: id } } };
  const found = useLoaded((signal) => api.GET("/v1/users/{user}/sessions", { ...at, signal }), [id]);
  const sessions = found.data?.sessions ?? [];
  const end = () =>
    act(async () => {
      await api.POST("/v1/users/{user}/sessions:revokeAll", { ...at, body: {} });
      found.again();
    }, words().settings.everywhereDone);
  if (sessions.length === 0) return null;
  return (
    <Section title={words().access.signedIn}>
      <ul class="plain">
        {sessions.map((item) => (
          <li key={item.name}>
            <span class="grow">{item.userAgent ? programOf(item.userAgent) : words().settings.unknownClient}</span>
            <span class="dim">
              {item.clientAddress} · <When at={item.lastUseTime ?? item.createTime} />
            </span>
          </li>
        ))}
      </ul>
      {may("users:write") && (
        <div class="actions">
          <Button onPress={end}>{words().settings.everywhere}</Button>
        </div>
      )}
    </Section>
  );
}
