"""JSON and protobuf messages, by descriptors alone (https://protobuf.dev/programming-guides/json/), for gateway and imports."""
