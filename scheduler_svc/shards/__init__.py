"""Which virtual shards this replica owns: leases in the store, renewed at a third, fenced by epochs, shared fairly among the replicas.

An alarm belongs to the shard of its id; only the owner of the shard fires it. Every firing transaction checks the shard's epoch, which
grows with each change of the owner, so a replica that was frozen past its lease can write nothing any more. It also stops by its own
monotonic clock before the lease ends.
"""

from scheduler_svc.shards.keeper import ShardKeeper
from scheduler_svc.shards.membership import Membership, fair_share
from scheduler_svc.shards.ownership import Ownership

__all__ = ["Membership", "Ownership", "ShardKeeper", "fair_share"]
