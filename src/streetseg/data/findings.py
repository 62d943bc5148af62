"""Findings of a check, and how many of one kind are told in a few lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]

EXAMPLES = 3  # findings of a kind that the text shows; more of them get a heading

# Kind -> heading above several findings of it; {all} is the number of frames or labels that could have it.
HEADINGS = {
    "no label": "{count} of {all} images have no mask; copy the masks to their places, or take the images out",
    "image": "{count} of {all} images cannot be used; save them again, or take them out",
    "label": "{count} of {all} masks cannot be read; save them again, or take the images out",
    "size": "{count} of {all} masks have another size than their images; save both in one size",
    "value": "{count} of {all} masks hold what is no class; change the class file or the masks",
    "void": "{count} of {all} masks hold nothing but void; label them, or take the pairs out",
    "leak": "{count} groups of frames with the same pixels lie in several splits; keep each frame in one split",
    "copy": "{count} groups of frames have the same pixels; keep one frame of each",
    "stray": "{count} labels have no frame; add the images or take the labels out",
}


@dataclass(frozen=True)
class Finding:
    """One line about a fault ("error": training fails or misleads) or a doubt ("warning").

    Attributes:
        severity: "error" or "warning".
        message: What was found, and what to do about it.
        kind: A key of HEADINGS, if many findings can be of its kind; otherwise empty.
    """

    severity: Severity
    message: str
    kind: str = ""


def told(findings: Iterable[Finding], frames: int, title: str = "") -> list[str]:
    """Return the findings as lines; of many that are of one kind, a heading, the first ones, and how many more.

    Args:
        findings: The findings.
        frames: Number of frames in the dataset.
        title: What stands before each of them; "": its severity.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for number, finding in enumerate(findings):
        key = finding.kind or f"by itself {number}"
        groups.setdefault((finding.severity, key), []).append(finding.message)
    lines = []
    for (severity, kind), messages in groups.items():
        before = title or severity
        if len(messages) <= EXAMPLES:
            lines += [f"{before}: {message}" for message in messages]
            continue
        heading = HEADINGS[kind].format(count=len(messages), all=frames)
        lines.append(f"{before}: {heading}")
        lines += [f"  {message}" for message in messages[:EXAMPLES]]
        lines.append(f"  and {len(messages) - EXAMPLES} more (--json lists all)")
    return lines
