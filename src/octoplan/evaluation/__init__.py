"""How often plans and calls are right: oracles, metrics, reports, and how benchmarks are made."""
