"""The stress test: random graphs over three schedulers, with tiny gates, failures, drains and cancels."""
