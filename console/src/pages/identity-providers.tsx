/** Identity providers: issuers by whose word people of the tenant sign in (OpenID Connect). */

import { useState } from "preact/hooks";
import { useLocation } from "../state/location";
import { api, idOf, type Schemas } from "../api/client";
import { Admin } from "../parts/admin";
import { sure } from "../parts/ask";
import { Button, CommandLine, Copy, Fact, Facts, Pending, Section } from "../parts/basics";
import { Form, listOf } from "../parts/form";
import type { Column } from "../parts/list";
import { State, type Tone } from "../parts/mark";
import { Panel } from "../parts/panel";
import { When } from "../parts/when";
import { act } from "../state/act";
import { useLoaded } from "../state/loaded";
import { notify } from "../state/notices";
import { roleOffers, useRoles, type Role } from "../state/roles";
import { rulesOf, textOf } from "../state/role-rules";
import { may } from "../state/session";
import { words } from "../words";

type Issuer = Schemas["auth.v1.IdentityProvider"];
const _PATH = "/console/access/sign-in";
const _FIELDS =
  "displayName,issuer,clientId,groupsClaim,roleRules,defaultRole,allowedDomains,createUsers,linkByEmail,listed,disabled,signOutAtIssuer";

const _nameOf = (row: Issuer) => row.displayName || idOf(row.name);
const _tone = (row: Issuer): Tone => (row.disabled ? "idle" : row.circuit === "OPEN" ? "bad" : row.circuit === "HALF_OPEN" ? "warn" : "good");
const _word = (row: Issuer) => (row.disabled ? words().providers.off : (words().providers.circuits[row.circuit ?? ""] ?? words().access.active));

const _columns = (): Column<Issuer>[] => [
  { name: words().settings.name, width: "minmax(8rem, 1fr)", show: _nameOf },
  { name: words().state, width: "minmax(6rem, 0.75fr)", show: (row) => <State tone={_tone(row)} word={_word(row)} /> },
  { name: words().issuers.issuer, width: "minmax(10rem, 2fr)", wide: true, show: (row) => row.issuer ?? "" },
  { name: words().alarm.made, width: "minmax(6rem, 0.75fr)", wide: true, show: (row) => <When at={row.createTime} /> },
];

export default function IdentityProviders({ params }: { params?: { id?: string } }) {
  const { route } = useLocation();
  const roles = useRoles();
  const id = params?.id;
  return (
    <Admin<Issuer>
      path={_PATH}
      title={words().pages.access}
      tabs={{ of: "/console/access", first: words().access.people }}
      scope="identities:write"
      add={words().issuers.add}
      none={words().issuers.none}
      line="tocsin identity-provider add sso --issuer https://idp.example.com --client-id tocsin --secret"
      columns={_columns()}
      load={async (pageToken, _, signal) => {
        const found = await api.GET("/v1/identityProviders", { params: { query: { pageSize: 200, pageToken } }, signal });
        return { rows: found.identityProviders, next: found.nextPageToken ?? "" };
      }}
      name={(row) => row.name ?? ""}
      id={id}
    >
      {(list) => {
        if (!roles.data) return <Pending of={roles} rows={5} />;
        if (id !== "new") return <One key={id} id={id ?? ""} roles={roles.data.roles} changed={list.again} />;
        return (
          <Panel title={words().issuers.add} back={_PATH}>
            <IssuerForm
              roles={roles.data.roles}
              done={(issuer) => {
                list.again();
                route(`${_PATH}/${idOf(issuer.name)}`);
              }}
            />
          </Panel>
        );
      }}
    </Admin>
  );
}

