"""What ``systemd-analyze calendar`` says, recorded: `python -m tests.unit.tocsin.recurrence.systemd_calendar` writes it anew.

The expressions are those of systemd.time(7) and some hundred drawn at random.
"""

import os
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).with_name("systemd_calendar.tsv")
BEGIN: Final = "2026-01-01 00:00:00 UTC"
ITERATIONS: Final = 4
REFUSED: Final = "refused"
_DRAWN: Final = 400
MANUAL: Final = """\
Sat,Thu,Mon..Wed,Sat..Sun
Mon,Sun 12-*-* 2,1:23
Wed *-1
Wed..Wed,Wed *-1
Wed, 17:48
Wed..Sat,Tue 12-10-15 1:2:3
*-*-7 0:0:0
10-15
monday *-12-* 17:00
Mon,Fri *-*-3,1,2 *:30:45
12,14,13,12:20,10,30
12..14:10,20,30
mon,fri *-1/2-1,3 *:30:45
03-05 08:05:40
08:05:40
05:40
Sat,Sun 12-05 08:05:40
Sat,Sun 08:05:40
2003-03-05 05:40
05:40:23.4200004/3.1700005
2003-02..04-05
2003-03-05 05:40 UTC
2003-03-05
03-05
hourly
daily
daily UTC
monthly
weekly
weekly Pacific/Auckland
yearly
annually
*:2/3
Mon *-05~07/1
*-02~03
*-*~01
Mon..Fri *-*-* 09:00:00 Europe/Berlin
Mon..Fri *-*-* 09:00:00 America/New_York
*:0/15
*:0/15:00.00
semiannually
bi-annually
quarterly
minutely
Hourly
*-*-31..28
Fri..Mon
*:*/15
24:00
23:59:60
@1790000000
@1790000000 UTC
2200-1-1
*-2-30
*-02-29
*-*~29
*-*~0
Mo
Mon Tue
12
noon
Mon 10:00 Mars/Olympus
10:0/70
*-*-1/31
*:1/59
""".splitlines()


def drawn(draw: random.Random) -> str:
    """An expression, sometimes one that means nothing."""
    parts = [_weekdays(draw)] if draw.random() < 0.4 else []
    if draw.random() < 0.75:
        year = f"{_values(draw, 2026, 2030, star=0.8)}-" if draw.random() < 0.8 else ""
        # A list of days from the end is read in a way of its own by systemd: the more of them, the fewer are allowed.
        day = f"-{_values(draw, 1, 31, star=0.3)}" if draw.random() < 0.75 else f"~{_item(draw, 1, 29)}"
        parts.append(f"{year}{_values(draw, 1, 12, star=0.4)}{day}")
    if draw.random() < 0.75 or not parts:
        second = f":{draw.choice(['*', '0', '30', '0/20', '5,50', '59', '60', '10.00'])}" if draw.random() < 0.5 else ""
        parts.append(f"{_values(draw, 0, 23, star=0.4)}:{_values(draw, 0, 59, star=0.3)}{second}")
    return " ".join([*parts, "UTC"][: len(parts) + (draw.random() < 0.1)])


def _weekdays(draw: random.Random) -> str:
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Monday", "friday", "SUNDAY")
    ranges = (draw.choice(names) + (f"..{draw.choice(names)}" if draw.random() < 0.4 else "") for _ in range(draw.choice((1, 1, 2))))
    return ",".join(ranges)


def _values(draw: random.Random, low: int, high: int, *, star: float) -> str:
    return "*" if draw.random() < star else ",".join(_item(draw, low, high) for _ in range(draw.choice((1, 1, 1, 2, 3))))


def _item(draw: random.Random, low: int, high: int) -> str:
    first = draw.randint(low, high)
    text = f"{first:0{draw.choice((1, 2))}d}"
    if draw.random() < 0.25:
        text += f"..{draw.randint(low, high) if draw.random() < 0.2 else draw.randint(first, high)}"
    return text + (f"/{draw.randint(1, max(1, (high - low) // 2))}" if draw.random() < 0.25 else "")


def judged(expression: str) -> str:
    """Its next times in UTC as systemd sees them, with commas between; "refused"; or nothing when there are none."""
    command = ["systemd-analyze", "calendar", f"--iterations={ITERATIONS}", f"--base-time={BEGIN}", "--", expression]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "TZ": "UTC", "SYSTEMD_COLORS": "0"})
    if "Failed to parse" in answer.stderr + answer.stdout:
        return REFUSED
    lines = (line.strip() for line in answer.stdout.splitlines())
    times = (line.partition(":")[2].strip() for line in lines if line.startswith(("Next elapse:", "Iter. #")))
    return ",".join(time.removesuffix(" UTC")[4:] for time in times if time != "never")


def recorded() -> list[tuple[str, str]]:
    """The expressions of the table, and what was said of each."""
    rows = (line.split("\t") for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#"))
    return [(expression, times) for expression, times in rows]


def _write() -> None:
    draw = random.Random(252)
    expressions = list(dict.fromkeys([*MANUAL, *(drawn(draw) for _ in range(_DRAWN))]))
    version = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    with ThreadPoolExecutor(4) as pool:
        rows = [f"{expression}\t{times}" for expression, times in zip(expressions, pool.map(judged, expressions), strict=True)]
    TABLE.write_text("\n".join([f"# systemd-analyze calendar from {BEGIN}, {version}", *rows, ""]), "utf-8")


if __name__ == "__main__":
    sys.exit("systemd-analyze is missing: apt-get install systemd" if shutil.which("systemd-analyze") is None else _write())
