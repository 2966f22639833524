"""REST to gRPC and back, from the contract alone: path templates, routes, JSON, query parameters, errors."""