function IssuerForm({ issuer, roles, done }: { issuer?: Issuer; roles: readonly Role[]; done: (issuer: Issuer) => void }) {
  const first = {
    id: "sso",
    displayName: issuer?.displayName ?? "",
    issuer: issuer?.issuer ?? "",
    clientId: issuer?.clientId ?? "",
    clientSecret: "",
    groupsClaim: (issuer?.groupsClaim ?? []).join(" "),
    roleRules: textOf(issuer?.roleRules),
    defaultRole: issuer?.defaultRole ?? "",
    allowedDomains: (issuer?.allowedDomains ?? []).join(" "),
    createUsers: issuer?.createUsers ?? true,
    linkByEmail: issuer?.linkByEmail ?? false,
    listed: issuer?.listed ?? true,
    disabled: issuer?.disabled ?? false,
    signOutAtIssuer: issuer?.signOutAtIssuer ?? false,
  };
  const save = async ({ id, clientSecret, groupsClaim, roleRules, allowedDomains, ...given }: typeof first) => {
    const body = {
      ...given,
      groupsClaim: listOf(groupsClaim),
      roleRules: rulesOf(roleRules),
      allowedDomains: listOf(allowedDomains),
      ...(clientSecret ? { clientSecret } : {}),
    };
    const updateMask = clientSecret ? `${_FIELDS},clientSecret` : _FIELDS;
    const saved = issuer
      ? await api.PATCH("/v1/identityProviders/{identityProvider}", { params: { path: { identityProvider: idOf(issuer.name) }, query: { updateMask } }, body })
      : await api.POST("/v1/identityProviders", { params: { query: { identityProviderId: id } }, body });
    notify({ text: words().settings.saved });
    done(saved);
  };
  return (
    <Form id={issuer?.name ?? "issuers/new"} first={first} send={save} name={issuer ? words().save : words().issuers.add}>
      {(field) => (
        <>
          {!issuer && field.text("id", words().access.roleId, { required: true, max: 63, hint: words().issuers.idHint(`${location.origin}/sign-in/oidc/${field.draft.id || "…"}/callback`) })}
          {field.text("displayName", words().settings.name, { max: 100, placeholder: "Example SSO" })}
          {field.text("issuer", words().issuers.issuer, { required: true, type: "url", placeholder: "https://idp.example.com/realms/main", hint: words().issuers.issuerHint })}
          {field.text("clientId", words().issuers.client, { required: true, max: 512, autocomplete: "off" })}
          {field.text("clientSecret", words().issuers.secret, { type: "password", autocomplete: "off", hint: issuer?.hasClientSecret ? words().providers.keepSecret : words().issuers.secretHint })}
          {field.area("roleRules", words().issuers.rules, { hint: words().issuers.rulesHint, code: true })}
          {field.choice("defaultRole", words().issuers.otherwise, [["", words().issuers.refuse], ...roleOffers(roles)])}
          {field.text("groupsClaim", words().issuers.groups, { placeholder: "groups", hint: words().issuers.groupsHint })}
          {field.text("allowedDomains", words().issuers.domains, { placeholder: "example.com", hint: words().issuers.domainsHint })}
          {field.tick("createUsers", words().issuers.create)}
          {field.tick("linkByEmail", words().issuers.byAddress, words().issuers.byAddressHint)}
          {field.tick("listed", words().issuers.listed)}
          {field.tick("signOutAtIssuer", words().issuers.signOut, words().issuers.signOutHint)}
          {issuer && field.tick("disabled", words().providers.disabled)}
        </>
      )}
    </Form>
  );
}

function One({ id, roles, changed }: { id: string; roles: readonly Role[]; changed: () => void }) {
  const { path, query, route } = useLocation();
  const at = { params: { path: { identityProvider: id } } };
  const found = useLoaded((signal) => api.GET("/v1/identityProviders/{identityProvider}", { ...at, signal }), [id]);
  const issuer = found.data;
  const remove = async () => {
    if (!(await sure(words().issuers.reallyRemove(_nameOf(issuer as Issuer)), words().alarm.remove))) return;
    if (!(await act(() => api.DELETE("/v1/identityProviders/{identityProvider}", at), words().alarm.removed))) return;
    changed();
    route(_PATH);
  };
  if (issuer && query["edit"] !== undefined) {
    return (
      <Panel title={_nameOf(issuer)} back={path}>
        <IssuerForm
          issuer={issuer}
          roles={roles}
          done={(now) => {
            found.put(() => now);
            changed();
            route(path);
          }}
        />
      </Panel>
    );
  }
  return (
    <Panel title={issuer ? _nameOf(issuer) : words().issuers.one} back={_PATH}>
      <Pending of={found} rows={5} />
      {issuer && (
        <>
          <p class="large">
            <State tone={_tone(issuer)} word={_word(issuer)} />
          </p>
          {may("identities:write") && (
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
            <Fact name={words().issuers.issuer}>{issuer.issuer}</Fact>
            <Fact name={words().issuers.client}>{issuer.clientId}</Fact>
            <Fact name={words().issuers.backChannel}>{issuer.backChannelLogoutUri ? <Copy text={issuer.backChannelLogoutUri} /> : words().issuers.noUrl}</Fact>
            <Fact name={words().issuers.redirect}>{issuer.redirectUri ? <Copy text={issuer.redirectUri} /> : words().issuers.noUrl}</Fact>
            <Fact name={words().issuers.groups}>{issuer.groupsClaim?.join(" · ")}</Fact>
            <Fact name={words().issuers.rules}>
              {(issuer.roleRules ?? []).map((rule) => (
                <div key={rule.group}>
                  {rule.group} → {idOf(rule.role)}
                </div>
              ))}
            </Fact>
            <Fact name={words().issuers.otherwise}>{idOf(issuer.defaultRole) || words().issuers.refuse}</Fact>
            <Fact name={words().issuers.domains}>{issuer.allowedDomains?.join(", ")}</Fact>
          </Facts>
          {may("identities:write") && <Test id={id} />}
          <CommandLine line={`tocsin identity-provider test ${id}`} />
        </>
      )}
    </Panel>
  );
}

/** Asks the issuer what it says of itself. */
function Test({ id }: { id: string }) {
  const [told, setTold] = useState<Schemas["auth.v1.TestIdentityProviderResponse"] | null>(null);
  const ask = () =>
    act(async () => {
      const path = { identityProvider: id };
      setTold(await api.POST("/v1/identityProviders/{identityProvider}:test", { params: { path }, body: {} }));
    }, words().issuers.asked);
  return (
    <Section title={words().issuers.test}>
      <div class="actions">
        <Button onPress={ask}>{words().issuers.ask}</Button>
      </div>
      {told && (
        <div class={told.usable ? "said well" : "failure"} role="status">
          <State tone={told.usable ? "good" : "bad"} word={told.usable ? words().issuers.usable : words().issuers.unusable} />
          {(told.findings ?? []).map((finding) => (
            <p key={finding}>{finding}</p>
          ))}
        </div>
      )}
    </Section>
  );
}
