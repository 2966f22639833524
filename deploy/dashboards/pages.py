"""Every dashboard."""

from typing import Final

from deploy.dashboards.panels import Dashboard, Panel, quantiles, rate

_LATENESS: Final = "tocsin_scheduler_lateness_seconds_bucket"
_HTTP: Final = "tocsin_gateway_http_seconds"
_JOB: Final = "{{job}} {{instance}}"
_SERVED: Final = "grpc_server_call_duration_seconds"
_CALLED: Final = "grpc_client_call_duration_seconds"
_UNARY: Final = '_bucket{grpc_type="unary"}'  # a stream may last for hours
_TENANTS: Final = 'tenant=~"$tenant"'

_LATE = Panel("Lateness", "s", [*quantiles(_LATENESS), (rate(_LATENESS, quantile=0.999), "p99.9")])
_OUTCOMES = Panel("Fires by outcome", "ops", [(rate("tocsin_scheduler_occurrences_total", "outcome"), "{{outcome}}")])
_OVERDUE = Panel("Oldest overdue", "s", [("tocsin_scheduler_overdue_seconds", "{{instance}}")])
_STATES = Panel("Deliveries by state", "ops", [(rate("tocsin_deliveries_total", "channel, state"), "{{channel}} {{state}}")])
_ROUTES = Panel("REST latency, p99 by route", "s", [(rate(f"{_HTTP}_bucket", "route", 0.99), "{{route}}")])
_ANSWERS = Panel("REST answers by status", "reqps", [(rate(f"{_HTTP}_count", "status"), "{{status}}")])
_MEMORY = Panel("Memory", "bytes", [("process_resident_memory_bytes", _JOB)])
_CPU = Panel("CPU", "percentunit", [("rate(process_cpu_seconds_total[$__rate_interval])", _JOB)])
_LAG = Panel("Event loop lag", "s", [("tocsin_loop_lag_seconds", _JOB)])
_POOL = Panel(
    "Database pool",
    "short",
    [
        ('tocsin_database_connections{which="in_use"}', f"{_JOB} in use"),
        ('tocsin_database_connections{which="most"}', f"{_JOB} at most"),
    ],
)
_BATCH = Panel("Duration of a transaction, p99", "s", [(rate("tocsin_scheduler_batch_seconds_bucket", "kind", 0.99), "{{kind}}")])
_REDIS_MEMORY = Panel("Redis memory", "bytes", [("max(tocsin_scheduler_redis_memory_bytes)", "used")])

OVERVIEW: Final = Dashboard(
    "overview",
    [
        Panel("Replicas that answer", "short", [("sum by (job) (up)", "{{job}}")]),
        Panel("Total alarms", "short", [("max by (state) (tocsin_scheduler_alarms)", "{{state}}")]),
        _OUTCOMES,
        _LATE,
        _OVERDUE,
        _STATES,
        _ROUTES,
        _ANSWERS,
        Panel("Open incidents", "short", [("max by (severity) (tocsin_scheduler_incidents)", "{{severity}}")]),
        Panel(
            "Calls by tenant", "reqps", [(f"topk(10, {rate(f'tocsin_gateway_tenant_calls_total{{{_TENANTS}}}', 'tenant')})", "{{tenant}}")]
        ),
        Panel(
            "Fires by tenant",
            "ops",
            [(f"topk(10, {rate(f'tocsin_scheduler_tenant_fires_total{{{_TENANTS}}}', 'tenant')})", "{{tenant}}")],
        ),
        Panel("Builds", "short", [("count by (job, version) (tocsin_build_info)", "{{job}} {{version}}")]),
        _MEMORY,
        _CPU,
        Panel(
            "Days until certificates end",
            "d",
            [("min by (job) (tocsin_certificate_expiry_timestamp_seconds - time()) / 86400", "{{job}}")],
        ),
    ],
    by_tenant=True,
)

