"""The latency table of `naiad convert --bench`."""
