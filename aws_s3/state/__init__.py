"""The record of collected objects, in SQLite: the tables of Wazuh's own module, and beside them our own.

Begin with `bucket_state`, then `start_day`, which decides where a run starts.
"""
