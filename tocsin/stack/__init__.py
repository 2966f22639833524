"""`tocsin up`: the five services as child processes on one machine, restarted when they die, drained when told.

Read `layout` (names, ports, files), `child` (one supervised process), `supervisor` (all of them), `commands` (up, down, status).
"""
