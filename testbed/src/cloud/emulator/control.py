"""The testbed's own calls: which machines there are to be, what became of them, and what goes wrong.

GET  /machines?after=VERSION  {version, machines: [{id, address, zone, state, target?, role?, userData?}]}, once its version is another, or after some s
POST /machines/ID             {state: "running" | "stopped" | "terminated"} | {impaired: bool} | {spotAction} | {rebalance: bool}
PUT  /faults                  [{kind: throttle | down | denied | hang, service?, action?, from?, share?}]
GET  /calls                   [{service, action, from, count}] of instances, since the last DELETE /calls
PUT  /settings                {impairedZones?: [zone], remembersTerminated?: s, healthCheckDelay?: s}
"""

import json
import time
from urllib.parse import parse_qs

import ec2
from metadata import role_of

# s that a look waits for a change
PATIENCE = 20


def control_app(state):
    def machines(query):
        after = int(query.get("after", ["-1"])[0])
        until = time.monotonic() + PATIENCE
        with state.changed:
            while state.version == after and time.monotonic() < until:
                state.changed.wait(until - time.monotonic())
            return {"version": state.version, "machines": [describe(state, one) for one in ec2.instances()]}

    def machine(instance_id, told):
        facts, instance = state.of(instance_id), ec2.find(instance_id)
        if told.get("state") == "running":
            if ec2.state_of(instance) == "pending":
                ec2.set_state(instance, ec2.RUNNING)
        if told.get("state") == "stopped" and ec2.state_of(instance) == "stopping":
            ec2.set_state(instance, ec2.STOPPED)
        if told.get("state") == "terminated":
            ec2.ended(instance)
        if "impaired" in told:
            facts.impaired_since = time.monotonic() if told["impaired"] else None
        if "spotAction" in told:
            facts.spot_action = told["spotAction"]
        if "rebalance" in told:
            facts.rebalance = {"noticeTime": ec2.stamp()} if told["rebalance"] else None
        state.bump()
        return {}

    def settings(told):
        if "impairedZones" in told:
            state.impaired_zones = set(told["impairedZones"])
        state.remembers_terminated = told.get("remembersTerminated", state.remembers_terminated)
        state.health_check_delay = told.get("healthCheckDelay", state.health_check_delay)
        state.bump()
        return {}

    def faults(told):
        state.faults = told
        return {}

    def calls():
        return [
            {"service": service, "action": action, "from": caller, "count": count}
            for (service, action, caller), count in sorted(state.calls.items())
        ]

    def forget_calls():
        state.calls = {}
        return {}

    def answer(method, path, query, told):
        if (method, path) == ("GET", "/machines"):
            return machines(query)
        with state.lock:
            if method == "POST" and path.startswith("/machines/"):
                return machine(path.split("/")[2], told)
            if (method, path) == ("PUT", "/faults"):
                return faults(told)
            if (method, path) == ("PUT", "/settings"):
                return settings(told)
            if (method, path) == ("GET", "/calls"):
                return calls()
            if (method, path) == ("DELETE", "/calls"):
                return forget_calls()
        raise LookupError(f"{method} {path}")

    def app(environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status = "200 OK"
        try:
            told = json.loads(body) if body else {}
            said = answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"]), told)
        except LookupError as error:
            status, said = "404 Not Found", {"error": f"there is no {error}"}
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(said).encode()]

    return app


def describe(state, instance):
    role = role_of(state.of(instance.id).template)
    return {
        "id": instance.id,
        "address": instance.private_ip,
        "zone": instance.placement.zone,
        "state": ec2.state_of(instance),
        "target": state.of(instance.id).target_state,
        "role": role and role["name"],
        "userData": str(instance.user_data) if instance.user_data else None,
    }
