"""The door: REST, server streams and the gRPC edge, all read from the contract.

It owns no product state. It verifies who calls, checks the scope, converts, forwards and shows; what a request means is for the
services to say.
"""
