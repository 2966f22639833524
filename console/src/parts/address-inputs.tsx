/** The fields of a new address. */

import type { ApiError } from "../api/problem";
import { CHANNELS } from "../state/people";
import { words } from "../words";
import { FieldWrong } from "./refused";

/** An address as it is typed. */
export interface NewAddress {
  channel: string;
  value: string;
  /** Whoever adds it says that it is theirs: no code is needed. */
  vouched: boolean;
}

const _EXAMPLES: Record<string, string> = { email: "ann@example.com", sms: "+41790000000", telegram: "123456789", webhook: "https://example.com/hook", slack: "C0123456789" };

export function AddressInputs({ address, change, error }: { address: NewAddress; change: (address: NewAddress) => void; error: ApiError | null }) {
  return (
    <>
      <div class="pair">
        <select class="narrow" aria-label={words().delivery.channel} value={address.channel} onChange={(event) => change({ ...address, channel: event.currentTarget.value })}>
          {CHANNELS.filter((name) => name !== "inbox").map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        <input
          type="text"
          value={address.value}
          aria-label={words().person.address}
          placeholder={_EXAMPLES[address.channel] ?? ""}
          aria-invalid={Boolean(error?.of("value"))}
          onInput={(event) => change({ ...address, value: event.currentTarget.value })}
        />
      </div>
      <FieldWrong error={error} field="value" />
      <FieldWrong error={error} field="channel" />
      <label class="check">
        <input type="checkbox" checked={address.vouched} onChange={(event) => change({ ...address, vouched: event.currentTarget.checked })} />
        {words().person.vouch}
      </label>
    </>
  );
}
