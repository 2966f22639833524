/** Groups: people, groups and rotations that messages can be for together. */

import { useLocation } from "../state/location";
import { useState } from "preact/hooks";
import { api, idOf } from "../api/client";
import { ApiError } from "../api/problem";
import { sure } from "../parts/ask";
import { AsOf, Button, CommandLine, Copy, Fact, Facts, Head, Pending, Section } from "../parts/basics";
import { Filter, filterOf, textFilter } from "../parts/filter";
import { Listed, type Column } from "../parts/list";
import { MemberPicker } from "../parts/member-picker";
import { Panel } from "../parts/panel";
import { Tabs } from "../parts/tabs";
import { FieldWrong, Refused } from "../parts/refused";
import { When } from "../parts/when";
import { act } from "../state/act";
import { useKept } from "../state/kept";
import { useLoaded } from "../state/loaded";
import { useParts } from "../state/pages";
import { personName, type Group } from "../state/people";
import { may } from "../state/session";
import { words } from "../words";

const _columns = (): Column<Group>[] => [
  { name: words().person.name, width: "minmax(10rem, 2fr)", show: personName },
  { name: words().person.members, width: "6rem", number: true, show: (row) => row.memberCount ?? 0 },
  { name: words().id, width: "minmax(8rem, 1fr)", wide: true, show: (row) => row.name },
  { name: words().delivery.changed, width: "minmax(6rem, 1fr)", wide: true, show: (row) => <When at={row.updateTime} /> },
];

export default function Groups({ params }: { params?: { id?: string } }) {
  const { query, route } = useLocation();
  const filter = textFilter(filterOf(query));
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/groups", { params: { query: { pageSize: 200, pageToken, filter } }, signal });
      return { rows: found.groups, next: found.nextPageToken ?? "" };
    },
    [filter],
    [],
  );
  const id = params?.id;
  const isNew = query["new"] !== undefined;
  const tail = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  const back = `/console/groups${tail}`;
  const add = may("recipients:write") && (
    <a class="button main" href="/console/groups?new">
      {words().person.addGroup}
    </a>
  );
  return (
    <>
      <Head title={words().pages.people}>{add}</Head>
      <Tabs of="/console/recipients" first={words().person.tabs.recipients} />
      <Filter offers={[]} example={words().person.findGroup} meant={textFilter} />
      <AsOf of={list} />
      <div class={id || isNew ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().person.tabs.groups}
          columns={_columns()}
          href={(row) => `/console/${row.name}${tail}`}
          open={id && `groups/${id}`}
          filter={filter}
          none={words().person.noGroup}
          line="tocsin group add ops --name Operations"
        >
          {!isNew && add}
        </Listed>
        {isNew && (
          <Panel title={words().person.addGroup} back={back}>
            <GroupForm
              done={(made) => {
                list.again();
                route(`/console/${made.name}`);
              }}
            />
          </Panel>
        )}
        {id && <One key={id} id={id} back={back} changed={list.again} />}
      </div>
    </>
  );
}

function GroupForm({ group, done }: { group?: Group; done: (group: Group) => void }) {
  const [draft, setDraft, forget] = useKept(`group.${group?.name ?? ""}`, { id: idOf(group?.name), displayName: group?.displayName ?? "" });
  const [error, setError] = useState<ApiError | null>(null);
  const save = async () => {
    const { id, displayName } = draft;
    try {
      const saved = group
        ? await api.PATCH("/v1/groups/{group}", { params: { path: { group: id }, query: { updateMask: "displayName" } }, body: { displayName } })
        : await api.POST("/v1/groups", { body: { ...(id ? { name: `groups/${id}` } : {}), displayName } });
      forget();
      done(saved);
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure);
    }
  };
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <label class="field">
        {words().person.name}
        <input type="text" maxLength={200} dir="auto" autofocus value={draft.displayName} onInput={(event) => setDraft({ ...draft, displayName: event.currentTarget.value })} />
        <FieldWrong error={error} field="displayName" />
      </label>
      {!group && (
        <label class="field">
          {words().person.id}
          <input type="text" class="code" maxLength={64} placeholder={words().person.idMade} value={draft.id} onInput={(event) => setDraft({ ...draft, id: event.currentTarget.value })} />
          <FieldWrong error={error} field="name" />
        </label>
      )}
      <Refused error={error} fields={["displayName", "name"]} />
      <div class="actions">
        <Button kind="main" onPress={save}>
          {group ? words().save : words().person.addGroup}
        </Button>
      </div>
    </form>
  );
}

