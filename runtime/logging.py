"""Logs: one line an event, readable on a terminal, JSON for machines; the standard library's loggers take the same
path.

Personal data does not belong in a log: a few field names are masked here as a last net, never as a licence.
Inside workflows use `workflow.logger`, which stays silent during replay.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from runtime.settings import Settings

MASKED = frozenset(
    {"password", "token", "secret", "secret_key", "id_number", "passport", "passport_no", "name", "full_name",
     "bank_account", "phone", "email", "body", "authorization", "cookie"}
)  # fmt: skip

# Tracebacks without the values of local variables: a failed step's locals hold people's names and numbers.
DICT_TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces the value of fields that hold personal data or secrets."""
    for key in MASKED & event.keys():
        event[key] = "***"
    return event


def configure(settings: Settings, process: str) -> None:
    """Sets up logging of this process to standard error; `process` names it in each line (`worker`, `api`, …)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=settings.log_format == "json"),
        mask,
    ]
    renderer: list[Processor] = (
        [DICT_TRACEBACKS, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if settings.log_format == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    # One line a request or job of these says nothing that our own lines do not say.
    for noisy in ("httpx2", "httpcore", "httpcore2", "apscheduler", "uvicorn.access", "alembic.runtime.plugins"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(process=process)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger: `logger(__name__).info("bill_matched", bill_id=…)`; events are short codes, facts are fields."""
    return structlog.stdlib.get_logger(name)
