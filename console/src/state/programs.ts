/** What a program calls itself, in words for people. */

const _BROWSERS: readonly [RegExp, string][] = [
  [/\bEdg\//, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bFirefox\//, "Firefox"],
  [/\b(Headless)?Chrome\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];
const _SYSTEMS: readonly [RegExp, string][] = [
  [/\bAndroid\b/, "Android"],
  [/\b(iPhone|iPad)\b/, "iOS"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b/, "macOS"],
  [/\bLinux\b/, "Linux"],
];

/** "Firefox on Linux" for a browser's User-Agent; what is none, as it is. */
export function programOf(userAgent: string): string {
  const browser = _BROWSERS.find(([form]) => form.test(userAgent))?.[1];
  const system = _SYSTEMS.find(([form]) => form.test(userAgent))?.[1];
  return browser ? [browser, system].filter(Boolean).join(" · ") : userAgent;
}
