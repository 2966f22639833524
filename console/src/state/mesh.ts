/** The mesh as the console draws it, from two pictures of it a moment apart. */

import type { Schemas } from "../api/client";
import type { Box, Edge } from "../parts/topology";
import type { Tone } from "../parts/mark";
import { words } from "../words";

export type Picture = Schemas["mesh.v1.MeshPicture"];
type Process = Schemas["mesh.v1.MeshProcess"];
type Stats = Schemas["mesh.v1.MethodStats"];

/** A service without what all their names share: "scheduler_svc" is "scheduler". */
export function short(service: string | undefined): string {
  return (service ?? "").replace(/_svc$/, "");
}

/** How a process is. */
export function processTone(process: Process): Tone {
  if (!process.reachable || process.status?.health === "UNAVAILABLE") return "bad";
  return process.status?.health === "HEALTHY" ? "good" : "warn";
}

const _WORST: readonly Tone[] = ["bad", "warn", "busy", "good", "idle"];

/** The boxes of a picture. */
export function boxesOf(picture: Picture): Box[] {
  const services = new Map<string, Process[]>();
  for (const process of picture.processes ?? []) {
    const name = short(process.service);
    services.set(name, [...(services.get(name) ?? []), process]);
  }
  return [...services].map(([name, processes]) => ({
    name,
    tone: _WORST.find((tone) => processes.some((process) => processTone(process) === tone)) ?? "idle",
    note: words().mesh.processes(processes.filter((process) => process.reachable).length, processes.length),
  }));
}

/** The arrows: what each process called between `before` and `now`. A process that began anew meanwhile counts from nothing. */
export function edgesOf(now: Picture, before: Picture | undefined): Edge[] {
  const seconds = before ? (Date.parse(now.time ?? "") - Date.parse(before.time ?? "")) / 1000 : 0;
  const found = new Map<string, { calls: number; errors: number; buckets: number[]; bounds: number[] }>();
  for (const process of now.processes ?? []) {
    const was = before?.processes?.find((item) => item.service === process.service && item.address === process.address);
    const same = was?.status?.incarnation === process.status?.incarnation ? was : undefined;
    for (const stats of process.status?.methods ?? []) {
      const id = `${short(process.service)} ${short(stats.target)}`;
      const sum = found.get(id) ?? { calls: 0, errors: 0, buckets: [], bounds: process.status?.bucketBounds ?? [] };
      const old = same?.status?.methods?.find((item) => item.target === stats.target && item.method === stats.method);
      sum.calls += _count(stats.calls) - _count(old?.calls);
      sum.errors += _count(stats.errors) - _count(old?.errors);
      stats.buckets?.forEach((value, index) => (sum.buckets[index] = (sum.buckets[index] ?? 0) + _count(value) - _count(old?.buckets?.[index])));
      found.set(id, sum);
    }
  }
  return [...found].map(([id, sum]) => {
    const [from = "", to = ""] = id.split(" ");
    const errors = sum.calls > 0 ? sum.errors / sum.calls : 0;
    return {
      from,
      to,
      rate: seconds > 0 ? sum.calls / seconds : 0,
      errors,
      p99: _percentile(sum.buckets, sum.bounds, 0.99),
      tone: _open(now, from, to) ? "bad" : errors > 0.05 ? "warn" : "good",
    };
  });
}

/** Whether a breaker between two services is open. */
function _open(picture: Picture, from: string, to: string): boolean {
  return (picture.processes ?? []).some(
    (process) => short(process.service) === from && process.status?.circuitBreakers?.some((breaker) => short(breaker.target) === to && breaker.state === "OPEN"),
  );
}

function _count(value: Stats["calls"]): number {
  return Number(value ?? 0);
}

/** The upper bound of the bucket in which a share of the calls lies, in milliseconds. */
function _percentile(buckets: readonly number[], bounds: readonly number[], share: number): number | undefined {
  const all = buckets.reduce((sum, value) => sum + value, 0);
  if (all <= 0) return undefined;
  let seen = 0;
  for (const [index, value] of buckets.entries()) {
    seen += value;
    if (seen >= share * all) return (bounds[index] ?? bounds.at(-1) ?? 0) * 1000;
  }
  return undefined;
}
