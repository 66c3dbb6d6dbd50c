"""Collecting from a bucket: its partitions, the objects in each, and the record of those that were collected.

Begin with `run`, which puts the parts together, then `collector`, which decides about objects and partitions.
"""
