"""Mutations: small changes to a file, drawn by a seed, each of which the tests must notice."""
