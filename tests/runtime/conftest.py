"""Fixtures that several of the runtime's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streetseg.runtime.kernel import binding


@pytest.fixture(params=["compiled", "python"], scope="module")
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test with the compiled kernel, and again with numpy and Pillow in its place."""
    if request.param == "compiled":
        if binding.load() is None:
            pytest.skip("needs the compiled kernel, which this installation was built without")
        yield request.param
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binding, "load", lambda: None)
        yield request.param
