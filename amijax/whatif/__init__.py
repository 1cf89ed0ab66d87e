"""What a changed parameter does: trajectories, slices, predictions."""
