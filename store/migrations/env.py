"""Alembic's environment: online only, the database of the settings, one transaction for all steps.

Triggers and views that follow the rows are away while steps run, and made for the new columns afterwards.
"""

from alembic import context
from sqlalchemy import create_engine, text

from store.tables import Base
from store.tables.keeping import lay, lift

URL = context.config.attributes.get("url")
LOCK = 7215  # two processes that start at once must not migrate at once


def run() -> None:
    """Migrates to the wanted revision while holding an advisory lock."""
    if URL is None:
        from runtime.settings import get_settings

        url = get_settings().require_database_url()
    else:
        url = URL
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        connection.commit()
        try:
            context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
            with context.begin_transaction():
                here = context.get_context()
                asked = here.opts.get("destination_rev")  # not by commands that only look, as `current`
                moves = asked is not None and here.get_current_revision() != context.get_revision_argument()
                if moves:
                    lift(connection)
                context.run_migrations()
                if moves:
                    lay(connection)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
            connection.commit()
    engine.dispose()


run()
