"""One module a stage: runs magic-cta-pipe on one element, on the compute node."""
