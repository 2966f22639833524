"""Personal data in text: what it is, where it stands, and what is done about it. A value that was found never stands in a name or repr.

`find` tells where, `redact` puts marks there, `scan_value` walks a JSON value, `PolicyBook` says what a tenant wants done, and
`PiiGuard` does it. Time is bounded on any input: what is beyond a bound counts as found (`PiiKind.UNSCANNED`).
"""

from tocsin.pii.detection import MAX_CHARACTERS, find, redact
from tocsin.pii.findings import EVERY_KIND, PiiFinding, PiiKind
from tocsin.pii.guard import PiiGuard, PiiRefused, PiiVerdict
from tocsin.pii.policies import DEFAULT_MEASURES, Measure, PiiArea, PiiPolicy, PiiRules, PolicyBook, measures_of, readable
from tocsin.pii.values import ScannedValue, scan_value

__all__ = [
    "DEFAULT_MEASURES",
    "EVERY_KIND",
    "MAX_CHARACTERS",
    "Measure",
    "PiiArea",
    "PiiFinding",
    "PiiGuard",
    "PiiKind",
    "PiiPolicy",
    "PiiRefused",
    "PiiRules",
    "PiiVerdict",
    "PolicyBook",
    "ScannedValue",
    "find",
    "measures_of",
    "readable",
    "redact",
    "scan_value",
]
