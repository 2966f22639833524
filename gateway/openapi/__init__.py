"""The OpenAPI document (https://spec.openapis.org/oas/v3.1.1), read from the contract, and the pages that show it."""
