"""The part of the table about ensembles: overheads, and aims met or missed."""

from __future__ import annotations

from report_batcher import ensembles


def one_round(naiad_us: float, triton_us: float, text_us: float) -> dict[str, object]:
    def row(overhead_us: float) -> dict[str, object]:
        return {"three": {"p50_ms": (300 + overhead_us) / 1000}, "part": {"p50_ms": 0.3}, "overhead_us": overhead_us}

    return {"Naiad": row(naiad_us), "Triton": row(triton_us), "text": {"ensemble_us": text_us, "parts_us": 1000.0}}


def test_a_row_for_each_server_and_the_aims() -> None:
    page = ensembles({"rounds": [one_round(100, 250, 1050), one_round(110, 250, 1040), one_round(90, 250, 1060)]})
    assert "| Naiad | 400 µs | 300 µs | 100 µs |" in page
    assert "Overhead, Naiad / Triton: 0.40x (aim ≤ 0.5x: reached)." in page
    assert "as an ensemble / its parts: 1.05x (aim ≤ 1.1x: reached)." in page


def test_missed_aims() -> None:
    page = ensembles({"rounds": [one_round(200, 250, 1200)]})
    assert page.count("**missed**") == 2


def test_without_triton_there_is_nothing_to_compare_with() -> None:
    alone = one_round(100, 250, 1050)
    del alone["Triton"]
    assert "/ Triton" not in ensembles({"rounds": [alone]})
