"""The schema of mailer_svc, revision by revision."""
