"""Idempotency-Key: a request that is sent again is answered with what the first one was answered with, and does nothing a second time."""

from gateway.idempotency.calls import AnswerStore, IdempotentCalls, KeptAnswer, KeyBounds, KeyedCall, Reply
from gateway.idempotency.keys import HEADER, refuse_key
from gateway.idempotency.shared import SharedKeys

__all__ = ["HEADER", "AnswerStore", "IdempotentCalls", "KeptAnswer", "KeyBounds", "KeyedCall", "Reply", "SharedKeys", "refuse_key"]
