"""AWS whose role credentials last for seconds: STS that gives them, and S3 that refuses them afterwards."""

import threading
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs

from tests.harness.aws_server import EMPTY_LISTING, Answer, Request, xml_error

_ASSUMED = """<AssumeRoleResponse><AssumeRoleResult><Credentials>
<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
<SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>"""
_CALLER = """<GetCallerIdentityResponse><GetCallerIdentityResult>
<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


class ExpiringAws:
    """Answers STS and S3. `assumed` holds the parameters of each AssumeRole; credentials last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.assumed: list[dict[str, str]] = []
        self.callers: list[str] = []
        self._seconds = seconds
        self._valid_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Answer:
        parameters = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if parameters.get("Action") == "AssumeRole":
            return self._assume(parameters)
        token = request.headers.get("x-amz-security-token", "")
        if self._valid_until.get(token, 0) < time.monotonic():
            return xml_error("ExpiredToken", "The provided token has expired.")
        if parameters.get("Action") == "GetCallerIdentity":
            self.callers.append(token)
            return Answer(body=_CALLER.encode())
        return EMPTY_LISTING

    def _assume(self, parameters: dict[str, str]) -> Answer:
        with self._lock:
            self.assumed.append(parameters)
            token = f"token-{len(self.assumed)}"
            self._valid_until[token] = time.monotonic() + self._seconds
        expiration = datetime.now(timezone.utc) + timedelta(seconds=self._seconds)
        text = _ASSUMED.format(key=f"ASIA{token}", token=token, expiration=expiration.isoformat())
        return Answer(body=text.encode())
