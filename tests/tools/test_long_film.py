"""tools/long_film.py: a repeated film comes out with all frames and times, and growing memory is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from streetseg import Segmenter
from streetseg.runtime.video.reader import VideoReader
from tests.support.videos import write_film
from tools.long_film import Memory, main, repeated

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")


def test_a_film_is_repeated(tmp_path: Path) -> None:
    short, long = write_film(tmp_path / "short.mp4", range(6), options={"g": "6", "bf": "0"}), tmp_path / "long.mp4"
    repeated(short, long, 20)
    with VideoReader(str(long)) as reader:
        seen = [round((frame.pts or 0) * reader.time_base * 25) for frame in reader]
    assert seen == list(range(20))
    assert reader.missing == 0


def test_memory_that_grows_has_a_slope() -> None:
    memory = Memory(every=10)
    assert list(memory(range(35), "frame", total=35)) == list(range(35))
    assert [frame for frame, _ in memory.states] == [10, 20, 30]
    memory.states = [(10, 9_000), (20, 1_000), (30, 1_500), (40, 2_000)]
    assert memory.slope == pytest.approx(50)


@pytest.mark.slow
def test_the_command_prints_frames_times_and_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = write_film(tmp_path / "short.mp4", range(6), options={"g": "6", "bf": "0"})
    opened = Segmenter.open(engine="onnxruntime")
    monkeypatch.setattr(Segmenter, "open", lambda *_, **__: opened)
    assert main([str(short), "--minutes", "0.02"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("64 x 48: 30 of 30 frames, 1.20 of 1.20 s in the overlay, ")
    assert "memory grows by 0.0 bytes a frame" in out
