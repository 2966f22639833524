/** Asks before what cannot be undone. The browser closes the question, and gives the focus back to what has asked. */

import { useEffect, useRef } from "preact/hooks";
import { signal } from "../state/signals";
import { words } from "../words";

interface Question {
  text: string;
  yes: string;
  answered: (yes: boolean) => void;
}

const _question = signal<Question | null>(null);

/** Whether the person says yes to `text`; the button that does it is named `yes`. */
export function sure(text: string, yes: string): Promise<boolean> {
  return new Promise((resolve) => {
    _question.value = {
      text,
      yes,
      answered: (said) => {
        _question.value = null;
        resolve(said);
      },
    };
  });
}

export function Question() {
  const dialog = useRef<HTMLDialogElement>(null);
  const question = _question.value;
  useEffect(() => {
    if (question) dialog.current?.showModal();
  }, [question]);
  if (!question) return null;
  return (
    <dialog ref={dialog} class="question" onClose={() => question.answered(dialog.current?.returnValue === "yes")} aria-label={question.text}>
      <form method="dialog">
        <p>{question.text}</p>
        <div class="actions">
          <button class="button">{words().cancel}</button>
          <button class="button risky" value="yes">
            {question.yes}
          </button>
        </div>
      </form>
    </dialog>
  );
}
