"""The `tocsin` command: runs stacks (`stack`), and talks to one over REST (`alarms`, `inbox`, `firings`, `tasks`)."""
