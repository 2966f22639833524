/** Import: a file or a pasted text; checked first, and imported once every line is right. */

import { useMemo, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/problem";
import { Button, CommandLine, Failure, Head, Section } from "../parts/basics";
import { Tabs } from "../parts/tabs";
import { KINDS, SCOPES, runImport, type ImportKind } from "../state/imports";
import { useKept } from "../state/kept";
import { importable, linesOf, type Importable } from "../state/lines";
import { NOTHING, after, type Progress } from "../state/progress";
import { may } from "../state/session";
import { words } from "../words";

const _MOST_BYTES = 64 * 1024 * 1024;
const _EDITABLE = 256 * 1024; // more is no joy in a text field
const _SHOWN = 200;
const _EXAMPLES: Record<ImportKind, string> = {
  recipients: "name,displayName,email,groups,timeZone\nrecipients/ann,Ann,ann@example.com,groups/ops,Europe/Zurich",
  groups: "name,displayName,members\ngroups/ops,Operations,recipients/ann;groups/night",
  categories: "name,displayName,kind\ncategories/billing,Billing,TRANSACTIONAL",
  suppressions: "channel,address,reason\nemail,gone@example.com,BOUNCE",
  alarms: "key,display_name,daily,time_zone,to,subject,text\nstand-up,Stand-up,09:00,Europe/Zurich,ann@example.com,Stand-up,In five minutes.",
};

/** What came of the last run; `of` is what it was made with. */
interface Run {
  stage: "checking" | "checked" | "importing" | "imported" | "broken";
  of: string;
  check: boolean;
  progress: Progress;
  error: ApiError | null;
}

export default function Imports() {
  const [kind, setKind] = useState<ImportKind>("recipients");
  const [text, setText] = useKept("import", "");
  const [file, setFile] = useState<{ name: string; text: string } | null>(null);
  const [wrong, setWrong] = useState("");
  const [run, setRun] = useState<Run | null>(null);
  const running = useRef<AbortController | null>(null);
  const source = file?.text ?? text;
  const read = useMemo(() => (source.trim() === "" ? null : importable(source)), [source]);
  const of = `${kind}\n${source}`;
  const shown = run?.of === of ? run : null;
  const ready = read !== null && "text" in read ? read : null;
  const busy = shown?.stage === "checking" || shown?.stage === "importing";

  const go = async (check: boolean, skip = 0) => {
    if (!ready) return;
    const stop = (running.current = new AbortController());
    const before = skip > 0 && shown ? shown.progress : NOTHING;
    let progress = before;
    const tell = (next: Progress) => {
      progress = after(before, next);
      setRun({ stage: check ? "checking" : "importing", of, check, progress, error: null });
    };
    tell(NOTHING);
    try {
      await runImport(kind, ready, { check, skip, tell, signal: stop.signal });
      setRun({ stage: check ? "checked" : "imported", of, check, progress, error: null });
    } catch (error) {
      if (error instanceof ApiError) setRun({ stage: "broken", of, check, progress, error });
      else if (error instanceof DOMException) setRun({ stage: "broken", of, check, progress, error: null });
      else throw error;
    }
  };
  const take = async (chosen: File | undefined) => {
    if (!chosen) return;
    const found = await _read(chosen);
    setWrong(typeof found === "string" ? found : "");
    if (typeof found === "string") return;
    setText(found.text.length <= _EDITABLE ? found.text : "");
    setFile(found.text.length <= _EDITABLE ? null : found);
  };
  return (
    <>
      <Head title={words().pages.people} />
      <Tabs of="/console/recipients" first={words().person.tabs.recipients} />
      <div class="stack">
        <form class="form import" onSubmit={(event) => event.preventDefault()}>
          <div class="pair">
            <label class="field">
              {words().imports.what}
              <select value={kind} disabled={busy} onChange={(event) => setKind(event.currentTarget.value as ImportKind)}>
                {KINDS.filter((item) => may(SCOPES[item])).map((item) => (
                  <option key={item} value={item}>
                    {words().imports.kinds[item]}
                  </option>
                ))}
              </select>
            </label>
            <label class="field">
              {words().imports.file}
              <input type="file" accept=".csv,.tsv,.json,.ndjson,.jsonl,.txt,text/csv,application/json" disabled={busy} onChange={(event) => void take(event.currentTarget.files?.[0])} />
            </label>
          </div>
          {wrong && (
            <p class="wrong" role="alert">
              {wrong}
            </p>
          )}
          {file ? (
            <p class="said">
              <span>
                {file.name} · {words().imports.size(file.text.length)}
              </span>
              <Button onPress={() => setFile(null)}>{words().imports.putAway}</Button>
            </p>
          ) : (
            <label class="field">
              {words().imports.pasted}
              <textarea class="code" rows={12} spellcheck={false} dir="ltr" wrap="off" value={text} readOnly={busy} placeholder={_EXAMPLES[kind]} onInput={(event) => setText(event.currentTarget.value)} />
            </label>
          )}
          {read && "problem" in read && (
            <p class="wrong" role="alert">
              {words().json.at(read.line, read.column, words().json.problems[read.problem] ?? "")}
            </p>
          )}
          <div class="actions">
            <Button kind={shown?.stage === "checked" && shown.progress.refused === 0 ? "plain" : "main"} onPress={() => go(true)} disabled={!ready || busy}>
              {words().imports.check}
            </Button>
            {shown?.stage === "checked" && shown.progress.refused === 0 && (
              <Button kind="main" onPress={() => go(false)}>
                {words().imports.go}
              </Button>
            )}
            {busy && <Button onPress={() => running.current?.abort()}>{words().imports.stop}</Button>}
          </div>
        </form>
        <div role="status">{shown && <Result run={shown} ready={ready} again={() => go(shown.check, shown.check ? 0 : shown.progress.lines)} />}</div>
        <CommandLine line={`tocsin import ${kind === "alarms" ? "" : `${kind} `}people.csv --dry-run`} />
      </div>
    </>
  );
}

async function _read(file: File): Promise<{ name: string; text: string } | string> {
  if (file.size > _MOST_BYTES) return words().imports.tooLarge;
  try {
    return { name: file.name, text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await file.arrayBuffer()) };
  } catch {
    return words().imports.notUtf8;
  }
}

