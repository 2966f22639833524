"""What each measurement of `make bench` tells about, and what its figures should be."""

ABOUT = {
    "balance": "Calls from 32 callers to three replicas that answer in 20 ms, then with one that takes 50 times as long, by least request "
    "(peak-EWMA) and in turn; and one of two killed under calls that are not idempotent.",
    "overload": "A service of one process whose calls compute for 2 ms (20 % critical, 40 % normal, 40 % sheddable), at half of its peak, "
    "at its peak and at three times that, in an open loop over bare grpc.aio; half of the peak is what unloaded means here. The critical "
    "calls alone are those of three times the peak, each at its time, without the others: they take 60 % of what the service can do and "
    "come at random, so that some wait for others of their kind; ideal is a server without any cost but its handlers. Then calls "
    "that wait for one of two places for 8 ms, as for a database, without and with the limit by the gradient "
    "(`adaptive_concurrency`), and with that of a queue that never empties (`standing_queue_limit`).",
    "bulk": "Alarms imported as NDJSON over gRPC and mTLS by scheduler_svc as a process of its own; once more, unchanged; and exported.",
    "checks": "HTTP checks of a local server at an even rate, each of an alarm of its own, with their readings recorded, by scheduler_svc "
    "and processor_svc as processes of their own.",
    "console": "The console in Chromium: what it weighs, its first page on a processor that is four times slower, 10,000 "
    "rows scrolled in 200 frames, 1,000 changes a second beside somebody who types, services that are killed while the page of the mesh "
    "is shown, and Lighthouse; `make lighthouse` first. Times are wall time; cpu is what the page's main thread computed.",
    "critical": "60 critical alarms due while 100,000 others, due at one instant, drain: when they were fired, and done; milliseconds.",
    "fire": "The firing path alone, from the time index into the ledger: an even stream, and all at once among few and many stored alarms.",
    "neighbours": "An alarm every 40 ms, alone and beside 100,000 alarms of a stranger at one instant: how late it was fired.",
    "start": "The five services on SQLite are started, and the scheduler is killed: as forks of a template, and as programs.",
    "recovery": "Each service is killed once while 500 alarms a second become mails; seconds until the rate is back.",
    "sidecars": "A unary call bare, through two Envoy sidecars, and through the mesh, both with mutual TLS; `make peers` first.",
    "instant": "60,000 alarms due at one instant, action noop, by scheduler_svc and processor_svc: the question of "
    "[many-at-once.md](many-at-once.md).",
    "incidents": "Incidents with three-step policies opened at one instant: when their first steps were handed to a processor; and others "
    "that are acknowledged at random moments between their steps, as by the link in a mail.",
    "intake": "A webhook of Alertmanager with 5,000 alerts, through the gateway of a whole stack, until its answer: alerts that are "
    "incidents of their own, without a policy and each with a first step, and alerts that a route groups.",
    "door": "What limits and Idempotency-Key add to a call at the door, each off and on in turn; microseconds, the best of five rounds. "
    "Whether another gateway has the key only Redis can tell: a command to it alone stands in the table.",
    "lists": "A page of 50 alarms of a million by each filter, the first page and one in the middle; milliseconds.",
    "mesh": "A unary call through the whole chain (deadline, identity, breaker, retry, validation, metrics) against bare grpc.aio.",
    "rejected": "A call to a dead service whose circuit is open, through the whole chain; microseconds, one call after the other.",
    "restore": "An installation with so many alarms that is otherwise idle: backed up, the archive verified, restored to an empty place; "
    "seconds. `make drill` does it under load.",
    "upgrade": "A scheduler's database with a million alarms at an older schema: migrated and served by this release, seconds; meanwhile "
    "an alarm is due each tenth of a second. `make upgrade` does it with other numbers.",
    "rest": "Alarms made over REST with 32 connections on `tocsin up` with SQLite; an even stream of alarms and how late they were fired.",
    "drain": "Alarms due at one instant, action noop: fired, delivered over mTLS, answered and committed.",
    "peers": "So many empty jobs, all due when the clock starts, on PostgreSQL that flushes each commit or on Redis; `make peers` first.",
    "transcoding": "JSON to messages and back at the REST door, both ways in turns of one run; microseconds of CPU, the best of 30 turns.",
    "delivery": "A template filled in; mail beside two clients that store nothing, and webhooks, both through the whole "
    "mailer; one notification to many people with critical messages beside it; and what gates add to accepting a message.",
    "gateways": "Gateways before the same service in Python, each on one event loop or with one worker: ours with tokens, scopes, limits, "
    "deadlines and breakers on, Envoy's transcoder and FastAPI with a stub without them; CPU is the gateway's; `make peers` first.",
    "requests": "What a request over REST takes of the processor in each process that serves it; SQLite, 32 connections: a record read by "
    "its key, and an alarm made; microseconds by the kernel's account.",
    "watchers": "10,000 SSE streams of one tenant that hear nothing, at the gateway of a whole stack on SQLite: memory, the times of other "
    "calls beside them, and who missed a change.",
    "smtp": "Mails handed to the mailer, stored, and taken by a local SMTP server over 64 connections.",
}
AIMS = {
    "balance: p99 ratio: least request": "under 2",
    "overload: goodput of peak": "0.9",
    "overload: critical p99 ratio": "under 2",
    "overload: critical p99 ratio to alone": "under 2",
    "balance: one killed: refused by a circuit": "0",
    "balance: one killed: longest without an answer ms": "under 100",
    "bulk: postgresql: imported: per second": "25,000",
    "checks: sqlite: percent of a core: processor": "under 20",
    "checks: postgresql: percent of a core: processor": "under 20",
    "console: size: javascript first gz kb": "under 80",
    "console: size: javascript daily gz kb": "under 80",
    "console: size: javascript english gz kb": "under 80",
    "console: size: css all gz kb": "under 15",
    "console: first page: usable ms, cpu 4x slower": "under 1000",
    "console: scrolling: fps p5": "over 50",
    "console: stream: input to frame p99 ms": "under 100",
    "console: mesh: gone: seen max ms": "under 1000",
    "console: mesh: ready again: seen max ms": "under 1000",
    **{
        f"console: lighthouse: {kind}: {part}": aim
        for kind in ("desk", "phone")
        for part, aim in {"performance": "over 95", "accessibility": "100", "best-practices": "100"}.items()
    },
    "critical: critical done p99 ms": "under 200",
    **{f"restore: {store}: restore s": "under 300" for store in ("sqlite", "postgresql")},
    **{
        f"upgrade: {way}: {figure}": aim
        for way in ("sqlite", "postgresql", "postgresql, served meanwhile")
        for figure, aim in {"upgrade s": "under 60", "latest ms": "under 5000", "early": "0", "missing": "0", "twice": "0"}.items()
    },
    **{f"instant: {store}: seconds": "under 12" for store in ("sqlite", "postgresql")},
    **{f"instant: {store}: missing": "0" for store in ("sqlite", "postgresql")},
    **{
        f"incidents: {store}: {figure}": aim
        for store in ("sqlite", "postgresql")
        for figure, aim in {
            "first step p99 ms": "under 1000",
            "doubled": "0",
            "acknowledged: latest ms after the answer": "under 100",
        }.items()
    },
    **{
        f"intake: {store}: {figure}": "under 500"
        for store in ("sqlite", "postgresql")
        for figure in ("no policy: opened ms", "policy: opened ms", "route: counted ms")
    },
    "fire: steady: late p99 ms": "under 50",
    "fire: steady: early": "0",
    "neighbours: sqlite: beside: quiet late p99 ms": "100 more than alone",
    "neighbours: postgresql: beside: quiet late p99 ms": "100 more than alone",
    "mesh: plaintext: ratio": "over 0.75",
    "mesh: plaintext: added p50 us": "under 80",
    "mesh: mtls: ratio to plaintext": "over 0.65",
    **{
        f"recovery: {store}: {service}: rings again s": "under 3"
        for store in ("sqlite", "postgresql")
        for service in ("processor svc", "mailer svc", "scheduler svc", "gateway", "auth svc")
    },
    "start: forks: services pss mib": "under 450",
    "recovery: sqlite: lost": "0",
    "recovery: postgresql: lost": "0",
    "rejected: us a call": "under 100",
    "rejected: tasks left": "0",
    "rejected: threads left": "0",
    "rest: creates per second": "2,000",
    **{
        f"gateways: {what}, {number} connections: tocsin: {figure}": aim
        for what in ("read", "create")
        for number in (32, 256)
        for figure, aim in {"times envoy": "over 1", "times fastapi": "over 2", "cpu us": "under 350"}.items()
    },
    "requests: read by key: gateway cpu us": "under 350",
    "requests: read by key: processor svc cpu us": "under 500",
    "watchers: gateway mb": "under 300",
    "watchers: missed": "0",
    "rest: early": "0",
    "rest: lateness p99 ms": "under 100",
    **{f"door: {redis} Redis: {part}: p50 us": "under 60" for redis in ("without", "with") for part in ("limits", "idempotency, new key")},
    "drain: sqlite: drained per second": "5,000",
    "drain: postgresql: drained per second": "5,000",
    "peers: procrastinate: tocsin is times as fast": "10",
    "peers: celery: tocsin is times as fast": "5",
    "delivery: template: us a page of HTML": "under 40",
    **{
        f"delivery: {store}: {figure}": aim
        for store in ("sqlite", "postgresql")
        for figure, aim in {
            "mail: lost": "0",
            "mail: doubled": "0",
            "mail: ratio to the raw client": "0.8",
            "mail: ratio to aiosmtplib": "5",
            "webhooks: per second": "3,000",
            "webhooks: lost": "0",
            "webhooks: doubled": "0",
            "one to many: accepted per second": "10,000",
            "one to many: doubled": "0",
            "one to many: critical: lost": "0",
            "one to many: critical: worst ms": "under 200",
            "gates: all of them add us": "under 15",
        }.items()
    },
    "smtp: sqlite: mails per second": "1,500",
    "smtp: postgresql: mails per second": "1,500",
    "smtp: sqlite: lost": "0",
    "smtp: sqlite: doubled": "0",
    "smtp: postgresql: lost": "0",
    "smtp: postgresql: doubled": "0",
}
