"""Stand-ins for rooms, upstreams and clocks, shared by the tests."""
