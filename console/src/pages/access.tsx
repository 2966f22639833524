/** Who may come in: people with their roles, invitations that wait, and keys of programs. */

import { useState } from "preact/hooks";
import { answer, api, idOf, type Schemas } from "../api/client";
import { ApiError } from "../api/problem";
import { sure } from "../parts/ask";
import { Button, Copy, Empty, Failure, Head, Section, Shape } from "../parts/basics";
import { State } from "../parts/mark";
import { When } from "../parts/when";
import { act } from "../state/act";
import { useLoaded } from "../state/loaded";
import { may, session } from "../state/session";
import { words } from "../words";

type User = Schemas["auth.v1.User"];

export default function Access() {
  return (
    <>
      <Head title={words().pages.access} />
      <div class="stack">
        {may("users:read") && <People />}
        {may("keys:read") && <Keys />}
      </div>
    </>
  );
}

function useRoles() {
  return useLoaded((signal) => answer(api.GET("/v1/roles", { params: { query: { pageSize: 1000 } }, signal }), "GET /v1/roles"), []);
}

function People() {
  const people = useLoaded((signal) => answer(api.GET("/v1/users", { params: { query: { pageSize: 1000 } }, signal }), "GET /v1/users"), []);
  const invited = useLoaded((signal) => answer(api.GET("/v1/invitations", { params: { query: { pageSize: 1000 } }, signal }), "GET /v1/invitations"), []);
  const roles = useRoles();
  const names = roles.data?.roles.map((role) => role.name ?? "") ?? [];
  const give = (user: User, roleName: string) =>
    act(async () => {
      await answer(api.PATCH("/v1/users/{user}", { params: { path: { user: idOf(user.name) } }, body: { roleName } }), "PATCH /v1/users/{user}");
      people.again();
    }, words().access.given(user.email || user.username || "", idOf(roleName)));
  const close = async (user: User) => {
    const who = user.email || user.username || "";
    if (!(await sure(words().access.reallyClose(who), words().access.close))) return;
    await act(
      async () => {
        await answer(api.POST("/v1/users/{user}:deactivate", { params: { path: { user: idOf(user.name) } }, body: {} }), "POST :deactivate");
        people.again();
      },
      words().access.closed(who),
      () => open(user),
    );
  };
  const open = (user: User) =>
    act(async () => {
      await answer(api.POST("/v1/users/{user}:reactivate", { params: { path: { user: idOf(user.name) } }, body: {} }), "POST :reactivate");
      people.again();
    }, words().access.opened(user.email || user.username || ""));
  const revoke = (name: string) =>
    act(async () => {
      await answer(api.POST("/v1/invitations/{invitation}:revoke", { params: { path: { invitation: idOf(name) } }, body: {} }), "POST :revoke");
      invited.again();
    }, words().access.revoked);
  const waiting = invited.data?.invitations.filter((item) => item.state === "OPEN") ?? [];
  return (
    <Section title={words().access.people} note={people.data && words().rows(people.data.users.length, false)}>
      {people.error && !people.data && <Failure error={people.error} again={people.again} />}
      {!people.data && !people.error && <Shape rows={3} />}
      <ul class="plain">
        {people.data?.users.map((user) => (
          <li key={user.name}>
            <State tone={user.deactivateTime ? "idle" : "good"} word={user.deactivateTime ? words().access.inactive : words().access.active} />
            <span class="grow">
              {user.displayName || user.email || user.username} <span class="dim">{user.displayName ? user.email || user.username : ""}</span>
            </span>
            {may("users:write") && user.name !== session.value?.subject ? (
              <>
                <select class="narrow" aria-label={words().access.roleOf(user.email ?? "")} value={user.roleName} onChange={(event) => void give(user, event.currentTarget.value)}>
                  {[...new Set([user.roleName ?? "", ...names])].map((name) => (
                    <option key={name} value={name}>
                      {idOf(name)}
                    </option>
                  ))}
                </select>
                {user.deactivateTime ? <Button onPress={() => open(user)}>{words().access.open}</Button> : <Button onPress={() => close(user)}>{words().access.close}</Button>}
              </>
            ) : (
              <span class="dim">{idOf(user.roleName)}</span>
            )}
          </li>
        ))}
        {waiting.map((item) => (
          <li key={item.name}>
            <State tone="busy" word={words().access.invited} />
            <span class="grow">{item.email}</span>
            <span class="dim">
              {idOf(item.role)} · {words().access.until} <When at={item.expireTime} />
            </span>
            {may("users:write") && <Button onPress={() => revoke(item.name ?? "")}>{words().access.revoke}</Button>}
          </li>
        ))}
      </ul>
      {may("users:write") && <Invite roles={names} done={invited.again} />}
    </Section>
  );
}

