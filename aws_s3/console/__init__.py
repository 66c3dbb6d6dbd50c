"""The output for users: log lines and their forms, tables, the progress bar, the summary of a run.

Begin with `terminal`, the handler of all log records; `line_format` makes lines of them.
"""