PERFORMANCE: Final = Dashboard(
    "performance",
    [
        Panel("REST latency", "s", quantiles(f"{_HTTP}_bucket")),
        _ROUTES,
        _ANSWERS,
        Panel(
            "Share of REST requests that failed by our fault",
            "percentunit",
            [(f'(sum(rate({_HTTP}_count{{status=~"5.."}}[$__rate_interval])) or vector(0)) / {rate(f"{_HTTP}_count")}', "5xx")],
        ),
        Panel("gRPC latency at the door", "s", quantiles("tocsin_gateway_grpc_seconds_bucket")),
        Panel("gRPC calls at the door by code", "reqps", [(rate("tocsin_gateway_grpc_seconds_count", "code"), "{{code}}")]),
        Panel("Latency served by service, p99", "s", [(rate(_SERVED + _UNARY, "job", 0.99), "{{job}}")]),
        Panel("Duration of a job, p99", "s", [(rate("tocsin_processor_job_seconds_bucket", "kind", 0.99), "{{kind}}")]),
        Panel("Provider latency, p99", "s", [(rate("tocsin_provider_seconds_bucket", "provider", 0.99), "{{provider}}")]),
        _LATE,
        Panel("Open connections", "short", [("tocsin_gateway_http_connections", "HTTP"), ("tocsin_gateway_grpc_connections", "gRPC")]),
        Panel("Streams of tenants", "short", [("tocsin_server_streams", _JOB)]),
        _CPU,
        _MEMORY,
        _LAG,
        Panel("Most CPU time in one go", "s", [("tocsin_loop_held_max_seconds", _JOB)]),
        Panel(
            "Collections of garbage",
            "ops",
            [("sum by (job, generation) (rate(python_gc_collections_total[$__rate_interval]))", "{{job}} {{generation}}")],
        ),
        Panel("Open files and sockets", "short", [("process_open_fds", _JOB)]),
    ],
)

DATABASE: Final = Dashboard(
    "database",
    [
        _POOL,
        Panel(
            "Share of the pool in use",
            "percentunit",
            [
                (
                    (
                        'max by (job, instance) (tocsin_database_connections{which="in_use"})'
                        ' / on (job, instance) max by (job, instance) (tocsin_database_connections{which="most"})'
                    ),
                    _JOB,
                )
            ],
        ),
        Panel("Circuit to the database", "short", [('max by (job) (tocsin_breaker_state{target="database"})', "{{job}}")]),
        _BATCH,
        Panel("Transactions", "ops", [(rate("tocsin_scheduler_batch_seconds_count", "kind"), "{{kind}}")]),
        Panel("Rows of the ledger", "ops", [(rate("tocsin_scheduler_occurrences_total"), "rows")]),
        Panel("Free disk below the state", "bytes", [("tocsin_state_disk_free_bytes", _JOB)]),
        Panel("Clock ahead of the database's", "s", [("tocsin_clock_offset_seconds", "{{instance}}")]),
        _OVERDUE,
        Panel("Shards by replica", "short", [("tocsin_scheduler_shards_owned", "{{instance}}")]),
        Panel("Journal of the audit log", "bytes", [("tocsin_audit_journal_bytes", _JOB)]),
        Panel("Stored alarms", "short", [("max by (state) (tocsin_scheduler_alarms)", "{{state}}")]),
    ],
)

REDIS: Final = Dashboard(
    "redis",
    [
        Panel("Redis answers", "short", [("tocsin_redis_available", _JOB)]),
        _REDIS_MEMORY,
        Panel("Operations", "ops", [(rate("tocsin_redis_operations_total", "job, end"), "{{job}} {{end}}")]),
        Panel("Time of an operation", "s", quantiles("tocsin_redis_seconds_bucket")),
        Panel("Time of an operation, p99 by service", "s", [(rate("tocsin_redis_seconds_bucket", "job", 0.99), "{{job}}")]),
        Panel("Rate limits counted alone", "short", [("tocsin_gateway_rate_limits_local", "{{instance}}")]),
        Panel("Calls refused by rate limits", "reqps", [(rate("tocsin_gateway_rate_limited_total", "limit, of"), "{{limit}} {{of}}")]),
        Panel("Alarms in the time index", "short", [("tocsin_scheduler_index_alarms", "{{instance}}")]),
        _LATE,
    ],
)

SCHEDULER: Final = Dashboard(
    "scheduler",
    [
        _LATE,
        _BATCH,
        _OUTCOMES,
        Panel("Time index", "short", [("tocsin_scheduler_index_alarms", "{{instance}}")]),
        Panel("Queued by lane", "short", [("sum by (lane) (tocsin_scheduler_queue_depth)", "{{lane}}")]),
        Panel(
            "With processors",
            "short",
            [
                ("sum(tocsin_scheduler_firings_leased)", "firings"),
                ("sum(tocsin_scheduler_retries_waiting)", "waiting for a retry"),
                ("sum(tocsin_scheduler_processors)", "processors"),
            ],
        ),
        Panel("Shards by replica", "short", [("tocsin_scheduler_shards_owned", "{{instance}}")]),
        _OVERDUE,
        Panel(
            "Attempts by state",
            "ops",
            [(rate("tocsin_scheduler_attempts_total", "state"), "{{state}}"), (rate("tocsin_scheduler_deliveries_lost_total"), "lost")],
        ),
        _POOL,
        _REDIS_MEMORY,
        _LAG,
    ],
)

