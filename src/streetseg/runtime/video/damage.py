"""Count what a video lost: frames that the decoder patched, and frames that never came."""

from __future__ import annotations

import contextlib
from pathlib import Path

import av

from streetseg.runtime.video.clock import Clock
from streetseg.runtime.video.cut import ends_within
from streetseg.runtime.video.ebml import is_broken
from streetseg.runtime.video.opening import open_file

# Codecs of which every packet gives a frame. Others have packets that are not shown, or that repeat the last picture.
COUNTED = (
    "h264", "hevc", "vvc", "av1", "libdav1d", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "ffv1", "prores", "dnxhd",
    "rawvideo", "huffyuv", "ffvhuff", "utvideo", "png",
)  # fmt: skip
REPEAT_BYTES = 16  # an MPEG-4 packet up to this length says "the last picture again"
SPLIT = ("mpegts", "mpeg")  # formats in which the two fields of a picture may come in two packets


class Tally:
    """A count of a video's packets and frames.

    A header's number of frames proves nothing: AVI counts chunks that repeat a picture, an edit cuts frames away. So a
    frame counts as missing where the file lists a packet that did not come, where a packet gave no frame, and where
    the file breaks off.

    Args:
        path: The file; None for a live source.
        container: The open source.
        stream: The stream that is read.

    Attributes:
        read: Packets that came, but for those that the file tells players to leave out.
        packets: Packets among them that should each give a frame.
        lost: Packets that the decoder refused.
        patched: Frames that the decoder patched.
        broken: True if the source could not be read further, or ends within a packet.
    """

    def __init__(self, path: Path | None, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self.path, self.container, self.stream = path, container, stream
        self.format = container.format.name
        self.read = self.packets = self.lost = self.patched = 0
        self.broken = False
        self.first_key: int | None = None

    def count(self, packet: av.Packet[av.VideoStream]) -> None:
        """Count a packet."""
        if packet.is_keyframe and self.first_key is None:
            self.first_key = packet.pts or 0
        # Frames that need one before the beginning are left out by every player.
        leading = self.first_key is None or (packet.pts is not None and packet.pts < self.first_key)
        repeats = self.stream.codec_context.name == "mpeg4" and packet.size <= REPEAT_BYTES
        self.read += not packet.is_discard
        # The file ends within this packet. A transport stream may have such packets where a recording begins.
        self.broken |= packet.is_corrupt and not self.format.startswith(SPLIT)
        self.packets += not (leading or repeats or packet.is_discard)

    def missing(self, clock: Clock) -> int:
        """Return the number of frames that are missing, once all packets are read."""
        counted = self.stream.codec_context.name in COUNTED and not self.format.startswith(SPLIT)
        silent = self.packets - clock.frames if counted else 0
        self.broken |= self.path is not None and ends_within(self.path, self.format)
        missing = max(silent, self.lost, int(self.broken)) + max(0, self.unread())
        if self.format.startswith("matroska") and self.path is not None:
            claimed = self.claimed(clock)
            if (missing or clock.gaps or claimed > clock.frames) and is_broken(self.path):
                missing = max(1, missing, 0 if clock.uneven else claimed - clock.frames)
        if self.format.startswith(("mxf", "ivf")):
            missing = max(missing, self.claimed(clock) - clock.frames)
        return missing

    def unread(self) -> int:
        """Return the number of packets in the file's own list of them that did not come."""
        if self.path is None or not self.format.startswith(("mov", "avi")):
            return 0
        entries = self.stream.index_entries
        listed = sum(entry.size > 0 and not entry.is_discard for entry in entries)
        if self.format.startswith("mov") and len(entries) < self.stream.frames:  # by an edit, or by damage of the list
            listed += self.stream.frames - self.entries_without_edits()
        return listed - self.read

    def entries_without_edits(self) -> int:
        """Return the number of packets that an MP4 lists, with those that its edit list leaves out."""
        with open_file(str(self.path or ""), {"ignore_editlist": "1"}) as whole:
            return len(whole.streams[self.stream.index].index_entries)

    def claimed(self, clock: Clock) -> int:
        """Return the number of frames by the length that the file claims; 0 if it claims none."""
        seconds = duration(self.container, self.stream)
        rate = self.stream.average_rate or self.stream.guessed_rate
        return 0 if seconds is None or rate is None else round(seconds * rate)


def duration(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """Return the video's length in seconds from its first frame on, by the file's header; None if it does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    start = float((stream.start_time or 0) * (stream.time_base or 0))  # the others count from 0, not the first frame
    with contextlib.suppress(KeyError, ValueError):  # Matroska
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - start
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base - start
    return None
