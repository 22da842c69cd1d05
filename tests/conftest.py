"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is slow now and then; how long one example takes is no property of the code.
settings.register_profile("naiad", parent=settings.default, deadline=None)
settings.load_profile("naiad")
