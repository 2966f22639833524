/** The messages at the edge of the page. */

import { dismiss, notices } from "../state/notices";
import { words } from "../words";

export function Notices() {
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.value.map((notice) => (
        <div key={notice.id} class={notice.bad ? "notice bad" : "notice"}>
          <span>{notice.text}</span>
          {notice.offer && (
            <button type="button" class="button" onClick={() => notice.offer?.run()}>
              {notice.offer.word}
            </button>
          )}
          {notice.undo && (
            <button
              type="button"
              class="quiet"
              onClick={() => {
                dismiss(notice.id);
                void notice.undo?.();
              }}
            >
              {words().undo}
            </button>
          )}
          <button type="button" class="quiet" onClick={() => dismiss(notice.id)} aria-label={words().close}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