function One({ id, back, changed }: { id: string; back: string; changed: () => void }) {
  const { query, route, path } = useLocation();
  const at = { params: { path: { group: id } } };
  const found = useLoaded((signal) => api.GET("/v1/groups/{group}", { ...at, signal }), [id]);
  const group = found.data;
  const again = () => {
    found.again();
    changed();
  };
  const remove = async () => {
    if (!(await sure(words().person.reallyDeleteGroup(personName(group as Group)), words().alarm.remove))) return;
    const gone = await act(() => api.DELETE("/v1/groups/{group}", at), words().alarm.removed);
    if (!gone) return;
    changed();
    route(back);
  };
  if (group && query["edit"] !== undefined) {
    return (
      <Panel title={words().alarm.edit} back={path}>
        <GroupForm
          group={group}
          done={() => {
            again();
            route(path);
          }}
        />
      </Panel>
    );
  }
  return (
    <Panel title={group ? personName(group) : words().person.group} back={back}>
      <Pending of={found} rows={4} />
      {group && (
        <>
          {may("recipients:write") && (
            <div class="actions">
              <a class="button" href={`${path}?edit`}>
                {words().alarm.edit}
              </a>
              <Button kind="risky" onPress={remove}>
                {words().alarm.remove}
              </Button>
            </div>
          )}
          <Section title={words().person.members} note={group.memberCount}>
            <Members id={id} changed={again} within={[`groups/${id}`]} />
          </Section>
          <Facts>
            <Fact name={words().alarm.made}>
              <When at={group.createTime} />
            </Fact>
            <Fact name={words().id}>
              <Copy text={group.name ?? ""} />
            </Fact>
          </Facts>
          <CommandLine line={`tocsin group members ${id}`} />
        </>
      )}
    </Panel>
  );
}

/** What is in a group: those of a group within it come when it is opened. */
function Members({ id, changed, within }: { id: string; changed?: () => void; within: readonly string[] }) {
  const at = { path: { group: id } };
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/groups/{group}/members", { params: { ...at, query: { pageSize: 100, pageToken } }, signal });
      return { rows: found.members, next: found.nextPageToken ?? "" };
    },
    [id],
    [],
  );
  const again = () => {
    list.again();
    changed?.();
  };
  const put = async (name: string) => {
    await api.POST("/v1/groups/{group}:addMembers", { params: at, body: { members: [name] } });
    again();
  };
  const take = async (name: string) => {
    await api.POST("/v1/groups/{group}:removeMembers", { params: at, body: { members: [name] } });
    again();
  };
  return (
    <>
      <Pending of={list} rows={2} />
      {list.data && list.rows.length === 0 && <p class="dim">{words().person.noMember}</p>}
      <ul class="plain">
        {list.rows.map(({ name = "", displayName }) => (
          <li key={name}>
            <span class="dim kind">{words().person.kinds[name.split("/")[0] ?? ""]}</span>
            <a href={name.startsWith("rotations/") ? `/console/on-call/${idOf(name)}` : `/console/${name}`} title={name}>
              <bdi>{displayName || idOf(name)}</bdi>
            </a>
            {changed && may("recipients:write") && (
              <button
                type="button"
                class="quiet"
                aria-label={words().person.takeOut(displayName || idOf(name))}
                onClick={() => void act(() => take(name), words().person.takenOut(displayName || idOf(name)), () => act(() => put(name), words().person.putIn(displayName || idOf(name))))}
              >
                {words().person.remove}
              </button>
            )}
            {name.startsWith("groups/") && !within.includes(name) && <Within name={name} within={within} />}
          </li>
        ))}
      </ul>
      {list.more && <Button onPress={list.more}>{words().person.more}</Button>}
      {changed && may("recipients:write") && <MemberPicker put={put} not={[...within, ...list.rows.map((row) => row.name ?? "")]} />}
    </>
  );
}

function Within({ name, within }: { name: string; within: readonly string[] }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="whole" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{words().person.inIt}</summary>
      {open && <Members id={idOf(name)} within={[...within, name]} />}
    </details>
  );
}
