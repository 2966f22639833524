/** Templates: find one, see what it says, its versions and what changed between them, and write the next one. */

import { useLocation } from "../state/location";
import { useState } from "preact/hooks";
import { api, idOf } from "../api/client";
import { ApiError } from "../api/problem";
import { sure } from "../parts/ask";
import { AsOf, Button, CommandLine, Copy, Fact, Facts, Failure, Head, Section, Shape } from "../parts/basics";
import { Diff } from "../parts/diff";
import { Filter, filterOf, textFilter } from "../parts/filter";
import { Listed, type Column } from "../parts/list";
import { State } from "../parts/mark";
import { Panel } from "../parts/panel";
import { TemplateEditor } from "../parts/template-editor";
import { Rendering, TestFields, usePreview } from "../parts/template-preview";
import { When } from "../parts/when";
import { act } from "../state/act";
import { useKept } from "../state/kept";
import { useLoaded } from "../state/loaded";
import { useParts } from "../state/pages";
import { address, may } from "../state/session";
import { asLines, firstTestData, partName, testValues, type Template, type TestData } from "../state/templates";
import { words } from "../words";

const _columns = (): Column<Template>[] => [
  { name: words().template.code, width: "minmax(9rem, 1.5fr)", show: (row) => idOf(row.name) },
  { name: words().inbox.subject, width: "minmax(10rem, 3fr)", show: (row) => row.subject },
  { name: words().template.version, width: "5rem", number: true, wide: true, show: (row) => (row.builtIn ? "–" : row.version) },
  { name: words().template.parts, width: "minmax(7rem, 1.5fr)", wide: true, show: (row) => (row.parts ?? []).map((part) => partName(part, words().template.any)).join(", ") },
  { name: words().template.variables, width: "minmax(8rem, 1.5fr)", wide: true, show: (row) => row.variables?.join(" ") },
  { name: words().alarm.made, width: "minmax(6rem, 1fr)", wide: true, show: (row) => (row.builtIn ? words().template.builtIn : <When at={row.createTime} />) },
];

export default function Templates({ params }: { params?: { id?: string } }) {
  const { query, route } = useLocation();
  const filter = textFilter(filterOf(query));
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/templates", { params: { query: { pageSize: 100, pageToken, filter, showBuiltIn: filter !== "" } }, signal });
      return { rows: found.templates, next: found.nextPageToken ?? "" };
    },
    [filter],
    [],
  );
  const id = params?.id;
  const isNew = query["new"] !== undefined;
  const editing = isNew || query["edit"] !== undefined;
  const tail = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  const back = `/console/templates${tail}`;
  const add = may("templates:write") && (
    <a class="button main" href="/console/templates?new">
      {words().template.add}
    </a>
  );
  if (isNew) {
    return (
      <>
        <Head title={words().template.add} />
        <TemplateEditor back={back} done={(made) => route(`/console/${made.name}`)} />
      </>
    );
  }
  return (
    <>
      {!editing && (
        <>
          <Head title={words().pages.templates}>{add}</Head>
          <Filter offers={[[words().template.builtIn, _SHIPPED]]} example={words().template.findWhat} meant={textFilter} />
          <AsOf of={list} />
        </>
      )}
      <div class={editing ? "alone" : id ? "beside" : "alone"}>
        {!editing && (
          <Listed
            of={list}
            label={words().pages.templates}
            columns={_columns()}
            href={(row) => `/console/${row.name}${tail}`}
            open={id && `templates/${id}`}
            filter={filter}
            none={words().template.none}
            line="tocsin template put welcome.json"
          >
            {add}
          </Listed>
        )}
        {id && <One key={id} id={id} back={back} changed={list.again} />}
      </div>
    </>
  );
}

const _SHIPPED = "built_in=true";

