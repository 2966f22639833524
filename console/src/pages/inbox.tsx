/** The development inbox: mails as the person sees them, in a frame that can do nothing. */

import { useEffect, useState } from "preact/hooks";
import { api, type Schemas } from "../api/client";
import { AsOf, Fact, Facts, Head, Pending } from "../parts/basics";
import { Listed, type Column } from "../parts/list";
import { Panel } from "../parts/panel";
import { When } from "../parts/when";
import { allSeen, received } from "../state/inbox";
import { useLoaded } from "../state/loaded";
import { useParts } from "../state/pages";
import { words } from "../words";

type Mail = Schemas["mailer.v1.InboxMessage"];

const _columns = (): Column<Mail>[] => [
  { name: words().inbox.subject, width: "minmax(10rem, 3fr)", show: (row) => row.subject || words().inbox.noSubject },
  { name: words().inbox.to, width: "minmax(8rem, 2fr)", show: (row) => row.to?.join(", ") },
  { name: words().inbox.came, width: "minmax(6rem, 1fr)", show: (row) => <When at={row.receivedTime} /> },
];

export default function Inbox({ params }: { params?: { id?: string } }) {
  const list = useParts(
    async (pageToken, signal) => {
      const found = await api.GET("/v1/inbox/messages", { params: { query: { pageSize: 100, pageToken } }, signal });
      return { rows: found.messages, next: found.nextPageToken ?? "" };
    },
    [],
    ["delivery"],
  );
  useEffect(() => {
    if (!list.data) return;
    received.value = list.rows.map((mail) => mail.receivedTime ?? "");
    allSeen();
  }, [list.data]);
  const id = params?.id;
  return (
    <>
      <Head title={words().pages.inbox} note={words().inbox.note} />
      <AsOf of={list} />
      <div class={id ? "beside" : "alone"}>
        <Listed
          of={list}
          label={words().pages.inbox}
          columns={_columns()}
          href={(row) => `/console/${(row.name ?? "").replace("inbox/messages/", "inbox/")}`}
          open={id && `inbox/messages/${id}`}
          none={words().inbox.none}
          line='tocsin notify --to ann@example.com --subject Hello --text "It works."'
        />
        {id && <One key={id} id={id} />}
      </div>
    </>
  );
}

function One({ id }: { id: string }) {
  const found = useLoaded((signal) => api.GET("/v1/inbox/messages/{message}", { params: { path: { message: id } }, signal }), [id]);
  const [view, setView] = useState<"html" | "text" | "source">("html");
  const mail = found.data;
  const shown = view === "html" && !mail?.html ? "text" : view;
  return (
    <Panel title={mail?.subject || words().inbox.noSubject} back="/console/inbox">
      <Pending of={found} rows={5} />
      {mail && (
        <>
          <Facts>
            <Fact name={words().inbox.to}>{mail.to?.join(", ")}</Fact>
            <Fact name={words().inbox.came}>
              <When at={mail.receivedTime} full />
            </Fact>
            <Fact name={words().delivery.one}>{mail.delivery && <a href={`/console/${mail.delivery}`}>{mail.delivery}</a>}</Fact>
          </Facts>
          <div class="choice" role="group" aria-label={words().inbox.views}>
            {(["html", "text", "source"] as const).map((kind) => (
              <button key={kind} type="button" class="chip" aria-pressed={shown === kind} disabled={kind === "html" && !mail.html} onClick={() => setView(kind)}>
                {words().inbox[kind]}
              </button>
            ))}
          </div>
          {shown === "html" && (
            // A stranger wrote it: the answer itself forbids script, forms and whatever lies elsewhere, and the frame does so again.
            <iframe class="mail" sandbox="" src={`/v1/inbox/messages/${id}:show`} title={mail.subject ?? ""} referrerpolicy="no-referrer" />
          )}
          {shown === "text" && <pre class="mail">{mail.text}</pre>}
          {shown === "source" && <pre class="mail">{mail.html || mail.text}</pre>}
        </>
      )}
    </Panel>
  );
}
