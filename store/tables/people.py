"""Who there is: org units, users and their sessions, persons and their hires.

A person's names are plain (lists and search need them) beside pinyin columns; identity and permit numbers, phone,
e-mail, birth and sex are encrypted, with keyed hashes for look-up. No clear number in a column.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship, synonym

from store.tables.base import Base


class OrgUnit(Base):
    """A college or an office. Ids are short ascii codes."""

    __tablename__ = "org_units"
    id: Mapped[str] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str] = mapped_column(default="college")


class User(Base):
    """A login. The login name is the id: it stands as actor in processes, timeline and audit."""

    __tablename__ = "users"
    username: Mapped[str] = mapped_column(primary_key=True)
    id = synonym("username")
    name_zh: Mapped[str]
    name_en: Mapped[str]
    password_hash: Mapped[str]
    person_id: Mapped[str | None] = mapped_column(ForeignKey("persons.id"))
    person_id_hash: Mapped[str | None] = mapped_column(index=True)  # links the login when that person is imported
    email: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    roles: Mapped[list["UserRole"]] = relationship(lazy="selectin", cascade="all, delete-orphan")
    org_units: Mapped[list["UserOrgUnit"]] = relationship(lazy="selectin", cascade="all, delete-orphan")


class UserRole(Base):
    __tablename__ = "user_roles"
    username: Mapped[str] = mapped_column(ForeignKey("users.username", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)


class UserOrgUnit(Base):
    """The scope of a college officer."""

    __tablename__ = "user_org_units"
    username: Mapped[str] = mapped_column(ForeignKey("users.username", ondelete="CASCADE"), primary_key=True)
    org_unit: Mapped[str] = mapped_column(ForeignKey("org_units.id"), primary_key=True)


class Session(Base):
    """A browser's sign-in; only the hash of the cookie is stored."""

    __tablename__ = "sessions"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    csrf_token: Mapped[str]
    username: Mapped[str] = mapped_column(ForeignKey("users.username", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ApiToken(Base):
    """A bearer token of a campus system; only its hash is stored."""

    __tablename__ = "api_tokens"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(ForeignKey("users.username", ondelete="CASCADE"))
    title: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Person(Base):
    __tablename__ = "persons"
    id: Mapped[str] = mapped_column(primary_key=True)  # uuid
    name: Mapped[str]
    name_zh: Mapped[str | None]
    pinyin: Mapped[str] = mapped_column(default="", index=True)
    initials: Mapped[str] = mapped_column(default="")
    country: Mapped[str]
    id_hash: Mapped[str] = mapped_column(unique=True)
    permit_hash: Mapped[str] = mapped_column(index=True)  # of the work permit's number
    who_hash: Mapped[str] = mapped_column(index=True)  # of name, birth and country: for persons with two passports
    secrets: Mapped[bytes] = mapped_column(LargeBinary)  # encrypted JSON: birth, sex, id_number, permit, phone, email
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Hire(Base):
    """The record behind one enrolment: one valid row a case, and every earlier version of it."""

    __tablename__ = "hires"
    id: Mapped[int] = mapped_column(primary_key=True)
    process_id: Mapped[str] = mapped_column(index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)
    version: Mapped[int] = mapped_column(default=1)
    valid: Mapped[bool] = mapped_column(default=True)
    org_unit: Mapped[str]
    country: Mapped[str]
    permit_issued: Mapped[date]
    permit_expires: Mapped[date]
    contract_start: Mapped[date]
    contract_end: Mapped[date]
    hire_kind: Mapped[str]
    certificate: Mapped[str]
    category: Mapped[str] = mapped_column(default="FOREIGN_WORK_PERMIT")
    insurances: Mapped[list[str] | None] = mapped_column(ARRAY(Text))  # after the exemption was confirmed
    exempt: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    record: Mapped[bytes] = mapped_column(LargeBinary)  # the whole ForeignHire, encrypted JSON
    row_hash: Mapped[str] = mapped_column(default="")  # of the clean values: the same row again is no change
    source: Mapped[str] = mapped_column(default="")  # submission or import that brought it
    created_at: Mapped[datetime]
    __table_args__ = (
        Index("uq_hires_version", "process_id", "version", unique=True),
        Index("uq_hires_valid", "process_id", unique=True, postgresql_where=text("valid")),
    )


class RetirementTrackRow(Base):
    """How a person retires, when not by the own post: each row is set by somebody on a ground, the newest counts.
    Never changed or deleted."""

    __tablename__ = "retirement_tracks"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)
    track: Mapped[str]  # of retirement.yaml
    ground: Mapped[str]
    set_by: Mapped[str] = mapped_column(ForeignKey("users.username"))
    set_at: Mapped[datetime]


class WatchDate(Base):
    """A date to remember for a person: the end of a permit, the three months for a certificate."""

    __tablename__ = "watch_dates"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("persons.id"), index=True)
    process_id: Mapped[str | None]
    kind: Mapped[str]  # permit_expires, residence_expires, passport_expires, certificate_due
    on: Mapped[date]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    done_at: Mapped[datetime | None]
    __table_args__ = (Index("uq_watch_dates_kind", "person_id", "kind", "process_id", unique=True),)
