"""Copy a film's sound into its overlay, as it is."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av

from streetseg.errors import UsageError
from streetseg.runtime.video.opening import open_file


class Sound:
    """The sound of a film, copied packet by packet beside the pictures.

    Args:
        source: The film.
        start: Seconds in the film that become 0.
    """

    def __init__(self, source: str, start: Fraction) -> None:
        self.input, self.start = open_file(source), start
        stream = self.input.streams.best("audio")
        self.stream = stream if isinstance(stream, av.AudioStream) else None
        self.packets = self.shifted()
        self.next: av.Packet[av.AudioStream] | None = None

    def add_to(self, container: av.container.OutputContainer, name: str) -> None:
        """Add a stream for the sound to an overlay that is about to be written; UsageError if it cannot hold it."""
        if self.stream is None:
            return
        codec = self.stream.codec_context.name
        try:
            self.output = container.add_stream_from_template(self.stream)
        except (ValueError, av.FFmpegError):
            raise UsageError(f"{name} cannot hold sound as {codec}; name it NAME.mkv, or leave --audio out") from None

    def shifted(self) -> Iterator[av.Packet[av.AudioStream]]:
        """Yield the packets with their new times, from 0 on."""
        assert self.stream is not None
        base = self.stream.time_base or Fraction(1, 90_000)
        shift = round(self.start / base)
        for packet in self.input.demux(self.stream):
            if packet.dts is None or packet.pts is None or packet.pts < shift:
                continue
            packet.pts -= shift
            packet.dts -= shift
            yield packet

    def copy_until(self, container: av.container.OutputContainer, seconds: Fraction) -> None:
        """Write the packets up to a time."""
        if self.stream is None:
            return
        while True:
            self.next = self.next or next(self.packets, None)
            if self.next is None or (self.next.pts or 0) * (self.next.time_base or 1) > seconds:
                return
            self.next.stream = self.output
            container.mux(self.next)
            self.next = None

    def close(self) -> None:
        """Close the film."""
        self.input.close()
