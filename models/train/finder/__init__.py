"""RimFinder: where the rings are in a whole picture."""
