"""The way that all sources share: fetch ahead, decode, deliver, here or in worker processes.

Begin with `decode`, which makes messages of one object, then `sinks`, where they go, then `workers`.
"""