function Invite({ roles, done }: { roles: readonly string[]; done: () => void }) {
  const [email, setEmail] = useState("");
  const [role, setRole] = useState("roles/operator");
  const [error, setError] = useState<ApiError | null>(null);
  const send = async () => {
    try {
      await answer(api.POST("/v1/invitations", { body: { email, role } }), "POST /v1/invitations");
      setEmail("");
      setError(null);
      done();
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure);
    }
  };
  return (
    <form
      class="note"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <input type="email" required value={email} onInput={(event) => setEmail(event.currentTarget.value)} placeholder="ann@example.com" aria-label={words().access.address} />
      <select class="narrow" value={role} onChange={(event) => setRole(event.currentTarget.value)} aria-label={words().access.role}>
        {roles.map((name) => (
          <option key={name} value={name}>
            {idOf(name)}
          </option>
        ))}
      </select>
      <button type="submit" class="button">
        {words().access.invite}
      </button>
      {error && <span class="wrong">{error.of("email") || words().failed(error)}</span>}
    </form>
  );
}

function Keys() {
  const found = useLoaded((signal) => answer(api.GET("/v1/apiKeys", { params: { query: { pageSize: 1000 } }, signal }), "GET /v1/apiKeys"), []);
  const [made, setMade] = useState("");
  const [name, setName] = useState("");
  const make = () =>
    act(async () => {
      const key = await answer(api.POST("/v1/apiKeys", { body: { displayName: name, scopes: session.value?.scopes ?? [] } }), "POST /v1/apiKeys");
      setMade(key.secret ?? "");
      setName("");
      found.again();
    }, words().access.keyMade);
  const remove = async (key: Schemas["auth.v1.ApiKey"]) => {
    if (!(await sure(words().access.reallyDelete(key.displayName || (key.name ?? "")), words().alarm.remove))) return;
    await act(async () => {
      await answer(api.DELETE("/v1/apiKeys/{apiKey}", { params: { path: { apiKey: idOf(key.name) } } }), "DELETE /v1/apiKeys/{apiKey}");
      found.again();
    }, words().alarm.removed);
  };
  return (
    <Section title={words().access.keys}>
      {found.error && !found.data && <Failure error={found.error} again={found.again} />}
      {!found.data && !found.error && <Shape rows={2} />}
      {found.data?.apiKeys.length === 0 && <Empty sentence={words().access.noKeys} />}
      <ul class="plain">
        {found.data?.apiKeys.map((key) => (
          <li key={key.name}>
            <span class="grow">{key.displayName || key.name}</span>
            <span class="dim">
              {words().access.scopes(key.scopes?.length ?? 0)} · {key.expireTime ? words().access.until : words().alarm.made} <When at={key.expireTime ?? key.createTime} />
            </span>
            {may("keys:write") && <Button onPress={() => remove(key)}>{words().alarm.remove}</Button>}
          </li>
        ))}
      </ul>
      {made && (
        <div class="said" role="status">
          {words().access.shownOnce} <Copy text={made} />
        </div>
      )}
      {may("keys:write") && (
        <form
          class="note"
          onSubmit={(event) => {
            event.preventDefault();
            void make();
          }}
        >
          <input type="text" required maxLength={100} value={name} onInput={(event) => setName(event.currentTarget.value)} placeholder={words().access.keyName} aria-label={words().access.keyName} />
          <button type="submit" class="button">
            {words().access.makeKey}
          </button>
        </form>
      )}
    </Section>
  );
}
