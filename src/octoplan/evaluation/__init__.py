"""How often plans and calls are right: metrics, and the measurement of the adapters that ship."""
