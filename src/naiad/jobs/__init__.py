"""Requests that are taken now and run later: kept where they survive the server, run from there, and fetched."""
