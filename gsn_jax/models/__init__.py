"""The models that ship, their baselines, and how they are stored."""
