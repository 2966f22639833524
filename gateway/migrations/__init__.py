"""The schema of gateway, revision by revision."""
