"""EC2 instances that are machines: pending until one runs, shutting down until it has ended."""

import copy
import time

from moto.core.utils import utcnow
from moto.ec2 import ec2_backends
from moto.ec2.models.instances import Instance, InstanceBackend
from state import region_state as state

PENDING, RUNNING, SHUTTING_DOWN, TERMINATED = ("pending", 0), ("running", 16), ("shutting-down", 32), ("terminated", 48)
STOPPING, STOPPED = ("stopping", 64), ("stopped", 80)


def backend():
    return ec2_backends[state.account][state.name]


def instances():
    return backend().all_instances()


def find(instance_id):
    """@raises KeyError when there is none"""
    for instance in instances():
        if instance.id == instance_id:
            return instance
    raise KeyError(instance_id)


def at_address(address):
    """@returns the instance that has it now, or None"""
    alive = (one for one in instances() if state_of(one) != "terminated")
    return next((one for one in alive if one.private_ip == address), None)


def state_of(instance):
    return instance._state.name


def set_state(instance, name_and_code):
    instance._state.name, instance._state.code = name_and_code
    state.bump()


_moto_run = InstanceBackend.run_instances
_moto_terminate = Instance.terminate


def run_instances(self, image_id, count, user_data, security_group_names, **options):
    reservation = _moto_run(self, image_id, count, user_data, security_group_names, **options)
    template = options.get("launch_template")
    data = self._get_template_from_args(template).data if template else {}
    for instance in reservation.instances:
        state.of(instance.id).template = data
        set_state(instance, PENDING)
    return reservation


def terminate(self):
    before = copy.copy(self._state)
    if before.name not in ("shutting-down", "terminated"):
        set_state(self, SHUTTING_DOWN)
    return before


def ended(instance):
    """Its machine is no more."""
    if state_of(instance) == "terminated":
        return
    _moto_terminate(instance)
    state.of(instance.id).terminated_at = time.monotonic()
    state.bump()


def forget_terminated():
    """EC2 knows a terminated instance for a while only."""
    now = time.monotonic()
    for reservation in list(backend().reservations.values()):
        reservation.instances = [one for one in reservation.instances if not _is_over(one, now)]
        if not reservation.instances:
            backend().reservations.pop(reservation.id, None)


def _is_over(instance, now):
    at = state.of(instance.id).terminated_at
    return at is not None and now - at > state.remembers_terminated


def status(self):
    """DescribeInstanceStatus: the one word that matters."""
    if self.state_code != RUNNING[1]:
        return {"Status": "not-applicable"}
    failed = state.of(self.id).impaired_since is not None
    details = {"Name": "reachability", "Status": "failed" if failed else "passed"}
    return {"Details": [details], "Status": "impaired" if failed else "ok"}


def stamp():
    return utcnow().strftime("%Y-%m-%dT%H:%M:%SZ")


InstanceBackend.run_instances = run_instances
Instance.terminate = terminate
Instance.instance_status = property(status)
Instance.system_status = property(status)
