"""Bytes to events and events to messages: compression, JSON, CSV, lines, the size rule. No I/O.

Begin with `json_and_lines`, then `messages`.
"""

DECODING_REVISION = 3
"""Raise it with each change that makes other messages of the same object, or the same in another order.

A run that ended in the middle of an object records how many of its messages were sent; a later run skips so
many, which is right only if it decodes as the earlier run did.
"""
