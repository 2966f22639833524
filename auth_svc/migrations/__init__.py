"""The schema of auth_svc, revision by revision."""
