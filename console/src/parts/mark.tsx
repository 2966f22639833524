/** A state: a shape, a colour and a word, so that none of them stands alone. */

export type Tone = "good" | "warn" | "bad" | "busy" | "idle";

const _SHAPES: Record<Tone, string> = {
  good: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z", // a disc
  warn: "M8 2l7 12H1z", // a triangle
  bad: "M5 2h6l4 4v4l-4 4H5l-4-4V6z", // an octagon
  busy: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 2.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z", // a ring
  idle: "M2 7h12v2.5H2z", // a bar
};

/** The shape alone, beside a word that says the same. */
export function Mark({ tone }: { tone: Tone }) {
  return (
    <svg class={`mark ${tone}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={_SHAPES[tone]} fill-rule="evenodd" />
    </svg>
  );
}

/** The shape with its word. */
export function State({ tone, word }: { tone: Tone; word: string }) {
  return (
    <span class="state">
      <Mark tone={tone} />
      <span>{word}</span>
    </span>
  );
}
