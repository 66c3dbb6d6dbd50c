"""The way that all sources share: fetch ahead, decode, deliver, in this process or in worker processes.

Begin with `source`, the contracts and the loop. `loading` fetches and decodes with `decode` and `workers`;
`delivery` sends with `pacing` and `sinks`.
"""
