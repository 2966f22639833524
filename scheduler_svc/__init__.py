"""scheduler_svc owns the question "when": alarms, their triggers, and the ledger of firings.

It decides that something is due, hands it to processors, and keeps what became of it. It does not run the work (processor_svc) and
knows nobody's address (mailer_svc): to it an action is bytes with a kind.
"""
