"""What stands before the APIs: it counts calls, and refuses them when told to."""

import io
import random
import time
from datetime import datetime, timezone
from urllib.parse import parse_qs

# s that a signature may be off, as AWS tells: five minutes
SIGNATURE_MAY_BE_OFF = 300
# s after which an API that hangs is given up by the emulator itself
HANGS_FOR = 120


class Gate:
    """The application that instances reach, and the one of whoever operates the region, who is never refused."""

    def __init__(self, state, app):
        self.state = state
        self.app = app

    def for_operators(self, environ, start_response):
        return self._answer(environ, start_response)

    def for_instances(self, environ, start_response):
        service, action = what_is_asked(environ)
        caller = environ.get("REMOTE_ADDR", "")
        with self.state.lock:
            key = (service, action, caller)
            self.state.calls[key] = self.state.calls.get(key, 0) + 1
            faults = list(self.state.faults)
        for fault in faults:
            if not meets(fault, service, action, caller):
                continue
            if fault["kind"] == "hang":
                time.sleep(HANGS_FOR)
            return refuse(start_response, fault["kind"], service)
        if not is_signed_now(environ):
            return refuse(start_response, "expired", service)
        return self._answer(environ, start_response)

    def _answer(self, environ, start_response):
        # read before the lock is taken: a caller that is slow holds up nobody
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        # a request that waits for messages holds up nobody either
        if what_is_asked(environ) == ("sqs", "ReceiveMessage"):
            return list(self.app(environ, start_response))
        with self.state.lock:
            answer = list(self.app(environ, start_response))
            self.state.changed.notify_all()
        return answer


def what_is_asked(environ):
    """The service and the action of a signed request; its body can be read again."""
    try:
        service = environ["HTTP_AUTHORIZATION"].split("Credential=")[1].split(",")[0].split("/")[3]
    except (KeyError, IndexError):
        service = "unknown"
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return service, target.rsplit(".", 1)[-1]
    if not environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return service, environ.get("REQUEST_METHOD", "")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return service, parse_qs(body.decode()).get("Action", [""])[0]


def meets(fault, service, action, caller):
    """Whether a fault is meant for this call, and, where it takes only a share of them, for this time."""
    wanted = {"service": service, "action": action, "from": caller}
    if any(fault.get(name) not in (None, value) for name, value in wanted.items()):
        return False
    return random.random() < fault.get("share", 1)


def is_signed_now(environ):
    stamp = environ.get("HTTP_X_AMZ_DATE")
    if not stamp:
        return True
    signed = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    return abs((datetime.now(timezone.utc) - signed).total_seconds()) <= SIGNATURE_MAY_BE_OFF


# kind -> of the query protocol, of EC2, of the JSON protocol: status and code
REFUSALS = {
    "throttle": ((400, "Throttling"), (503, "RequestLimitExceeded"), (400, "ThrottlingException")),
    "down": ((503, "ServiceUnavailable"), (503, "Unavailable"), (500, "InternalServerError")),
    "denied": ((403, "AccessDenied"), (403, "UnauthorizedOperation"), (400, "AccessDeniedException")),
    "expired": ((400, "RequestExpired"), (400, "RequestExpired"), (400, "InvalidSignatureException")),
}
REFUSALS["hang"] = REFUSALS["down"]
SAYS = {"throttle": "Rate exceeded", "denied": "not authorized to perform this", "expired": "Signature expired"}


def refuse(start_response, kind, service):
    query, ec2, json = REFUSALS[kind]
    says = SAYS.get(kind, "the service is not available")
    if service in ("autoscaling", "sts", "iam", "cloudformation"):
        status, code = query
        body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{says}</Message></Error></ErrorResponse>"
        content = "text/xml"
    elif service == "ec2":
        status, code = ec2
        body = f"<Response><Errors><Error><Code>{code}</Code><Message>{says}</Message></Error></Errors></Response>"
        content = "text/xml"
    else:
        status, code = json
        body = f'{{"__type":"{code}","message":"{says}"}}'
        content = "application/x-amz-json-1.1"
    start_response(f"{status} {code}", [("Content-Type", content)])
    return [body.encode()]