function One({ id, back, changed }: { id: string; back: string; changed: () => void }) {
  const { query, route, path } = useLocation();
  const at = { params: { path: { template: id } } };
  const found = useLoaded((signal) => api.GET("/v1/templates/{template}", { ...at, signal }), [id]);
  const promoted = found.data;
  const past = useLoaded(
    async (signal) =>
      promoted && !promoted.builtIn
        ? (await api.GET("/v1/templates/{template}/versions", { params: { ...at.params, query: { pageSize: 50 } }, signal })).templates
        : [],
    [id, promoted?.version, promoted?.builtIn],
  );
  const versions = past.data ?? [];
  const wanted = Number(query["version"]) || 0;
  const shown = versions.find((item) => item.version === wanted) ?? promoted;
  const again = () => {
    found.again();
    past.again();
    changed();
  };
  if (query["edit"] !== undefined) {
    return shown ? (
      <div class="stack wide-stack">
        <Head title={words().template.editOf(id)} note={words().template.versionOf(shown.version ?? 0)} />
        <TemplateEditor
          template={shown}
          back={path}
          done={(made) => {
            again();
            route(made.promoted ? path : `${path}?version=${made.version}`);
          }}
        />
      </div>
    ) : (
      <>{found.error ? <Failure error={found.error} again={found.again} /> : <Shape rows={6} />}</>
    );
  }
  return (
    <Panel title={id} back={back}>
      {found.error && !promoted && <Failure error={found.error} again={found.again} />}
      {!shown && !found.error && <Shape rows={6} />}
      {shown && (
        <>
          <p class="large">
            <State tone={shown.promoted || shown.builtIn ? "good" : "idle"} word={shown.builtIn ? words().template.builtIn : words().template.standing(shown.version ?? 0, shown.promoted ?? false)} />
          </p>
          {may("templates:write") && <Actions template={shown} id={id} path={path} back={back} again={again} changed={changed} />}
          <Said key={`${shown.version}`} template={shown} />
          {!shown.builtIn && <Versions versions={versions} shown={shown} path={path} />}
          <Facts>
            <Fact name={words().template.variables}>{shown.variables?.join(", ")}</Fact>
            <Fact name={words().template.required}>{shown.requiredVariables?.join(", ")}</Fact>
            <Fact name={words().alarm.made}>{shown.createTime && <When at={shown.createTime} full />}</Fact>
            <Fact name={words().id}>
              <Copy text={shown.name ?? ""} />
            </Fact>
          </Facts>
          <CommandLine line={`tocsin template get ${id}`} />
        </>
      )}
    </Panel>
  );
}

function Actions({ template, id, path, back, again, changed }: { template: Template; id: string; path: string; back: string; again: () => void; changed: () => void }) {
  const { route } = useLocation();
  const at = { path: { template: id } };
  const promote = async (force: boolean): Promise<void> => {
    try {
      await api.POST("/v1/templates/{template}:promote", { params: at, body: { version: template.version ?? 0, force } });
    } catch (error) {
      if (force || !_breaks(error)) throw error;
      if (await sure(error.message, words().template.force)) return promote(true);
      throw error;
    }
    again();
  };
  const remove = async () => {
    if (!(await sure(words().template.reallyDelete(id), words().alarm.remove))) return;
    const gone = await act(async () => {
      try {
        await api.DELETE("/v1/templates/{template}", { params: at });
      } catch (error) {
        if (!_breaks(error) || !(await sure(error.message, words().template.forceDelete))) throw error;
        await api.DELETE("/v1/templates/{template}", { params: { ...at, query: { force: true } } });
      }
    }, words().alarm.removed);
    if (!gone) return;
    changed();
    route(back);
  };
  const edit = template.promoted || template.builtIn ? `${path}?edit` : `${path}?edit&version=${template.version}`;
  return (
    <div class="actions">
      <a class="button main" href={edit}>
        {template.builtIn ? words().template.replace : words().alarm.edit}
      </a>
      {!template.promoted && !template.builtIn && <Button onPress={() => act(() => promote(false), words().template.promoted(template.version ?? 0))}>{words().template.promote}</Button>}
      {!template.builtIn && (
        <Button kind="risky" onPress={remove}>
          {words().alarm.remove}
        </Button>
      )}
    </div>
  );
}

function _breaks(error: unknown): error is ApiError {
  return error instanceof ApiError && error.reason === "TEMPLATE_BREAKS";
}

