"""An index of the alarms that wait until their tenant is no longer suspended."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_SUSPENDED = sa.text("state = 2 AND pause_reason = 'TENANT_SUSPENDED'")


def upgrade() -> None:
    op.create_index("ix_alarms_suspended", "alarms", ["tenant", "id"], sqlite_where=_SUSPENDED, postgresql_where=_SUSPENDED)


def downgrade() -> None:
    op.drop_index("ix_alarms_suspended", "alarms")
