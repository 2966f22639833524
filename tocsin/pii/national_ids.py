"""National ids of persons: one row a kind, by country. python-stdnum knows their check digits, dates and forms.

A number must look like what it is, or be announced. A shape that people write with signs ("123-45-6789"), or with letters, says enough; a
bare number of eleven digits does not: one in ten passes a check digit, and a log is full of them. Such a row has words, and one of them has
to stand shortly before the number, or in the name of the field that holds it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class NationalId:
    """One kind.

    Attributes:
        country: ISO 3166 code.
        module: of python-stdnum; empty when the pattern says all.
        shapes: how it is written: "9" for a digit, "A" for a letter, anything else for itself.
        words: one of them has to announce it; none when the shape says enough.
        pattern: what it has to match besides.
    """

    country: str
    module: str
    shapes: tuple[str, ...]
    words: tuple[str, ...] = ()
    pattern: str = ""

    def is_valid(self, text: str) -> bool:
        """Whether a text of one of the shapes is such an id."""
        if self.pattern and re.fullmatch(self.pattern, text, re.IGNORECASE) is None:
            return False
        return not self.module or _checker(self.module)(text)


_D: Final = "9"
_SSN: Final = ("ssn", "social security")
_NINO: Final = r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ 0-9]+[A-D]"  # python-stdnum has none
_TAX: Final = ("tax id", "tax number", "tin", "taxpayer")

NATIONAL_IDS: Final[Sequence[NationalId]] = (
    NationalId("AT", "at.vnr", (_D * 10, "9999 999999"), ("svnr", "sozialversicherung", "versicherungsnummer")),
    NationalId("AU", "au.tfn", (_D * 9, "999 999 999"), ("tfn", "tax file")),
    NationalId("BE", "be.nn", ("99.99.99-999.99",)),
    NationalId("BE", "be.nn", (_D * 11,), ("rijksregister", "registre national", "national number", "insz", "niss")),
    NationalId("BG", "bg.egn", (_D * 10,), ("egn", "егн")),
    NationalId("BR", "br.cpf", ("999.999.999-99",)),
    NationalId("BR", "br.cpf", (_D * 11,), ("cpf",)),
    NationalId("CA", "ca.sin", (_D * 9, "999-999-999", "999 999 999"), ("sin", "social insurance", "assurance sociale")),
    NationalId("CH", "ch.ssn", ("999.9999.9999.99",), pattern=r"756.*"),
    NationalId("CH", "ch.ssn", (_D * 13,), ("ahv", "avs"), r"756.*"),
    NationalId("CL", "cl.rut", ("99.999.999-9", "99.999.999-A", "9.999.999-9", "9.999.999-A")),
    NationalId("CL", "cl.rut", ("99999999-9", "99999999-A", "9999999-9", "9999999-A"), ("rut", "run")),
    NationalId("CN", "cn.ric", (_D * 18, _D * 17 + "A")),
    NationalId("CZ", "cz.rc", ("999999/9999", "999999/999")),
    NationalId("DE", "de.idnr", (_D * 11, "99 999 999 999"), ("steuer", "idnr", "identifikationsnummer", *_TAX)),
    NationalId("DK", "dk.cpr", ("999999-9999",)),
    NationalId("DK", "dk.cpr", (_D * 10,), ("cpr", "personnummer")),
    NationalId("EE", "ee.ik", (_D * 11,), ("isikukood", "personal code", "id code")),
    NationalId("ES", "es.dni", (_D * 8 + "A", "99999999-A", "99.999.999-A")),
    NationalId("ES", "es.nie", ("A9999999A", "A-9999999-A", "A9999999-A"), pattern=r"[XYZ].*"),
    NationalId("FI", "fi.hetu", ("999999-999A", "999999-9999", "999999A999A", "999999A9999", "999999+999A", "999999+9999")),
    NationalId("FR", "fr.nir", (_D * 15, "9 99 99 99 999 999 99", "9 99 99 99 999 999-99"), pattern=r"[12].*"),
    NationalId("GB", "", ("AA999999A", "AA 99 99 99 A", "AA 999999 A"), pattern=_NINO),
    NationalId("GB", "gb.nhs", (_D * 10, "999 999 9999", "999-999-9999"), ("nhs",)),
    NationalId("GR", "gr.amka", (_D * 11,), ("amka", "αμκα")),
    NationalId("HR", "hr.oib", (_D * 11,), ("oib",)),
    NationalId("IE", "ie.pps", (_D * 7 + "A", _D * 7 + "AA"), ("pps",)),
    NationalId("IL", "il.idnr", (_D * 9,), ("teudat", "israeli id", "תעודת זהות")),
    NationalId("IN", "in_.aadhaar", ("9999 9999 9999",)),
    NationalId("IN", "in_.aadhaar", (_D * 12,), ("aadhaar", "aadhar", "uidai")),
    NationalId("IN", "in_.pan", ("AAAAA9999A",)),
    NationalId("IS", "is_.kennitala", ("999999-9999",), ("kennitala", "kt.")),
    NationalId("IT", "it.codicefiscale", ("AAAAAA99A99A999A",)),
    NationalId("JP", "jp.in_", (_D * 12, "9999 9999 9999", "9999-9999-9999"), ("my number", "mynumber", "マイナンバー", "個人番号")),
    NationalId("KR", "kr.rrn", ("999999-9999999",)),
    NationalId("LT", "lt.asmens", (_D * 11,), ("asmens",)),
    NationalId("MX", "mx.curp", ("AAAA999999AAAAAA99", "AAAA999999AAAAAAA9")),
    NationalId("MY", "my.nric", ("999999-99-9999",)),
    NationalId("NL", "nl.bsn", (_D * 9,), ("bsn", "burgerservice", "sofi")),
    NationalId("NO", "no.fodselsnummer", ("999999 99999",)),
    NationalId("NO", "no.fodselsnummer", (_D * 11,), ("fødselsnummer", "fodselsnummer", "personnummer", "fnr")),
    NationalId("NZ", "nz.ird", (_D * 8, _D * 9, "99-999-999", "999-999-999"), ("ird",)),
    NationalId("PK", "pk.cnic", ("99999-9999999-9",)),
    NationalId("PL", "pl.pesel", (_D * 11,), ("pesel",)),
    NationalId("PT", "pt.cc", (_D * 9 + "AA9", "99999999 9 AA9"), pattern=r".*[0-9][A-Z0-9]{2}[0-9]"),
    NationalId("RO", "ro.cnp", (_D * 13,)),
    NationalId("SE", "se.personnummer", ("999999-9999", "99999999-9999")),
    NationalId("SE", "se.personnummer", (_D * 10, _D * 12), ("personnummer", "personal identity")),
    NationalId("SI", "si.emso", (_D * 13,)),
    NationalId("TH", "th.pin", ("9-9999-99999-99-9",)),
    NationalId("TH", "th.pin", (_D * 13,), ("thai id", "บัตรประชาชน")),
    NationalId("TR", "tr.tckimlik", (_D * 11,), ("tckn", "kimlik", "t.c.")),
    NationalId("US", "us.ssn", ("999-99-9999",)),
    NationalId("US", "us.ssn", (_D * 9, "999 99 9999"), _SSN),
    NationalId("US", "us.itin", ("999-99-9999",)),
    NationalId("US", "us.itin", (_D * 9,), ("itin", *_TAX)),
    NationalId("ZA", "za.idnr", (_D * 13,)),
)
"""The table. Where a row stands twice, its bare number needs a word that the written form does not."""


@cache
def _checker(module: str) -> Callable[[str], bool]:
    """The function of python-stdnum; its modules are loaded when they are first asked for."""
    found: Any = import_module(f"stdnum.{module}")
    return found.is_valid
