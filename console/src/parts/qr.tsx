/** A QR code, drawn as one path: dark on light in both themes, for cameras expect it so. */

import { generate } from "lean-qr";

const _QUIET = 4; // modules of quiet zone (ISO/IEC 18004, 5.3.8)

export default function Qr({ text, label }: { text: string; label: string }) {
  const code = generate(text);
  let path = "";
  for (let y = 0; y < code.size; y++) for (let x = 0; x < code.size; x++) if (code.get(x, y)) path += `M${x + _QUIET} ${y + _QUIET}h1v1h-1z`;
  const size = code.size + 2 * _QUIET;
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