/** What this version says with test data, and the way to have it sent. */
function Said({ template }: { template: Template }) {
  const first: TestData = { json: firstTestData(template), channel: "", locale: "" };
  const [test, setTest] = useKept<TestData>(`test.${template.name}`, first);
  const preview = usePreview({ name: template.name ?? "", version: template.builtIn ? 0 : (template.version ?? 0) }, test);
  return (
    <>
      <Section title={words().template.preview}>
        <Rendering preview={preview} />
      </Section>
      <details open={preview.error !== null || undefined}>
        <summary>{words().template.testTitle}</summary>
        <div class="section">
          <TestFields test={test} change={setTest} preview={preview} />
        </div>
      </details>
      {may("templates:write") && <SendOne template={template} test={test} />}
    </>
  );
}

function SendOne({ template, test }: { template: Template; test: TestData }) {
  const [to, setTo] = useState(address.value);
  const [error, setError] = useState<ApiError | null>(null);
  const [sent, setSent] = useState("");
  const values = testValues(test.json);
  const send = async () => {
    if ("problem" in values) return;
    const body = { to, channel: test.channel, locale: test.locale, ...values, ...(template.builtIn ? {} : { version: template.version ?? 0 }) };
    try {
      const made = await api.POST("/v1/templates/{template}:sendTest", { params: { path: { template: idOf(template.name) } }, body });
      setSent(made.delivery ?? "");
      setError(null);
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setSent("");
      setError(failure);
    }
  };
  return (
    <Section title={words().template.sendOne}>
      <form
        class="note"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <input type="text" required inputMode="email" value={to} onInput={(event) => setTo(event.currentTarget.value)} placeholder="ann@example.com" aria-label={words().template.sendTo} />
        <Button onPress={send} disabled={!to || "problem" in values}>
          {words().template.send}
        </Button>
      </form>
      <div role="status">
        {sent && (
          <p>
            {words().template.onItsWay} <a href={`/console/${sent}`}>{words().delivery.one}</a>
          </p>
        )}
      </div>
      {error && (
        <p class="wrong" role="alert">
          {error.fields.length > 0 ? error.fields.map((item) => `${item.field}: ${item.description}`).join(" ") : words().failed(error)}
        </p>
      )}
    </Section>
  );
}

/** All versions; the one that is shown beside another. */
function Versions({ versions, shown, path }: { versions: readonly Template[]; shown: Template; path: string }) {
  const other = versions.find((item) => item.version !== shown.version && item.promoted) ?? versions.find((item) => item.version === (shown.version ?? 0) - 1);
  const [against, setAgainst] = useState(0);
  const chosen = versions.find((item) => item.version === against && item.version !== shown.version) ?? other;
  const headings = { ...words().template.headings, any: words().template.any };
  const [old, fresh] = chosen && (chosen.version ?? 0) > (shown.version ?? 0) ? [shown, chosen] : [chosen, shown];
  return (
    <Section title={words().template.versions}>
      <ul class="plain">
        {versions.map((item) => (
          <li key={item.version}>
            <a href={item.promoted ? path : `${path}?version=${item.version}`} aria-current={item.version === shown.version ? "true" : undefined}>
              {words().template.versionOf(item.version ?? 0)}
            </a>
            {item.promoted && <State tone="good" word={words().template.isPromoted} />}
            <span class="dim">
              <When at={item.createTime} />
            </span>
          </li>
        ))}
      </ul>
      {chosen && old && fresh && (
        <>
          <label class="inline">
            {words().template.compareWith}
            <select class="narrow" value={chosen.version} onChange={(event) => setAgainst(Number(event.currentTarget.value))}>
              {versions
                .filter((item) => item.version !== shown.version)
                .map((item) => (
                  <option key={item.version} value={item.version}>
                    {words().template.versionOf(item.version ?? 0)}
                  </option>
                ))}
            </select>
          </label>
          <Diff label={words().template.difference(old.version ?? 0, fresh.version ?? 0)} before={asLines(old, headings)} after={asLines(fresh, headings)} />
        </>
      )}
    </Section>
  );
}
