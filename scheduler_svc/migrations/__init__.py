"""The schema of scheduler_svc, revision by revision."""
