"""Weights from elsewhere: reading them as data, and turning them into presets."""
