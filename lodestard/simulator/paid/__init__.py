"""The paid providers' dialects, spoken by the simulator, and the meter that bills them."""
