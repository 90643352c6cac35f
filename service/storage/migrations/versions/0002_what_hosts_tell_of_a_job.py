"""What its host tells of a job while it works."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; of earlier jobs nothing is known."""
    op.add_column("jobs", sa.Column("told", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("told", server_default=None)


def downgrade() -> None:
    """Forget it."""
    op.drop_column("jobs", "told")
