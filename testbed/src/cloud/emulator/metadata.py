"""IMDSv2, at 169.254.169.254 of the switch: whoever asks is known by its address, as on a real host."""

import base64
import json
import secrets
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ec2
from namespaces import listen_in

ADDRESS = "169.254.169.254"
PORT = 80
TOKEN_LIVES_AT_MOST = 21600  # s
CREDENTIALS_LIVE = timedelta(hours=6)


def serve(state, namespace):
    server = Service(state, listen_in(namespace, ADDRESS, PORT))
    threading.Thread(target=server.serve_forever, daemon=True).start()


class Service(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, state, sock):
        super().__init__((ADDRESS, PORT), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.state = state
        # (address, token) -> when it ends, by the monotonic clock
        self.tokens = {}

    def handle_error(self, request, client_address):
        """Who asks may be gone before the answer: its machine has lost its power."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "EC2ws"

    def log_message(self, *_):
        pass

    def do_PUT(self):
        if self.path != "/latest/api/token":
            return self.say(404)
        if self.headers.get("X-Forwarded-For"):
            return self.say(403)
        ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if not ttl.isdigit() or not 1 <= int(ttl) <= TOKEN_LIVES_AT_MOST:
            return self.say(400)
        token = secrets.token_urlsafe(32)
        self.server.tokens[self.client_address[0], token] = time.monotonic() + int(ttl)
        return self.say(200, token, {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": ttl})

    def do_GET(self):
        token = self.headers.get("X-aws-ec2-metadata-token", "")
        until = self.server.tokens.get((self.client_address[0], token))
        if until is None or time.monotonic() > until:
            return self.say(401)
        with self.server.state.lock:
            instance = ec2.at_address(self.client_address[0])
            found = instance and lookup(tree(self.server.state, instance), self.path)
        return self.say(404) if found is None else self.say(200, found)

    def say(self, status, text="", headers=None):
        body = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def lookup(paths, asked):
    """What is at a path: a value, or, of a folder, the names in it. None: nothing."""
    path = asked.split("?")[0].strip("/")
    if path in paths:
        return paths[path]
    below = [other[len(path) + 1 :] for other in paths if other.startswith(f"{path}/")]
    names = {name.split("/")[0] + ("/" if "/" in name else "") for name in below}
    return "\n".join(sorted(names)) if names else None


def tree(state, instance):
    """Every path that has a value now."""
    facts = state.of(instance.id)
    zone, address = instance.placement.zone, instance.private_ip
    mac = instance.nics[0].mac_address if instance.nics else "02:00:00:00:00:01"
    meta = {
        "ami-id": instance.image_id,
        "hostname": instance.private_dns_name,
        "instance-action": "none",
        "instance-id": instance.id,
        "instance-life-cycle": instance.lifecycle or "on-demand",
        "instance-type": instance.instance_type,
        "local-hostname": instance.private_dns_name,
        "local-ipv4": address,
        "mac": mac,
        "placement/availability-zone": zone,
        "placement/availability-zone-id": f"{state.name}-az{ord(zone[-1]) - ord('a') + 1}",
        "placement/region": state.name,
        "reservation-id": "r-0",
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
        "events/maintenance/scheduled": "[]",
        "autoscaling/target-lifecycle-state": facts.target_state,
        "spot/instance-action": facts.spot_action and json.dumps(facts.spot_action),
        "spot/termination-time": facts.spot_action and facts.spot_action["time"],
        "events/recommendations/rebalance": facts.rebalance and json.dumps(facts.rebalance),
    }
    role = role_of(facts.template)
    if role:
        meta["iam/info"] = json.dumps({"Code": "Success", "InstanceProfileArn": role["arn"]})
        meta[f"iam/security-credentials/{role['name']}"] = json.dumps(credentials(state))
    if facts.template.get("MetadataOptions", {}).get("InstanceMetadataTags") == "enabled":
        for tag in instance.get_tags():
            meta[f"tags/instance/{tag['key']}"] = tag["value"]
    document = {
        "accountId": state.account,
        "architecture": "x86_64",
        "availabilityZone": zone,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "pendingTime": instance.launch_time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "privateIp": address,
        "region": state.name,
        "version": "2017-09-30",
    }
    paths = {f"latest/meta-data/{path}": value for path, value in meta.items() if value is not None}
    paths["latest/dynamic/instance-identity/document"] = json.dumps(document, indent=2)
    if instance.user_data:
        paths["latest/user-data"] = base64.b64decode(str(instance.user_data))
    return paths


def role_of(template):
    """The role that an instance profile stands for: moto lets profile and role have the same name here, as CDK does not."""
    profile = template.get("IamInstanceProfile") or {}
    name = profile.get("Name") or profile.get("Arn", "").rsplit("/", 1)[-1]
    if not name:
        return None
    from moto.iam import iam_backends
    from state import region_state

    known = iam_backends[region_state.account]["aws"].instance_profiles.values()
    found = next((one for one in known if one.name == name), None)
    roles = found.roles if found else []
    arn = found.arn if found else f"arn:aws:iam::{region_state.account}:instance-profile/{name}"
    return {"name": roles[0].name if roles else name, "arn": arn}


def credentials(state):
    key, secret = state.credentials
    now = datetime.now(timezone.utc)
    return {
        "Code": "Success",
        "LastUpdated": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Type": "AWS-HMAC",
        "AccessKeyId": key,
        "SecretAccessKey": secret,
        # real ones have a token; versitygw, the S3 server, knows none and refuses those who send one
        "Token": "",
        "Expiration": (now + CREDENTIALS_LIVE).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
