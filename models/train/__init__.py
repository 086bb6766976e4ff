"""Training of RimNet, the model that calls a shot made or missed from a crop round the ring. See README.md."""
