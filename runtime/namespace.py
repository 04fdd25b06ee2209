"""Makes a Temporal server ready for this product: namespace with a long retention, search attributes.

The same on the embedded server and on a cluster; run by `baoqi init` and safe to run again. On a managed cloud where
these calls are refused the administrator creates both by hand: the error says so (`TemporalRefused`).
"""

import asyncio
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from runtime.refusals import TemporalStarting, not_allowed
from runtime.settings import Settings
from runtime.temporal import SEARCH_ATTRIBUTES, connect

FORBIDDEN = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED)


async def prepare(settings: Settings, *, patience: timedelta = timedelta(seconds=30)) -> Client:
    """Registers what is missing and returns a client of the namespace. Raises `RPCError` when refused."""
    client = await _connected(settings, patience)
    await _namespace(client, settings)
    # A new namespace reaches the server's caches some seconds later; until then calls answer NOT_FOUND.
    waited = 0.0
    while True:
        try:
            await _search_attributes(client, settings.temporal_namespace)
            return client
        except RPCError as error:
            if error.status in FORBIDDEN:
                names = ", ".join(key.name for key in SEARCH_ATTRIBUTES)
                raise not_allowed(names, settings.temporal_namespace, str(error)) from None
            if error.status is not RPCStatusCode.NOT_FOUND or waited >= patience.total_seconds():
                raise
        await asyncio.sleep(0.2)
        waited += 0.2


async def _connected(settings: Settings, patience: timedelta) -> Client:
    """A server that has just been started opens its port before it answers."""
    waited = 0.0
    while True:
        try:
            return await connect(settings)
        except TemporalStarting:
            if waited >= patience.total_seconds():
                raise
        await asyncio.sleep(0.2)
        waited += 0.2


async def _namespace(client: Client, settings: Settings) -> None:
    name = settings.temporal_namespace
    try:
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=name))
        return
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    retention = Duration()
    retention.FromTimedelta(timedelta(days=settings.temporal_retention_days))
    try:
        await client.workflow_service.register_namespace(
            RegisterNamespaceRequest(
                namespace=name,
                description="保期 Baoqi",
                workflow_execution_retention_period=retention,
            )
        )
    except RPCError as error:
        if error.status in FORBIDDEN:
            raise not_allowed(f"namespace {name}", name, str(error)) from None
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


async def _search_attributes(client: Client, namespace: str) -> None:
    known = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=namespace))
    missing = {
        key.name: IndexedValueType.ValueType(key.indexed_value_type)
        for key in SEARCH_ATTRIBUTES
        if key.name not in known.custom_attributes
    }
    if missing:
        request = AddSearchAttributesRequest(namespace=namespace)
        for name, kind in missing.items():
            request.search_attributes[name] = kind
        await client.operator_service.add_search_attributes(request)
