"""A backend is the same algorithm written for one machine (Triton today)."""
