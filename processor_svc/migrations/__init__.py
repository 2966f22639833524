"""The schema of processor_svc, revision by revision."""
