"""Bytes to events and events to messages: compression, JSON, CSV, lines, the size rule. No I/O.

Begin with `json_and_lines`, then `messages`.
"""
