"""What the reports of a job's nodes mean: which of them are bad, and what is everybody's fault."""

import re
import statistics
from dataclasses import dataclass, field
from typing import Any

from recipes.submit.all_reduce import STAGES

CLOCK_SECONDS = 30.0
"""Most a node's clock may be off the median of all. Ours: munge refuses from 300 s on, checkpoints are told by time."""


BAD_NODES = 3
"""Exit code of a check that found some nodes bad."""
_LOST = re.compile(r"connection|socket|broken pipe|reset by peer|store", re.IGNORECASE)


@dataclass(kw_only=True)
class Report:
    """What one node said.

    Attributes:
        faults: What it found wrong with itself.
        notes: What it did not look at.
        unseen: Numbers of the nodes whose token it did not find in the run folder; None where it could not look.
        stage: How far its slowest rank came in the all-reduce, as an index into STAGES; None where there was none.
        died: Last words of a rank that ended by itself before it was through.
        seconds: Of the all-reduce.
        clock: Its clock less the file system's, in seconds.
        gpus: Names of its GPUs, each once.
        is_whole: Whether its task came to its end.
    """

    node: str
    number: int
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unseen: list[int] | None = None
    stage: int | None = None
    died: str = ""
    seconds: float | None = None
    clock: float | None = None
    gpus: list[str] = field(default_factory=list)
    is_whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Bad nodes with their faults, and faults that changing nodes would not mend."""

    bad: dict[str, list[str]]
    common: list[str]
    notes: list[str]

    @property
    def exit_code(self) -> int:
        """0 all good, BAD_NODES some are, 1 the fault is not a node's."""
        return 1 if self.common else BAD_NODES if self.bad else 0


def reports(nodes: list[str], said: list[dict[str, Any]]) -> list[Report]:
    """One report a node, from the lines they printed; a node that printed none has an empty one."""
    found = {name: Report(node=name, number=number) for number, name in enumerate(nodes)}
    for line in said:
        report = found.get(str(line.get("node")))
        if report is None:
            continue
        report.faults += [line["fault"]] if "fault" in line else []
        report.notes += [line["note"]] if "note" in line else []
        for name in ("number", "unseen", "stage", "died", "seconds", "clock", "gpus", "is_whole"):
            if name in line:
                setattr(report, name, line[name])
    return list(found.values())


def verdict(found: list[Report]) -> Verdict:
    """Judges all nodes; a fault that every one of several has is a common one."""
    bad = {report.node: list(report.faults) for report in found}
    for report in found:
        if not report.is_whole:
            bad[report.node].append("its task did not come to its end: it could not start there, or it hung")
    for judged in (_unlike(found), _late(found), _unseen(found, bad)):
        for node, fault in judged:
            bad[node].append(fault)
    common = []
    unreduced = _not_reduced(found, bad)
    if unreduced and len(unreduced) == len(found) > 1:
        common.append(
            f"the all-reduce over {len(found)} nodes ended at stage '{STAGES[found[0].stage or 0]}' on all of them: "
            "the network between them (NCCL_SOCKET_IFNAME, GLOO_SOCKET_IFNAME, firewalls), or MASTER_ADDR"
            + "".join(f"; {report.node}: {report.died}" for report in unreduced[:1] if report.died)
        )
    else:
        for report in unreduced:
            words = f": {report.died}" if report.died else ""
            bad[report.node].append(f"the all-reduce ended at stage '{STAGES[report.stage or 0]}' here{words}")
    bad = {node: list(dict.fromkeys(faults)) for node, faults in bad.items() if faults}
    if len(bad) == len(found):
        common += [f"{node}: {fault}" for node, faults in bad.items() for fault in faults]
        bad = {}
    return Verdict(bad=bad, common=common, notes=sorted({note for report in found for note in report.notes}))


def _unlike(found: list[Report]) -> list[tuple[str, str]]:
    """Nodes whose GPUs are others than those of most; all where no kind is that of most."""
    kinds = [tuple(report.gpus) for report in found if report.gpus]
    if len(set(kinds)) < 2:
        return []
    usual = statistics.mode(kinds)
    if kinds.count(usual) * 2 <= len(kinds):
        return [(report.node, f"its GPUs are {', '.join(report.gpus)}, others have others") for report in found]
    return [
        (report.node, f"its GPUs are {', '.join(report.gpus)}, those of most {', '.join(usual)}")
        for report in found
        if report.gpus and tuple(report.gpus) != usual
    ]


def _late(found: list[Report]) -> list[tuple[str, str]]:
    """Nodes whose clock is off; of two the one that is further from the file system's."""
    clocks = {report.node: report.clock for report in found if report.clock is not None}
    if not clocks:
        return []
    usual = statistics.median_low(clocks.values()) if len(clocks) > 2 else min(clocks.values(), key=abs)
    return [
        (node, f"its clock is {clock - usual:+.0f} s off the others'")
        for node, clock in clocks.items()
        if abs(clock - usual) > CLOCK_SECONDS
    ]


def _unseen(found: list[Report], bad: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Who does not see the others' files, or is not seen; a node already known to be bad explains its own absence."""
    sound = [report for report in found if not bad[report.node]]
    blamed = []
    for report in sound:
        unseen = [other for other in sound if other.number in (report.unseen or [])]
        if unseen and len(unseen) == len(sound) - 1:
            blamed.append((report.node, "it sees no file of the others in the run folder: not the same file system"))
        elif unseen:
            blamed += [(other.node, f"{report.node} does not see its files in the run folder") for other in unseen]
    return blamed


def _not_reduced(found: list[Report], bad: dict[str, list[str]]) -> list[Report]:
    """Nodes that broke the all-reduce; all where none can be told from the rest.

    A rank that died of anything but a lost connection has taken the others with it. Where none did, those that came
    less far than others are meant. Where a node is known to be bad, the others have waited for it: nobody is blamed.
    """
    stages = [report.stage for report in found if report.stage is not None]
    last = len(STAGES) - 1
    if not stages or min(stages) == last or any(bad.values()):
        return []
    died = [report for report in found if report.died and not _LOST.search(report.died)]
    return died or [report for report in found if report.stage == min(stages)]
