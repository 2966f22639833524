"""`python -m bench.peers`: the peers beside Tocsin."""

import asyncio
import json

from bench.peers import measure

print(json.dumps(asyncio.run(measure()), indent=2))
