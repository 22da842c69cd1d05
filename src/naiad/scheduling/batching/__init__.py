"""The scheduler that joins waiting jobs into batches, a file for each of its ideas; `scheduler` joins these."""