function Result({ run, ready, again }: { run: Run; ready: Importable | null; again: () => void }) {
  const { stage, progress, error } = run;
  const counts = words().imports.counts(progress);
  const first = progress.refusals.slice(0, _SHOWN);
  const lines = useMemo(() => linesOf(ready?.text ?? "", first.map((item) => item.line)), [ready?.text, first.length]);
  return (
    <Section title={words().imports.stages[stage]}>
      <p>
        {counts} {stage === "checked" && (progress.refused > 0 ? words().imports.mend : words().imports.right)}
      </p>
      {stage === "broken" && !run.check && <p class="said">{words().imports.upTo(progress.lines)}</p>}
      {error && <Failure error={error} again={again} />}
      {stage === "broken" && !error && (
        <div class="actions">
          <Button onPress={again}>{run.check ? words().imports.check : words().imports.goOn}</Button>
        </div>
      )}
      {progress.refusals.length > 0 && (
        <>
          <table class="refusals">
            <thead>
              <tr>
                <th scope="col">{ready?.items ? words().imports.item : words().imports.line}</th>
                <th scope="col">{words().imports.field}</th>
                <th scope="col">{words().imports.reason}</th>
                <th scope="col" class="wide">
                  {words().imports.text}
                </th>
              </tr>
            </thead>
            <tbody>
              {first.map((item, at) => (
                <tr key={at}>
                  <td>{item.line}</td>
                  <td>{item.field}</td>
                  <td>{item.reason}</td>
                  <td class="wide">
                    <code dir="ltr">{lines.get(item.line)}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {progress.refused > _SHOWN && <p class="dim">{words().imports.moreRefused(progress.refused - Math.min(_SHOWN, progress.refusals.length))}</p>}
        </>
      )}
    </Section>
  );
}
