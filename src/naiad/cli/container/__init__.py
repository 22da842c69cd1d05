"""What belongs to running in a container: the probe, the start, the Dockerfile."""
