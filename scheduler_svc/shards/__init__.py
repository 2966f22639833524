"""Which virtual shards this replica owns: leases in the store, renewed at a third, fenced by epochs, shared fairly among the replicas.

An alarm belongs to the shard of its id; only the owner of the shard lets it go. Every firing transaction checks the shard's epoch, which
grows with each change of the owner, so a replica that was frozen past its lease can write nothing any more. It also stops by its own
monotonic clock before the lease ends.
"""

from scheduler_svc.shards.keeper import Events, Listener, Pulse, ShardKeeper
from scheduler_svc.shards.ownership import Ownership
from scheduler_svc.shards.roll import Roll, fair_share

__all__ = ["Events", "Listener", "Ownership", "Pulse", "Roll", "ShardKeeper", "fair_share"]
