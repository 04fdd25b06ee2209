"""Messages that leave the house: the outbox, how each person wants to be told, and how the channels are.

A row of the outbox is one message to one person through one channel; its key is there once a channel.
"""

from datetime import datetime, time

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Outgoing(Base):
    """A message on its way out. `recipient` is set where no user is: a person's address on record."""

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    channel: Mapped[str] = mapped_column(default="mail")
    username: Mapped[str | None] = mapped_column(ForeignKey("users.username", ondelete="CASCADE"), index=True)
    recipient: Mapped[str | None]
    subject: Mapped[str]
    body: Mapped[str]
    link: Mapped[str | None]
    process_id: Mapped[str | None]
    task_id: Mapped[str | None] = mapped_column(index=True)
    reminder: Mapped[bool] = mapped_column(default=False)  # rests on rest days, may become pointless
    follows: Mapped[bool] = mapped_column(default=False, server_default="false")  # goes to who has the task by then
    state: Mapped[str] = mapped_column(default="pending")  # pending, sent, failed, dropped
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None]  # not before this moment of the machine's clock
    held_until: Mapped[datetime | None]  # quiet hours, digest, rest days: not before this moment of the office's clock
    bundle: Mapped[str | None]  # what goes out as one message with others, and again as the same one after a crash
    taken_at: Mapped[datetime | None]  # handed to the channel, and not yet known what became of it
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("channel", "key", name="uq_outbox_key"),
        Index("ix_outbox_pending", "channel", "created_at", postgresql_where=text("state = 'pending'")),
    )


class ChannelState(Base):
    """How a channel is: failures in a row, and when it is tried again; whether an administrator has stopped it. No row:
    it was not used yet. `error` is the channel's own words, for the log of the operator and for no page."""

    __tablename__ = "channels"
    channel: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None]
    next_at: Mapped[datetime | None]
    error: Mapped[str | None]
    trouble: Mapped[str | None]  # domain.delivery.Trouble
    sent_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    stopped_by: Mapped[str | None]


class MessageSettings(Base):
    """How a user wants to be told; no row: by mail, at once. `addresses` is encrypted JSON: channel -> address."""

    __tablename__ = "message_settings"
    username: Mapped[str] = mapped_column(ForeignKey("users.username", ondelete="CASCADE"), primary_key=True)
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    quiet_from: Mapped[time | None]
    quiet_to: Mapped[time | None]
    digest: Mapped[bool] = mapped_column(default=False)
    addresses: Mapped[bytes | None] = mapped_column(LargeBinary)
    changed_at: Mapped[datetime]
