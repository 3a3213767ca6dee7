"""The engine under torture: random graphs of real operators with tiny gates, failures, stops and restarts."""
