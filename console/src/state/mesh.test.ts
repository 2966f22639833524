import { beforeAll, describe, expect, it } from "vitest";
import { boxesOf, edgesOf, type Picture } from "./mesh";
import { learnOthers } from "../words";

const picture = (seconds: number, calls: number, over: object = {}): Picture => ({
  time: new Date(1_800_000_000_000 + seconds * 1000).toISOString(),
  processes: [
    {
      service: "gateway",
      address: "gateway",
      reachable: true,
      status: {
        incarnation: "a",
        health: "HEALTHY",
        bucketBounds: [0.005, 0.01, 0.1],
        methods: [{ target: "mailer_svc", method: "/M", calls: String(calls), errors: "0", buckets: ["0", String(calls), "0", "0"] }],
        ...over,
      },
    },
    { service: "mailer_svc", address: "b", reachable: false },
  ],
});

beforeAll(learnOthers);

describe("the arrows of the mesh", () => {
  it("have the rate of what was called between two pictures", () => {
    expect(edgesOf(picture(10, 150), picture(0, 50))).toEqual([{ from: "gateway", to: "mailer", rate: 10, errors: 0, p99: 10, tone: "good" }]);
  });

  it("count a process that began anew from nothing, not backwards", () => {
    const [edge] = edgesOf(picture(10, 20, { incarnation: "b" }), picture(0, 500));
    expect(edge?.rate).toBe(2);
  });

  it("say nothing of latency when nobody called", () => {
    expect(edgesOf(picture(10, 50), picture(0, 50))[0]?.p99).toBeUndefined();
    expect(edgesOf({}, undefined)).toEqual([]);
  });

  it("are broken when the breaker between the two is open", () => {
    const open = { circuitBreakers: [{ id: "mailer_svc", target: "mailer_svc", state: "OPEN" as const }] };
    expect(edgesOf(picture(1, 1, open), undefined)[0]?.tone).toBe("bad");
  });
});

describe("the boxes of the mesh", () => {
  it("are as well as the worst process of the service", () => {
    expect(boxesOf(picture(0, 0)).map((box) => [box.name, box.tone])).toEqual([
      ["gateway", "good"],
      ["mailer", "bad"],
    ]);
  });
});
