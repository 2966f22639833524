"""JSON and protobuf messages, by descriptors alone: what is taken, what is refused and whose rule it is stands in this package's README.md.

`codec` converts and explains what is wrong; `fast` reads what is surely valid in a fraction of the time, and leaves all else to `codec`.
"""
