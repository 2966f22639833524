"""The HTTP side: a raw ASGI application over the route table, and the server that runs it."""
