"""Tracing: which requests are noted (`settings`, `sampling`), by whom (`tracing`), and where it goes (`writer` …)."""
