"""Stored bytes as messages. A row may hold anything: an older version wrote it, or nobody checked it."""

import re
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct

from tocsin.api.scheduler.v1 import alarm_pb2, dispatch_service_pb2
from tocsin.mesh.request_id import nested_field

_DEEP: Final = 150
"""A shorter text cannot be nested so deep that it is refused: a level takes two bytes, and a hundred levels are read."""

_MAYBE_ODD: Final = re.compile(rb"\x11.{6}[\xf0-\xff][\x7f\xff]", re.DOTALL)
"""Every number_value that is not finite (IEEE 754: its exponent is all ones) looks like this, and little else does."""

LARGEST_ACTION: Final = 3 * 1024 * 1024  # bytes; a message has at most 4 MiB
LARGEST_STRUCT: Final = 512 * 1024

JOBS: Final = 1
ACTIONS: Final = 2
JOB_ACTION: Final = 8
JOB_CONTEXT: Final = 11


def check_readable(body: bytes, *, within: tuple[int, ...]) -> None:
    """Refuses what is nested too deep to be read as a part of a message: readers count from the outside.

    Args:
        body: a message.
        within: the numbers of the fields of WorkResponse.Jobs that it is put in, the outer one first.

    Raises:
        DecodeError: it cannot be read there.
    """
    if len(body) >= _DEEP:
        dispatch_service_pb2.WorkResponse.FromString(nested_field((1, *within), body))  # WorkResponse.jobs around all


def show(target: "alarm_pb2.Action | Struct", body: bytes) -> bool:
    """Reads a stored message for somebody who sees it as JSON, in a page. False when it cannot be shown; then nothing of it is."""
    within, most = ((JOBS, JOB_CONTEXT), LARGEST_STRUCT) if isinstance(target, Struct) else ((JOBS, JOB_ACTION), LARGEST_ACTION)
    if len(body) > most:
        return False
    try:
        check_readable(body, within=within)  # nothing stands deeper in an answer than in a job
        target.ParseFromString(body)
    except DecodeError:
        target.Clear()
        return False
    if _MAYBE_ODD.search(body) and not _is_json(target):
        target.Clear()
        return False
    return True


def _is_json(message: Message) -> bool:
    try:
        json_format.MessageToDict(message)
    except (ValueError, json_format.Error):
        return False
    return True