MESH: Final = Dashboard(
    "mesh",
    [
        Panel("Calls served", "reqps", [(rate(f"{_SERVED}_count", "job"), "{{job}}")]),
        Panel("Latency served, p99 by method", "s", [(rate(_SERVED + _UNARY, "grpc_method", 0.99), "{{grpc_method}}")]),
        Panel("Latency of calls to others, p99", "s", [(rate(_CALLED + _UNARY, "grpc_target", 0.99), "{{grpc_target}}")]),
        Panel("Calls to others by status", "reqps", [(rate(f"{_CALLED}_count", "grpc_status"), "{{grpc_status}}")]),
        Panel(
            "Circuit breakers (0 closed, 1 half open, 2 open)",
            "short",
            [("max by (job, target) (tocsin_breaker_state)", "{{job}} to {{target}}")],
        ),
        Panel("Failures seen by breakers", "short", [("sum by (job, target) (tocsin_breaker_failures)", "{{job}} to {{target}}")]),
        Panel("Retries", "ops", [(rate("tocsin_client_retries_total", "target"), "{{target}}")]),
        Panel("Retry budget", "short", [("min by (target) (tocsin_client_retry_budget)", "{{target}}")]),
        Panel("Refused without a call", "ops", [(rate("tocsin_client_rejected_total", "target"), "{{target}}")]),
        Panel("Shed under load", "ops", [(rate("tocsin_server_shed_total", "job"), "{{job}}")]),
        Panel("In flight", "short", [("tocsin_server_in_flight", _JOB)]),
        Panel("Event loop lag", "s", [("max by (job) (tocsin_loop_lag_seconds)", "{{job}}")]),
        Panel(
            "Spans",
            "ops",
            [(rate("tocsin_spans_exported_total"), "exported"), (rate("tocsin_spans_dropped_total", "reason"), "dropped: {{reason}}")],
        ),
        Panel("gRPC at the edge, p99", "s", [(rate("tocsin_gateway_grpc_seconds_bucket", quantile=0.99), "p99")]),
    ],
)

DELIVERY: Final = Dashboard(
    "delivery",
    [
        _STATES,
        Panel("Refused by reason", "ops", [(rate("tocsin_deliveries_refused_total", "reason"), "{{reason}}")]),
        Panel("Failed for good", "ops", [(rate("tocsin_deliveries_dead_total", "channel"), "{{channel}}")]),
        Panel("Waiting by lane", "short", [("sum by (lane) (tocsin_delivery_queue_depth)", "{{lane}}")]),
        Panel("Provider latency, p99", "s", [(rate("tocsin_provider_seconds_bucket", "provider", 0.99), "{{provider}}")]),
        Panel("Provider results", "ops", [(rate("tocsin_provider_seconds_count", "provider, result"), "{{provider}} {{result}}")]),
        Panel("SMTP connections", "short", [("sum(tocsin_smtp_connections)", "open")]),
        Panel("Jobs by end", "ops", [(rate("tocsin_processor_jobs_total", "kind, end"), "{{kind}} {{end}}")]),
        Panel("Duration of a job, p99", "s", [(rate("tocsin_processor_job_seconds_bucket", "kind", 0.99), "{{kind}}")]),
        Panel(
            "Jobs in hand",
            "short",
            [("sum(tocsin_processor_jobs_in_flight)", "in flight"), ("sum(tocsin_processor_jobs_waiting)", "waiting")],
        ),
        Panel(
            "Held and suppressed",
            "ops",
            [
                (rate("tocsin_deliveries_held_total", "reason"), "held: {{reason}}"),
                (rate("tocsin_deliveries_suppressed_total", "reason"), "suppressed: {{reason}}"),
            ],
        ),
        _OVERDUE,
    ],
)

DASHBOARDS: Final = (OVERVIEW, PERFORMANCE, DATABASE, REDIS, SCHEDULER, MESH, DELIVERY)
