"""What monitoring systems send, read as alerts: a file for each form, each a function of the payload. Pure."""
